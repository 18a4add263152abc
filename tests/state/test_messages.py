"""Messages: kept until somebody listens, from any thread, and out of all three exception hooks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from studio.core.errors import BadRecipe
from studio.state.messages import Message, Messages


@pytest.fixture
def quiet_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the hooks of pytest, which would fail the test for the very errors it makes."""
    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(module, name, lambda *_: None)


@pytest.fixture
def hooked(qtbot: QtBot, quiet_hooks: None) -> Iterator[Messages]:
    messages = Messages()
    messages.start_delivery()
    messages.install_hooks()
    yield messages
    messages.remove_hooks()


def test_messages_wait_for_a_listener(qtbot: QtBot) -> None:
    messages, heard = Messages(), []
    messages.info("one")
    messages.warn("two", "a hint")
    messages.posted.connect(heard.append)
    assert heard == []
    messages.start_delivery()
    messages.error(BadRecipe("three", "why", "detail"))
    assert [message.headline for message in heard] == ["one", "two", "three"]
    assert heard[2] == Message(level="error", headline="three", hint="why", detail="detail")
    assert messages.history() == tuple(heard)


def test_messages_from_other_threads_arrive_on_the_ui_thread(qtbot: QtBot) -> None:
    messages, threads = Messages(), []
    messages.start_delivery()
    messages.posted.connect(lambda _: threads.append(threading.current_thread()))
    worker = threading.Thread(target=lambda: messages.info("from below"))
    worker.start()
    worker.join()
    qtbot.waitUntil(lambda: bool(threads))
    assert threads == [threading.current_thread()]


def test_an_action_comes_along(qtbot: QtBot) -> None:
    messages, done = Messages(), []
    messages.info("Deleted.", action="Undo", on_action=lambda: done.append(True))
    action = messages.history()[0].on_action
    assert action is not None
    action()
    assert done == [True]


def test_repeated_errors_are_told_once(qtbot: QtBot) -> None:
    messages = Messages()
    for _ in range(100):
        messages.error(BadRecipe("again"))
    assert len(messages.history()) == 1


def test_all_three_hooks_end_here(qtbot: QtBot, hooked: Messages) -> None:
    error = ValueError("boom")
    sys.excepthook(ValueError, error, None)
    worker = threading.Thread(target=lambda: 1 / 0)
    worker.start()
    worker.join()

    class Broken:
        def __del__(self) -> None:
            raise KeyError("in __del__")

    Broken()
    qtbot.waitUntil(lambda: len(hooked.history()) == 3)
    told = " ".join(message.headline for message in hooked.history())
    assert "ValueError" in told
    assert "ZeroDivisionError" in told
    assert "KeyError" in told


def test_a_studio_error_in_a_slot_is_told_in_its_own_words(hooked: Messages) -> None:
    sys.excepthook(BadRecipe, BadRecipe("Too many.", "Remove one."), None)
    assert hooked.history()[0].headline == "Too many."


def test_wishes_to_stop_are_not_errors(hooked: Messages) -> None:
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert hooked.history() == ()


def test_an_error_while_telling_an_error_does_not_go_round(hooked: Messages) -> None:
    calls = []

    def broken_bar(message: Message) -> None:
        calls.append(message)
        sys.excepthook(RuntimeError, RuntimeError("the bar is broken too"), None)

    hooked.posted.connect(broken_bar)
    sys.excepthook(ValueError, ValueError("first"), None)
    assert len(calls) == 1


def test_hooks_are_given_back(qtbot: QtBot, quiet_hooks: None) -> None:
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    messages = Messages()
    messages.install_hooks()
    messages.install_hooks()
    assert sys.excepthook is not before[0]
    messages.remove_hooks()
    messages.remove_hooks()
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == before
