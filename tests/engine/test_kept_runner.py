"""The engine thread with journal, spool and saver: what is left on disk after every way a job can end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.core.errors import BadPicture, StorageProblem
from studio.core.events import Cancelled, Failed, Finished, Saving, Started
from studio.core.library import Link
from studio.core.picture import Picture
from studio.core.recipe import Recipe
from studio.engine.fake import FakeEngine
from studio.engine.journal import Journal
from studio.engine.protocol import Rendered
from studio.engine.runner import Runner
from studio.engine.saver import Saver
from studio.engine.spool import Spool
from tests.engine.test_kept import CLEAN, JOBS, PARENTS, die
from tests.engine.test_runner import Ears, keep


def test_the_saver_bounds_what_waits_and_close_waits_for_it() -> None:
    go_on, done = threading.Event(), []
    saver = Saver(room=2)
    saver.put(lambda: go_on.wait(10))
    for n in range(2):
        saver.put(lambda n=n: done.append(n))
    more = threading.Thread(target=saver.put, args=(lambda: done.append(2),))
    more.start()
    more.join(0.1)
    assert more.is_alive(), "there is no room until the disk answers"
    go_on.set()
    more.join(5)
    assert saver.close(5)
    assert done == [0, 1, 2]


@pytest.fixture
def kept_runner(data: Path) -> Iterator[Callable[..., tuple[Runner, Ears]]]:
    """Runners that keep things in one folder, one after the other."""
    runners: list[Runner] = []

    def make(engine: FakeEngine, save: Callable[..., Picture] = keep) -> tuple[Runner, Ears]:
        ears = Ears()
        runners.append(Runner(engine, save, ears, Journal(data / "queue"), Spool(data / "spool")))
        return runners[-1], ears

    yield make
    for runner in runners:
        assert runner.close(5)


def submit(runner: Runner, job_id: int = 1) -> None:
    job = JOBS[job_id]
    runner._journal.add([job])
    runner.submit(job_id, job.recipe, job.parents, job.key)


def on_disk(data: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(keys in the spool, keys of jobs that are not over), read as the next studio would."""
    journal = Journal(data / "queue")
    kept = journal.open()
    die(journal)
    return tuple(job.key for job in Spool(data / "spool").left()), tuple(job.key for job in kept)


def test_the_engine_goes_on_while_the_disk_works(kept_runner: Callable[..., tuple[Runner, Ears]]) -> None:
    go_on = threading.Event()

    def slow(rendered: Rendered, recipe: Recipe, parents: tuple[Link, ...]) -> Picture:
        assert go_on.wait(10)
        return keep(rendered, recipe, parents)

    runner, ears = kept_runner(FakeEngine(), slow)
    submit(runner, 1)
    submit(runner, 2)
    ears.wait(Saving, 2)
    assert ears.of(Finished) == []
    go_on.set()
    first, second = ears.wait(Finished, 2)
    assert (first.picture.parents, second.picture.parents) == (PARENTS, ())


def test_closing_waits_for_the_disk(kept_runner: Callable[..., tuple[Runner, Ears]], data: Path) -> None:
    saved: list[Recipe] = []

    def slow(rendered: Rendered, recipe: Recipe, parents: tuple[Link, ...]) -> Picture:
        time.sleep(0.3)
        saved.append(recipe)
        return keep(rendered, recipe, parents)

    runner, ears = kept_runner(FakeEngine(), slow)
    submit(runner, 1)
    submit(runner, 2)
    ears.wait(Saving, 2)
    assert runner.close(0.01)
    assert len(saved) == 2
    assert on_disk(data) == ((), ())


def test_nothing_is_left_of_a_saved_picture(kept_runner: Callable[..., tuple[Runner, Ears]], data: Path) -> None:
    runner, ears = kept_runner(FakeEngine())
    submit(runner)
    ears.wait(Finished)
    assert runner.close(5)
    assert on_disk(data) == ((), ())


@pytest.mark.parametrize("error", [BadPicture("NaN."), MemoryError(), SystemExit(1)])
def test_a_decoder_that_fails_leaves_the_latents(
    kept_runner: Callable[..., tuple[Runner, Ears]], data: Path, error: BaseException
) -> None:
    engine = FakeEngine()

    def fail() -> None:
        raise error

    engine.before_decode = fail
    runner, ears = kept_runner(engine)
    submit(runner)
    assert ears.wait(Failed)[0].undecoded
    engine.before_decode = None
    runner.decode(1, JOBS[1].recipe, PARENTS, JOBS[1].key)
    (finished,) = ears.wait(Finished)
    assert finished.picture.recipe == CLEAN[1].recipe
    assert runner.close(5)
    assert on_disk(data) == ((), ())


def test_a_failed_save_leaves_latents_and_job_for_the_next_start(
    kept_runner: Callable[..., tuple[Runner, Ears]], data: Path
) -> None:
    def refuse(*_: object) -> Picture:
        raise StorageProblem("The disk is full.")

    runner, ears = kept_runner(FakeEngine(), refuse)
    submit(runner)
    failed = ears.wait(Failed)[0]
    assert failed.undecoded and failed.unsaved is not None
    assert runner.close(5)
    assert on_disk(data) == ((JOBS[1].key,), (JOBS[1].key,))


def test_a_cancelled_job_leaves_nothing_and_a_closed_one_is_interrupted(
    kept_runner: Callable[..., tuple[Runner, Ears]], data: Path
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def before_step(_step: int) -> None:
        reached.set()
        assert go_on.wait(10)

    runner, ears = kept_runner(FakeEngine(before_step=before_step))
    submit(runner, 1)
    assert reached.wait(5)
    submit(runner, 2)
    submit(runner, 3)
    runner.cancel(2)
    runner.cancel(1)
    go_on.set()
    ears.wait(Cancelled, 2)
    ears.wait(Started, 2)
    reached.clear()
    go_on.clear()
    assert reached.wait(5)
    submit(runner, 4)
    closing = threading.Thread(target=runner.close)
    closing.start()
    while not runner._closing:
        closing.join(0.01)
    go_on.set()
    closing.join(10)
    journal = Journal(data / "queue")
    assert [(job.key, job.started) for job in journal.open()] == [("job-3", True), ("job-4", False)]
    die(journal)


def test_the_place_of_a_crash_is_told_before_it_can_happen(data: Path) -> None:
    crumbs: list[str] = []
    ears = Ears()
    runner = Runner(FakeEngine(), keep, ears, crumb=crumbs.append)
    runner.submit(1, Recipe(prompt="p", seed=1, steps=2))
    ears.wait(Finished)
    assert runner.close(5)
    assert crumbs == ["starting with mini", "decoding with mini", ""]
