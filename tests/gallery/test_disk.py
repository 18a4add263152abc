"""Disks that refuse: full, read-only, failing at any step. The picture stays in memory and nothing half-done is left."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import StorageProblem
from studio.core.paths import PROJECT, Folders
from studio.gallery.index import Index
from studio.gallery.png import is_whole
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in

PICTURE = noise(32)


def child(mode: str, folder: Path) -> Any:
    words = [sys.executable, "-m", "tests.gallery.no_room", mode, str(folder)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder) / "data"


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_costs_nothing(fast_folder: Path) -> None:
    results = child("full", fast_folder)
    refused = [result for result in results if not result["said"].startswith("saved ")]
    assert len(refused) >= 12, "the limits did bite"
    assert len(refused) < len(results), "and the last did not"
    for result in refused:
        assert result["said"].startswith(
            "The picture could not be saved because the disk is full; it is still in memory.|Free some space"
        ), result
        assert (result["left"], result["seen"]) == ([], 0), result
    for result in results:
        expected = 1 if result in refused else 2
        assert result["again"].startswith("saved "), result
        assert (result["files"], result["rows"], result["whole"]) == (expected, expected, True), result


@pytest.mark.skipif(sys.platform == "win32", reason="needs mode bits")
def test_a_read_only_folder_can_still_be_looked_at(open_folder: Path) -> None:
    result = child("readonly", open_folder)
    assert result["said"].startswith("The picture could not be saved because the folder does not allow it")
    assert result["removed"].startswith("The picture could not be moved to the trash because the folder does not allow")
    assert result["read"], result
    assert result["same"], result
    assert any("Pictures cannot be saved" in notice for notice in result["notices"])


def test_a_folder_below_a_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = GalleryStore(Folders(root=tmp_path / "file" / "data")).open()
    assert any("Pictures cannot be saved" in notice for notice in store.notices)
    with pytest.raises(StorageProblem, match=r"could not be saved.*still in memory"):
        store.add(PICTURE, recipe(), MADE_WITH)
    assert (store.page(0, 9), store.count()) == ((), 0)
    store.close()


def test_the_order_of_a_save(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """SIGKILL cannot show this: bytes on disk before the name, the name on disk before the row, the row before the word."""
    trace: list[str] = []
    names: dict[int, str] = {}

    def spy(owner: Any, name: str, tell: Callable[..., str | None]) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            word = tell(result, *args)
            if word is not None:
                trace.append(word)
            return result

        monkeypatch.setattr(owner, name, call)

    def opened(result: int, path: Any, flags: int, *_: Any) -> str | None:
        names[result] = str(path)
        return "create" if flags & os.O_EXCL else None

    def synced(_: None, descriptor: int) -> str:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        return f"sync {kind} {Path(names[descriptor]).name if kind == 'folder' else ''}".strip()

    store = store_in(data)
    spy(os, "open", opened)
    spy(os, "write", lambda *_: "write")
    spy(os, "fsync", synced)
    spy(os, "link", lambda *_: "name")
    spy(os, "unlink", lambda *_: "unlink part")
    spy(Index, "insert", lambda *_: "row")
    day = store.add(PICTURE, recipe(), MADE_WITH).file.parent.name
    save = ["create", "write", "sync file", "name", "unlink part", f"sync folder {day}", "row"]
    assert trace == ["sync folder pictures", *save], "the day's folder is on disk before anything is in it"
    trace.clear()
    store.add(PICTURE, recipe(), MADE_WITH)
    assert trace == save
    assert store._opened()._writer.execute("PRAGMA synchronous").fetchone() == (2,), "the row is synced by SQLite"
    store.close()


STEPS = ((os, "open"), (os, "write"), (os, "fsync"), (os, "link"), (os, "unlink"), (os, "mkdir"), (Index, "insert"))


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_failure_at_any_step_leaves_all_or_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lasting: bool
) -> None:
    """The way of SQLite's own tests: fail at call 1, 2, 3 ... until a save goes through without a failure."""
    for step in range(1, 50):
        store = store_in(tmp_path / str(step))
        failed = [0]

        def failing(owner: Any, name: str, failed: list[int] = failed, step: int = step) -> None:
            real = getattr(owner, name)

            def call(*args: Any, **kwargs: Any) -> Any:
                failed[0] += 1
                if failed[0] == step or (lasting and failed[0] > step):
                    raise sqlite3.OperationalError("disk I/O error") if owner is Index else OSError(errno.EIO, "broken")
                return real(*args, **kwargs)

            monkeypatch.setattr(owner, name, call)

        for owner, name in STEPS:
            failing(owner, name)
        try:
            store.add(PICTURE, recipe(), MADE_WITH)
            saved = True
        except StorageProblem:
            saved = False
        seen = store.count()
        monkeypatch.undo()
        check_all_or_nothing(store, tmp_path / str(step), saved, seen, lasting)
        if failed[0] < step:
            break
    assert 8 <= step < 20, "every step of a save was made to fail"


