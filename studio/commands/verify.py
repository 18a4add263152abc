"""The `verify` command: makes pictures again from the recipes in their files and says whether they are the same. No Qt.

Nothing is kept: no picture, no control picture, no row. What a picture carries inside is enough to make it again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.errors import BadInputImage, BadRecipe, StudioError, in_words
from studio.core.installed import Installed
from studio.core.paths import Folders
from studio.core.recipe import ImageRef, Recipe
from studio.core.verify import Verdict, Verification, verify, with_model_here

if TYPE_CHECKING:
    from studio.core.model_files import ModelFile
    from studio.core.picture import MadeWith
    from studio.core.pixels import Pixels
    from studio.engine import Engine, Progress

NOT_ALL_SAME, NOT_ALL_MADE = 1, 2  # exit statuses; 0: every picture is identical or close


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One file: what was found, or why nothing could be."""

    file: Path
    found: Verification | None = None
    problem: StudioError | None = None


def add_verify_command(commands: Any) -> None:  # Any: argparse keeps the type of its sub-parsers private
    """Declare `verify` and its options."""
    parser = commands.add_parser("verify", help="make pictures again and say whether they are the same")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.png", help="pictures of the studio")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to compute")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.set_defaults(command=verify_files)


def verify_files(arguments: argparse.Namespace) -> int:
    """Make each file's picture again. Returns 0 if all are identical or close, 1 if one is different, 2 if one could
    not be made."""
    maker = _Maker(arguments.folders, arguments.device)
    outcomes = []
    try:
        for file in arguments.files:
            outcomes.append(maker.outcome(file))
            if not arguments.json:
                print(_words(outcomes[-1]), flush=True)
    finally:
        maker.close()
    if arguments.json:
        print(json.dumps([_json(outcome) for outcome in outcomes], indent=1, ensure_ascii=False))
    return _status(outcomes)


def models_here(folders: Folders) -> tuple[Installed, ...]:
    """The base models that are here, with their digests as far as they were computed before. Walks the folders."""
    from studio.core.settings import load_settings
    from studio.engine.intake.places import make_library

    settings, _ = load_settings(folders.settings)
    return _installed(make_library(folders, settings).scan())


class _Maker:
    """Makes pictures again, over one engine. State: the engine, the models that are
    here, and the control pictures inside the file at hand."""

    def __init__(self, folders: Folders, device: str) -> None:
        self._folders, self._device = folders, device
        self._engine: Engine | None = None
        self._embedded: dict[str, bytes] = {}
        self._models: tuple[Installed, ...] = ()

    def outcome(self, file: Path) -> Outcome:
        """What becomes of one file; nothing is raised for a picture that cannot be made."""
        try:
            return Outcome(file=file, found=self._verified(file))
        except StudioError as error:
            return Outcome(file=file, problem=error)
        except Exception as error:  # whatever the libraries throw: the other files have their turn
            return Outcome(file=file, problem=in_words(error, "The picture could not be made", "Nothing was changed."))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _verified(self, file: Path) -> Verification:
        recipe, made_with, stored = self._read(file)
        engine = self._ready()
        rendered = _render(engine, with_model_here(recipe, made_with, self._models), file.name)
        return verify(stored, recipe, made_with, rendered.pixels, rendered.recipe or recipe, rendered.made_with)

    def _ready(self) -> Engine:
        if self._engine is None:
            from studio.core.settings import load_settings
            from studio.engine import make_engine
            from studio.engine.intake.places import all_folders, make_library
            from studio.state.plugin_room import PluginRoom

            folders = self._folders
            settings, _ = load_settings(folders.settings)
            library = make_library(folders, settings)
            self._models = _installed(library.scan())
            room = PluginRoom(folders, (folders.models, folders.files))
            places = all_folders(folders, settings)
            self._engine = make_engine(places, self._input, self._device, room, library=library)
        return self._engine

    def _read(self, file: Path) -> tuple[Recipe, MadeWith | None, Pixels]:
        from studio.gallery import png
        from studio.gallery.foreign.door import OURS, read_picture

        try:
            recipe, made_with, self._embedded = png.recipe_of(file)
        except BadRecipe:
            source = read_picture(file).source  # raises its own sentence where nothing is known
            if source == OURS:
                raise
            raise BadRecipe(
                f"It was made by {source}, which did not record its pixels and circumstances.",
                "Drop it onto the window to have its settings.",
            ) from None
        if made_with is not None and made_with.sheet:
            raise BadRecipe("It is a sheet drawn from other pictures, not made by a model.", "Verify its pictures.")
        return recipe, made_with, png.pixels_of(file)

    def _input(self, ref: ImageRef) -> bytes:
        """A control picture: the one inside the file, else the library's."""
        data = self._embedded.get(ref.digest)
        if data is not None and hashlib.sha256(data).hexdigest() == ref.digest:
            return data
        from studio.gallery.inputs import Inputs

        try:
            return Inputs(self._folders.inputs).read(ref)
        except BadInputImage as error:
            hint = "Put the picture back, or verify on the computer that it comes from."
            raise BadInputImage("A control picture is neither in the file nor here.", hint, error.detail) from None


def _installed(models: Iterable[ModelFile]) -> tuple[Installed, ...]:
    bases = (model for model in models if model.is_base)
    return tuple(Installed(name=model.name, digests=(model.sha256,) if model.sha256 else ()) for model in bases)


def _render(engine: Engine, recipe: Recipe, name: str) -> Any:  # Any: `Rendered`; the engine is imported late
    from tqdm import tqdm

    with tqdm(total=recipe.steps, file=sys.stderr, unit="step", leave=False, desc=name) as bar:

        def show(progress: Progress) -> bool:
            bar.update(progress.step - bar.n)
            return True

        return engine.render(recipe, show)


def _status(outcomes: Sequence[Outcome]) -> int:
    if any(outcome.found is None for outcome in outcomes):
        return NOT_ALL_MADE
    return 0 if all(outcome.found and outcome.found.holds for outcome in outcomes) else NOT_ALL_SAME


def _words(outcome: Outcome) -> str:
    found = outcome.found
    if found is None:
        return f"{outcome.file}  not verified: {outcome.problem}"
    lines = [f"{outcome.file}  {found.verdict}{_apart(found)}"]
    if found.retouched:
        lines.append("  The file’s pixels were changed after it was saved.")
    lines += [f"  {change.name}: {change.before} then, {change.after} now" for change in found.changes]
    if not found.holds and not found.changes:
        lines.append("  No recorded circumstance has changed.")
    return "\n".join(lines)


def _apart(found: Verification) -> str:
    apart = found.distance
    if found.verdict is Verdict.IDENTICAL or apart is None:
        return "" if apart is not None else ": another size"
    return f": PSNR {apart.psnr:.1f} dB, at most {apart.largest} of 255, {apart.share:.1%} of the values differ"


def _json(outcome: Outcome) -> dict[str, object]:
    found, problem = outcome.found, outcome.problem
    if found is None:
        said = "" if problem is None else str(problem)
        return {"file": str(outcome.file), "verdict": None, "problem": said}
    apart = found.distance
    return {
        "file": str(outcome.file),
        "verdict": found.verdict.value,
        "psnr": None if apart is None or math.isinf(apart.psnr) else round(apart.psnr, 2),
        "largest_difference": None if apart is None else apart.largest,
        "share_differing": None if apart is None else round(apart.share, 6),
        "retouched": found.retouched,
        "changed_since": [
            {"what": change.name, "then": change.before, "now": change.after} for change in found.changes
        ],
    }
