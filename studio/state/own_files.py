"""Files of the artist's that plugins work with (a LoRA, a word list): named by digest, kept where any recipe finds them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path

from studio.core.errors import StorageProblem, StudioError
from studio.core.own_root import make_folders
from studio.core.recipe import FileRef
from studio.state.background import Background

OFFERED_MAX = 200


class OwnFiles:
    """Takes files in, off the UI thread. `folder` keeps copies; files below `known` folders stay where they are, and
    those below the `shown` ones (all that are known, if not told) are offered.

    Both may be lists that change: they are gone through anew each time. A plugin's own folder is known for its own
    layers: there lie the files that ship with it.
    """

    def __init__(
        self, folder: Path, known: Iterable[Path], background: Background, shown: Iterable[Path] | None = None
    ) -> None:
        self._folder, self._known, self._background = folder, known, background
        self._shown = known if shown is None else shown

    def take(
        self, source: Path, plugin: str, done: Callable[[FileRef], None], failed: Callable[[StudioError], None]
    ) -> None:
        """Call `done(ref)` or `failed(error)` on the UI thread once the file is read and kept. `plugin`: its folder."""
        known = (*self._known, *((Path(plugin),) if plugin else ()))
        self._background.run(partial(keep_file, source, self._folder, known), done, failed)

    def offered(self, plugin: str, suffixes: tuple[str, ...], done: Callable[[tuple[Path, ...]], None]) -> None:
        """Call `done(files)` with the files at hand: those that ship with the plugin, then the artist's own."""
        folders = (*((Path(plugin) / "mini",) if plugin else ()), *self._shown, self._folder)
        self._background.run_latest("offered", partial(files_in, folders, suffixes), done)


def keep_file(source: Path, folder: Path, known: tuple[Path, ...]) -> FileRef:
    """The file by name and SHA-256, after a copy of it lies in `folder` unless it lies below `known`.

    Raises `StorageProblem`. A file of the same name and other bytes goes into a sub-folder named by its digest.
    """
    from studio.plugins.files import digest_of

    try:
        ref = FileRef(name=source.name, sha256=digest_of(source))
        if not any(source.resolve().is_relative_to(place.resolve()) for place in (folder, *known)):
            _copy(source, folder, ref)
    except OSError as error:
        hint = "Nothing was changed. Check that the file can be read and the disk has room."
        raise StorageProblem(f"The file {source.name} could not be taken in.", hint, str(error)) from error
    return ref


def files_in(folders: tuple[Path, ...], suffixes: tuple[str, ...]) -> tuple[Path, ...]:
    """Files below these folders that end in one of `suffixes`, each folder by name; at most 200."""
    found: list[Path] = []
    for folder in folders:
        with contextlib.suppress(OSError):
            fit = (file for file in folder.rglob("*") if file.name.lower().endswith(suffixes) and file.is_file())
            found += sorted(islice(fit, OFFERED_MAX - len(found)), key=lambda file: file.name.casefold())
    return tuple(found) if suffixes else ()


def _copy(source: Path, folder: Path, ref: FileRef) -> None:
    from studio.plugins.files import digest_of

    target = folder / ref.name
    if target.exists() and digest_of(target) != ref.sha256:
        target = folder / ref.sha256[:12] / ref.name
    if target.exists():
        return
    make_folders(target.parent)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
