"""Zooming, panning and forming in the large view."""

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSize, Qt, QUrl
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.ui.centre.picture_view import PictureView
from studio.ui.images import grown


@pytest.fixture
def view(qtbot: QtBot) -> PictureView:
    made = PictureView()
    qtbot.addWidget(made)
    made.resize(400, 400)
    made.show()
    made.show_image(picture(200, 200))
    return made


def picture(width: int, height: int) -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor("orange"))
    return image


def wheel(view: PictureView, at: QPointF, turns: int) -> None:
    event = QWheelEvent(
        at, view.mapToGlobal(at), QPoint(), QPoint(0, 120 * turns), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def test_fit_wheel_actual_size(view: PictureView, qtbot: QtBot) -> None:
    assert view.place.scale == pytest.approx(360 / 200)
    wheel(view, QPointF(200, 200), 3)
    assert view.place.scale == pytest.approx(1.8 * 1.25**3)
    assert view.place.can_pan
    view.actual_size()
    assert view.place.scale == 1
    view.fit()
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
    assert view.place.zoom == 1
    assert view.grab().toImage().pixelColor(200, 200) == QColor("orange")


def test_a_zoomed_picture_is_dragged_about(view: PictureView, qtbot: QtBot) -> None:
    wheel(view, QPointF(200, 200), 6)
    before = view.place.rect().x()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
    qtbot.mouseMove(view, QPoint(230, 210))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(230, 210))
    assert view.place.rect().x() == pytest.approx(before + 30)
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert view.place.rect().x() == pytest.approx(before + 78)


def test_previews_take_the_place_of_the_picture_to_be(view: PictureView) -> None:
    view.zoom_in()
    before = view.place.rect()
    view.show_image(picture(25, 25), forming=QSize(200, 200))
    assert view.place.rect() == before
    view.show_image(picture(200, 200))
    assert view.place.rect() == before
    view.show_image(picture(300, 200))
    assert view.place.zoom is None


def test_a_fitted_picture_is_dragged_out_as_its_file(
    view: PictureView, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dragged: list[list[QUrl]] = []
    monkeypatch.setattr(
        "studio.ui.centre.picture_view.QDrag.exec", lambda drag, _actions: dragged.append(drag.mimeData().urls())
    )
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile("/somewhere/a.png")])
    view.drag_data = mime
    for _ in range(2):  # the second drag still has what to carry
        qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
        qtbot.mouseMove(view, QPoint(260, 200))
        qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(260, 200))
    assert [urls[0].toLocalFile() for urls in dragged] == ["/somewhere/a.png"] * 2


def test_progress_and_an_empty_view_paint(view: PictureView) -> None:
    view.show_progress(0.5)
    view.show_image(QImage())
    assert not view.grab().isNull()
    wheel(view, QPointF(10, 10), 1)


def test_small_previews_grow_smoothly() -> None:
    image = QImage(2, 1, QImage.Format.Format_RGB32)
    image.setPixelColor(0, 0, QColor(0, 0, 0))
    image.setPixelColor(1, 0, QColor(255, 255, 255))
    large = grown(image, 64)
    steps = [large.pixelColor(x, 16).red() for x in range(64)]
    assert steps == sorted(steps)
    assert len(set(steps)) > 20
