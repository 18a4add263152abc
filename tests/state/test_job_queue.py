"""The queue over the fake engine: to the end, cancelled, reordered, broken, hanging, with a full disk and after it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from studio.core.draft import Draft
from studio.core.errors import BadRecipe, StorageProblem
from studio.core.events import EngineReady, Failed, Finished
from studio.core.job import Job, JobState
from studio.core.picture import Picture
from studio.core.recipe import SEED_MAX, Recipe
from studio.engine.fake import FakeEngine
from studio.engine.protocol import Rendered
from studio.engine.runner import Runner
from studio.state.job_queue import FINISHED_KEPT, JobQueue
from tests.state.fakes import picture_of, save

Make = Callable[..., JobQueue]


class Gate:
    """Holds the fake engine before a step until it is opened."""

    def __init__(self) -> None:
        self.event, self.entered = threading.Event(), threading.Event()

    def __call__(self, _step: int) -> None:
        self.entered.set()
        self.event.wait(5)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def states(queue: JobQueue) -> list[JobState]:
    return [job.state for job in queue.jobs]


def wait_for_end(qtbot: QtBot, queue: JobQueue) -> None:
    qtbot.waitUntil(lambda: all(job.state.is_final for job in queue.jobs))


def test_a_draft_becomes_pictures(qtbot: QtBot, make_queue: Make) -> None:
    queue, added, progressed, previews = make_queue(), [], [], []
    queue.picture_added.connect(added.append)
    queue.progressed.connect(progressed.append)
    queue.previewed.connect(previews.append)
    jobs = queue.submit(Draft(prompt="a cat", seed=5, count=3))
    assert [job.state for job in jobs] == [JobState.QUEUED] * 3
    wait_for_end(qtbot, queue)
    assert states(queue) == [JobState.DONE] * 3
    assert [picture.recipe.seed for picture in added] == [5, 6, 7]
    assert [job.picture for job in queue.jobs] == added
    assert all(job.step == 20 for job in queue.jobs)
    assert progressed
    assert previews
    assert all(isinstance(job, Job) for job in progressed)
    assert queue.running is None
    assert queue.waiting == ()


@pytest.mark.parametrize("seed", [0, 2**31, SEED_MAX])
def test_seeds_cross_both_ways_intact(qtbot: QtBot, make_queue: Make, seed: int) -> None:
    queue = make_queue()
    with qtbot.waitSignal(queue.picture_added) as added:
        queue.submit(Draft(seed=seed, steps=1))
    picture = added.args[0]
    assert picture.recipe.seed == seed
    assert type(picture.recipe.seed) is int
    assert queue.jobs[0].recipe.seed == seed


def test_an_open_seed_is_decided_once(qtbot: QtBot, background: object) -> None:
    queue = JobQueue(lambda post: Runner(FakeEngine(), save, post), rng=random.Random(3))
    with qtbot.waitSignal(queue.picture_added) as added:
        (job,) = queue.submit(Draft(steps=1))
    assert added.args[0].recipe == job.recipe
    assert job.recipe.seed == random.Random(3).randrange(SEED_MAX + 1)
    assert queue.close()


def test_a_bad_draft_queues_nothing(make_queue: Make, qtbot: QtBot) -> None:
    queue = make_queue()
    with pytest.raises(BadRecipe):
        queue.submit(Draft(steps=0, count=3))
    assert queue.jobs == ()


def test_cancelling_the_running_job_says_so_at_once(qtbot: QtBot, make_queue: Make, gate: Gate) -> None:
    queue = make_queue(FakeEngine(before_step=gate))
    job = queue.submit_recipe(Recipe(prompt="", seed=1))
    after = queue.submit_recipe(Recipe(prompt="", seed=2))
    assert gate.entered.wait(5)
    queue.cancel_current()  # Started may not have arrived yet: then there is no running job
    queue.cancel(job.id)
    assert queue.jobs[0].state is JobState.CANCELLING
    assert queue.running is not None
    assert queue.running.id == job.id
    gate.event.set()
    wait_for_end(qtbot, queue)
    assert states(queue) == [JobState.CANCELLED, JobState.DONE]
    assert queue.jobs[0].picture is None
    assert queue.jobs[1].id == after.id


def test_cancelling_a_waiting_job_takes_it_out_at_once(qtbot: QtBot, make_queue: Make, gate: Gate) -> None:
    queue = make_queue(FakeEngine(before_step=gate))
    jobs = queue.submit(Draft(seed=1, count=3))
    assert gate.entered.wait(5)
    queue.cancel(jobs[1].id)
    assert queue.jobs[1].state is JobState.CANCELLED
    assert [job.id for job in queue.waiting] == [jobs[2].id]
    gate.event.set()
    wait_for_end(qtbot, queue)
    assert states(queue) == [JobState.DONE, JobState.CANCELLED, JobState.DONE]


def test_cancel_all(qtbot: QtBot, make_queue: Make, gate: Gate) -> None:
    queue = make_queue(FakeEngine(before_step=gate))
    queue.submit(Draft(seed=1, count=30))
    assert gate.entered.wait(5)
    qtbot.waitUntil(lambda: queue.running is not None)
    changes: list[None] = []
    queue.jobs_changed.connect(lambda: changes.append(None))
    queue.cancel_all()
    assert len(changes) <= 2
    assert states(queue) == [JobState.CANCELLING] + [JobState.CANCELLED] * 29
    gate.event.set()
    wait_for_end(qtbot, queue)
    assert states(queue) == [JobState.CANCELLED] * 30


def test_a_cancel_that_comes_too_late_keeps_the_picture(qtbot: QtBot, make_queue: Make) -> None:
    saving, go = threading.Event(), threading.Event()

    def slow_save(rendered: Rendered, recipe: Recipe, _parents: object) -> Picture:
        saving.set()
        go.wait(5)
        return save(rendered, recipe)

    queue, added = make_queue(save=slow_save), []
    queue.picture_added.connect(added.append)
    job = queue.submit_recipe(Recipe(prompt="", seed=1, steps=1))
    assert saving.wait(5)
    queue.cancel(job.id)
    go.set()
    wait_for_end(qtbot, queue)
    assert queue.jobs[0].state is JobState.DONE
    assert len(added) == 1


def test_a_saved_picture_is_shown_even_if_nobody_knows_the_job(qtbot: QtBot, make_queue: Make) -> None:
    queue = make_queue()
    with qtbot.waitSignal(queue.picture_added):
        queue.post(Finished(job_id=99, picture=picture_of(Recipe(prompt="", seed=1))))
    assert queue.jobs == ()


def test_waiting_jobs_can_be_moved(qtbot: QtBot, make_queue: Make, gate: Gate) -> None:
    queue, added = make_queue(FakeEngine(before_step=gate)), []
    queue.picture_added.connect(lambda picture: added.append(picture.recipe.seed))
    jobs = queue.submit(Draft(seed=0, count=5, steps=1))
    qtbot.waitUntil(lambda: queue.running is not None)
    queue.move(jobs[4].id, 0)
    queue.move(jobs[1].id, 99)
    queue.move(jobs[0].id, 2)  # runs already: stays
    assert [job.recipe.seed for job in queue.waiting] == [4, 2, 3, 1]
    gate.event.set()
    wait_for_end(qtbot, queue)
    assert added == [0, 4, 2, 3, 1]


def test_a_broken_engine_fails_its_job_and_the_next_one_runs(qtbot: QtBot, make_queue: Make) -> None:
    steps: list[int] = []

    def break_once(step: int) -> None:
        steps.append(step)
        if len(steps) == 3:
            raise MemoryError("not enough")

    queue, failed = make_queue(FakeEngine(before_step=break_once)), []
    queue.job_failed.connect(failed.append)
    queue.submit(Draft(seed=1, count=2, steps=5))
    wait_for_end(qtbot, queue)
    assert states(queue) == [JobState.FAILED, JobState.DONE]
    assert failed[0].error is not None
    assert "MemoryError" in failed[0].error.headline
    assert queue.unsaved(failed[0].id) is None


def test_a_hanging_engine_does_not_hang_the_window(qtbot: QtBot) -> None:
    gate = Gate()
    queue = JobQueue(lambda post: Runner(FakeEngine(before_step=gate), save, post))
    job = queue.submit_recipe(Recipe(prompt="", seed=1))
    assert gate.entered.wait(5)
    queue._patience_ms = 30
    with qtbot.waitSignal(queue.cancel_stalled) as stalled:
        queue.cancel(job.id)
        assert queue.jobs[0].state is JobState.CANCELLING
    assert stalled.args[0].id == job.id
    started = time.monotonic()
    assert not queue.close(0.2)  # says that it did not end, and does not wait for ever
    assert time.monotonic() - started < 2
    gate.event.set()


def test_the_engine_says_what_it_runs_on(qtbot: QtBot, make_queue: Make) -> None:
    queue = make_queue()
    with qtbot.waitSignal(queue.engine_ready) as ready:
        queue.prepare()
    assert isinstance(ready.args[0], EngineReady)
    assert queue.engine is ready.args[0]


def test_an_engine_that_cannot_start_says_why(qtbot: QtBot, make_queue: Make) -> None:
    class Broken(FakeEngine):
        def prepare(self) -> EngineReady:
            raise ImportError("no torch")

    queue = make_queue(Broken())
    with qtbot.waitSignal(queue.engine_failed) as failed:
        queue.prepare()
    assert "ImportError" in str(failed.args[0])
    assert queue.jobs == ()


class FullDisk:
    """Refuses until there is room."""

    def __init__(self) -> None:
        self.full = True

    def save(self, rendered: Rendered, recipe: Recipe, _parents: object) -> Picture:
        if self.full:
            raise StorageProblem("The disk is full.", "Make room and try again.")
        return save(rendered, recipe)

    def save_again(self, failed: Failed, recipe: Recipe, _parents: object) -> Picture:
        assert failed.unsaved is not None
        if self.full:
            raise StorageProblem("The disk is still full.")
        return picture_of(recipe, recipe.seed)


def test_decoding_again_does_not_come_between_a_picture_and_its_second_save(qtbot: QtBot, make_queue: Make) -> None:
    disk, gate = FullDisk(), threading.Event()

    def save_again(failed: Failed, recipe: Recipe, parents: object) -> Picture:
        gate.wait(10)
        return disk.save_again(failed, recipe, parents)

    queue, added = make_queue(save=disk.save, save_again=save_again), []
    queue.picture_added.connect(added.append)
    job = queue.submit_recipe(Recipe(prompt="", seed=7, steps=1))
    qtbot.waitUntil(lambda: bool(queue.unsaved_jobs))
    queue._jobs[job.id] = replace(queue._jobs[job.id], undecoded=True)  # its latents are kept, too
    disk.full = False
    queue.retry_save(job.id)
    queue.decode_again(job.id)
    gate.set()
    qtbot.waitUntil(lambda: len(added) == 1)
    assert queue.jobs[0].state is JobState.DONE and not queue.unsaved_jobs


def test_a_picture_survives_a_full_disk(qtbot: QtBot, make_queue: Make) -> None:
    disk = FullDisk()
    queue, failed, added = make_queue(save=disk.save, save_again=disk.save_again), [], []
    queue.job_failed.connect(failed.append)
    queue.picture_added.connect(added.append)
    job = queue.submit_recipe(Recipe(prompt="", seed=7, steps=1))
    qtbot.waitUntil(lambda: len(failed) == 1)
    kept = queue.unsaved(job.id)
    assert kept is not None
    assert (kept.width, kept.height) == (256, 256)
    assert [job.id for job in queue.unsaved_jobs] == [job.id]
    queue.clear_finished()
    assert queue.unsaved(job.id) is kept  # clearing the list never throws a picture away

    queue.retry_save(job.id)
    qtbot.waitUntil(lambda: len(failed) == 2)
    assert failed[1].error is not None
    assert failed[1].error.headline == "The disk is still full."
    assert queue.unsaved(job.id) is kept

    disk.full = False
    queue.retry_save(job.id)
    queue.retry_save(job.id)  # pressed twice: saved once
    qtbot.waitUntil(lambda: bool(added))
    qtbot.wait(30)
    assert len(added) == 1
    assert added[0].recipe.seed == 7
    assert queue.jobs[0].state is JobState.DONE
    assert queue.jobs[0].error is None
    assert queue.unsaved(job.id) is None
    assert queue.unsaved_jobs == ()


def test_only_the_last_finished_jobs_are_kept(qtbot: QtBot, make_queue: Make) -> None:
    queue = make_queue()
    for _ in range(3):
        queue.submit(Draft(seed=1, count=50, steps=1))
    wait_for_end(qtbot, queue)
    assert len(queue.jobs) == FINISHED_KEPT
    assert queue.jobs[-1].id == 150
    queue.clear_finished()
    assert queue.jobs == ()


def test_events_after_close_are_nothing(qtbot: QtBot, make_queue: Make) -> None:
    queue, heard = make_queue(), []
    queue.jobs_changed.connect(lambda: heard.append(1))
    assert queue.close()
    queue.post(Failed(job_id=1, error=StorageProblem("late")))
    qtbot.wait(20)
    assert heard == []


def test_jobs_are_values(make_queue: Make, qtbot: QtBot) -> None:
    queue = make_queue()
    (job,) = queue.submit(Draft(seed=1, steps=1))
    assert replace(job) == job
    wait_for_end(qtbot, queue)
    assert job.state is JobState.QUEUED  # what was handed out does not change behind anybody's back