def check_all_or_nothing(store: GalleryStore, root: Path, saved: bool, seen: int, lasting: bool) -> None:
    files = list((root / "pictures").rglob("*.png"))
    assert all(is_whole(file.read_bytes()) for file in files)
    assert seen == int(saved), "what is said to be saved can be seen, also without its row"
    if not lasting:  # when every call fails, the part cannot be unlinked either; the next start does it
        assert list((root / "pictures").rglob("*.part")) == []
    store.add(PICTURE, recipe(seed=8), MADE_WITH)
    store.close()
    again = store_in(root)
    assert again.count() == len(list((root / "pictures").rglob("*.png"))) >= 1 + int(saved)
    assert [part for part in (root / "pictures").rglob("*.part") if part.stat().st_size] == []
    again.close()


def test_a_row_that_fails_is_made_up_for(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    store = store_in(data)

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Index, "insert", refuse)
    first = store.add(PICTURE, recipe(seed=1), MADE_WITH)
    second = store.add(PICTURE, recipe(seed=2), MADE_WITH)
    assert store.page(0, 9) == (second, first)
    assert store.page(1, 9) == (first,)
    assert store.get(first.id) == first
    assert any("picture is saved" in notice for notice in store.notices)
    monkeypatch.undo()
    third = store.add(PICTURE, recipe(seed=3), MADE_WITH)
    assert store.page(0, 9) == (third, second, first)
    assert store._opened().count() == 3
    store.close()


def test_leftovers_of_interrupted_saves(data: Path) -> None:
    store = store_in(data)
    done = store.add(PICTURE, recipe(seed=1), MADE_WITH)
    lost_name = store.add(PICTURE, recipe(seed=2), MADE_WITH)
    cut = store.add(PICTURE, recipe(seed=3), MADE_WITH)
    store.close()
    lost_name.file.rename(f"{lost_name.file}.0123abcd.part")  # killed between fsync and rename
    whole = cut.file.read_bytes()
    cut.file.unlink()
    Path(f"{cut.file}.0123abcd.part").write_bytes(whole[:1000])  # killed while writing
    os.link(done.file, f"{done.file}.0123abcd.part")  # killed between the two halves of the rename
    (data / "pictures" / "my own.part").write_text("not ours")
    (data / "inputs").mkdir()
    (data / "inputs" / f"{'0' * 64}.png.0123abcd.part").write_bytes(b"x")
    store = store_in(data)
    assert store.page(0, 9) == (lost_name, done)
    assert list((data / "inputs").iterdir()) == []
    assert [part.name for part in data.rglob("*.part") if "trash" not in part.parts] == ["my own.part"]
    assert [part.read_bytes() for part in (data / "trash" / "unfinished").iterdir()] == [whole[:1000]]
    assert store.notices == (
        "1 picture was recovered from an interrupted save.",
        "1 unfinished file of an interrupted save is kept in the trash folder.",
        "1 picture is missing from the folder; the history shows what is there.",
    )
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there anyway")
def test_a_save_in_progress_elsewhere_is_left_alone(data: Path) -> None:
    import fcntl

    store_in(data).close()
    part = data / "pictures" / "2026-11-21" / "20261121-000000-000000-00000000.png.0123abcd.part"
    part.parent.mkdir()
    with part.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(b"half")
        stream.flush()
        store_in(data).close()
        assert part.exists()
    store_in(data).close()
    assert not part.exists()
    young = part.with_name("20261121-000000-000000-00000001.png.0123abcd.part")
    young.touch()
    store_in(data).close()
    assert young.exists(), "created this instant, perhaps not locked yet"
    os.utime(young, (0, 0))
    store_in(data).close()
    assert not young.exists()
