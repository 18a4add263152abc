"""What state tests need: a worker that ends, and queues over the fake engine that are closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from studio.core.picture import Picture
from studio.engine.fake import FakeEngine
from studio.engine.runner import Runner
from studio.state.background import Background
from studio.state.job_queue import JobQueue, SaveAgain
from tests.state.fakes import save


@pytest.fixture
def background() -> Iterator[Background]:
    worker = Background("test-background")
    yield worker
    assert worker.close()


@pytest.fixture
def make_queue(background: Background) -> Iterator[Callable[..., JobQueue]]:
    """Builds queues over a fake engine and closes them."""
    queues: list[JobQueue] = []

    def make(
        engine: FakeEngine | None = None,
        save: Callable[..., Picture] = save,
        save_again: SaveAgain | None = None,
    ) -> JobQueue:
        queue = JobQueue(
            lambda post: Runner(engine or FakeEngine(), save, post), save_again=save_again, background=background
        )
        queues.append(queue)
        return queue

    yield make
    for queue in queues:
        assert queue.close()
