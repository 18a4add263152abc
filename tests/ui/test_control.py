"""Control layers through the real panel: dropping, pasting, turning the knobs, undo; and the other things to drop."""

from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.choices import ControlKind, ResizeMode
from studio.ui.panels.control_card import ControlCard
from tests.ui.conftest import drop, file_mime, paint, sketch_image


def dropped_card(qtbot: QtBot, studio: Studio, sketch: Path) -> ControlCard:
    """A card made by dropping the sketch, its map on show."""
    control = studio.window.control
    assert drop(control, file_mime(sketch))
    qtbot.waitUntil(lambda: bool(control.cards) and not control.cards[0].map.image.isNull(), timeout=5000)
    return control.cards[0]


def test_a_dropped_sketch_becomes_a_layer_and_is_inverted_visibly(qtbot: QtBot, studio: Studio, sketch: Path) -> None:
    card = dropped_card(qtbot, studio, sketch)
    use = studio.draft.draft.controls[0].use
    assert (use.kind, use.invert) == (ControlKind.SCRIBBLE, True)
    assert card.invert.isChecked()
    seen = card.map.image
    assert (seen.width(), seen.height()) == (256, 256)
    assert seen.pixelColor(0, 0).lightness() < 40
    qtbot.mouseClick(card.invert, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: card.map.image.pixelColor(0, 0).lightness() > 200, timeout=5000)
    studio.draft.undo_stack.undo()
    assert card.invert.isChecked()
    studio.draft.undo_stack.undo()
    assert studio.window.control.cards == ()


def test_the_knobs_reach_the_draft_and_melt_into_single_steps(qtbot: QtBot, studio: Studio, sketch: Path) -> None:
    card = dropped_card(qtbot, studio, sketch)
    steps = studio.draft.undo_stack.count()
    for value in (1.2, 1.4, 1.6):
        card.weight.spin.setValue(value)
    assert studio.draft.draft.controls[0].use.weight == 1.6
    assert studio.draft.undo_stack.count() == steps + 1
    card.range.setFocus()
    for _ in range(10):
        qtbot.keyClick(card.range, Qt.Key.Key_Right)
    qtbot.keyClick(card.range, Qt.Key.Key_Space)
    qtbot.keyClick(card.range, Qt.Key.Key_PageDown)
    use = studio.draft.draft.controls[0].use
    assert (use.start, use.end) == (0.1, 0.9)
    card.resize_mode.setCurrentIndex(card.resize_mode.findData("pad"))
    card.resize_mode.activated.emit(1)
    assert studio.draft.draft.controls[0].use.resize is ResizeMode.PAD


def test_canny_shows_its_thresholds(qtbot: QtBot, studio: Studio, sketch: Path) -> None:
    card = dropped_card(qtbot, studio, sketch)
    assert not card.edges.isVisible()
    card.kind.setCurrentIndex(card.kind.findData("canny"))
    card.kind.activated.emit(1)
    assert card.edges.isVisible()
    card.edges.setFocus()
    qtbot.keyClick(card.edges, Qt.Key.Key_Right)
    assert studio.draft.draft.controls[0].use.low == 101


def test_layers_are_switched_moved_and_removed(qtbot: QtBot, studio: Studio, sketch: Path) -> None:
    dropped_card(qtbot, studio, sketch)
    drop(studio.window.control, file_mime(sketch))
    qtbot.waitUntil(lambda: len(studio.window.control.cards) == 2, timeout=5000)
    first, second = studio.window.control.cards
    second.weight.spin.setValue(0.5)
    qtbot.mouseClick(second.up, Qt.MouseButton.LeftButton)
    assert [layer.use.weight for layer in studio.draft.draft.controls] == [0.5, 1.0]
    qtbot.mouseClick(first.eye, Qt.MouseButton.LeftButton)
    assert [layer.enabled for layer in studio.draft.draft.controls] == [False, True]
    assert not first.weight.isEnabled()
    qtbot.mouseClick(first.remove, Qt.MouseButton.LeftButton)
    assert [layer.use.weight for layer in studio.draft.draft.controls] == [1.0]
    studio.draft.undo_stack.undo()
    assert len(studio.window.control.cards) == 2


