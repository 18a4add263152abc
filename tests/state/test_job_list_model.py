"""The rows of the queue: always what the queue says, never reset, and lawful for Qt's model tester."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from PySide6.QtCore import QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from studio.core.draft import Draft
from studio.core.errors import StudioError
from studio.core.events import Cancelled, EngineEvent, Failed, Finished, Started, Stepped
from studio.core.recipe import Recipe
from studio.state.job_list_model import JobListModel
from studio.state.job_queue import JobQueue
from tests.state.fakes import picture_of


class HandRunner:
    """A runner without a thread: the test says what happens."""

    def __init__(self, post: Callable[[EngineEvent], None]) -> None:
        self.post = post
        self.waiting: list[int] = []

    def submit(self, job_id: int, _recipe: Recipe, _parents: object = (), _key: str = "") -> None:
        self.waiting.append(job_id)

    def reorder(self, job_ids: list[int]) -> None:
        self.waiting = list(job_ids)

    def cancel(self, job_id: int) -> None:
        if job_id in self.waiting:
            self.waiting.remove(job_id)
            self.post(Cancelled(job_id=job_id))

    def close(self, _seconds: float) -> bool:
        return True


@pytest.fixture
def queue(qtbot: QtBot) -> JobQueue:
    return JobQueue(HandRunner)  # type: ignore[arg-type]  # as much of a Runner as the queue uses


@pytest.fixture
def model(queue: JobQueue) -> JobListModel:
    model = JobListModel(queue)
    model.tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)  # type: ignore[attr-defined]
    model.modelReset.connect(lambda: pytest.fail("the rows were reset"))
    return model


def seeds(model: JobListModel) -> list[int]:
    return [model.index(row).data(JobListModel.JobRole).recipe.seed for row in range(model.rowCount())]


def post(queue: JobQueue, *events: EngineEvent) -> None:
    for event in events:
        queue.post(event)
    queue._inbox.take()


def test_rows_run_first_then_wait_then_are_recent(queue: JobQueue, model: JobListModel) -> None:
    jobs = queue.submit(Draft(prompt="a cat", seed=0, count=5))
    assert seeds(model) == [0, 1, 2, 3, 4]
    assert model.index(0).data(Qt.ItemDataRole.DisplayRole) == "a cat"
    post(queue, Started(job_id=jobs[0].id))
    queue.move(jobs[4].id, 0)
    assert seeds(model) == [0, 4, 1, 2, 3]
    post(queue, Finished(job_id=jobs[0].id, picture=picture_of(jobs[0].recipe)), Started(job_id=jobs[4].id))
    assert seeds(model) == [4, 1, 2, 3, 0]
    queue.cancel(jobs[2].id)
    assert seeds(model) == [4, 1, 3, 2, 0]
    queue.clear_finished()
    assert seeds(model) == [4, 1, 3]


def test_an_end_moves_one_row_only(queue: JobQueue, model: JobListModel) -> None:
    jobs = queue.submit(Draft(seed=0, count=20))
    post(queue, Started(job_id=jobs[0].id))
    moves: list[object] = []
    model.rowsMoved.connect(lambda *a: moves.append(a))
    post(queue, Failed(job_id=jobs[0].id, error=StudioError("no")))
    assert len(moves) == 1
    assert seeds(model) == [*range(1, 20), 0]


def test_progress_updates_its_row_only(queue: JobQueue, model: JobListModel) -> None:
    jobs = queue.submit(Draft(seed=0, count=3))
    changed: list[int] = []
    post(queue, Started(job_id=jobs[0].id))
    model.dataChanged.connect(lambda top, bottom, _roles: changed.extend((top.row(), bottom.row())))
    post(queue, Stepped(job_id=jobs[0].id, step=3, steps=20, seconds=1.0))
    assert changed == [0, 0]
    assert model.job(model.index(0)).step == 3


def test_a_selection_stays_with_its_job(queue: JobQueue, model: JobListModel) -> None:
    jobs = queue.submit(Draft(seed=0, count=6))
    selected = QPersistentModelIndex(model.index(3))
    post(queue, Started(job_id=jobs[0].id), Cancelled(job_id=jobs[0].id))
    queue.move(jobs[5].id, 0)
    queue.submit(Draft(seed=9))
    assert model.job(selected).recipe.seed == 3


def test_any_order_of_things_keeps_rows_and_queue_together(queue: JobQueue, model: JobListModel) -> None:
    rng = random.Random(1)
    for _ in range(300):
        alive = [job.id for job in queue.jobs if not job.state.is_final] or [0]
        job_id = rng.choice(alive)
        match rng.randrange(6):
            case 0:
                queue.submit(Draft(seed=rng.randrange(1000), count=rng.randrange(1, 4)))
            case 1:
                post(queue, Started(job_id=job_id))
            case 2:
                post(queue, Failed(job_id=job_id or 999, error=StudioError("no")))
            case 3:
                queue.cancel(job_id)
            case 4:
                queue.move(job_id, rng.randrange(5))
            case 5 if rng.random() < 0.1:
                queue.clear_finished()
        waiting = [job for job in queue.jobs if not job.state.is_final]
        shown = [model.job(model.index(row)) for row in range(model.rowCount())]
        assert sorted(job.id for job in shown) == sorted(job.id for job in queue.jobs)
        assert [job for job in shown if job in queue.waiting] == list(queue.waiting)
        assert {job.id for job in shown[: len(waiting)]} == {job.id for job in waiting}
