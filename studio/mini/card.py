"""Writes what was measured into the model card: the table, 24 captions with their pictures, the distances by steps.

Each part stands between two marks, so that it can be written again; the words around them are a person's.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from studio.mini import export
from studio.mini.distribution import as_markdown as distribution_markdown
from studio.mini.drawings import FIXED_PROMPTS
from studio.mini.sheet import draw_sheet
from studio.mini.table import Report, as_markdown

PARTS = ("figures", "samples", "distribution")
SHEET, PLOT = "sheet.png", "distribution.png"
HEADINGS = {"figures": "## Figures", "samples": "## Samples", "distribution": "## Distance to the drawings by steps"}
BEFORE = "## Licence and use"
"""New sections come before this one."""


def write_card(
    model: Path, report: Report | None, distribution: Path | None, seed: int = 1, sheet: bool = True
) -> Path:
    """Writes the parts that are given into the model's card, then its digests; returns the card.

    `report` is evaluate's, `distribution` the folder in which `mini distribution` left its files. Raises
    FileNotFoundError when that folder has none.
    """
    card = model / export.CARD
    text = card.read_text(encoding="utf-8") if card.exists() else "# Studio Mini\n"
    if report is not None:
        text = replace_part(
            text, "figures", f"`uv run main.py mini evaluate`, held-out scenes.\n\n{as_markdown(report)}"
        )
    if distribution is not None:
        measured = json.loads((distribution / "distribution.json").read_text(encoding="utf-8"))
        shutil.copyfile(distribution / PLOT, model / PLOT)
        text = replace_part(text, "distribution", f"![FID by steps]({PLOT})\n\n{distribution_markdown(measured)}")
    if sheet:
        draw_sheet(model, model / SHEET, seed=seed)
        text = replace_part(text, "samples", samples_part(seed))
    export.write_text(card, text)
    export.update_card(model)
    return card


def samples_part(seed: int) -> str:
    """The sheet and its 24 captions as text, in the sheet's order of columns."""
    rows = [f"{number}. {english} / {chinese}" for number, (english, chinese) in enumerate(FIXED_PROMPTS, 1)]
    head = f"One picture of each caption, first seed {seed}, English above Chinese; nothing was picked out."
    return "\n".join([f"![sample sheet]({SHEET})", "", head, "", *rows])


def replace_part(text: str, part: str, body: str) -> str:
    """The card with `body` between the part's marks. A card without them gets the part under its heading.

    What stood below that heading before, up to the next one, was the same figures written by hand: it goes.
    """
    start, end = f"<!-- {part} -->", f"<!-- /{part} -->"
    block = f"{start}\n{body}\n{end}"
    if start in text and end in text:
        head, rest = text.split(start, 1)
        return head + block + rest.split(end, 1)[1]
    heading = HEADINGS[part]
    section = f"{heading}\n\n{block}\n\n"
    if f"\n{heading}\n" in text:
        head, rest = text.split(f"\n{heading}\n", 1)
        following = rest.find("\n## ")
        return f"{head}\n{section}{rest[following + 1 :] if following >= 0 else ''}"
    if BEFORE in text:
        head, rest = text.split(BEFORE, 1)
        return f"{head}{section}{BEFORE}{rest}"
    return f"{text.rstrip()}\n\n{section}"
