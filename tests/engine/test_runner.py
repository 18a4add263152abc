"""The engine thread: order, cancel, broken engines, saving before telling."""

import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import OutOfMemory, StorageProblem, StudioError
from studio.core.events import Cancelled, EngineEvent, EngineReady, Failed, Finished, Saving, Started, Stepped
from studio.core.library import Link
from studio.core.picture import Picture
from studio.core.recipe import Recipe
from studio.engine import Rendered, Runner
from studio.engine.fake import FakeEngine

RECIPE = Recipe(prompt="p", seed=1, steps=3)


class Ears:
    """Collects events in the engine thread; `wait(kind, n)` blocks until n of a kind have come."""

    def __init__(self) -> None:
        self.events: list[EngineEvent] = []
        self.changed = threading.Condition()

    def __call__(self, event: EngineEvent) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def wait(self, kind: type[object], n: int = 1) -> list[EngineEvent]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.of(kind)) >= n, timeout=10), self.events
            return self.of(kind)

    def of(self, kind: type[object]) -> list[EngineEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def keep(rendered: Rendered, recipe: Recipe, parents: tuple[Link, ...] = ()) -> Picture:
    size = rendered.pixels
    return Picture(id="x", recipe=recipe, made_with=rendered.made_with, file=Path("x.png"), width=size.width,
                   height=size.height, created=datetime.now(UTC), parents=parents)  # fmt: skip


@pytest.fixture
def start() -> Callable[..., tuple[Runner, Ears]]:
    runners: list[Runner] = []

    def make(engine: FakeEngine, save: Callable[..., Picture] = keep, **kept: Any) -> tuple[Runner, Ears]:
        ears = Ears()
        runners.append(Runner(engine, save, ears, **kept))
        return runners[-1], ears

    yield make
    for runner in runners:
        assert runner.close(5)


def test_events_of_one_job_come_in_order(start: Callable[..., tuple[Runner, Ears]]) -> None:
    runner, ears = start(FakeEngine())
    runner.submit(1, RECIPE)
    ears.wait(Finished)
    assert [type(event) for event in ears.events] == [Started, *[Stepped] * 4, Saving, Finished]
    assert [event.phase for event in ears.of(Stepped)] == ["", "", "", "decoding"]


def test_prepare_tells_the_device(start: Callable[..., tuple[Runner, Ears]]) -> None:
    runner, ears = start(FakeEngine())
    runner.prepare()
    assert ears.wait(EngineReady)


def test_a_picture_is_saved_before_it_is_told(start: Callable[..., tuple[Runner, Ears]]) -> None:
    told_at_save: list[int] = []

    def save(rendered: Rendered, recipe: Recipe, _parents: tuple[Link, ...]) -> Picture:
        told_at_save.append(len(ears.of(Finished)))
        return keep(rendered, recipe)

    runner, ears = start(FakeEngine(), save)
    runner.submit(1, RECIPE)
    ears.wait(Finished)
    assert told_at_save == [0]


@pytest.mark.parametrize(
    "error", [RuntimeError("bug"), SystemExit(3), MemoryError(), OutOfMemory("No room."), KeyError("x")]
)
def test_a_job_that_raises_fails_and_the_next_one_runs(
    start: Callable[..., tuple[Runner, Ears]], error: BaseException
) -> None:
    broken = [True]

    def before_step(step: int) -> None:
        if broken and step == 1:
            broken.clear()
            raise error

    runner, ears = start(FakeEngine(before_step=before_step))
    runner.submit(1, RECIPE)
    runner.submit(2, RECIPE)
    assert [event.job_id for event in ears.wait(Finished)] == [2]
    failed = ears.of(Failed)[0]
    assert isinstance(failed.error, StudioError)
    assert (failed.error is error) == isinstance(error, StudioError)


def test_a_full_disk_keeps_the_picture_in_memory(start: Callable[..., tuple[Runner, Ears]]) -> None:
    def save(rendered: Rendered, recipe: Recipe, _parents: tuple[Link, ...]) -> Picture:
        raise StorageProblem("The disk is full.")

    runner, ears = start(FakeEngine(), save)
    runner.submit(1, RECIPE)
    failed = ears.wait(Failed)[0]
    assert failed.unsaved is not None
    assert failed.unsaved.width == 256


def test_cancel_stops_at_the_next_step_and_saves_nothing(start: Callable[..., tuple[Runner, Ears]]) -> None:
    go_on, reached = threading.Event(), threading.Event()

    def before_step(step: int) -> None:
        if step == 1:
            reached.set()
            assert go_on.wait(10)

    runner, ears = start(FakeEngine(before_step=before_step))
    runner.submit(1, RECIPE)
    assert reached.wait(10)
    runner.cancel(1)
    go_on.set()
    ears.wait(Cancelled)
    assert len(ears.of(Stepped)) == 1
    assert not ears.of(Finished)


def test_waiting_jobs_can_be_reordered_and_taken_out(start: Callable[..., tuple[Runner, Ears]]) -> None:
    go_on, reached = threading.Event(), threading.Event()

    def before_step(step: int) -> None:
        reached.set()
        assert go_on.wait(10)

    runner, ears = start(FakeEngine(before_step=before_step))
    for job_id in (1, 2, 3, 4):
        runner.submit(job_id, RECIPE)
    assert reached.wait(10)
    runner.reorder([4, 2])
    runner.cancel(3)
    go_on.set()
    assert [event.job_id for event in ears.wait(Finished, 3)] == [1, 4, 2]
    assert [event.job_id for event in ears.of(Cancelled)] == [3]


def test_close_in_the_middle_ends_the_thread(start: Callable[..., tuple[Runner, Ears]]) -> None:
    runner, ears = start(FakeEngine(seconds_per_step=0.05))
    runner.submit(1, RECIPE)
    runner.submit(2, RECIPE)
    ears.wait(Started)
    assert runner.close(5)
    assert [event.job_id for event in ears.of(Started)] == [1]


class Weights:
    """Stands for gigabytes in a frame."""


@pytest.mark.parametrize("hidden", [False, True])
def test_what_failed_holds_no_weights_while_its_error_is_kept(
    start: Callable[..., tuple[Runner, Ears]], hidden: bool
) -> None:
    """The window keeps errors. One that was made of another one keeps that one's frames, be it from it or from None."""
    held: list[weakref.ref[Weights]] = []

    class Broken(FakeEngine):
        def _load(self) -> None:
            weights = Weights()
            held.append(weakref.ref(weights))
            raise ValueError("damaged")

        def render(self, recipe: Recipe, on_progress: Any) -> Rendered:
            try:
                self._load()
            except ValueError as error:
                if hidden:
                    raise StudioError("It cannot be loaded.") from None
                raise StudioError("It cannot be loaded.") from error
            raise AssertionError

    runner, ears = start(Broken())
    runner.submit(1, RECIPE)
    (failed,) = ears.wait(Failed)
    runner.submit(2, RECIPE)  # the first is over by then
    ears.wait(Failed, 2)
    assert isinstance(failed, Failed) and failed.error.headline == "It cannot be loaded."
    assert held[0]() is None
