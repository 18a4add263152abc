"""Files and folders dropped on the history, the question about folders, their rows and menus, the size of the tiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QContextMenuEvent, QDragEnterEvent
from PySide6.QtWidgets import QApplication, QMenu, QWidget
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.state.gallery_model import mime_of
from tests.gallery.test_imported import foreign, print_of
from tests.ui.conftest import MakeStudio, drop, file_mime, paint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "renders"
    root.mkdir()
    for seed in (1, 2):
        foreign(root / f"ship {seed}.png", f"a ship {seed}", seed)
    return root


def said(studio: Studio) -> list[str]:
    return [message.headline for message in studio.state.messages.history()]


def rows(studio: Studio) -> int:
    return studio.state.gallery.rowCount()


def library(studio: Studio) -> QWidget:
    studio.window.commands["library"].trigger()
    page = studio.window.history.stack.currentWidget()
    assert page is not None
    return page


def hover(target: QWidget, mime: object) -> None:
    enter = QDragEnterEvent(
        target.rect().center(), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )  # fmt: skip
    QApplication.sendEvent(target, enter)


@pytest.mark.parametrize("place", ["dock", "library"])
def test_files_dropped_on_the_history_are_copied_into_it(
    qtbot: QtBot, studio: Studio, folder: Path, place: str
) -> None:
    target = library(studio) if place == "library" else studio.window.history.panel
    assert drop(target, file_mime(*sorted(folder.iterdir())))
    qtbot.waitUntil(lambda: rows(studio) == 2)
    qtbot.waitUntil(lambda: "2 pictures were copied into the history." in said(studio))
    (card,) = studio.window.centre.messages.cards()
    assert "Undo" in [button.text() for button in card.findChildren(type(studio.window.prompt.generate))]
    studio.window.commands["undo"].trigger()
    qtbot.waitUntil(lambda: rows(studio) == 0)


def test_a_dropped_folder_is_asked_about_and_stays_as_it_is(qtbot: QtBot, studio: Studio, folder: Path) -> None:
    before = print_of(folder)
    assert drop(studio.window.history.panel, file_mime(folder))
    qtbot.waitUntil(lambda: studio.window.imports.question is not None)
    question = studio.window.imports.question
    assert question is not None and rows(studio) == 0
    question.watch.click()
    qtbot.waitUntil(lambda: [known.watched for known in studio.state.imports.folders] == [True])
    qtbot.waitUntil(lambda: rows(studio) == 2)
    assert print_of(folder) == before and studio.window.imports.question is None


def test_the_question_can_be_left_and_the_next_one_comes(qtbot: QtBot, studio: Studio, folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    foreign(other / "a.png", "a castle", 9)
    imports = studio.window.imports
    imports.ask((folder,))
    imports.ask((other,))
    assert imports.question is not None
    imports.question.cancel.click()
    assert imports.question is not None
    imports.question.once.click()
    qtbot.waitUntil(lambda: [known.path for known in studio.state.imports.folders] == [other])
    assert not studio.state.imports.folders[0].watched


def test_drops_elsewhere_and_of_own_pictures_keep_their_meaning(
    qtbot: QtBot, studio: Studio, folder: Path, sketch: Path
) -> None:
    window = studio.window
    assert drop(window.control, file_mime(sketch))
    qtbot.waitUntil(lambda: bool(window.control.cards), timeout=5000)
    assert rows(studio) == 0
    paint(qtbot, studio)
    own = studio.state.gallery.picture(studio.state.gallery.index(0))
    assert own is not None
    assert not drop(window.history.panel, mime_of([own]))
    plugin = folder.parent / "guest"
    plugin.mkdir()
    (plugin / "plugin.toml").write_text("id = 1")
    hover(window.history.panel, file_mime(plugin))
    guest = window.zones._guest
    assert guest is not None and guest[0].isVisible() and not any(hint.isVisible() for hint in window.zones.hints())
    window.zones.end()


def test_only_targets_that_take_a_folder_say_so(qtbot: QtBot, studio: Studio, folder: Path) -> None:
    zones, panel = studio.window.zones, studio.window.history.panel
    hover(panel, file_mime(folder))
    (hint,) = (hint for hint in zones.hints() if hint.isVisible())
    assert hint.parent() is panel and hint.hot and "history" in hint.words
    zones.end()
    hover(panel, file_mime(folder / "ship 1.png"))
    assert len([hint for hint in zones.hints() if hint.isVisible()]) > 2
    zones.end()


def test_web_addresses_are_refused_in_words(qtbot: QtBot, studio: Studio) -> None:
    from PySide6.QtCore import QMimeData, QUrl

    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/a.png")])
    assert drop(studio.window.history.panel, mime)
    assert said(studio)[-1] == "Only files on this computer can be dropped here."


def test_folders_stand_beside_the_library_and_are_taken_out_there(
    qtbot: QtBot, studio: Studio, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QMenu, "popup", lambda *_: None)  # offscreen there is no keyboard to grab
    page = library(studio)
    side = page.folders
    assert side.isHidden()
    studio.state.imports.add_folder(folder, watched=False)
    qtbot.waitUntil(lambda: not side.isHidden() and rows(studio) == 2)
    (row,) = side.made_rows()
    assert row.text() == "renders" and "as it was" in row.toolTip().lower()
    with qtbot.waitSignal(studio.state.gallery.listed):
        row.click()
    assert studio.state.gallery.query.text == "folder:renders" and row.isChecked() and rows(studio) == 2
    with qtbot.waitSignal(studio.state.gallery.listed):
        row.click()
    assert studio.state.gallery.query.text == ""
    QApplication.sendEvent(row, QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(), QPoint()))
    (menu,) = side.findChildren(QMenu)
    action(menu, "Take it out of the history").trigger()
    qtbot.waitUntil(lambda: side.isHidden() and rows(studio) == 0)
    qtbot.waitUntil(lambda: said(studio)[-1] == "The folder “renders” is out of the history.")


def test_the_file_menu_knows_the_folders(qtbot: QtBot, studio: Studio, folder: Path) -> None:
    studio.state.imports.add_folder(folder, watched=True)
    qtbot.waitUntil(lambda: len(studio.state.imports.folders) == 1)
    (menu,) = (m for m in studio.window.menuBar().findChildren(QMenu) if m.title() == "&Folders in the history")
    menu.aboutToShow.emit()
    (entry,) = menu.actions()
    assert entry.text() == "renders"
    below = entry.menu()
    assert isinstance(below, QMenu)
    action(below, "Watch it no longer").trigger()
    qtbot.waitUntil(lambda: not studio.state.imports.folders[0].watched)


def test_the_library_keeps_the_size_of_its_tiles(qtbot: QtBot, make_studio: MakeStudio, tmp_path: Path) -> None:
    studio = make_studio(folder=tmp_path / "lib")
    page = library(studio)
    page.panel.foot.size_slider.setValue(96)
    studio.close()
    again = make_studio(folder=tmp_path / "lib")
    page = library(again)
    assert page.grid.tile_px == 96 and page.panel.foot.size_slider.value() == 96
    assert again.window.history.panel.grid.tile_px == 128  # the dock has its own


def action(menu: QMenu, words: str) -> QAction:
    (found,) = (entry for entry in menu.actions() if entry.text().replace("&", "") == words)
    return found


def test_what_becomes_of_a_deleted_file_is_said(qtbot: QtBot, studio: Studio, folder: Path) -> None:
    before = print_of(folder)
    studio.state.imports.add_folder(folder, watched=False)
    qtbot.waitUntil(lambda: rows(studio) == 2 and len(studio.state.imports.folders) == 1)
    gallery = studio.state.gallery
    qtbot.waitUntil(lambda: gallery.picture(gallery.index(0)) is not None)
    studio.window.wishes.delete([gallery.picture(gallery.index(0))])
    message = next(m for m in studio.state.messages.history() if m.headline == "The picture was moved to the trash.")
    assert "stay where they are" in message.hint
    qtbot.waitUntil(lambda: rows(studio) == 1)
    assert print_of(folder) == before
