"""One control layer on a card: its picture, what the model will see of it, and how it steers."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QMimeData, QPoint, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QDrag, QImage, QMouseEvent
from PySide6.QtWidgets import QApplication, QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from studio.core.choices import ControlKind, ResizeMode
from studio.core.draft import ControlLayer
from studio.core.recipe import WEIGHT_MAX, ControlUse, Size
from studio.state.plugin_uses import reference
from studio.state.plugins_model import ControlKindOf
from studio.ui.panels.map_view import MapView
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.plugin_words import plugin_name, short_title
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.range_slider import RangeSlider
from studio.ui.widgets.slider_spin import CalmDoubleSpin, SliderSpin
from studio.ui.widgets.text import PlainLabel, plain, plain_tooltip
from studio.ui.words import kind_words, resize_words

LAYER_MIME = "application/x-studio-control-layer"  # the index of a card that is dragged to another place
_THUMB = QSize(64, 64)
_MAP_PX = 132
_OF_LINES = ("grey", "canny")  # how a plugin's kind says that it takes a drawing


class ControlCard(QFrame):
    """Shows the layer at `index`.

    Signals: `edited(ControlLayer, str)` - wish to replace the layer, with words for undo;
    `moved(int, int)` - wish to bring it from index to index; `removed(int)`.
    """

    edited = Signal(object, str)
    moved = Signal(int, int)
    removed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("controlCard")
        self.index = 0
        self._layer: ControlLayer | None = None
        self._guests: tuple[ControlKindOf, ...] = ()
        self._size = Size(width=1, height=1)
        self._pressed: QPoint | None = None
        self._line_invert = False  # as it was for the last kind that reads lines
        self._make_parts()
        self._lay_out()
        self._connect()

    def _make_parts(self) -> None:
        self.thumb = MapView(_THUMB.height())
        self.thumb.setFixedWidth(_THUMB.width())
        self.thumb.setAccessibleName(self.tr("The control picture"))
        self.kind = CalmCombo("controlKind", self.tr("Kind of control"))
        self.kind.view().setMinimumWidth(180)
        self._fill_kinds()
        self.eye = icon_button("eye-off", self.tr("Switch this layer on or off"), icon_on="eye")
        self.up = icon_button("up", self.tr("Move up"), px=16)
        self.down = icon_button("down", self.tr("Move down"), px=16)
        self.remove = icon_button("trash", self.tr("Remove this layer"))
        self.resize_mode = CalmCombo("controlResize", self.tr("When the shape differs"))
        for mode in ResizeMode:
            self.resize_mode.addItem(resize_words(mode)[0], mode.value)
            self.resize_mode.setItemData(
                self.resize_mode.count() - 1, plain(resize_words(mode)[1]), Qt.ItemDataRole.ToolTipRole
            )
        self.invert = icon_button(
            "invert", self.tr("Invert: black lines on white become white on black"), icon_on="invert"
        )
        self.map = MapView(_MAP_PX)
        self.caption = PlainLabel(look="faint")
        self.problem = PlainLabel(look="warning", wrap=True)
        self.weight = SliderSpin(CalmDoubleSpin(0, WEIGHT_MAX, 0.05, 2), (0, 2))
        self.weight.name_parts(self.tr("Weight"))
        self.range = RangeSlider(100)
        self.range.setAccessibleName(self.tr("Part of the steps it steers, from and to"))
        self.range_words = PlainLabel(look="faint")
        self.edges = RangeSlider(255)
        self.edges.setAccessibleName(self.tr("Canny thresholds, low and high"))
        self.edges_words = PlainLabel(look="faint")

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 10, 10, 10)
        column.setSpacing(8)
        column.addLayout(self._head())
        column.addWidget(self.problem)
        column.addWidget(self.map)
        column.addWidget(self.caption, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addLayout(self._knobs())

    def _head(self) -> QHBoxLayout:
        buttons = QHBoxLayout()
        buttons.setSpacing(2)
        buttons.addWidget(self.eye)
        buttons.addWidget(self.invert)
        buttons.addStretch(1)
        for button in (self.up, self.down, self.remove):
            buttons.addWidget(button)
        choices = QHBoxLayout()
        choices.setSpacing(4)
        choices.addWidget(self.kind, 3)
        choices.addWidget(self.resize_mode, 2)
        right = QVBoxLayout()
        right.setSpacing(8)
        right.addLayout(choices)
        right.addLayout(buttons)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.thumb)
        head.addLayout(right, 1)
        return head

    def _knobs(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        self._edges_label = PlainLabel(self.tr("Edges"), "field")
        plain_tooltip(self._edges_label, self.tr("Lower and upper threshold of Canny: higher means fewer lines."))
        steers = PlainLabel(self.tr("Steers"), "field")
        plain_tooltip(steers, self.tr("During which part of the steps this layer steers."))
        for row, (label, field, words) in enumerate(
            (
                (PlainLabel(self.tr("Weight"), "field"), self.weight, None),
                (steers, self.range, self.range_words),
                (self._edges_label, self.edges, self.edges_words),
            )
        ):
            grid.addWidget(label, row, 0)
            grid.addWidget(field, row, 1, 1, 1 if words else 2)
            if words is not None:
                words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                words.setFixedWidth(72)
                grid.addWidget(words, row, 2)
        return grid

    def _connect(self) -> None:
        self.eye.clicked.connect(self._on_eye)
        self.up.clicked.connect(lambda: self.moved.emit(self.index, self.index - 1))
        self.down.clicked.connect(lambda: self.moved.emit(self.index, self.index + 1))
        self.remove.clicked.connect(lambda: self.removed.emit(self.index))
        self.kind.activated.connect(lambda _row: self._on_kind(str(self.kind.currentData())))
        self.resize_mode.activated.connect(
            lambda _row: self._wish(self.tr("change resize mode"), resize=ResizeMode(self.resize_mode.currentData()))
        )
        self.invert.clicked.connect(lambda on: self._wish(self.tr("invert control picture"), invert=on))
        self.weight.edited.connect(lambda weight: self._wish(self.tr("change control weight"), weight=round(weight, 2)))
        self.range.edited.connect(lambda a, b: self._wish(self.tr("change control range"), start=a / 100, end=b / 100))
        self.edges.edited.connect(lambda low, high: self._wish(self.tr("change Canny thresholds"), low=low, high=high))

    @property
    def layer(self) -> ControlLayer | None:
        """The layer on show."""
        return self._layer

    def show_kinds(self, guests: tuple[ControlKindOf, ...]) -> None:
        """Offer the kinds of enabled plugins below those that come with the studio."""
        guests = tuple(sorted(guests, key=_place))
        if guests != self._guests:
            self._guests = guests
            self._fill_kinds()

    def show_layer(self, index: int, count: int, layer: ControlLayer, size: Size, problem: str = "") -> None:
        """Show a layer, the `index`-th of `count`, for pictures of `size`; tells nobody. `problem`: why it cannot work."""
        self.index, self._layer, self._size = index, layer, size
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        use = layer.use
        self.setAccessibleName(self.tr("Control layer {n}").replace("{n}", str(index + 1)))
        with QSignalBlocker(self.kind), QSignalBlocker(self.resize_mode):
            if (
                self.kind.findData(str(use.kind)) < 0
            ):  # of a plugin that is off or missing: shown, never changed in silence
                self.kind.addItem(kind_words(use.kind)[0], str(use.kind))
            self.kind.setCurrentIndex(self.kind.findData(str(use.kind)))
            self.resize_mode.setCurrentIndex(self.resize_mode.findData(use.resize.value))
        self.eye.setChecked(layer.enabled)
        self.invert.setChecked(use.invert)
        self.up.setEnabled(index > 0)
        self.down.setEnabled(index < count - 1)
        self.weight.show_value(use.weight)
        self.range.show_range(round(use.start * 100), round(use.end * 100))
        self.range_words.setText(f"{use.start:.0%} – {use.end:.0%}")
        self.edges.show_range(min(use.low, use.high), use.high)
        self.edges_words.setText(f"{use.low} – {use.high}")
        for edge_part in (self._edges_label, self.edges, self.edges_words):
            edge_part.setVisible(use.kind is ControlKind.CANNY)
        for part in (
            self.thumb,
            self.map,
            self.weight,
            self.range,
            self.edges,
            self.kind,
            self.resize_mode,
            self.invert,
        ):
            part.setEnabled(layer.enabled)
        self._show_whose(use, layer.enabled)

    def _show_whose(self, use: ControlUse, enabled: bool) -> None:
        """Say below the map, and in the tooltip of the kind, which plugin's kind it is: two have one for depth."""
        guest = next((guest for guest in self._guests if guest[0] == use.kind), None)
        title, about = (guest[1].title, guest[1].description) if guest else kind_words(use.kind)
        plain_tooltip(self.kind, f"{title}\n{about}".strip())
        who = plugin_name(guest[2]) if guest else self.tr("the model")
        says = self.tr("What {who} sees").replace("{who}", who) if enabled else self.tr("Switched off")
        self.caption.setText(f"{says}  ·  {self._size.width} × {self._size.height}")

    def show_source(self, image: QImage) -> None:
        """Show the picture as the artist gave it."""
        self.thumb.show_map(image, image.size())

    def show_map(self, image: QImage) -> None:
        """Show what the model will see."""
        self.map.show_map(image, QSize(self._size.width, self._size.height))

    def show_problem(self, words: str) -> None:
        """Say why there is nothing to see."""
        self.map.show_words(words, QSize(self._size.width, self._size.height))

    def _fill_kinds(self) -> None:
        with QSignalBlocker(self.kind):
            self.kind.clear()
            for known in ControlKind:
                title, about = kind_words(known)
                self.kind.add_choice(title, known.value, about)
            heading = ""
            for kind, part, info in self._guests:
                if heading != (heading := plugin_name(info)):
                    self.kind.add_heading(heading)
                self.kind.add_choice(short_title(part, info), kind, part.description, part.title)

    def _on_kind(self, kind: str) -> None:
        words = self.tr("change control kind")
        if self._layer is None:
            return
        was = self._layer.use
        if self._reads_lines(was.kind):
            self._line_invert = was.invert
        invert = self._line_invert if self._reads_lines(kind) else was.invert and not self._reads_lines(was.kind)
        guest = next((info for name, _, info in self._guests if name == kind), None)
        if guest is not None:
            self._wish(words, kind=kind, plugin=reference(guest), found=(), invert=invert)
        elif kind in list(ControlKind):
            self._wish(words, kind=ControlKind(kind), plugin=None, found=(), invert=invert)

    def _reads_lines(self, kind: str) -> bool:
        """Whether this kind takes a drawing. What was inverted as one is no negative for a kind that takes a picture."""
        return kind in list(ControlKind) or any(
            name == kind and part.preprocess in _OF_LINES for name, part, _ in self._guests
        )

    def _wish(self, words: str, **changes: object) -> None:
        if self._layer is not None:
            use = replace(self._layer.use, **changes)  # type: ignore[arg-type]  # the names are written out just above
            self.edited.emit(replace(self._layer, use=use), words)

    def _on_eye(self, enabled: bool) -> None:
        if self._layer is not None:
            words = self.tr("switch control layer on") if enabled else self.tr("switch control layer off")
            self.edited.emit(replace(self._layer, enabled=enabled), words)

    # Qt overrides
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            return
        if (event.position().toPoint() - self._pressed).manhattanLength() < QApplication.startDragDistance():
            return
        self._pressed = None
        drag = QDrag(self)
        mime = QMimeData()
        mime.setData(LAYER_MIME, str(self.index).encode())
        drag.setMimeData(mime)
        drag.setPixmap(self.thumb.grab())
        drag.exec(Qt.DropAction.MoveAction)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        self._pressed = None


def _place(guest: ControlKindOf) -> tuple[str, int]:
    """By plugin, then as its manifest lists them: what is wanted most stands first there."""
    _, part, info = guest
    return plugin_name(info).casefold(), info.manifest.parts.index(part) if info.manifest is not None else 0
