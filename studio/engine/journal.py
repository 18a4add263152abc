"""The queue on disk: which jobs wait, which has begun, which are over. Lines of JSON, appended by a thread of its own.

Each running studio has a journal of its own, held by a lock. One that nobody holds was left by a studio that is gone:
what is not over in it is taken over into ours, and only then it is removed, so that a job is never in none.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio.core.errors import NewerRecipe, StorageProblem, StudioError
from studio.core.job import Kept
from studio.core.own_root import make_folders
from studio.core.recipe_text import from_text, to_text
from studio.core.safe_files import hold, is_held, sync_names
from studio.engine.spool import Spool, parents_in

FILE_MAX = 64_000_000
STARTED_SECONDS = 1.0  # how long the engine waits until “begun” is written; then it begins all the same
_ENDING = ".jsonl"
_TROUBLE = StorageProblem(
    "The queue cannot be kept for the next start.", "Check that the disk has room and the folder can be written."
)

Line = dict[str, Any]  # Any: what json gives; every value is checked where it is used


@dataclass(slots=True)
class _Entry:
    """What the lines of one job add up to, in whatever order they were written."""

    kept: Kept | None = None
    newer: Line | None = None  # instead: what a newer studio wrote of it
    since: float | None = None  # when it was begun, if it was
    over: bool = False


class Journal:
    """Notes what becomes of jobs. All methods but `open` and `close` return at once, from any thread.

    State, under the lock: `_lines` still to be written, `_open` (keys that are not over), the file once it exists.
    `on_trouble` is told once, in the journal's thread, when the disk refuses; writing is tried again with the next line.
    """

    def __init__(self, folder: Path, on_trouble: Callable[[StudioError], None] | None = None) -> None:
        self._folder, self._on_trouble = folder, on_trouble
        self._lock = threading.Condition()
        self._lines: list[Line] = []
        self._open: set[str] = set()
        self._closing = self._busy = self._troubled = False
        self._torn = False  # the last write broke off: the next begins a new line
        self._file: Path | None = None
        self._descriptor = -1
        self._thread: threading.Thread | None = None

    def open(self) -> tuple[Kept, ...]:
        """Take over what earlier studios left: jobs that are not over, in their order. Slow; raises nothing.

        Those of a newer studio are taken over as they are, for it, and `on_trouble` is told.
        """
        left = [file for file in _journals(self._folder) if file != self._file and not is_held(file)]
        entries: dict[str, _Entry] = {}
        for file in left:
            _read(file, entries)
        kept = tuple(
            replace(entry.kept, started=entry.since is not None, since=entry.since or 0.0)
            for entry in entries.values()
            if entry.kept is not None and not entry.over
        )
        newer = [(entry.newer, entry.since) for entry in entries.values() if entry.newer is not None and not entry.over]
        self.add(kept)
        self._note(*(line for line, _ in newer))
        for key, since in [(job.key, job.since) for job in kept if job.started] + [(n["job"], at) for n, at in newer]:
            if since is not None:
                self._note({"job": key, "state": "running", "at": since})
        if newer and self._on_trouble is not None:
            self._on_trouble(_of_a_newer_one(len(newer)))
        if self.wait(10.0) and not self._troubled:
            for file in left:
                with contextlib.suppress(OSError):
                    file.unlink()
        return kept

    def add(self, jobs: Iterable[Kept]) -> None:
        """These jobs wait, in this order, behind the others."""
        self._note(
            *(
                {
                    "job": job.key,
                    "recipe": to_text(job.recipe),
                    "parents": [[link.kind.value, link.parent] for link in job.parents],
                }
                for job in jobs
            )
        )

    def started(self, key: str) -> None:
        """The engine begins this job. Waits until that is written, because what begins may end the process."""
        self._note({"job": key, "state": "running", "at": time.time()})
        self.wait(STARTED_SECONDS)

    def over(self, key: str) -> None:
        """This job is saved, failed, cancelled or forgotten."""
        self._note({"job": key, "state": "over"})

    def order(self, keys: Sequence[str]) -> None:
        """The waiting jobs stand in this order now."""
        self._note({"order": list(keys)})

    def wait(self, seconds: float) -> bool:
        """Block until all is written. False if that took longer, or could not be done."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._lines and not self._busy, seconds)

    def close(self, seconds: float = 3.0) -> bool:
        """Write what waits and let go of the file; it goes if nothing is open in it."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _note(self, *lines: Line) -> None:
        if not lines:
            return
        with self._lock:
            if self._closing:
                return
            self._lines += lines
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="journal", daemon=True)
                self._thread.start()
            self._lock.notify_all()

    def _loop(self) -> None:
        was_last = False
        while True:
            with self._lock:
                self._busy = False
                self._lock.notify_all()
                self._lock.wait_for(lambda: bool(self._lines) or self._closing, None)
                if self._closing and (was_last or not self._lines):
                    break
                was_last = self._closing  # at the end once more what the disk refused: there may be room by now
                lines, self._lines = self._lines, []
                self._busy = True
            try:
                self._write(lines)
                self._troubled = False
            except OSError:
                self._leave_a_lost_file()
                self._give_back(lines)
        self._let_go()

    def _give_back(self, lines: list[Line]) -> None:
        """The disk refused: tell it once, and try again when there is more to write, or in a second."""
        with self._lock:
            self._lines = lines + self._lines
            first, self._troubled = not self._troubled, True
            self._busy = False
            self._lock.notify_all()
        if first and self._on_trouble is not None:
            self._on_trouble(_TROUBLE)
        until, count = time.monotonic() + 1.0, len(self._lines)
        with self._lock:
            self._lock.wait_for(lambda: self._closing or len(self._lines) > count, until - time.monotonic())

    def _write(self, lines: list[Line]) -> None:
        if self._descriptor < 0:
            self._create()
        data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "replace")
        view = memoryview(b"\n" + data if self._torn else data)
        self._torn = True
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._torn = False
        for line in lines:
            if "recipe" in line:
                self._open.add(line["job"])
            elif line.get("state") == "over":
                self._open.discard(line["job"])
        if not self._open:
            os.ftruncate(self._descriptor, 0)  # nothing in it matters any more
        elif any("recipe" in line for line in lines):  # what waits must outlive a power cut
            os.fsync(self._descriptor)

    def _create(self) -> None:
        make_folders(self._folder)
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        file = self._folder / f"{stamp}-{secrets.token_hex(4)}{_ENDING}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(file, flags, 0o600)
        hold(self._descriptor)
        self._file = file
        sync_names(self._folder)

    def _leave_a_lost_file(self) -> None:
        """Begin another file where ours is not what lies at its place: its disk was pulled out and is back.

        What is in ours there is taken over at the next start together with the new one.
        """
        if self._descriptor < 0 or self._file is None:
            return
        try:
            there = os.stat(self._file)
        except OSError:
            return
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._descriptor), there):
                return
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor, self._file, self._torn = -1, None, False

    def _let_go(self) -> None:
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1
        if not self._open and self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink()


def left_over(journal: Journal, spool: Spool, is_saved: Callable[[Kept], bool] = lambda _: False) -> tuple[Kept, ...]:
    """All that earlier studios left, oldest first: jobs that are not over, and those whose latents lie in the spool.

    A studio may die between a picture's file and the word that it is saved: `is_saved` is asked about the jobs that
    were begun, and those that turn out saved are over. Slow; raises nothing.
    """
    spooled = {job.key: job for job in spool.left()}
    jobs = {job.key: job for job in journal.open()}
    only_latents = [job for key, job in spooled.items() if key not in jobs]
    both = [replace(job, started=True, undecoded=True) if key in spooled else job for key, job in jobs.items()]
    left = []
    for job in (*only_latents, *both):
        if job.started and is_saved(spooled.get(job.key, job)):
            journal.over(job.key)
            spool.remove(job.key)
        else:
            left.append(job)
    return tuple(left)


def _of_a_newer_one(count: int) -> StorageProblem:
    which = "1 picture in the queue was" if count == 1 else f"{count:,} pictures in the queue were"
    they = "it is" if count == 1 else "they are"
    return StorageProblem(
        f"{which} left by a newer Diffusion Studio; {they} kept for it.", "Start the newer one to go on."
    )


def _journals(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.name.endswith(_ENDING) and file.is_file())
    except OSError:
        return []


def _read(file: Path, entries: dict[str, _Entry]) -> None:
    """Add what a journal says to `entries`; lines that were cut off or damaged are passed over. Raises nothing."""
    try:
        with file.open("rb") as stream:
            text = stream.read(FILE_MAX).decode("utf-8", "replace")
    except OSError:
        return
    for line in text.split("\n"):
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError, StudioError):
            _take(json.loads(line), entries)


def _take(line: object, entries: dict[str, _Entry]) -> None:
    if not isinstance(line, dict):
        return
    if isinstance(order := line.get("order"), list):
        named = [key for key in order if isinstance(key, str) and key in entries]
        for key in (*named, *[key for key in entries if key not in set(named)]):
            entries[key] = entries.pop(key)
        return
    key = line["job"]
    if not isinstance(key, str):
        return
    entry = entries.setdefault(key, _Entry())
    if "recipe" in line:
        try:
            entry.kept = Kept(key=key, recipe=from_text(line["recipe"]), parents=parents_in(line.get("parents")))
        except NewerRecipe:
            entry.newer = line
    if line.get("state") == "running":
        entry.since = float(line.get("at", 0.0))
    entry.over = entry.over or line.get("state") == "over"