def test_a_picture_on_the_clipboard_is_pasted_as_a_layer(qtbot: QtBot, studio: Studio) -> None:
    QGuiApplication.clipboard().setImage(sketch_image())
    qtbot.keyClick(studio.window.prompt.prompt, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(studio.draft.draft.controls) == 1, timeout=5000)
    assert studio.draft.draft.prompt == ""
    QGuiApplication.clipboard().setText("words")
    qtbot.keyClick(studio.window.prompt.prompt, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert studio.draft.draft.prompt == "words"


def test_what_is_not_a_picture_is_refused_in_words(qtbot: QtBot, studio: Studio, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture <b>at all</b>")
    drop(studio.window.control, file_mime(bad))
    qtbot.waitUntil(lambda: bool(studio.window.centre.messages.cards()), timeout=5000)
    mime = QMimeData()
    mime.setUrls([QUrl("http://example.org/a.png")])
    drop(studio.window.control, mime)
    qtbot.waitUntil(lambda: len(studio.window.centre.messages.cards()) == 2, timeout=5000)
    assert studio.draft.draft.controls == ()


def test_a_picture_of_the_history_steers_gives_its_seed_or_all_its_settings(qtbot: QtBot, studio: Studio) -> None:
    window, gallery = studio.window, studio.state.gallery
    paint(qtbot, studio, "a blue cat", seed=2**32 - 1)
    mime = gallery.mimeData([gallery.index(0)])
    studio.draft.set_prompt("something else")
    studio.draft.set_seed(1)
    assert drop(window.settings.seed.edit, mime)
    assert studio.draft.draft.seed == 2**32 - 1
    assert studio.draft.draft.prompt == "something else"
    assert drop(window.control, mime)
    qtbot.waitUntil(lambda: len(studio.draft.draft.controls) == 1, timeout=5000)
    assert studio.draft.draft.controls[0].use.kind is ControlKind.CANNY
    assert drop(window.centre.view, mime)
    assert studio.draft.draft.prompt == "a blue cat"
    assert studio.draft.draft.controls == ()
    studio.draft.undo_stack.undo()
    assert studio.draft.draft.prompt == "something else"
    assert len(studio.draft.draft.controls) == 1


def test_a_saved_file_gives_back_its_settings(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, "a green boat", seed=11)
    file = studio.window.centre.picture.file
    studio.draft.set_prompt("")
    studio.draft.set_seed(None)
    assert drop(studio.window.prompt.prompt, file_mime(file))
    qtbot.waitUntil(lambda: studio.draft.draft.prompt == "a green boat", timeout=5000)
    studio.draft.set_seed(None)
    assert drop(studio.window.settings.seed, file_mime(file))
    qtbot.waitUntil(lambda: studio.draft.draft.seed == 11, timeout=5000)


def test_text_is_still_dropped_as_text(studio: Studio) -> None:
    mime = QMimeData()
    mime.setText("dragged words")
    drop(studio.window.prompt.prompt.viewport(), mime)
    assert "dragged words" in studio.draft.draft.prompt


def test_hints_say_what_dropping_does(qtbot: QtBot, studio: Studio, sketch: Path) -> None:
    from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent
    from PySide6.QtWidgets import QApplication

    window = studio.window
    mime = file_mime(sketch)
    middle, left, keys = window.control.rect().center(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(middle, Qt.DropAction.CopyAction, mime, left, keys)
    QApplication.sendEvent(window.control, enter)
    hints = window.zones.hints()
    assert all(hint.isVisible() for hint in hints)
    assert [hint.words for hint in hints if hint.hot] == ["Use as control layer"]
    QApplication.sendEvent(window.control, QDragLeaveEvent())
    qtbot.waitUntil(lambda: not any(hint.isVisible() for hint in hints), timeout=8000)


def test_the_panel_with_a_new_layer_comes_to_the_front(qtbot: QtBot, studio: Studio) -> None:
    window, draft = studio.window, studio.draft
    paint(qtbot, studio)
    window.docks["pluginsDock"].raise_()
    qtbot.waitUntil(lambda: window.control.visibleRegion().isEmpty(), timeout=5000)
    window.commands["use_control"].trigger()
    qtbot.waitUntil(lambda: len(draft.draft.controls) == 1, timeout=5000)
    qtbot.waitUntil(lambda: not window.control.visibleRegion().isEmpty(), timeout=5000)
    window.docks["controlDock"].close()
    window.commands["use_control"].trigger()
    qtbot.waitUntil(window.docks["controlDock"].isVisible, timeout=5000)
    window.commands["library"].trigger()
    window.commands["use_control"].trigger()
    qtbot.waitUntil(lambda: len(draft.draft.controls) == 3, timeout=5000)
    assert window.history.in_library() and not window.docks["controlDock"].isVisible()
    assert [card.message.headline for card in window.centre.messages.cards()] == ["The picture is a control layer now."]
