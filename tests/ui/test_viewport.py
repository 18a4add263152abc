"""Fit, zoom and pan as pure geometry."""

import pytest
from PySide6.QtCore import QPointF, QSizeF

from studio.ui.centre.viewport import ZOOM_MAX, Viewport

PLACE = Viewport(view=QSizeF(400, 300), picture=QSizeF(200, 100), margin=0)


def test_fitted_shows_all_in_the_middle() -> None:
    rect = PLACE.rect()
    assert (rect.x(), rect.y(), rect.width(), rect.height()) == (0, 50, 400, 200)
    assert not PLACE.can_pan


def test_zooming_keeps_the_point_under_the_pointer() -> None:
    at = QPointF(100, 120)
    before, place = PLACE.rect(), PLACE.zoomed(4, at)
    after = place.rect()
    assert place.scale == pytest.approx(8)
    assert (at.x() - after.x()) / after.width() == pytest.approx((at.x() - before.x()) / before.width())
    assert (at.y() - after.y()) / after.height() == pytest.approx((at.y() - before.y()) / before.height())


def test_panning_stops_at_the_edges() -> None:
    place = PLACE.zoomed(4, QPointF(200, 150)).panned(100_000, 100_000)
    assert place.rect().x() == pytest.approx(0)
    assert place.rect().y() == pytest.approx(0)
    place = place.panned(-100_000, -100_000)
    assert place.rect().right() == pytest.approx(400)
    assert place.rect().bottom() == pytest.approx(300)


def test_zoom_has_limits_and_an_empty_picture_does_no_harm() -> None:
    assert PLACE.zoomed(1e9, QPointF(0, 0)).scale == ZOOM_MAX
    assert PLACE.zoomed(1e-9, QPointF(0, 0)).scale <= PLACE.fit_scale
    empty = Viewport(view=QSizeF(400, 300))
    assert empty.zoomed(2, QPointF(1, 1)).panned(5, 5).rect().isEmpty()
