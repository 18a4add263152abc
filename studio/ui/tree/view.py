"""The tree to look at and walk in: drag to move, wheel to zoom, arrow keys from picture to picture."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QPointF, QRect, QRectF, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QGraphicsScene, QGraphicsView, QWidget

from studio.core.family_tree import Block, Edge, nearest
from studio.core.library import LinkKind
from studio.core.picture import Picture
from studio.state.family import FamilyView
from studio.state.thumbnails import Thumbnails
from studio.ui.theme import colors
from studio.ui.tree.node import HEIGHT_PX, SIDE_PX, WIDTH_PX, Node
from studio.ui.tree.words import caption, tooltip, tr

GAP_X, GAP_Y = 76, 28
CELL_W, CELL_H = WIDTH_PX + GAP_X, HEIGHT_PX + GAP_Y
MARGIN_PX = 36
ZOOM_MAX = 2.0
FIRST_ZOOM = 0.25  # at least, so that something can be seen of the largest family
_ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}


class TreeView(QGraphicsView):
    """Signals: `chosen(Picture or None)` - another picture is selected; `activated(Picture)` - Return or double click;
    `menu_wished(QPoint)` - at a global place; `delete_wished()`; `rating_wished(int)` - a digit was pressed."""

    chosen = Signal(object)
    activated = Signal(object)
    menu_wished = Signal(object)
    delete_wished = Signal()
    rating_wished = Signal(int)

    def __init__(self, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("treeView")
        self.setAccessibleName(self.tr("Family tree"))
        self._thumbnails = thumbnails
        self._view: FamilyView | None = None
        self._fits = True
        self.nodes: dict[str, Node] = {}
        self.setScene(QGraphicsScene(self))
        self.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
        self.setFrameShape(QGraphicsView.Shape.NoFrame)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.SmartViewportUpdate)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(lambda at: self.menu_wished.emit(self.viewport().mapToGlobal(at)))
        self.scene().selectionChanged.connect(self._on_selection)
        thumbnails.ready.connect(self._on_thumbnail)

    @property
    def picture(self) -> Picture | None:
        """The selected picture."""
        return next((node.picture for node in self.scene().selectedItems() if isinstance(node, Node)), None)

    def show_family(self, view: FamilyView) -> None:
        """Draw this family; the selection and the place stay where they were, a new family is fitted."""
        is_other = self._view is None or self._view.family.start != view.family.start
        selected = view.family.start if is_other or self.picture is None else self.picture.id
        self._view = view
        with QSignalBlocker(self.scene()):
            self.scene().clear()
            self.nodes = {}
            spots = {spot.id: QPointF(spot.column * CELL_W, spot.row * CELL_H) for spot in view.layout.spots}
            self._draw_blocks(view, spots)
            for edge in view.layout.edges:
                if not edge.in_block:
                    self._draw_edge(edge, spots[edge.parent], spots[edge.child])
            for picture in view.family.members:
                self._add(picture, view, spots[picture.id])
        margin = MARGIN_PX
        self.setSceneRect(self.scene().itemsBoundingRect().adjusted(-margin, -margin, margin, margin))
        self.select(selected)
        if is_other:
            self.fit()
            if self.transform().m11() < FIRST_ZOOM:
                self.zoom(FIRST_ZOOM / self.transform().m11())
                self.select(selected, in_sight=True)

    def select(self, picture_id: str, in_sight: bool = False) -> None:
        """Select one member, and bring it in sight if wished."""
        node = self.nodes.get(picture_id)
        if node is None:
            return
        self.scene().clearSelection()
        node.setSelected(True)
        if in_sight:
            self.ensureVisible(node, 60, 60)

    def fit(self) -> None:
        """All of the family, not larger than life."""
        self._fits = True
        self.resetTransform()
        area, room = self.sceneRect(), self.viewport().rect()
        if area.isEmpty():
            return
        scale = min(1.0, room.width() / area.width(), room.height() / area.height())
        self.scale(scale, scale)
        self.centerOn(area.center())

    def zoom(self, factor: float) -> None:
        """Larger or smaller, between all of it and twice life."""
        now = self.transform().m11()
        area, room = self.sceneRect(), self.viewport().rect()
        least = min(0.25, room.width() / max(1.0, area.width()), room.height() / max(1.0, area.height()))
        wanted = min(ZOOM_MAX, max(least, now * factor))
        self._fits = False
        self.scale(wanted / now, wanted / now)

    def _add(self, picture: Picture, view: FamilyView, at: QPointF) -> None:
        link, changes = view.changes.get(picture.id, (None, ()))
        if link is not None:
            words = caption(link.kind, changes)
        else:
            lost = any(parent.parent in view.family.missing for parent in picture.parents)
            words = tr("its parent is not here") if lost else " ".join(picture.recipe.prompt.split())
        tip = tooltip(link.kind if link is not None else None, changes, picture.recipe.prompt)
        is_trashed = picture.id in view.family.trashed
        node = Node(picture, words, tip, picture.id == view.family.start, is_trashed)
        node.setPos(at)
        node.set_image(self._thumbnails.image(picture))
        self.scene().addItem(node)
        self.nodes[picture.id] = node

    def _draw_blocks(self, view: FamilyView, spots: dict[str, QPointF]) -> None:
        """A frame around what is packed together, with one line to it; the outer ones first."""
        tokens = colors()
        for block in sorted(view.layout.blocks, key=lambda block: -block.depth):
            area = QRectF(
                block.column * CELL_W, block.row * CELL_H, block.columns * CELL_W - GAP_X, block.rows * CELL_H - GAP_Y
            )
            if block.columns < 1:
                area.setWidth(WIDTH_PX)
            pad = 8.0 + 3 * block.depth
            frame = area.adjusted(-pad - 4, -pad, pad + 4, pad - 2)
            frame.setRight(max(frame.right(), self._right_of(block, view) + pad + 4))
            path = QPainterPath()
            path.addRoundedRect(frame, 10, 10)
            item = self.scene().addPath(path, _pen(tokens.color("border_strong")), tokens.color("panel"))
            item.setZValue(-3 - block.depth)
            target = QPointF(frame.left(), spots[block.parent].y())
            self._line(spots[block.parent], target, _pen(tokens.color("text_faint", 170)))

    def _right_of(self, block: Block, view: FamilyView) -> float:
        """Where the rightmost picture within a block ends."""
        inside = (
            spot.column * CELL_W + WIDTH_PX
            for spot in view.layout.spots
            if block.column - 0.01 <= spot.column < block.column + block.columns
            and block.row - 0.01 <= spot.row < block.row + block.rows
        )
        return max(inside, default=0.0)

    def _draw_edge(self, edge: Edge, parent: QPointF, child: QPointF) -> None:
        pixels = edge.kind in (LinkKind.CONTROL, LinkKind.BRANCHED)  # the parent's pixels, not its settings
        pen = _pen(colors().color("accent", 190) if pixels else colors().color("text_faint", 170))
        if pixels:
            pen.setDashPattern([4, 3])
        if child.x() > parent.x() + SIDE_PX:
            self._line(parent, child, pen)
        else:  # around the outside, so that it does not run behind the pictures between
            self._bow(parent, child, pen)

    def _line(self, parent: QPointF, child: QPointF, pen: QPen) -> None:
        """From the right of a picture to the left of another; both are given by their top left."""
        start, end = parent + QPointF(SIDE_PX, SIDE_PX / 2), child + QPointF(0, SIDE_PX / 2)
        bend = max(20.0, (end.x() - start.x()) / 2)
        path = QPainterPath(start)
        path.cubicTo(start + QPointF(bend, 0), end - QPointF(bend, 0), end)
        self.scene().addPath(path, pen).setZValue(-1)

    def _bow(self, parent: QPointF, child: QPointF, pen: QPen) -> None:
        start, end = parent + QPointF(SIDE_PX, SIDE_PX / 2), child + QPointF(SIDE_PX, SIDE_PX / 2)
        out = max(start.x(), end.x()) + 34
        path = QPainterPath(start)
        path.cubicTo(QPointF(out, start.y()), QPointF(out, end.y()), end)
        self.scene().addPath(path, pen).setZValue(-1)

    def _on_selection(self) -> None:
        self.chosen.emit(self.picture)

    def _on_thumbnail(self, picture_id: str) -> None:
        node = self.nodes.get(picture_id)
        if node is not None and node.image is None:
            node.set_image(self._thumbnails.image(node.picture))
            QTimer.singleShot(0, self, partial(self._ask_again, 4))

    def _ask_again(self, count: int) -> None:
        """More of those without an image than the cache keeps waiting: ask for the next ones."""
        for node in [node for node in self.nodes.values() if node.image is None][:count]:
            node.set_image(self._thumbnails.image(node.picture))

    # Qt overrides
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fits:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.zoom(1.0015 ** event.angleDelta().y())
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mouseDoubleClickEvent(event)
        if self.picture is not None:
            self.activated.emit(self.picture)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.RightButton:  # select what the menu is about
            item = self.itemAt(event.position().toPoint())
            if isinstance(item, Node):
                self.select(item.picture.id)
            return
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, picture = event.key(), self.picture
        arrow = _ARROWS.get(Qt.Key(key))
        if arrow is not None and self._view is not None:
            here = picture.id if picture is not None else self._view.family.start
            self.select(nearest(self._view.layout, here, *arrow), in_sight=True)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and picture is not None:
            self.activated.emit(picture)
        elif key == Qt.Key.Key_Delete and picture is not None:
            self.delete_wished.emit()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(1.25)
        elif key == Qt.Key.Key_Minus:
            self.zoom(0.8)
        elif key == Qt.Key.Key_Home:
            self.fit()
        elif Qt.Key.Key_0 <= key <= Qt.Key.Key_5 and picture is not None:
            self.rating_wished.emit(key - Qt.Key.Key_0)
        else:
            super().keyPressEvent(event)

    def drawBackground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        painter.fillRect(rect, colors().color("canvas"))


def _pen(color: QColor) -> QPen:
    """As thin at any zoom."""
    pen = QPen(color, 1.4)
    pen.setCosmetic(True)
    return pen
