"""The artist's weight files as rows for a view: scanned, digested and previewed off the UI thread."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QImage

from studio.core.advice import Advice, few_step_advice
from studio.core.errors import StudioError
from studio.core.installed import Installed
from studio.core.model_files import Family, Kind, ModelFile, Prediction, fits
from studio.engine.intake.digests import Stopped
from studio.engine.intake.library import Library
from studio.engine.intake.walk import comfy_folders
from studio.state.background import Background

PREVIEWS_MAX = 300
LARGE = 50_000_000  # bytes: what takes long to read is named while it is read
PATIENCE_SECONDS = 0.2
TAKE_SECONDS = 0.5  # digests come by the thousand; rows are shown afresh at most so often
ReadPreview = Callable[[Path], QImage]  # called in the background; raises StudioError
Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows are shown. `kind` None: all that can be used; UNKNOWN: all that cannot. `base`: only what goes with it."""

    text: str = ""
    kind: Kind | None = None
    family: Family = Family.UNKNOWN
    base: Family = Family.UNKNOWN

    def lets(self, file: ModelFile) -> bool:
        """Whether a file is shown."""
        if self.kind is Kind.UNKNOWN:
            if not file.problem:
                return False
        elif file.problem or (self.kind is not None and file.kind is not self.kind):
            return False
        if self.family is not Family.UNKNOWN and file.family not in (self.family, Family.ANY):
            return False
        if self.base is not Family.UNKNOWN and not fits(file, self.base):
            return False
        words = self.text.casefold().split()
        return all(word in _searched(file) for word in words)


