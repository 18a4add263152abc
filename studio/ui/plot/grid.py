"""The shape of a plot while it is planned, and its cells while it is made. Painted; asks the disk for nothing."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from studio.core.plot import Plot, cell_words
from studio.state.plot import CellNow, CellState
from studio.state.thumbnails import Thumbnails
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.text import plain

_BETWEEN = 0.35  # of a cell, between two blocks
_LABEL_PX = 18


class PlotGrid(QWidget):
    """Mutable state: `_plot` and `_cells` (empty while it is only planned), as last shown."""

    def __init__(self, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plotGrid")
        self.setAccessibleName(self.tr("The grid"))
        self.setMinimumSize(260, 220)
        self._thumbnails = thumbnails
        self._plot: Plot | None = None
        self._cells: tuple[CellNow, ...] = ()
        thumbnails.ready.connect(self._on_thumbnail)

    def show_plot(self, plot: Plot | None, cells: tuple[CellNow, ...] = ()) -> None:
        """Show a plan, or a plot being made; None shows that there is no plan yet."""
        self._plot, self._cells = plot, cells
        self.update()

    def _on_thumbnail(self, picture_id: str) -> None:
        if any(cell.picture is not None and cell.picture.id == picture_id for cell in self._cells):
            self.update()

    def _boxes(self) -> tuple[list[QRectF], list[QRectF]]:
        """The places of all cells in the plot's order, and of the titles of all blocks."""
        assert self._plot is not None
        columns, rows, blocks = self._plot.shape
        size = self._plot.base.size
        shape = size.height / size.width
        titled = _LABEL_PX if blocks > 1 else 0
        room = QRectF(self.rect()).adjusted(12, 8, -12, -8)
        best = (0.0, 1)
        for across in range(1, blocks + 1):
            down = math.ceil(blocks / across)
            wide = across * columns + (across - 1) * _BETWEEN
            high = (down * rows + (down - 1) * _BETWEEN) * shape
            unit = min(room.width() / wide, (room.height() - down * titled) / high)
            best = max(best, (unit, across))
        unit, across = min(best[0], 84.0), best[1]
        part = QSize(round(columns * unit), round(rows * unit * shape))
        down = math.ceil(blocks / across)
        total = QPointF(
            across * part.width() + (across - 1) * _BETWEEN * unit,
            down * (part.height() + titled) + (down - 1) * _BETWEEN * unit * shape,
        )
        start = room.center() - total / 2
        gap = 1.0 if unit < 14 else 2.0
        cells, parts = [], []
        for z in range(blocks):
            row, column = divmod(z, across)
            left = start.x() + column * (part.width() + _BETWEEN * unit)
            top = start.y() + titled + row * (part.height() + titled + _BETWEEN * unit * shape)
            parts.append(QRectF(left, top - titled, part.width(), titled))
            for y in range(rows):
                for x in range(columns):
                    cells.append(QRectF(left + x * unit, top + y * unit * shape, unit - gap, unit * shape - gap))
        return cells, parts

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tokens = colors()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tokens.color("canvas"))
        painter.drawRoundedRect(QRectF(self.rect()), 8, 8)
        if self._plot is None:
            painter.setPen(tokens.color("text_muted"))
            words = self.tr("The grid will stand here\nonce the axes have values")
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), words)
            return
        cells, parts = self._boxes()
        self._paint_titles(painter, parts)
        for number, box in enumerate(cells):
            self._paint_cell(painter, box, self._cells[number] if self._cells else None)

    def _paint_titles(self, painter: QPainter, parts: list[QRectF]) -> None:
        assert self._plot is not None
        if len(parts) < 2 or len(self._plot.axes) < 3:
            return
        painter.setFont(ui_font(11))
        painter.setPen(colors().color("text_muted"))
        for box, words in zip(parts, self._plot.axes[2].labels, strict=True):
            shown = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, int(box.width()))
            painter.drawText(box, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), shown)

    def _paint_cell(self, painter: QPainter, box: QRectF, cell: CellNow | None) -> None:
        tokens = colors()
        painter.setPen(Qt.PenStyle.NoPen)
        state = cell.state if cell is not None else CellState.WAITING
        token = {
            CellState.RUNNING: "accent_soft",
            CellState.FAILED: "danger_soft",
            CellState.INTERRUPTED: "warning_soft",
            CellState.CANCELLED: "panel",
        }
        if state is CellState.RUNNING:
            painter.setPen(QPen(tokens.color("accent"), 1.5))
        painter.setBrush(tokens.color(token.get(state, "raised")))
        round_ = min(3.0, box.width() / 6)
        image = QImage()
        if cell is not None and cell.picture is not None:
            image = self._thumbnails.image(cell.picture) or QImage()
        if image.isNull():
            painter.drawRoundedRect(box, round_, round_)
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(box, image, QRectF(image.rect()))
        signs = {CellState.FAILED: "danger", CellState.INTERRUPTED: "warning"}
        if state in signs and box.width() > 8:
            painter.setPen(tokens.color(signs[state]))
            painter.setFont(ui_font(max(9, min(16, round(box.height() * 0.5))), ui_font().Weight.DemiBold))
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), "!")

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            self._show_tip(event)
            return True
        return super().event(event)

    def _problem(self, cell: CellNow) -> str:
        words = {
            CellState.HELD: self.tr("Waits since last time"),
            CellState.INTERRUPTED: self.tr("Interrupted when the studio ended"),
            CellState.CANCELLED: self.tr("Cancelled"),
        }
        return cell.problem or words.get(cell.state, "")

    def _show_tip(self, event: QHelpEvent) -> None:
        boxes = self._boxes()[0] if self._plot is not None else []
        number = next((n for n, box in enumerate(boxes) if box.contains(QPointF(event.pos()))), None)
        if number is None or self._plot is None:
            QToolTip.hideText()
            return
        words = cell_words(self._plot, self._plot.cells[number]).replace(", ", "\n")
        problem = self._problem(self._cells[number]) if self._cells else ""
        QToolTip.showText(event.globalPos(), plain(f"{words}\n{problem}".strip()), self)
