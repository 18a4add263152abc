"""How a picture looks in the history: its tile with stars and score, places not read yet, and the headings of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QImage, QLinearGradient, QPainter, QPen

from studio.core.library import RATING_MAX
from studio.core.picture import Picture
from studio.state.thumbnails import TILE_RADIUS
from studio.ui.gallery.captions import day_words
from studio.ui.icons import render
from studio.ui.plugin_words import score_figure
from studio.ui.theme import colors, ui_font

GAP = 3  # around each tile, within its cell
STAR_PX = 14
STARS_FROM_PX = 84  # cells this large have room for five stars to press
_STARS_ROOM = 24  # at the foot of a tile


@dataclass(frozen=True, slots=True)
class Tile:
    """What is to be painted in one cell."""

    picture: Picture | None
    image: QImage | None
    broken: bool = False
    selected: bool = False
    hovered: bool = False
    current: bool = False  # and the view has the focus


def tile_rect(cell: QRect) -> QRect:
    """The tile within its cell."""
    return cell.adjusted(GAP, GAP, -GAP, -GAP)


def star_at(cell: QRect, at: QPoint) -> int:
    """Which star of a hovered tile lies under a point, 1 ... 5; 0 for none."""
    if cell.width() < STARS_FROM_PX:
        return 0
    stars = _stars_rect(tile_rect(cell))
    if not stars.adjusted(-2, -4, 2, 4).contains(at):
        return 0
    return max(1, min(RATING_MAX, (at.x() - stars.x()) // (STAR_PX + 2) + 1))


def paint_tile(painter: QPainter, cell: QRect, tile: Tile) -> None:
    """One cell."""
    rect = tile_rect(cell)
    if tile.image is not None and not tile.image.isNull():
        fits = tile.image.deviceIndependentSize() == rect.size().toSizeF()
        if fits:
            painter.drawImage(rect.topLeft(), tile.image)
        else:  # of another size until the right one is made
            painter.drawImage(rect, tile.image)
    else:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colors().color("raised_press"))
        painter.drawRoundedRect(QRectF(rect), TILE_RADIUS, TILE_RADIUS)
        if tile.broken:
            _sign(painter, rect, "image-missing", colors().text_faint)
    if tile.picture is not None:
        _paint_marks(painter, cell, rect, tile, tile.picture)
    _frame(painter, QRectF(rect), tile)


def _paint_marks(painter: QPainter, cell: QRect, rect: QRect, tile: Tile, picture: Picture) -> None:
    hovering = tile.hovered and cell.width() >= STARS_FROM_PX
    rating = picture.marks.rating
    if hovering or rating:
        foot = QRect(rect.left(), rect.bottom() + 1 - _STARS_ROOM, rect.width(), _STARS_ROOM)
        _shade(painter, rect, foot)
        if hovering:
            for number in range(RATING_MAX):
                _star(painter, _stars_rect(rect), number, "star" if number < rating else "star-off")
        elif cell.width() >= STARS_FROM_PX:
            for number in range(rating):
                _star(painter, _stars_rect(rect), number, "star")
        else:
            _star(painter, _stars_rect(rect), 0, "star")
            painter.setPen(Qt.GlobalColor.white)
            painter.setFont(ui_font(11, QFont.Weight.DemiBold))
            painter.drawText(_stars_rect(rect).adjusted(STAR_PX + 3, 0, 20, 0), int(_LEFT), str(rating))
    if picture.made_with.scores and not hovering:
        paint_badge(painter, rect, score_figure(picture.made_with.scores[0][1]))


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


def _stars_rect(rect: QRect) -> QRect:
    width = RATING_MAX * (STAR_PX + 2) - 2
    return QRect(rect.left() + 7, rect.bottom() - STAR_PX - 4, width, STAR_PX)


def _star(painter: QPainter, stars: QRect, number: int, name: str) -> None:
    """Star `number` of a row of them; white, for it stands on a shade over a picture."""
    ratio = painter.device().devicePixelRatioF()
    at = QRect(stars.x() + number * (STAR_PX + 2), stars.y(), STAR_PX, STAR_PX)
    painter.drawImage(at, render(name, round(STAR_PX * ratio), "#ffffff"))


def _shade(painter: QPainter, rect: QRect, foot: QRect) -> None:
    """Darkens the foot of a tile, so that white stars can be read over any picture."""
    shade = QLinearGradient(foot.topLeft(), foot.bottomLeft())
    black = colors().color("shadow")
    for place, alpha in ((0.0, 0), (0.45, 90), (1.0, 170)):
        black.setAlpha(alpha)
        shade.setColorAt(place, black)
    painter.save()
    painter.setClipRect(foot, Qt.ClipOperation.IntersectClip)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(shade)
    painter.drawRoundedRect(QRectF(rect), TILE_RADIUS, TILE_RADIUS)
    painter.restore()


def _sign(painter: QPainter, rect: QRect, name: str, color: str) -> None:
    place = QRect(rect.center() - QPoint(11, 11), QSize(22, 22))
    painter.drawImage(place, render(name, round(22 * painter.device().devicePixelRatioF()), color))


def _frame(painter: QPainter, rect: QRectF, tile: Tile) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if tile.selected:
        painter.setPen(QPen(colors().color("panel"), 5))
        painter.drawRoundedRect(rect.adjusted(1.5, 1.5, -1.5, -1.5), TILE_RADIUS - 1, TILE_RADIUS - 1)
        painter.setPen(QPen(colors().color("accent"), 2.5 if tile.current else 2))
        painter.drawRoundedRect(rect, TILE_RADIUS, TILE_RADIUS)
    elif tile.current or tile.hovered:
        painter.setPen(QPen(colors().color("accent" if tile.current else "text_faint"), 1))
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), TILE_RADIUS, TILE_RADIUS)


def paint_badge(painter: QPainter, tile: QRect, words: str) -> None:
    """A few words in the lower right corner of a tile, readable over any picture."""
    painter.setFont(ui_font(11))
    width = painter.fontMetrics().horizontalAdvance(words) + 10
    badge = QRectF(tile.right() - width - 4, tile.bottom() - 21, width, 17)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colors().color("window", 220))
    painter.drawRoundedRect(badge, 4, 4)
    painter.setPen(colors().color("text"))
    painter.drawText(badge, int(Qt.AlignmentFlag.AlignCenter), words)


def paint_heading(painter: QPainter, rect: QRect, day: str, count: int, today: date) -> None:
    """The heading of a day: its name, and how many pictures."""
    words = day_words(day, today)
    line = QRect(rect.left() + 6, rect.bottom() - 25, rect.width() - 12, 20)
    painter.setFont(ui_font(13, QFont.Weight.DemiBold))
    painter.setPen(colors().color("text"))
    number = f"{count:,}"
    room = line.width() - 12 - painter.fontMetrics().horizontalAdvance(number)
    shown = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, room)
    painter.drawText(line, int(_LEFT), shown)
    after = painter.fontMetrics().horizontalAdvance(shown) + 8
    painter.setFont(ui_font(12))
    painter.setPen(colors().color("text_faint"))
    painter.drawText(line.adjusted(after, 0, 0, 0), int(_LEFT), number)
