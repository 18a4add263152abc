"""What is on disk of jobs that are not over: the journal and the spool, over restarts, damage and full disks."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import StorageProblem
from studio.core.job import Kept
from studio.core.library import Link, LinkKind
from studio.core.recipe import Recipe
from studio.engine.journal import Journal, left_over
from studio.engine.protocol import Undecoded
from studio.engine.spool import Spool

PARENTS = (Link(kind=LinkKind.VARIED, parent="20261121-000000-000000-00000000"),)
JOBS = tuple(
    Kept(key=f"job-{n}", recipe=Recipe(prompt=f"雪山 {n} \ud800", seed=n), parents=PARENTS[: n % 2]) for n in range(5)
)
CLEAN = tuple(replace(job, recipe=replace(job.recipe, prompt=job.recipe.prompt[:-1] + "\ufffd")) for job in JOBS)


@pytest.fixture
def journal(data: Path) -> Iterator[Callable[..., Journal]]:
    """Opens journals over one folder, as one studio after the other would; `die` leaves the file as a kill does."""
    made: list[Journal] = []

    def make(**how: Any) -> Journal:
        made.append(Journal(data / "queue", **how))
        return made[-1]

    yield make
    for one in made:
        assert one.close()


def die(journal: Journal) -> None:
    """End a journal as a kill would: its file stays as it is, nobody holds it."""
    assert journal.wait(5)
    journal._open.add("so that the file stays")
    assert journal.close()


def test_waiting_and_interrupted_jobs_come_back_in_their_order(journal: Callable[..., Journal]) -> None:
    first = journal()
    first.add(JOBS)
    first.order(["job-4", "job-1"])
    first.started("job-0")
    first.started("job-2")
    first.over("job-2")
    die(first)
    kept = journal().open()
    assert [job.key for job in kept] == ["job-4", "job-1", "job-0", "job-3"]
    assert [job.key for job in kept if job.started] == ["job-0"]
    assert {replace(job, started=False, since=0.0) for job in kept} == set(CLEAN) - {CLEAN[2]}


def test_restarts_neither_lose_nor_double_anything(journal: Callable[..., Journal], data: Path) -> None:
    first = journal()
    first.add(JOBS)
    first.started("job-1")
    die(first)
    (old,) = (data / "queue").iterdir()
    before = old.read_bytes()
    second = journal()
    kept = second.open()
    old.write_bytes(before)  # killed after the jobs were taken over and before the old file went
    die(second)
    third = journal()
    assert third.open() == kept
    for job in kept:
        third.over(job.key)
    assert third.close()
    assert list((data / "queue").iterdir()) == []
    assert journal().open() == ()


def test_another_running_studio_keeps_its_jobs(journal: Callable[..., Journal]) -> None:
    running = journal()
    running.add(JOBS)
    assert running.wait(5)
    assert journal().open() == ()


@pytest.mark.parametrize("seed", range(20))
def test_damage_costs_only_the_lines_it_hits(journal: Callable[..., Journal], data: Path, seed: int) -> None:
    first = journal()
    first.add(JOBS)
    die(first)
    (file,) = (data / "queue").iterdir()
    rng, lines = random.Random(seed), file.read_bytes().split(b"\n")
    hit = rng.randrange(len(JOBS))
    lines[hit] = rng.choice([lines[hit][: len(lines[hit]) // 2], rng.randbytes(50).replace(b"\n", b""), b"[" * 9000])
    file.write_bytes(b"\n".join(lines))
    assert [job.key for job in journal().open()] == [f"job-{n}" for n in range(5) if n != hit]


@pytest.mark.parametrize(
    "line", ["[]", "{}", '{"job": 3, "recipe": "x"}', '{"order": [3, {}]}', "null", '{"job": "x"}']
)
def test_hostile_lines_are_passed_over(journal: Callable[..., Journal], data: Path, line: str) -> None:
    (data / "queue").mkdir(parents=True)
    (data / "queue" / "20260101-000000-000000-00000000.jsonl").write_text(line + "\n")
    assert journal().open() == ()


def test_a_full_disk_is_told_once_and_made_up_for(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    one = journal(on_trouble=told.append)
    real, full = os.write, [True]

    def write(descriptor: int, data: Any) -> int:
        if full and threading.current_thread().name == "journal":
            real(descriptor, bytes(data[:7]))  # a disk that takes a little more
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    one.add(JOBS[:2])
    assert not one.wait(0.2)
    one.add(JOBS[2:])
    assert not one.wait(0.2)
    assert len(told) == 1
    full.clear()
    one.started("job-1")
    assert one.wait(5)
    die(one)
    kept = journal().open()
    assert [job.key for job in kept] == [f"job-{n}" for n in range(5)]
    assert [job.key for job in kept if job.started] == ["job-1"]


def test_1000_jobs_are_taken_at_once(journal: Callable[..., Journal]) -> None:
    many = tuple(Kept(key=f"job-{n}", recipe=Recipe(prompt="x" * 100, seed=n)) for n in range(1000))
    one = journal()
    one.add(many)
    for job in many[:500]:
        one.over(job.key)
    die(one)
    assert [job.key for job in journal().open()] == [f"job-{n}" for n in range(500, 1000)]


LATENTS = Undecoded(
    recipe=JOBS[1].recipe, shape=(1, 16, 4, 4), dtype="float32", data=random.Random(1).randbytes(1024), seconds=3.5
)


def test_latents_come_back_as_they_were(data: Path) -> None:
    spool = Spool(data / "spool")
    assert spool.left() == ()
    assert spool.put("job-1", LATENTS, PARENTS)
    assert spool.has("job-1")
    assert spool.read("job-1") == replace(LATENTS, recipe=CLEAN[1].recipe)
    (left,) = spool.left()
    assert left == replace(CLEAN[1], parents=PARENTS, started=True, undecoded=True, since=left.since)
    assert time.time() - 60 < left.since < time.time() - 3, "when it was begun"
    spool.remove("job-1")
    spool.remove("job-1")
    assert list((data / "spool").iterdir()) == []
    with pytest.raises(StorageProblem, match="is gone"):
        spool.read("job-1")


def test_a_damaged_spool_is_said_and_kept_aside(data: Path) -> None:
    spool, file = Spool(data / "spool"), data / "spool" / "job-1.latents"
    rng = random.Random(7)
    print("seed 7")
    assert spool.put("job-1", LATENTS)
    good = file.read_bytes()
    for _ in range(300):
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(bad) if rng.random() < 0.7 else good[: rng.randrange(len(good))])
        said = ""
        try:
            assert spool.read("job-1").data == LATENTS.data  # the damage lies in the text around it
        except StorageProblem as error:
            said = error.headline
        assert said == "" or "is damaged" in said
    file.write_bytes(good[:-1])
    (data / "spool" / "job-2.latents.1-abcdef.part").write_bytes(b"x")
    assert spool.left() == ()
    assert [left.name for left in (data / "spool").iterdir()] == ["job-1.latents.damaged"]


def test_a_key_never_leaves_the_folder(data: Path) -> None:
    with pytest.raises(ValueError, match="no key"):
        Spool(data / "spool").has("../x")


def test_what_the_disk_refused_is_written_at_the_end_once_there_is_room(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    one = journal(on_trouble=told.append)
    one.add(JOBS[:1])
    assert one.wait(5)
    with monkeypatch.context() as patch:

        def full(_descriptor: int, _data: object) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "write", full)
        one.over("job-0")
        deadline = time.monotonic() + 5
        while not told and time.monotonic() < deadline:
            time.sleep(0.002)
    assert told
    assert one.close()
    assert journal().open() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be renamed there")
def test_a_journal_whose_disk_came_back_is_begun_anew_beside_the_old(
    journal: Callable[..., Journal], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = journal()
    first.add(JOBS)
    assert first.wait(5)
    shutil.copytree(data, tmp_path / "copy")
    data.rename(tmp_path / "away")
    (tmp_path / "copy").rename(data)
    lost, write = os.fstat(first._descriptor), os.write

    def refusing(descriptor: int, view: bytes) -> int:
        if os.path.samestat(os.fstat(descriptor), lost):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return write(descriptor, view)

    monkeypatch.setattr(os, "write", refusing)
    first.over("job-0")
    assert first.wait(10)
    die(first)
    assert [job.key for job in journal().open()] == ["job-1", "job-2", "job-3", "job-4"]


def test_a_disk_that_refuses_latents_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    assert not Spool(tmp_path / "spool").put("job-1", LATENTS)


def test_a_picture_saved_in_the_last_instant_is_not_made_twice(journal: Callable[..., Journal], data: Path) -> None:
    spool, asked = Spool(data / "spool"), []
    first = journal()
    first.add(JOBS)
    for key in ("job-0", "job-1"):
        first.started(key)
    die(first)
    spool.put("job-1", LATENTS)
    spool.put("job-9", replace(LATENTS, recipe=JOBS[4].recipe))

    def is_saved(job: Kept) -> bool:
        asked.append(job.key)
        return job.recipe.seed in (1, 4) and job.since > 0

    second = journal()
    assert [job.key for job in left_over(second, spool, is_saved)] == ["job-0", "job-2", "job-3", "job-4"]
    assert sorted(asked) == ["job-0", "job-1", "job-9"], "what waited was never begun"
    assert spool.left() == ()
    die(second)
    assert [job.key for job in journal().open()] == ["job-0", "job-2", "job-3", "job-4"]


def test_lines_are_plain_json(journal: Callable[..., Journal], data: Path) -> None:
    one = journal()
    one.add(JOBS[:1])
    die(one)
    (file,) = (data / "queue").iterdir()
    (line,) = file.read_text("utf-8").splitlines()
    assert json.loads(json.loads(line)["recipe"])["seed"] == 0
