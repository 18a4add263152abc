"""Make again and verify: one job, then a comparison; a sheet is refused; what was cancelled is not compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from studio.core.errors import BadRecipe, StorageProblem
from studio.core.installed import Installed
from studio.core.job import Job, JobState
from studio.core.library import Link, LinkKind
from studio.core.picture import Picture
from studio.core.recipe import ModelRef, Recipe
from studio.core.verify import Verdict, Verification
from studio.state.background import Background
from studio.state.verify import Verifier
from tests.state.fakes import picture_of

PICTURE = picture_of(Recipe(prompt="a cat", seed=7), 1)
AGAIN = picture_of(PICTURE.recipe, 2)


class Queue(QObject):
    """Takes recipes; `end` says how a job ended."""

    jobs_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.jobs: tuple[Job, ...] = ()
        self.links: tuple[Link, ...] = ()
        self.refuses = False

    def submit_recipe(self, recipe: Recipe, parents: tuple[Link, ...]) -> Job:
        if self.refuses:
            raise StorageProblem("This window is read-only.")
        job = Job(id=len(self.jobs) + 1, recipe=recipe)
        self.jobs, self.links = (*self.jobs, job), parents
        self.jobs_changed.emit()
        return job

    def end(self, state: JobState, picture: Picture | None = None) -> None:
        self.jobs = (*self.jobs[:-1], replace(self.jobs[-1], state=state, picture=picture))
        self.jobs_changed.emit()


@pytest.fixture
def thread() -> Iterator[Background]:
    background = Background("sheets")
    yield background
    background.close()


@pytest.fixture
def queue(qtbot: QtBot) -> Queue:
    return Queue()


def verifier(queue: Queue, thread: Background, forgot: list[int], **options: object) -> Verifier:
    compared = Verification(verdict=Verdict.IDENTICAL)
    return Verifier(queue, lambda _a, _b: compared, thread, lambda: forgot.append(1), **options)  # type: ignore[arg-type]


def test_the_recipe_runs_afresh_as_a_child_and_is_compared(qtbot: QtBot, queue: Queue, thread: Background) -> None:
    forgot: list[int] = []
    made = verifier(queue, thread, forgot)
    made.verify(PICTURE)
    assert forgot, "the engine must not give the picture that it still has"
    assert queue.links == (Link(kind=LinkKind.REMADE, parent=PICTURE.id),)
    queue.end(JobState.RUNNING)
    with qtbot.waitSignal(made.verified) as verified:
        queue.end(JobState.DONE, AGAIN)
    assert (verified.args[0].picture, verified.args[0].again) == (PICTURE, AGAIN)


@pytest.mark.parametrize("state", [JobState.CANCELLED, JobState.FAILED])
def test_a_job_without_a_picture_is_not_compared(
    qtbot: QtBot, queue: Queue, thread: Background, state: JobState
) -> None:
    made = verifier(queue, thread, [])
    made.verify(PICTURE)
    with qtbot.assertNotEmitted(made.verified, wait=50):
        queue.end(state)
    assert made._asked == {}


def test_a_sheet_and_a_queue_that_refuses_are_told(qtbot: QtBot, queue: Queue, thread: Background) -> None:
    made = verifier(queue, thread, [])
    with qtbot.waitSignal(made.failed) as failed:
        made.verify(replace(PICTURE, made_with=replace(PICTURE.made_with, sheet="Steps 10, 20")))
    assert isinstance(failed.args[0], BadRecipe)
    with qtbot.waitSignal(made.failed) as failed:
        made.verify(replace(PICTURE, partly=True))
    assert "newer" in failed.args[0].headline
    queue.refuses = True
    with qtbot.waitSignal(made.failed) as failed:
        made.verify(PICTURE)
    assert isinstance(failed.args[0], StorageProblem)


def test_a_renamed_model_is_asked_for_by_its_name_here(queue: Queue, thread: Background) -> None:
    moved = replace(
        PICTURE,
        recipe=replace(PICTURE.recipe, model=ModelRef(name="old")),
        made_with=replace(PICTURE.made_with, model_digest="ab" * 32),
    )
    made = verifier(queue, thread, [], models=lambda: (Installed(name="new", digests=("ab" * 32,)),))
    made.verify(moved)
    assert queue.jobs[0].recipe.model.name == "new"
