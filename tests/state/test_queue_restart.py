"""The queue over restarts: what waited waits for the artist's word, what ran is interrupted, latents are decoded again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.core.draft import Draft
from studio.core.errors import BadPicture, StorageProblem
from studio.core.job import JobState
from studio.core.recipe import Recipe
from studio.engine.fake import FakeEngine
from studio.engine.journal import Journal, left_over
from studio.engine.runner import Runner
from studio.engine.spool import Spool
from studio.state.background import Background
from studio.state.job_list_model import JobListModel
from studio.state.job_queue import JobQueue
from tests.state.fakes import save

Open = Callable[..., JobQueue]


@pytest.fixture
def open_queue(data: Path, background: Background) -> Iterator[Open]:
    """Opens the queue of one data folder, as often as a test restarts the studio; the former one is closed."""
    open_now: list[JobQueue] = []

    def make(engine: FakeEngine | None = None, save: Callable[..., object] = save) -> JobQueue:
        close_all()
        journal, spool = Journal(data / "queue"), Spool(data / "spool")
        queue = JobQueue(
            lambda post: Runner(engine or FakeEngine(), save, post, journal, spool),
            background=background,
            journal=journal,
            spool=spool,
        )
        queue.restore(left_over(journal, spool))
        open_now.append(queue)
        return queue

    def close_all() -> None:
        while open_now:
            open_now.pop().close()

    yield make
    close_all()


class Gate:
    """Holds the engine before a step until it is opened."""

    def __init__(self) -> None:
        self.event, self.entered = threading.Event(), threading.Event()

    def __call__(self, _step: int) -> None:
        self.entered.set()
        self.event.wait(5)


def close_in_the_middle(open_queue: Open, qtbot: QtBot, count: int) -> None:
    """One job runs and the others wait when the studio closes."""
    gate = Gate()
    queue = open_queue(FakeEngine(before_step=gate))
    queue.submit(Draft(prompt="kept", seed=0, count=count, steps=2))
    qtbot.waitUntil(gate.entered.is_set)
    closing = threading.Thread(target=queue._runner.close)
    closing.start()
    while not queue._runner._closing:
        closing.join(0.01)
    gate.event.set()
    closing.join(10)


def test_what_waited_runs_when_the_artist_says_so_and_not_before(open_queue: Open, qtbot: QtBot) -> None:
    close_in_the_middle(open_queue, qtbot, 4)
    queue = open_queue()
    model = JobListModel(queue)
    assert [(job.state, job.recipe.seed) for job in queue.jobs] == [
        (JobState.INTERRUPTED, 0),
        (JobState.HELD, 1),
        (JobState.HELD, 2),
        (JobState.HELD, 3),
    ]
    assert [model.job(model.index(row)).recipe.seed for row in range(4)] == [1, 2, 3, 0]
    qtbot.wait(50)
    assert queue.running is None and queue.waiting == ()
    with qtbot.waitSignal(queue.picture_added) as added:  # what is queued now does not wait for them
        queue.submit(Draft(seed=9, steps=1))
    assert added.args[0].recipe.seed == 9
    queue.cancel(queue.held[1].id)
    queue.go_on(queue.held[1].id)
    queue.go_on()
    qtbot.waitUntil(lambda: all(job.state.is_final for job in queue.jobs))
    seeds = {job.recipe.seed: job.state for job in queue.jobs}
    assert seeds == {
        0: JobState.INTERRUPTED,
        1: JobState.DONE,
        2: JobState.CANCELLED,
        3: JobState.DONE,
        9: JobState.DONE,
    }
    assert [(job.state, job.recipe.seed) for job in open_queue().jobs] == [(JobState.INTERRUPTED, 0)]


def test_an_interrupted_job_stays_until_it_is_run_again_or_forgotten(open_queue: Open, qtbot: QtBot) -> None:
    close_in_the_middle(open_queue, qtbot, 1)
    for _ in range(3):
        queue = open_queue()
        assert [job.state for job in queue.jobs] == [JobState.INTERRUPTED]
    with qtbot.waitSignal(queue.picture_added):
        queue.run_again(queue.jobs[0].id)
    assert [job.state for job in queue.jobs] == [JobState.DONE]
    assert open_queue().jobs == ()
    close_in_the_middle(open_queue, qtbot, 1)
    queue = open_queue()
    queue.clear_finished()
    assert queue.jobs == ()
    assert open_queue().jobs == ()


def test_decode_again_at_once_and_at_the_next_start(open_queue: Open, qtbot: QtBot) -> None:
    def fail() -> None:
        raise BadPicture("NaN.")

    engine = FakeEngine()
    engine.before_decode = fail
    queue = open_queue(engine)
    for seed in (1, 2):
        with qtbot.waitSignal(queue.job_failed) as failed:
            queue.submit_recipe(Recipe(prompt="made", seed=seed, steps=2))
        assert failed.args[0].undecoded
    queue.clear_finished()
    assert len(queue.jobs) == 2, "what can still become a picture is not cleared away"
    engine.before_decode = None
    with qtbot.waitSignal(queue.picture_added) as added:
        queue.decode_again(queue.jobs[0].id)
    assert added.args[0].recipe == Recipe(prompt="made", seed=1, steps=2)
    assert (queue.jobs[0].state, queue.jobs[0].undecoded) == (JobState.DONE, False)
    queue = open_queue()
    assert [(job.state, job.undecoded, job.recipe.seed) for job in queue.jobs] == [(JobState.INTERRUPTED, True, 2)]
    with qtbot.waitSignal(queue.picture_added) as added:
        queue.decode_again(queue.jobs[0].id)
    assert added.args[0].recipe.seed == 2
    assert open_queue().jobs == ()


def test_what_is_forgotten_leaves_nothing_on_disk(open_queue: Open, qtbot: QtBot, data: Path) -> None:
    def refuse(*_: object) -> None:
        raise StorageProblem("Full.")

    queue = open_queue(save=refuse)
    with qtbot.waitSignal(queue.job_failed):
        job = queue.submit_recipe(Recipe(prompt="x", seed=1, steps=1))
    queue.forget(job.id)
    assert queue.unsaved(job.id) is not None, "a picture in memory is never forgotten by itself"
    queue = open_queue()
    queue.forget(queue.jobs[0].id)
    qtbot.waitUntil(lambda: list((data / "spool").iterdir()) == [])
    assert open_queue().jobs == ()


def test_a_read_only_queue_says_why_it_takes_nothing(open_queue: Open) -> None:
    queue = open_queue()
    queue.refusal = StorageProblem("This window is read-only.")
    with pytest.raises(StorageProblem, match="read-only"):
        queue.submit(Draft(seed=1))
    assert queue.jobs == ()


def test_1000_jobs_over_a_restart_half_way(open_queue: Open, qtbot: QtBot) -> None:
    """R13: exactly the unfinished ones come back, none twice."""
    made: list[int] = []
    enough = threading.Event()

    def note(rendered: object, recipe: Recipe, parents: tuple[object, ...]) -> object:
        made.append(recipe.seed)
        if len(made) >= 30:
            enough.set()
        return save(rendered, recipe, parents)

    queue = open_queue(save=note)
    for first in range(0, 1000, 50):
        queue.submit(Draft(seed=first, count=50, steps=1))
    assert enough.wait(20)
    queue = open_queue(FakeEngine(), note)
    done = list(made)
    assert len(done) == len(set(done))
    left = {job.recipe.seed for job in queue.jobs}
    assert left == set(range(1000)) - set(done)
    assert len(queue.jobs) == len(left)
    queue.cancel_all()
    assert {job.state for job in queue.jobs} <= {JobState.CANCELLED, JobState.INTERRUPTED}
