"""When things go wrong around a picture: the artist reads a sentence, nothing is lost, the next job runs."""

import threading
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.core.errors import BadPicture, OutOfMemory
from studio.core.job import JobState
from studio.engine.fake import FakeEngine
from tests.journeys.conftest import Start, child, drop_file, generate, press, type_into


@pytest.mark.parametrize(
    "error",
    [RuntimeError("boom"), OutOfMemory("Not enough memory.", "Make it smaller."), BadPicture("NaN."), SystemExit(1)],
)
def test_a_broken_engine_fails_one_job_in_words(start: Start, qtbot: QtBot, error: BaseException) -> None:
    broken = [True]

    def before_step(step: int) -> None:
        if broken:
            broken.clear()
            raise error

    studio = start(FakeEngine(before_step=before_step))
    type_into(studio, "promptEdit", "x")
    with qtbot.waitSignal(studio.queue.job_failed, timeout=10_000) as failed:
        press(studio, "generateButton")
    job = failed.args[0]
    assert job.error.headline
    assert "Traceback" not in job.error.headline
    assert any(message.headline == job.error.headline for message in studio.state.messages.history())
    assert generate(studio, qtbot)


def test_escape_cancels_at_once_and_the_next_job_runs(start: Start, qtbot: QtBot) -> None:
    go_on, reached = threading.Event(), threading.Event()

    def before_step(step: int) -> None:
        if not go_on.is_set():
            reached.set()
            go_on.wait(10)

    studio = start(FakeEngine(before_step=before_step))
    type_into(studio, "promptEdit", "x")
    press(studio, "generateButton")
    qtbot.waitUntil(reached.is_set, timeout=10_000)
    qtbot.waitUntil(lambda: studio.queue.running is not None)
    QTest.keyClick(studio.window, Qt.Key.Key_Escape)
    assert studio.queue.running.state is JobState.CANCELLING
    go_on.set()
    qtbot.waitUntil(lambda: studio.queue.jobs[0].state is JobState.CANCELLED)
    assert studio.store.count() == 0
    assert generate(studio, qtbot)


def test_closing_while_an_engine_hangs_does_not_hang_the_window(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, reached = threading.Event(), threading.Event()

    def before_step(step: int) -> None:
        reached.set()
        go_on.wait(60)

    studio = start(FakeEngine(before_step=before_step))
    close = studio.queue.close
    monkeypatch.setattr(studio.queue, "close", lambda: close(0.5))
    press(studio, "generateButton")
    qtbot.waitUntil(reached.is_set, timeout=10_000)
    studio.close()
    go_on.set()


def test_a_folder_that_refuses_keeps_the_picture_and_saves_it_later(start: Start, qtbot: QtBot, data: Path) -> None:
    studio = start()
    generate(studio, qtbot)
    pictures = data / "pictures"
    aside = data / "aside"
    pictures.rename(aside)
    pictures.write_text("in the way")  # what a read-only or vanished folder is to root, whom mode bits do not stop
    studio.draft.set_prompt("must not be lost")
    with qtbot.waitSignal(studio.queue.job_failed, timeout=10_000) as failed:
        press(studio, "generateButton")
    job = failed.args[0]
    assert studio.queue.unsaved(job.id) is not None
    pictures.unlink()
    aside.rename(pictures)
    with qtbot.waitSignal(studio.queue.picture_added, timeout=10_000) as added:
        studio.queue.retry_save(job.id)
    assert added.args[0].recipe.prompt == "must not be lost"
    assert studio.queue.unsaved(job.id) is None


def test_a_library_that_goes_and_comes_back_is_not_begun_anew(
    start: Start, qtbot: QtBot, data: Path, tmp_path: Path
) -> None:
    studio = start()
    generate(studio, qtbot)
    data.rename(tmp_path / "unplugged")
    type_into(studio, "promptEdit", "must not be lost")
    with qtbot.waitSignal(studio.queue.job_failed, timeout=10_000) as failed:
        press(studio, "generateButton")
    job = failed.args[0]
    assert "the library's folder is gone; it is still in memory" in job.error.headline
    said = "What you type cannot be kept for the next start."
    qtbot.waitUntil(lambda: said in [message.headline for message in studio.state.messages.history()], timeout=10_000)
    assert not data.exists()
    (tmp_path / "unplugged").rename(data)
    with qtbot.waitSignal(studio.queue.picture_added, timeout=10_000) as added:
        studio.queue.retry_save(job.id)
    assert added.args[0].recipe.prompt == "must not be lost"
    assert added.args[0].file.is_file()
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 2, timeout=10_000)
    studio = start()
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 2, timeout=10_000)
    assert studio.draft.draft.prompt == "must not be lost"


@pytest.mark.parametrize("name", ["empty.png", "text.png", "<img src=x width=30000>.png"])
def test_a_bad_drop_changes_nothing_and_is_said(start: Start, qtbot: QtBot, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"" if name == "empty.png" else b"not a picture")
    studio = start()
    type_into(studio, "promptEdit", "kept")
    before = studio.draft.draft
    for target in ("controlPanel", "pictureView"):
        with qtbot.waitSignal(studio.state.messages.posted, timeout=10_000) as posted:
            drop_file(child(studio, target), file)
        assert posted.args[0].headline
    assert studio.draft.draft == before


def test_a_damaged_index_is_rebuilt_from_the_pictures(start: Start, qtbot: QtBot, data: Path) -> None:
    studio = start()
    picture = generate(studio, qtbot)
    studio.close()
    for file in data.glob("index.sqlite3*"):
        file.write_bytes(b"")
    studio = start()
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 1, timeout=10_000)
    assert studio.store.get(picture.id).recipe == picture.recipe


def test_deleted_pictures_come_back_with_undo(start: Start, qtbot: QtBot) -> None:
    studio = start()
    picture = generate(studio, qtbot)
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 1)
    studio.state.gallery.remove([picture.id])
    qtbot.waitUntil(lambda: not picture.file.exists(), timeout=5000)
    assert studio.state.gallery.rowCount() == 0
    studio.draft.undo_stack.undo()
    qtbot.waitUntil(picture.file.exists, timeout=5000)
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 1)
