"""A plugin that does not answer: told by name, given up on a wish, and a fault from then on. Slow is no fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from studio.core.errors import PluginProblem
from studio.core.plugins import PluginState
from studio.engine.protocol import RenderCancelled
from studio.plugins.host import Host
from studio.plugins.shelf import PluginShelf
from tests.plugins.yard import Yard

GOOD = "def enable(registry):\n    registry.prompt_tool('tool', print)\n"
LIMIT = 0.2


class Late:
    """Hears of calls that are late."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.heard = threading.Event()

    def __call__(self, id: str, hook: str, seconds: float) -> None:
        assert seconds >= LIMIT
        self.told.append((id, hook))
        self.heard.set()


@contextmanager
def giving_up(host: Host, late: Late) -> Iterator[None]:
    """As the artist does, as soon as a call is told: gives it up."""

    def wait() -> None:
        assert late.heard.wait(5)
        host.give_up()

    artist = threading.Thread(target=wait)
    artist.start()
    yield
    artist.join()


@pytest.fixture
def shelf(yard: Yard) -> PluginShelf:
    yard.write("invert", GOOD, shipped=True)
    return yard.shelf()


def sleeps_in_small_steps() -> None:
    while True:
        time.sleep(0.01)


def sleeps_in_one_piece() -> None:
    time.sleep(3 * LIMIT)


def swallows_everything() -> None:
    until = time.monotonic() + 4 * LIMIT
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


@pytest.mark.parametrize("hang", [sleeps_in_small_steps, sleeps_in_one_piece, swallows_everything])
def test_a_call_that_is_given_up_is_told_ended_and_counted(hang: Callable[[], None], shelf: PluginShelf) -> None:
    late = Late()
    host = Host(shelf, tell_late=late, limit_seconds=LIMIT)
    for count in (1, 2, 3):
        late.heard.clear()
        with (
            giving_up(host, late),
            pytest.raises(PluginProblem, match=r"invert was given up, .*“residuals”") as caught,
            host.fence("invert", "residuals"),
        ):
            hang()
        assert late.told == [("invert", "residuals")] * count
        assert ("switched off" in caught.value.headline) == (count == 3)
    assert shelf.info("invert").state is PluginState.FAULTY
    for _ in range(2000):  # nothing is left on its way to this thread
        pass


def test_a_call_that_is_only_slow_is_told_and_goes_on(shelf: PluginShelf) -> None:
    late = Late()
    host = Host(shelf, tell_late=late, limit_seconds=LIMIT)
    for _ in range(4):
        with host.fence("invert", "scorer"):
            time.sleep(1.5 * LIMIT)
    assert late.told == [("invert", "scorer")], "and as it came back, not told again for the same time"
    assert host.give_up() == ()
    assert shelf.info("invert").state is PluginState.ENABLED


def test_only_calls_that_are_late_are_given_up(shelf: PluginShelf) -> None:
    late = Late()
    host = Host(shelf, tell_late=late, limit_seconds=LIMIT)
    with host.fence("invert", "attach"):
        assert host.give_up() == ()
        time.sleep(0.05)
    assert late.told == []


def test_a_cancel_that_arrives_first_stays_a_cancel(shelf: PluginShelf) -> None:
    late = Late()
    host = Host(shelf, tell_late=late, limit_seconds=LIMIT)

    def guide() -> None:
        with host.fence("invert", "guide"):
            assert late.heard.wait(5)
            raise RenderCancelled

    with pytest.raises(RenderCancelled):
        guide()


def test_of_nested_calls_the_innermost_is_given_up(shelf: PluginShelf) -> None:
    late = Late()
    host = Host(shelf, tell_late=late, limit_seconds=LIMIT)

    def both() -> None:
        with host.fence("invert", "attach"), host.fence("invert", "text"):
            while len(late.told) < 2:
                time.sleep(0.01)
            assert host.give_up() == (("invert", "text"),)
            sleeps_in_small_steps()

    with pytest.raises(PluginProblem, match="“text”"):
        both()


def test_a_hang_in_another_thread_leaves_this_one_alone(shelf: PluginShelf) -> None:
    late = Late()
    host = Host(shelf, tell_late=late, limit_seconds=LIMIT)
    said: list[str] = []

    def engine() -> None:
        try:
            with host.fence("invert", "attach"):
                sleeps_in_small_steps()
        except PluginProblem as problem:
            said.append(problem.headline)

    thread = threading.Thread(target=engine)
    thread.start()
    assert late.heard.wait(5) and thread.is_alive()
    with host.fence("invert", "metadata_reader"):
        assert host.give_up() == (("invert", "attach"),)
        thread.join(5)
    assert not thread.is_alive() and "given up" in said[0]
