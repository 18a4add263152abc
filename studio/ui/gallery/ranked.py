"""The pictures of the last batch side by side, best first, each over its score."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from studio.core.picture import Picture
from studio.state.plugins_model import PluginsModel
from studio.state.ranking import Ranking
from studio.state.thumbnails import Thumbnails
from studio.ui.plugin_words import score_figure
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import PlainLabel, plain_tooltip
from studio.ui.words import facts_line

_TILE_PX = 88
_TEXT_PX = 20


class RankedStrip(QFrame):
    """There while the last batch has scores.

    Signals: `picture_chosen(Picture)`.
    """

    picture_chosen = Signal(object)

    def __init__(
        self, ranking: Ranking, thumbnails: Thumbnails, plugins: PluginsModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("rankedStrip")
        self.setAccessibleName(self.tr("The last pictures, best first"))
        self._ranking, self._thumbnails, self._plugins = ranking, thumbnails, plugins
        self._tiles: list[RankedTile] = []
        self._shown = ""
        self.title = PlainLabel(self.tr("Ranked"), "title")
        self.by = PlainLabel(look="faint")
        close = icon_button("close", self.tr("Hide the ranking until the next batch"), px=12)
        close.clicked.connect(ranking.clear)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.title)
        head.addWidget(self.by)
        head.addStretch(1)
        head.addWidget(close)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFixedHeight(_TILE_PX + _TEXT_PX + 12)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        body = QWidget()
        body.setObjectName("scrollBody")
        self._row = QHBoxLayout(body)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(8)
        self._row.addStretch(1)
        self._scroll.setWidget(body)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 4, 12, 4)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self._scroll)
        ranking.changed.connect(self._show)
        thumbnails.ready.connect(self._on_thumbnail)
        self._show()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The pictures on show, best first."""
        return tuple(tile.picture for tile in self._tiles)

    def mark(self, picture_id: str) -> None:
        """Frame the picture that is on show in the middle."""
        self._shown = picture_id
        for tile in self._tiles:
            tile.set_marked(tile.picture.id == picture_id)

    def _show(self) -> None:
        rows = self._ranking.rows
        for tile in self._tiles:
            self._row.removeWidget(tile)
            tile.hide()
            tile.deleteLater()
        self._tiles = []
        for place, (picture, score) in enumerate(rows):
            tile = RankedTile(picture, score, self._thumbnails)
            tile.chosen.connect(self.picture_chosen)
            tile.set_marked(picture.id == self._shown)
            self._tiles.append(tile)
            self._row.insertWidget(place, tile)
        if rows:
            scorer = self._plugins.score_title(rows[0][0].made_with.scores[0][0])
            self.by.setText(self.tr("{scorer}, best first").replace("{scorer}", scorer))
        self.setVisible(bool(rows))

    def _on_thumbnail(self, picture_id: str) -> None:
        for tile in self._tiles:
            if tile.picture.id == picture_id:
                tile.update()


class RankedTile(QWidget):
    """One picture over its score. Signals: `chosen(Picture)`."""

    chosen = Signal(object)

    def __init__(self, picture: Picture, score: float, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture = picture
        self.figure = score_figure(score)
        self._thumbnails, self._marked = thumbnails, False
        self.setFixedSize(QSize(_TILE_PX, _TILE_PX + _TEXT_PX))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(self.tr("Score {n}").replace("{n}", self.figure))
        plain_tooltip(self, f"{picture.recipe.prompt}\n{facts_line(picture.recipe)}")

    def set_marked(self, marked: bool) -> None:
        """Whether this is the picture in the middle."""
        self._marked = marked
        self.update()

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens = colors()
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        tile = QRectF(1, 1, _TILE_PX - 2, _TILE_PX - 2)
        path = QPainterPath()
        path.addRoundedRect(tile, 5, 5)
        painter.fillPath(path, tokens.color("raised"))
        image = self._thumbnails.image(self.picture)
        if image is not None and not image.isNull():
            side = min(image.width(), image.height())
            middle = QRect((image.width() - side) // 2, (image.height() - side) // 2, side, side)
            painter.save()
            painter.setClipPath(path)
            painter.drawImage(tile, image, QRectF(middle))
            painter.restore()
        if self._marked or self.hasFocus():
            painter.setPen(QPen(tokens.color("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(tile, 5, 5)
        painter.setFont(ui_font(12))
        painter.setPen(tokens.color("text" if self._marked else "text_muted"))
        words = QRect(0, _TILE_PX, _TILE_PX, _TEXT_PX)
        painter.drawText(words, int(Qt.AlignmentFlag.AlignCenter), self.figure)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(self.picture)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self.picture)
        else:
            super().keyPressEvent(event)
