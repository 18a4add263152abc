"""The queue panel after a restart: small buttons, menu and the notice do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.app import Studio, build
from studio.core.job import JobState, Kept
from studio.core.recipe import Recipe
from studio.core.session import Before
from studio.engine.fake import FakeEngine
from studio.state.aftermath import tell_aftermath, tell_safe_mode
from studio.ui.panels.jobs_delegate import button_rect, wish_at, wish_words, wishes_of

LEFT = [
    Kept(key="waited", recipe=Recipe(prompt="waited", seed=1, steps=2)),
    Kept(key="ran", recipe=Recipe(prompt="ran", seed=2, steps=2), started=True),
    Kept(key="made", recipe=Recipe(prompt="made", seed=3, steps=2), started=True, undecoded=True),
]


@pytest.fixture
def studio(data: Path, qtbot: QtBot) -> Iterator[Studio]:
    made = build(data, FakeEngine())
    made.window.show()
    qtbot.waitUntil(lambda: made.queue.engine is not None)
    made.queue.restore(LEFT)
    yield made
    made.close()


def click(studio: Studio, prompt: str, wish: str) -> None:
    """Click a small button of the row with this prompt."""
    view = studio.window.jobs
    index = next(index for row in range(9) if (index := view.model().index(row, 0)).data() == prompt)
    view.scrollTo(index)
    rect, job = view.visualRect(index), index.data(view.model().JobRole)
    at = button_rect(rect, wishes_of(job).index(wish)).center()
    assert wish_at(rect, at, job) == wish
    assert wish_at(rect, QPoint(rect.left() + 50, rect.center().y()), job) == ""
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)


def state(studio: Studio, seed: int) -> list[JobState]:
    return [job.state for job in studio.queue.jobs if job.recipe.seed == seed]


def test_the_small_buttons(studio: Studio, qtbot: QtBot) -> None:
    click(studio, "waited", "go_on")
    qtbot.waitUntil(lambda: state(studio, 1) == [JobState.DONE])
    click(studio, "ran", "run_again")
    qtbot.waitUntil(lambda: state(studio, 2) == [JobState.DONE])
    click(studio, "made", "forget")
    assert state(studio, 3) == []
    for wish in ("cancel", "go_on", "run_again", "decode_again", "forget"):
        assert wish_words(wish)


def test_a_spool_that_is_gone_is_said_and_can_be_run_again(studio: Studio, qtbot: QtBot) -> None:
    with qtbot.waitSignal(studio.queue.job_failed) as failed:
        click(studio, "made", "decode_again")
    assert "is gone" in failed.args[0].error.headline
    job = next(job for job in studio.queue.jobs if job.recipe.seed == 3)
    assert (job.state, job.undecoded) == (JobState.FAILED, False)
    studio.queue.run_again(job.id)
    qtbot.waitUntil(lambda: JobState.DONE in state(studio, 3))


@pytest.mark.parametrize(
    ("place", "words"),
    [(0, ["Let it run", "Let all run that waited"]), (1, ["Run again"]), (2, ["Decode again", "Run again"])],
)
def test_the_menu_offers_the_same(studio: Studio, place: int, words: list[str]) -> None:
    menu = studio.window.jobs.menu_for(studio.queue.jobs[place])
    offered = [action.text() for action in menu.actions()]
    assert [
        word for word in offered if word in ("Let it run", "Let all run that waited", "Run again", "Decode again")
    ] == words
    assert not menu.actions()[offered.index("Cancel")].isEnabled() or place == 0
    menu.deleteLater()


def test_the_notice_says_what_was_kept_and_goes_on(studio: Studio, qtbot: QtBot) -> None:
    tell_aftermath(studio.state.messages, studio.queue, Before(crashed=True, at="decoding with mini", log="stacks"))
    qtbot.waitUntil(lambda: bool(studio.window.centre.messages.cards()))
    message = studio.window.centre.messages.cards()[0].message
    assert message.headline == "The studio ended unexpectedly last time. It was decoding with mini."
    assert message.hint.split("\n") == [
        "All saved pictures and what stood in the panels are kept.",
        "1 picture was waiting and waits in the queue until you say so.",
        "1 picture was made but not decoded (seed 3); its steps are kept.",
        "1 picture was interrupted (seed 2); it runs again only if you wish it.",
    ]
    assert (message.action, message.other, message.detail, message.stays) == ("Go on", "Decode again", "stacks", True)
    message.on_action()
    qtbot.waitUntil(lambda: state(studio, 1) == [JobState.DONE])
    assert state(studio, 2) == [JobState.INTERRUPTED]


def test_nothing_is_said_after_an_ordinary_end(studio: Studio) -> None:
    for job in studio.queue.jobs:
        studio.queue.cancel(job.id)
        studio.queue.forget(job.id)
    before = studio.state.messages.history()
    tell_aftermath(studio.state.messages, studio.queue, Before())
    assert studio.state.messages.history() == before


@pytest.mark.parametrize(("failed", "words"), [(2, "2 starts in a row"), (0, "without --safe-mode")])
def test_safe_mode_says_how_to_leave_it(studio: Studio, failed: int, words: str) -> None:
    tell_safe_mode(studio.state.messages, Before(failed_starts=failed))
    message = studio.state.messages.history()[-1]
    assert words in f"{message.headline} {message.hint}"


def test_cancel_all_takes_out_what_waits_for_the_artist_too(studio: Studio) -> None:
    studio.window.commands["cancel_all"].trigger()
    assert state(studio, 1) == [JobState.CANCELLED]
