"""The `models` and `convert` commands: what is in the model folders, and a pickle made into a .safetensors file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from studio.core.model_files import ModelFile
from studio.core.settings import load_settings


def add_models_commands(commands: Any) -> None:  # Any: argparse keeps the type of its sub-parsers private
    """Declare `models` and `convert`."""
    models = commands.add_parser("models", help="list what lies in the model folders, and what each thing is")
    models.add_argument("--json", action="store_true", help="print one JSON list")
    models.add_argument(
        "--digests", action="store_true", help="compute the digests that are not known yet (reads all files)"
    )
    models.set_defaults(command=_models)
    convert = commands.add_parser(
        "convert",
        help="make a .safetensors file of a .ckpt, .pt, .pth or .bin file",
        description="Opens a pickle with torch's restricted unpickler, in this process only. Do it for files you trust.",
    )
    convert.add_argument("file", type=Path, metavar="FILE")
    convert.add_argument("target", type=Path, nargs="?", metavar="FILE.safetensors")
    convert.set_defaults(command=_convert)


def _models(arguments: argparse.Namespace) -> int:
    from studio.engine.intake.places import make_library

    settings, _notice = load_settings(arguments.folders.settings)
    library = make_library(arguments.folders, settings)
    library.scan()
    if arguments.digests:
        for file in library.undigested():
            library.digest(file)
        library.keep()
    found = sorted(library.installed(), key=lambda file: (bool(file.problem), file.kind, file.name.casefold()))
    if arguments.json:
        print(json.dumps([_row(file) for file in found], ensure_ascii=False))
        return 0
    for file in found:
        what = file.problem or "  ".join(filter(None, (file.kind, file.family, file.traits.variant)))
        print(f"{file.name:<40}  {file.size / 1e6:>9,.1f} MB  {file.sha256[:10]:<10}  {what}")
    return 0


def _row(file: ModelFile) -> dict[str, object]:
    traits = file.traits
    return {
        "name": file.name, "kind": file.kind, "family": file.family, "variant": traits.variant, "prediction": traits.prediction,
        "zero_snr": traits.zero_snr, "layout": traits.layout, "dtype": traits.dtype, "bytes": file.size, "sha256": file.sha256,
        "triggers": list(file.triggers), "file": str(file.path), "problem": file.problem, "asked": list(file.asked),
    }  # fmt: skip


def _convert(arguments: argparse.Namespace) -> int:
    from studio.engine.libraries import load_torch

    load_torch()
    from studio.engine.diffusion.convert import convert

    target = arguments.target or arguments.file.with_suffix(".safetensors")
    count = convert(arguments.file, target)
    print(f"{target}: {count:,} tensors")
    return 0
