"""All weight files that are here: found in the artist's folders, remembered, and found again by name or by digest."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from studio.core.errors import ModelMissing, StudioError
from studio.core.model_files import Family, Kind, ModelFile, Prediction
from studio.engine.intake import cache
from studio.engine.intake.cache import Remembered, answered
from studio.engine.intake.digests import digest_file, digest_folder
from studio.engine.intake.look import look, mark_of, measure, questions, with_neighbours
from studio.engine.intake.pipelines import INDEX, component_stem
from studio.engine.intake.said import Said
from studio.engine.intake.walk import Candidate, find_candidates

Stop = Callable[[], bool]
KEEP_SECONDS = 5.0


def never() -> bool:
    """Do not stop."""
    return False


def nothing() -> None:
    """Nobody wants to stop."""


def _asking(poll: Callable[[], None]) -> Stop:
    def stop() -> bool:
        poll()
        return False

    return stop


class Library:
    """Thread-safe. `folders` are searched in order; `ships` is the one among them that comes with the studio.

    Mutable state, guarded by `_lock`: `_found` (the last scan), `_memory` (by path, read from disk at the
    first scan), `_scanned`.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        memory: Path | None = None,
        ships: Path | None = None,
        said: Said | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._telling = threading.Lock()
        self._said = said or Said()
        self._folders = tuple(folders)
        self._file, self._ships = memory, ships
        self._memory: dict[str, Remembered] = {}
        self._loaded = memory is None
        self._kept_at = 0.0
        self._found: tuple[ModelFile, ...] = ()
        self._scanned = False

    @property
    def folders(self) -> tuple[Path, ...]:
        return self._folders

    @property
    def scanned(self) -> bool:
        """Whether the folders as they are now were walked."""
        return self._scanned

    def set_folders(self, folders: Iterable[Path]) -> None:
        """Search these from the next scan on."""
        with self._lock:
            self._folders, self._scanned = tuple(folders), False

    def installed(self) -> tuple[ModelFile, ...]:
        """What the last scan found. Returns at once."""
        with self._lock:
            return self._found

    def scan(self, stop: Stop = never) -> tuple[ModelFile, ...]:
        """Walk the folders. Files that did not change since they were last looked into are not opened."""
        with self._lock:
            folders = self._folders
            if not self._loaded and self._file is not None:  # here, not in the window's thread
                self._memory, self._loaded = cache.load(self._file), True
            moved = {(one.size, one.mtime_ns, one.mark): one for one in self._memory.values()}
        found: list[ModelFile] = []
        seen: set[Path] = set()
        for folder in folders:
            for candidate in find_candidates(folder, stop):
                if candidate.path not in seen:
                    seen.add(candidate.path)
                    with contextlib.suppress(OSError):  # gone since, or not ours to read: then it is not there
                        file = self._look(candidate, folder, moved)
                        if not (file.ships and file.problem):  # what ships beside models: configs without weights
                            found.append(file)
        with self._lock:
            if not stop() and folders == self._folders:
                # Digests and answers may have come while the folders were walked.
                self._found = tuple(_refreshed(file, self._memory[str(file.path)]) for file in found)
                self._scanned = True
        self._keep(0.0)
        return self.installed()

    def find(
        self, name: str, sha256: str = "", kind: Kind = Kind.CHECKPOINT, poll: Callable[[], None] = nothing
    ) -> ModelFile:
        """The thing of this digest, wherever it lies and whatever it is called now; else of this name.

        Scans once if that was never done. A `sha256` of 8 and more digits may be the beginning of one. If there is
        nothing of either, what has no digest yet is read for it; `poll()` is called meanwhile and may raise to stop it.
        Raises `ModelMissing`, also for one that is there but cannot be used.
        """
        if not self._scanned:
            self.scan()
        ofkind = [
            file for file in self.installed() if file.kind is kind or (file.problem and file.kind is Kind.UNKNOWN)
        ]
        same = [file for file in ofkind if len(sha256) >= 8 and file.sha256.startswith(sha256)]
        named = [file for file in ofkind if file.name == name] or [file for file in ofkind if file.path.name == name]
        usable = [file for file in (*same, *named) if not file.problem]
        if usable:
            return self._still_there(usable[0])
        if len(sha256) >= 8 and (moved := self._by_reading(sha256, kind, poll)) is not None:
            return moved
        if named:
            raise ModelMissing(f"The model “{name}” cannot be used. {named[0].problem}")
        known = ", ".join(dict.fromkeys(file.name for file in ofkind if not file.problem)) or "none"
        raise ModelMissing(f"There is no model named “{name}”.", f"Models found: {known[:600]}.")

    def undigested(self) -> tuple[ModelFile, ...]:
        """What of the artist's own has no digest yet and can be used, the smallest first."""
        waiting = (file for file in self.installed() if not (file.sha256 or file.problem or file.ships))
        return tuple(sorted(waiting, key=lambda file: file.size))

    def digest(self, file: ModelFile, stop: Stop = never, told: Callable[[int], None] | None = None) -> ModelFile:
        """The file with its digest, computed and remembered. Raises `digests.Stopped`, and `ModelMissing` if it is gone."""
        key = str(file.path)
        with self._lock:
            files = tuple(Path(part) for part in self._memory[key].files) if key in self._memory else (file.path,)
        try:
            if measure(files) != (file.size, file.mtime_ns):
                raise ModelMissing(f"“{file.name}” was changed since it was found.", "Look for models again.")
            sha256 = digest_folder(files, stop, told) if file.path.is_dir() else digest_file(file.path, stop, told)
        except OSError as error:
            raise ModelMissing(f"“{file.name}” cannot be read.", "Nothing was changed.", str(error)) from None
        return self._remember_digest(key, sha256)

    def known_digest(self, file: ModelFile, poll: Callable[[], None]) -> str:
        """The digest of a file that is about to be loaded: as remembered, else computed now and remembered.

        `poll()` is called between pieces and may raise to stop it. Raises `ModelMissing` as `digest` does. A file that
        was changed since the last scan is looked for anew, once.
        """
        with self._lock:
            known = self._memory.get(str(file.path))
            parts = tuple(Path(part) for part in known.files) if known is not None else (file.path,)
        with contextlib.suppress(OSError):
            if measure(parts) != (file.size, file.mtime_ns):
                self.scan()
                file = self.find(file.name, "", file.kind)
        if not file.sha256:
            file = self.digest(file, _asking(poll))
            self._keep(0.0)
        return file.sha256

    def answer(
        self,
        file: ModelFile,
        prediction: Prediction | None = None,
        zero_snr: bool | None = None,
        family: Family | None = None,
    ) -> ModelFile:
        """Remember what the artist says of a file. Raises `StudioError` if the file is no longer known."""
        said: dict[str, str] = {}
        if prediction is not None:
            said["prediction"] = prediction.value
        if zero_snr is not None:
            said["zero_snr"] = "yes" if zero_snr else "no"
        if family is not None:
            said["family"] = family.value
        with self._lock:
            key = str(file.path)
            if key not in self._memory:
                raise StudioError(f"“{file.name}” is no longer known.", "Look for models again.")
            answers = tuple(sorted((dict(self._memory[key].answers) | said).items()))
            self._memory[key] = replace(self._memory[key], answers=answers)
        self._tell(key)
        return self._change(key, 0.0)

    def take_in(self, path: Path) -> ModelFile:
        """A file or folder that lies anywhere, before all that lies in the folders.

        Its digest is read if the artist has said something of any: it may be of this one. Raises `OSError` if it is
        gone, `ModelMissing` if it changes meanwhile.
        """
        if not self._scanned:
            self.scan()
        names = frozenset(entry.name for entry in (path if path.is_dir() else path.parent).iterdir())
        name = path.name if path.is_dir() else path.stem
        stem = component_stem(path, names) if path.is_dir() and INDEX not in names else ""
        file = self._look(Candidate(path, name, path.is_dir(), stem, names), path.parent, {})
        with self._lock:
            self._found = (file, *(other for other in self._found if other.path != path))
        return file if file.sha256 or file.problem or not self._said.anything else self.digest(file)

    def _remember_digest(self, key: str, sha256: str) -> ModelFile:
        """With it comes what was said of the same bytes elsewhere, and what was said of these is kept by it."""
        elsewhere = self._said.of(sha256)
        with self._lock:  # what is answered meanwhile must not be lost
            known = self._memory[key]
            self._memory[key] = replace(known, sha256=sha256, answers=known.answers or elsewhere)
        self._tell(key)
        return self._change(key, KEEP_SECONDS)

    def _tell(self, key: str) -> None:
        """Keep by digest what was said of a file: what stands in the memory now, whoever comes last."""
        with self._telling:  # not `_lock`, which the window waits for: this waits for the disk
            with self._lock:
                known = self._memory[key]
            self._said.put(known.sha256, known.answers)

    def _by_reading(self, sha256: str, kind: Kind, poll: Callable[[], None]) -> ModelFile | None:
        """The file of this digest among those that have none yet: moved and renamed since, and never read here."""
        for file in self.undigested():
            if file.kind is kind:
                with contextlib.suppress(ModelMissing):  # gone meanwhile: not this one
                    digested = self.digest(file, _asking(poll))
                    if digested.sha256.startswith(sha256):
                        self._keep(0.0)
                        return digested
        return None

    def _still_there(self, file: ModelFile) -> ModelFile:
        if not file.path.exists():
            hint = "Put it back, or point the studio at the folder where it lies now."
            raise ModelMissing(f"The model “{file.name}” is no longer where it was found.", hint, str(file.path))
        return file

    def _look(self, candidate: Candidate, folder: Path, moved: dict[tuple[int, int, str], Remembered]) -> ModelFile:
        key = str(candidate.path)
        ships = self._ships is not None and folder == self._ships
        known = self._memory.get(key)
        if known is not None and _unchanged(known, candidate):
            file = _of(known, candidate, folder, ships)
        else:
            file, files = look(candidate, folder, ships)
            mark = mark_of(files)
            before = known if known is not None and known.mark == mark else moved.get((file.size, file.mtime_ns, mark))
            same = before is not None and (before.size in (file.size, -1)) and before.mtime_ns == file.mtime_ns
            entry = Remembered(
                size=file.size,
                mtime_ns=file.mtime_ns,
                mark=mark,
                traits=file.traits,
                files=tuple(str(part) for part in files),
                sha256=before.sha256 if before is not None and same else "",
                answers=before.answers if before is not None else (),
            )
            with self._lock:
                self._memory[key] = entry
            file = _of(entry, candidate, folder, ships)
        return with_neighbours(file, candidate.names)

    def keep(self) -> None:
        """Write away what is remembered."""
        self._keep(0.0)

    def _change(self, key: str, keep_seconds: float, **changes: object) -> ModelFile:
        with self._lock:
            self._memory[key] = replace(self._memory[key], **changes)  # type: ignore[arg-type]  # fields of Remembered
            made: list[ModelFile] = []
            changed: ModelFile | None = None
            for file in self._found:
                if str(file.path) == key:
                    file = changed = _refreshed(file, self._memory[key])
                made.append(file)
            self._found = tuple(made)
        self._keep(keep_seconds)
        if changed is None:
            raise StudioError("The file is no longer among the models.", "Look for models again.")
        return changed

    def _keep(self, seconds: float) -> None:
        """Write the memory away, unless that was done less than `seconds` ago: digests come by the thousand."""
        now = time.monotonic()
        if self._file is None or now - self._kept_at < seconds:
            return
        self._kept_at = now
        with self._lock:
            memory = dict(self._memory)
        with contextlib.suppress(OSError):  # a full disk costs looking again, nothing more
            cache.save(self._file, memory)


def _unchanged(known: Remembered, candidate: Candidate) -> bool:
    """Whether a file need not be opened. Folders are always looked into: they have many small parts that may change."""
    if candidate.is_folder:
        return False
    files = tuple(Path(part) for part in known.files) or (candidate.path,)
    with contextlib.suppress(OSError):
        return measure(files) == (known.size, known.mtime_ns)
    return False


def _of(known: Remembered, candidate: Candidate, folder: Path, ships: bool) -> ModelFile:
    plain = ModelFile(
        path=candidate.path,
        name=candidate.name,
        size=known.size,
        mtime_ns=known.mtime_ns,
        traits=known.traits,
        folder=folder,
        ships=ships,
    )
    return _refreshed(plain, known)


def _refreshed(file: ModelFile, known: Remembered) -> ModelFile:
    """The file with digest and answers as they are remembered now."""
    traits = answered(known.traits, known.answers)
    given = {question for question, _ in known.answers}
    asked = tuple(question for question in questions(known.traits) if question not in given)
    return replace(file, traits=traits, sha256=known.sha256, asked=asked)