class ModelsModel(QAbstractListModel):
    """Rows are what `filter` lets through, by name. All methods belong to the UI thread and return at once.

    Mutable state: `_all` (the last scan), `_rows` (shown), `_previews` (least recently used first), `_stop`.

    Signals: `changed()` - files, digests or what is at work; `failed(StudioError)`.
    """

    FileRole = Qt.ItemDataRole.UserRole + 1
    PreviewRole = Qt.ItemDataRole.UserRole + 2
    changed = Signal()
    failed = Signal(object)

    def __init__(
        self,
        library: Library,
        scans: Background,
        digests: Background,
        read_preview: ReadPreview,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._library, self._scans, self._digests, self._read_preview = library, scans, digests, read_preview
        self._all: tuple[ModelFile, ...] = ()
        self._rows: list[ModelFile] = []
        self._filter = Filter()
        self._previews: OrderedDict[Path, QImage | None] = OrderedDict()
        self._reading: set[Path] = set()  # previews on their way
        self._stop = threading.Event()
        self._free = threading.Event()  # cleared while digests wait
        self._free.set()
        self._taken_at = 0.0
        self._busy = False
        self._known = False
        self._digesting = ""

    # What is known
    @property
    def files(self) -> tuple[ModelFile, ...]:
        """All that was found, shown or not."""
        return self._all

    @property
    def filter(self) -> Filter:
        return self._filter

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where models are looked for."""
        return self._library.folders

    @property
    def busy(self) -> bool:
        """Whether the folders are being walked."""
        return self._busy

    @property
    def known(self) -> bool:
        """Whether they were walked at all."""
        return self._known

    @property
    def digesting(self) -> str:
        """The name of the file whose digest is being computed, or ""."""
        return self._digesting

    def bases(self) -> tuple[ModelFile, ...]:
        """Base models that can be used: what ships, then the artist's own, by family and name."""
        order = list(Family)
        usable = (file for file in self._all if file.is_base)
        return tuple(sorted(usable, key=lambda f: (not f.ships, order.index(f.family), f.name.casefold())))

    def find(self, name: str, kind: Kind = Kind.CHECKPOINT) -> ModelFile | None:
        """The thing of this name, or None."""
        return next((file for file in self._all if file.name == name and file.kind is kind and not file.problem), None)

    def learn(self) -> None:
        """Take over digests that others computed meanwhile: who loads a model reads it anyway."""
        now = self._library.installed()
        if self._known and not self._busy and now is not self._all:
            self._take(now)

    def installed(self) -> tuple[Installed, ...]:
        """Name and digest of base models, VAEs and ControlNets, as what pictures name is matched with them."""
        parts = (file for file in self._all if file.kind in (Kind.VAE, Kind.CONTROLNET) and not file.problem)
        return tuple(
            Installed(name=file.name, digests=(file.sha256,) if file.sha256 else (), is_base=file.is_base)
            for file in (*self.bases(), *parts)
        )

    def has(self, *places: str) -> bool:
        """Whether something usable lies at one of these places below a model folder ("loras/x.safetensors")."""
        ends = tuple(f"/{place}" for place in places)
        return any(f"/{file.path.as_posix()}".endswith(ends) and not file.problem for file in self._all)

    def counts(self) -> dict[Kind, int]:
        """How many of each kind can be used; under UNKNOWN how many of all kinds cannot."""
        found: dict[Kind, int] = {}
        for file in self._all:
            kind = Kind.UNKNOWN if file.problem else file.kind
            found[kind] = found.get(kind, 0) + 1
        return found

    def file(self, index: Index) -> ModelFile:
        return self._rows[index.row()]

    def row_of(self, path: Path) -> int:
        """The row of a path, -1 if it is not shown."""
        return next((row for row, file in enumerate(self._rows) if file.path == path), -1)

    def row_at(self, place: str) -> int:
        """The first row at or below a place within any model folder ("vae/mine", "loras/x.safetensors"), else of a file
        of that name; -1 if none is shown."""
        paths = [f"/{file.path.as_posix()}/" for file in self._rows]
        name = place.rpartition("/")[2]
        within = next((row for row, path in enumerate(paths) if f"/{place}/" in path), -1)
        return (
            within if within >= 0 else next((row for row, path in enumerate(paths) if path.endswith(f"/{name}/")), -1)
        )

    def preview(self, path: Path) -> QImage | None:
        """The picture beside a model, or None for now; `dataChanged` tells when it is worth asking again."""
        if path in self._previews:
            self._previews.move_to_end(path)
            return self._previews[path]
        if path in self._reading:
            return None
        self._reading.add(path)
        read = self._read_preview
        self._scans.run_latest(
            f"preview {path}",
            lambda: read(path),
            partial(self._keep_preview, path),
            lambda _: self._keep_preview(path, None),
        )
        return None

    # Wishes
    def set_filter(self, filter: Filter) -> None:
        """Show other rows."""
        self._filter = filter
        self._show()

    def rescan(self) -> None:
        """Walk the folders again."""
        self._busy = True
        self.changed.emit()
        stop = self._stop.is_set
        self._scans.run_latest("scan", lambda: self._library.scan(stop), self._on_scanned, self._on_failed)

    def set_folders(self, folders: Iterable[Path]) -> None:
        """Look elsewhere."""
        self._library.set_folders(folders)
        self.rescan()

    def answer(
        self,
        file: ModelFile,
        prediction: Prediction | None = None,
        zero_snr: bool | None = None,
        family: Family | None = None,
    ) -> None:
        """Remember what the artist says of a file."""
        work = partial(self._library.answer, file, prediction=prediction, zero_snr=zero_snr, family=family)
        self._scans.run(work, lambda _: self._take(self._library.installed()), self.failed.emit)

    def read_comfy(self, file: Path, done: Callable[[tuple[Path, ...]], None]) -> None:
        """Call `done(folders)` with those that a ComfyUI list of folders names."""
        self._scans.run(partial(comfy_folders, file), done, self.failed.emit)

    def hold(self, on: bool) -> None:
        """Let digests wait, or go on: processor and disk belong to a picture that is being made."""
        if on:
            self._free.clear()
        else:
            self._free.set()

    def close(self) -> None:
        """Stop reading and keep what is known; the threads can be closed then."""
        self._stop.set()
        if self._known:
            self._digests.run(self._library.keep, lambda _: None)

    def _on_scanned(self, files: tuple[ModelFile, ...]) -> None:
        self._busy, self._known = False, True
        self._take(files)
        self._digest_next()

    def _on_failed(self, error: StudioError) -> None:
        self._busy = False
        self.failed.emit(error)
        self.changed.emit()

    def _take(self, files: tuple[ModelFile, ...]) -> None:
        self._all = files
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        shown = sorted(filter(self._filter.lets, self._all), key=lambda file: (file.name.casefold(), str(file.path)))
        if [file.path for file in shown] == [file.path for file in self._rows]:
            self._rows = shown
            if shown:
                self.dataChanged.emit(self.index(0), self.index(len(shown) - 1))
            return
        self.beginResetModel()
        self._rows = shown
        self.endResetModel()

    def _digest_next(self) -> None:
        """One file after the other, the smallest first, for as long as any has no digest."""
        if self._digesting or self._stop.is_set():
            return
        waiting = self._library.undigested()
        if not waiting:
            self._digests.run_latest("keep", self._library.keep, lambda _: None)
            self.changed.emit()
            return
        file = waiting[0]
        self._digesting = file.name
        work = partial(_digest, self._library, file, self._stop, self._free)
        self._digests.run_latest("digest", work, self._on_digest, self._on_digest_failed)
        if file.size > LARGE or time.monotonic() - self._taken_at > TAKE_SECONDS:
            self.changed.emit()

    def _on_digest(self, done: bool) -> None:
        self._digesting = ""
        if not done:
            return
        now = time.monotonic()
        if now - self._taken_at > TAKE_SECONDS or not self._library.undigested():
            self._taken_at = now
            self._take(self._library.installed())
        self._digest_next()

    def _on_digest_failed(self, _error: StudioError) -> None:
        self._digesting = ""  # changed or gone while it was read: the next scan will see it
        self.changed.emit()

    def _keep_preview(self, path: Path, image: QImage | None) -> None:
        self._reading.discard(path)
        self._previews[path] = image
        while len(self._previews) > PREVIEWS_MAX:
            self._previews.popitem(last=False)
        for row, file in enumerate(self._rows):
            if file.preview == path:
                self.dataChanged.emit(self.index(row), self.index(row), [self.PreviewRole])
                break

    # Qt overrides
    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        file = self._rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return file.name
        if role == self.FileRole:
            return file
        if role == self.PreviewRole:
            return self.preview(file.preview) if file.preview is not None else None
        return None


def _digest(library: Library, file: ModelFile, stop: threading.Event, free: threading.Event) -> bool:
    """False if it was stopped. Between two pieces it waits until it is `free` to read."""

    def held() -> bool:
        while not free.wait(PATIENCE_SECONDS) and not stop.is_set():
            pass
        return stop.is_set()

    try:
        library.digest(file, held)
    except Stopped:
        return False
    return True


def _searched(file: ModelFile) -> str:
    parts = (file.name, file.traits.title, *file.triggers, file.notes, file.path.name, file.path.parent.name)
    return "\n".join(parts).casefold()


def advice_of(file: ModelFile) -> Advice | None:
    """The settings that a few-step model was made for."""
    return few_step_advice(file.traits.variant, file.name) if file.is_base else None
