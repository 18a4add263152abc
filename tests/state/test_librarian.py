"""The librarian works beside the window, tells what it found, and stops when the studio closes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from pytestqt.qtbot import QtBot

from studio.core.errors import StudioError
from studio.state.background import Background
from studio.state.librarian import Librarian


@dataclass
class SlowLibrary:
    notices: tuple[str, ...] = ("known already",)
    rounds: int = 0
    looked: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def care(self, on_change: Callable[[], None], stopped: Callable[[], bool]) -> None:
        for _ in range(5):
            on_change()
        self.notices += ("2 pictures were found.",)
        while self.rounds and not stopped():
            self.stopped.wait(0.001)
        self.stopped.set()

    def look_at_new(self, stopped: Callable[[], bool]) -> int:
        self.looked += 1
        return 1

    def visit_folders(self, on_change: Callable[[], None], stopped: Callable[[], bool]) -> None:
        on_change()


def test_it_tells_what_it_found(qtbot: QtBot, background: Background) -> None:
    librarian = Librarian(SlowLibrary(), background)
    said: list[str] = []
    changes: list[int] = []
    librarian.noticed.connect(said.append)
    librarian.changed.connect(lambda: changes.append(1))
    librarian.start(told=1)
    qtbot.waitUntil(lambda: len(changes) == 2)
    assert said == ["2 pictures were found."]
    assert len(changes) == 2, "five changes at once are read anew once, and once at the end"
    librarian.close()


def test_other_work_in_the_library_is_answered_or_refused(qtbot: QtBot, background: Background) -> None:
    librarian = Librarian(SlowLibrary(), background)
    done: list[str] = []
    refused: list[StudioError] = []

    def work(on_change: Callable[[], None], stopped: Callable[[], bool]) -> str:
        on_change()
        return f"stopped: {stopped()}"

    def refuse(*_: object) -> str:
        raise StudioError("Not a folder.")

    with qtbot.waitSignal(librarian.changed):
        librarian.do(work, done.append, refused.append)
    librarian.do(refuse, done.append, refused.append)
    qtbot.waitUntil(lambda: len(refused) == 1)
    assert done == ["stopped: False"] and refused[0].headline == "Not a folder."
    librarian.close()


def test_closing_ends_the_work(qtbot: QtBot, background: Background) -> None:
    library = SlowLibrary(rounds=1)
    librarian = Librarian(library, background)
    librarian.start(told=1)
    librarian.close()
    assert library.stopped.wait(5)
    assert background.wait()
