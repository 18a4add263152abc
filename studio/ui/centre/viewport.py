"""Where a picture lies in its view: pure geometry of fit, zoom and pan, in device pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from PySide6.QtCore import QPointF, QRectF, QSizeF

ZOOM_MIN, ZOOM_MAX = 0.05, 32.0
MARGIN = 20.0  # kept free around a fitted picture, in device pixels at ratio 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """`zoom` is device pixels per picture pixel, None means fitted; `centre` is the picture point in the middle (0 ... 1)."""

    view: QSizeF = field(default_factory=lambda: QSizeF(1, 1))
    picture: QSizeF = field(default_factory=QSizeF)
    margin: float = MARGIN
    zoom: float | None = None
    centre: tuple[float, float] = (0.5, 0.5)

    @property
    def scale(self) -> float:
        """The zoom in use."""
        return self.fit_scale if self.zoom is None else self.zoom

    @property
    def fit_scale(self) -> float:
        """The zoom at which all of the picture is seen."""
        if self.picture.isEmpty():
            return 1.0
        room = (max(1.0, self.view.width() - 2 * self.margin), max(1.0, self.view.height() - 2 * self.margin))
        return min(room[0] / self.picture.width(), room[1] / self.picture.height())

    @property
    def can_pan(self) -> bool:
        """Whether some of the picture lies outside the view."""
        size = self.picture * self.scale
        return size.width() > self.view.width() + 0.5 or size.height() > self.view.height() + 0.5

    def rect(self) -> QRectF:
        """The picture's place in the view."""
        size = self.picture * self.scale
        x = self.view.width() / 2 - self.centre[0] * size.width()
        y = self.view.height() / 2 - self.centre[1] * size.height()
        return QRectF(x, y, size.width(), size.height())

    def fitted(self) -> Viewport:
        """All of the picture, in the middle."""
        return replace(self, zoom=None, centre=(0.5, 0.5))

    def zoomed(self, factor: float, at: QPointF) -> Viewport:
        """Zoomed by `factor` with the picture point under `at` staying there."""
        return self.zoomed_to(self.scale * factor, at)

    def zoomed_to(self, zoom: float, at: QPointF) -> Viewport:
        """As `zoomed`, to a zoom within its limits."""
        zoom = min(ZOOM_MAX, max(min(ZOOM_MIN, self.fit_scale), zoom))
        before = self.rect()
        if before.isEmpty():
            return self
        fixed = ((at.x() - before.x()) / before.width(), (at.y() - before.y()) / before.height())
        width, height = self.picture.width() * zoom, self.picture.height() * zoom
        centre = (
            fixed[0] + (self.view.width() / 2 - at.x()) / width,
            fixed[1] + (self.view.height() / 2 - at.y()) / height,
        )
        return replace(self, zoom=zoom, centre=centre).kept_inside()

    def panned(self, dx: float, dy: float) -> Viewport:
        """Moved by device pixels, not beyond the edges."""
        size = self.picture * self.scale
        if size.isEmpty():
            return self
        return replace(
            self, centre=(self.centre[0] - dx / size.width(), self.centre[1] - dy / size.height())
        ).kept_inside()

    def kept_inside(self) -> Viewport:
        """Centred where the picture is smaller than the view, edge to edge at most where it is larger."""
        size = self.picture * self.scale
        if size.isEmpty():
            return self
        return replace(
            self,
            centre=(
                _kept(self.centre[0], self.view.width() / size.width()),
                _kept(self.centre[1], self.view.height() / size.height()),
            ),
        )


def _kept(centre: float, seen: float) -> float:
    """`seen` is the share of the picture that the view can show along one side."""
    if seen >= 1:
        return 0.5
    return min(1 - seen / 2, max(seen / 2, centre))
