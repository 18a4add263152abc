"""`main.py export FILES... --to FOLDER`: the window's export without a window, in words or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from studio.core.errors import BadInputImage
from studio.core.export import PATTERN, PLACEHOLDERS, Caption, ExportFormat, ExportReport, ExportWish, SheetWish

_FORMATS = {"png": ExportFormat.PNG, "jpeg": ExportFormat.JPEG, "jpg": ExportFormat.JPEG, "webp": ExportFormat.WEBP}


def add_export_command(commands: Any) -> None:  # Any: argparse keeps the type of its sub-parsers private
    """Declare `export` and its options."""
    parser = commands.add_parser("export", help="write pictures for other people, without a trace of this machine")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="pictures of the studio, or any others")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where to; nothing is overwritten")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="png", help="kind of file (png)")
    parser.add_argument("--quality", type=_quality, default=90, metavar="N", help="1 to 100, of JPEG and WebP (90)")
    parser.add_argument("--lossless", action="store_true", help="WebP without any loss")
    parser.add_argument("--no-recipe", action="store_true", help="only pixels: nothing says how they were made")
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    parser.add_argument("--names", default=PATTERN, metavar="PATTERN", help=f"of {known} (“{PATTERN}”)")
    parser.add_argument("--sheet", type=_columns, metavar="COLUMNS", help="one contact sheet with so many columns")
    captions = tuple(kind.value for kind in Caption)
    parser.add_argument("--captions", choices=captions, default="prompt", help="under the pictures of a contact sheet")
    parser.add_argument("--title", default="", metavar="TEXT", help="of a contact sheet")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=export_files)


def export_files(arguments: argparse.Namespace) -> int:
    """Export as asked. Returns 0, or 1 if a picture had to be left out."""
    from studio.gallery.contact import export_sheet
    from studio.gallery.export import export_all

    wish = ExportWish(
        format=_FORMATS[arguments.format],
        quality=arguments.quality,
        lossless=arguments.lossless,
        with_recipe=not arguments.no_recipe,
        pattern=arguments.names,
    )
    missing = [file.name for file in arguments.files if not file.exists()]
    if missing:
        raise BadInputImage(f"“{missing[0]}” does not exist; nothing was written.", "Look at the name again.")
    if arguments.sheet is None:
        report = export_all(arguments.files, wish, arguments.to)
    else:
        sheet = SheetWish(columns=arguments.sheet, caption=Caption(arguments.captions), title=arguments.title)
        report = export_sheet(arguments.files, sheet, wish, arguments.to)
    _tell(report, arguments.to, arguments.json)
    return 1 if report.problems else 0


def _tell(report: ExportReport, folder: Path, as_json: bool) -> None:
    files = [str(folder / name) for name in report.files]
    if as_json:
        card = {"files": files, "left_out": list(report.problems), "notes": list(report.notes)}
        print(json.dumps(card, ensure_ascii=False))
        return
    for file in files:
        print(file)
    for words in (*report.problems, *report.notes):
        print(words, file=sys.stderr)


def _quality(text: str) -> int:
    return _within(text, 1, 100, "a quality")


def _columns(text: str) -> int:
    return _within(text, 1, 24, "a number of columns")


def _within(text: str, low: int, high: int, what: str) -> int:
    if text.isascii() and text.isdigit() and low <= int(text[:6]) <= high:
        return int(text)
    raise argparse.ArgumentTypeError(f"“{text[:20]}” is not {what} from {low} to {high}")
