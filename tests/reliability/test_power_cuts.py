"""A power cut after any operation of a save: every prefix of the recording, four ways a disk may have kept it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from studio.core.paths import Folders
from studio.gallery import durable
from studio.gallery.index import Index
from studio.gallery.png import is_whole
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in
from tests.reliability.replay import CUTS, Recorder, folder_after
from tests.reliability.results import record

SEED = 11


def recorded(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Recorder, Path]:
    """Three saves, the first of which makes the day's folder, upon a library with nothing but an index."""
    store = store_in(root)
    store.count()
    start = root.with_name("start")
    shutil.copytree(root, start)
    recorder = Recorder(root)
    recorder.spy(lambda owner, name, value: monkeypatch.setattr(owner, name, value))
    real = Index.insert

    def insert(index: Index, rows: object) -> object:
        result = real(index, rows)  # type: ignore[arg-type]
        recorder.note_row()
        return result

    monkeypatch.setattr(Index, "insert", insert)
    for seed in range(3):
        recorder.note_said(store.add(noise(48, seed), recipe(seed=seed), MADE_WITH).id)
    monkeypatch.undo()
    store.close()
    return recorder, start


def play(recorder: Recorder, start: Path, folder: Path) -> dict[str, int]:
    """Cut the power after every operation in every way, start the studio, and count what is wrong."""
    rng, counts = random.Random(SEED), dict.fromkeys(("cuts", "lost", "corrupt", "ghosts", "rows_off", "parts_left"), 0)
    for count in range(len(recorder.ops) + 1):
        for cut in (*CUTS, "chance", "chance"):
            said = folder_after(recorder, start, count, cut, rng, folder)
            store = GalleryStore(Folders(root=folder)).open()
            pictures = store.page(0, 99)
            files = list((folder / "pictures").rglob("*.png"))
            found = {picture.id: picture for picture in pictures}
            counts["cuts"] += 1
            counts["lost"] += sum(i not in found or not _whole(found[i].file) for i in said)
            counts["corrupt"] += sum(not _whole(file) for file in files)
            counts["ghosts"] += sum(not picture.file.is_file() for picture in pictures)
            counts["rows_off"] += abs(store.count() - len(files))
            counts["parts_left"] += sum(part.stat().st_size > 0 for part in (folder / "pictures").rglob("*.part"))
            store.close()
    return counts


def test_no_prefix_of_a_save_loses_anything(fast_folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, start = recorded(data, monkeypatch)
    kinds = [op.kind for op in recorder.ops]
    assert kinds.count("said") == kinds.count("row") == kinds.count("link") == 3, kinds
    counts = play(recorder, start, fast_folder / "cut")
    record("power cuts", operations=len(recorder.ops), seed=SEED, **counts)
    assert counts["cuts"] >= 150
    assert {**counts, "cuts": 0} == dict.fromkeys(counts, 0)


def test_control_a_save_that_does_not_wait_for_the_disk_is_caught(
    fast_folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as careless:
        careless.setattr(durable.os, "fsync", lambda _descriptor: None)
        recorder, start = recorded(data, monkeypatch)
    recorder.ops[:] = [op for op in recorder.ops if not op.kind.startswith("sync")]
    counts = play(recorder, start, fast_folder / "cut")
    record("power cuts, control without fsync", seed=SEED, **counts)
    assert counts["lost"] > 0
    assert counts["corrupt"] > 0


def _whole(file: Path) -> bool:
    return file.is_file() and is_whole(file.read_bytes())
