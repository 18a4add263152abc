"""A disk that is full at operation 1, 2, 3 ... of a picture's whole path: nothing is lost, and all is saved once there is room."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from studio.core.events import Failed, Finished
from studio.core.job import Kept
from studio.core.paths import Folders
from studio.engine.journal import Journal, left_over
from studio.engine.runner import Runner
from studio.engine.spool import Spool
from studio.gallery.png import is_whole
from studio.gallery.store import GalleryStore
from tests.engine.test_runner import Ears
from tests.reliability.kills import QuickEngine, recipe_of
from tests.reliability.results import record

CALLS = ("open", "write", "fsync", "link", "mkdir", "replace")
STEPS_MAX = 120


class FullFrom:
    """Lets `room` operations on the disk through and refuses the others, in every thread."""

    def __init__(self, room: int, patch: pytest.MonkeyPatch) -> None:
        self.room, self.asked = room, 0
        self._lock = threading.Lock()
        for name in CALLS:
            patch.setattr(os, name, self._guarded(name, getattr(os, name)))

    def _guarded(self, name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            writes = name != "open" or bool(args[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if writes:
                with self._lock:
                    self.asked += 1
                    if self.asked > self.room:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call


def one_picture(folder: Path, room: int) -> tuple[str, int]:
    """Make a picture while the disk takes only so many operations; whether it was saved at once, and how many it asked."""
    folders = Folders(root=folder)
    store, spool = GalleryStore(folders).open(), Spool(folders.spool)
    journal, ears = Journal(folders.queue), Ears()
    runner = Runner(
        QuickEngine(), lambda made, recipe, _: store.add(made.pixels, recipe, made.made_with), ears, journal, spool
    )
    job = Kept(key="job", recipe=recipe_of(1))
    with pytest.MonkeyPatch.context() as patch:
        disk = FullFrom(room, patch)
        journal.add([job])
        runner.submit(1, job.recipe, (), job.key)
        with ears.changed:
            assert ears.changed.wait_for(lambda: bool(ears.of(Finished) or ears.of(Failed)), 20)
    result = "saved"
    if failed := ears.of(Failed):
        result = "kept"
        assert failed[0].unsaved is not None, "it is still in memory"
        assert "disk is full" in failed[0].error.headline
        assert list(folders.pictures.rglob("*.*")) == [], "and nothing half-done lies there"
        store.add(failed[0].unsaved, job.recipe, failed[0].made_with)  # there is room now
        journal.over(job.key)
        spool.remove(job.key)
    assert runner.close(10)
    store.close()
    check(folders)
    return result, disk.asked


def check(folders: Folders) -> None:
    store, journal = GalleryStore(folders).open(), Journal(folders.queue)
    files = list(folders.pictures.rglob("*.png"))
    assert [is_whole(file.read_bytes()) for file in files] == [True]
    assert store.count() == 1
    assert [part for part in folders.pictures.rglob("*.part") if part.stat().st_size] == []
    assert left_over(journal, Spool(folders.spool)) == ()
    assert journal.close()
    store.close()


def test_no_room_at_any_operation(fast_folder: Path) -> None:
    results = []
    for room in range(STEPS_MAX):
        result, asked = one_picture(fast_folder / str(room), room)
        results.append(result)
        if asked <= room:
            break
    record(
        "full disk",
        operations=len(results) - 1,
        kept_in_memory=results.count("kept"),
        saved=results.count("saved"),
        lost=0,
    )
    assert len(results) < STEPS_MAX
    assert results.count("kept") >= 5
    assert results[-1] == "saved"
