"""One control layer on a card: its picture, what the model will see of it, and how it steers."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QMimeData, QPoint, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QDrag, QImage, QMouseEvent
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.core.choices import ControlKind, Detector, ResizeMode
from studio.core.detectors import DETECTORS, choose, detector_of, named, takes_drawing, thresholds
from studio.core.draft import ControlLayer
from studio.core.hub import Starter
from studio.core.recipe import ControlUse, Size
from studio.state.control_maps import Here
from studio.state.control_nets import Nets
from studio.state.plugin_uses import reference
from studio.state.plugins_model import ControlKindOf
from studio.ui.icons import icon
from studio.ui.panels.control_choices import DetectorCombo, net_problem, size_of
from studio.ui.panels.control_knobs import ControlKnobs
from studio.ui.panels.map_view import MapView
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.plugin_words import plugin_name, short_title
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import PlainLabel, plain, plain_tooltip
from studio.ui.words import kind_words, resize_words

LAYER_MIME = "application/x-studio-control-layer"  # the index of a card that is dragged to another place
_THUMB = QSize(84, 64)
_MAP_PX = 132
_OF_LINES = ("grey", "canny")  # how a plugin's kind says that it takes a drawing


class ControlCard(QFrame):
    """Shows the layer at `index`.

    Signals: `edited(ControlLayer, str)` - wish to replace the layer, with words for undo;
    `moved(int, int)` - wish to bring it from index to index; `removed(int)`; `get_wished(str)` - wish to fetch a
    starter, by its id.
    """

    edited = Signal(object, str)
    moved = Signal(int, int)
    removed = Signal(int)
    get_wished = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("controlCard")
        self.index = 0
        self._layer: ControlLayer | None = None
        self._guests: tuple[ControlKindOf, ...] = ()
        self._size = Size(width=1, height=1)
        self._pressed: QPoint | None = None
        self._line_invert = False  # as it was for the last kind that reads lines
        self._here: Here | None = None
        self._nets = Nets()
        self._failed = False  # its map
        self._read = True  # there is something that reads it
        self._thresholds: dict[str, tuple[int, int]] = {}  # as they were, by kind
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
        self.detector = DetectorCombo()
        self.get_net = self._get_button()
        self.get_detector = self._get_button()
        self.map = MapView(_MAP_PX)
        self.caption = PlainLabel(look="faint")
        self.problem = PlainLabel(look="warning", wrap=True)
        self.knobs = ControlKnobs()
        self.net, self.weight, self.range = self.knobs.net, self.knobs.weight, self.knobs.range
        self.edges, self.score = self.knobs.edges, self.knobs.score

    def _get_button(self) -> QPushButton:
        button = QPushButton(icon("download"), "")
        button.setIconSize(QSize(14, 14))
        button.setAutoDefault(False)
        button.hide()
        return button

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 10, 10, 10)
        column.setSpacing(8)
        column.addLayout(self._head())
        column.addWidget(self.problem)
        column.addWidget(self.get_net, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.map)
        column.addWidget(self.get_detector, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.caption, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.knobs)

    def _head(self) -> QHBoxLayout:
        buttons = QHBoxLayout()
        buttons.setSpacing(2)
        buttons.addWidget(self.eye)
        buttons.addWidget(self.invert)
        buttons.addStretch(1)
        for button in (self.up, self.down, self.remove):
            buttons.addWidget(button)
        left, right = QVBoxLayout(), QVBoxLayout()
        left.addWidget(self.thumb)
        left.addWidget(self.resize_mode)
        right.addWidget(self.kind)
        right.addWidget(self.detector)
        right.addLayout(buttons)
        head = QHBoxLayout()
        head.setSpacing(8)
        for column, stretch in ((left, 0), (right, 1)):
            column.setSpacing(8)
            column.addStretch(1)
            head.addLayout(column, stretch)
        return head

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
        self.knobs.wished.connect(lambda words, changes: self._wish(words, **changes))
        self.detector.chosen.connect(self._on_detector)
        self.get_net.clicked.connect(lambda: self._on_get(self._nets.starter.id if self._nets.starter else ""))
        self.get_detector.clicked.connect(lambda: self._on_get(self._detector_starter()))

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
        detector = detector_of(use.kind, use.detector) if isinstance(use.kind, ControlKind) else None
        self.knobs.show_use(use, detector, self._nets, layer.enabled)
        self._show_choices(use, detector, problem)
        for part in (self.thumb, self.map, self.kind, self.resize_mode, self.invert, self.detector):
            part.setEnabled(layer.enabled)
        self._show_whose(use, layer.enabled)

    def _show_whose(self, use: ControlUse, enabled: bool) -> None:
        """Say below the map, and in the tooltip of the kind, which plugin's kind it is: two have one for depth."""
        guest = next((guest for guest in self._guests if guest[0] == use.kind), None)
        title, about = (guest[1].title, guest[1].description) if guest else kind_words(use.kind)
        plain_tooltip(self.kind, f"{title}\n{about}".strip())
        who = plugin_name(guest[2]) if guest else self.tr("the model")
        says = self.tr("What {who} sees").replace("{who}", who) if enabled else self.tr("Switched off")
        if guest and enabled and not guest[1].preprocess:  # nothing finds such a map in a photo
            says = self.tr("Taken as it is")
        self.caption.setText(f"{says}  ·  {self._size.width} × {self._size.height}")

    def show_surroundings(self, here: Here | None, nets: Nets) -> None:
        """What is here to find and to read its map; to be said before `show_layer`."""
        self._here, self._nets = here, nets

    def _show_choices(self, use: ControlUse, detector: Detector | None, problem: str) -> None:
        """How the map is found and which network reads it; a plugin's kind decides both itself."""
        own = isinstance(use.kind, ControlKind) and detector is not None
        self.detector.setVisible(own)
        if isinstance(use.kind, ControlKind) and detector is not None:
            self.detector.show_detector(use.kind, detector, self._here)
            problem = problem or net_problem(self, self._nets, use.kind, use.net)
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        starter = self._nets.starter if own and use.net is None and self._nets.lacks else None
        self._read = not problem or starter is not None
        self._offer(self.get_net, starter)
        self._show_fetch()

    def _show_fetch(self) -> None:
        """The button below a map that lacks its detector, unless nothing could read the map; where there is no map,
        nothing is said of what is seen."""
        self.caption.setVisible(not self._failed or self._layer is None or not self._layer.enabled)
        id = self._detector_starter() if self._failed and self._read else ""
        starter = self._here.starter(id) if self._here is not None and id else None
        self._offer(self.get_detector, starter)

    def _offer(self, button: QPushButton, starter: Starter | None) -> None:
        """Offer to fetch something; the card is too narrow for its whole name."""
        button.setVisible(starter is not None)
        if starter is not None:
            button.setText(self.tr("Get it, {size} …").replace("{size}", size_of(starter)))
            plain_tooltip(button, self.tr("Get “{title}” …").replace("{title}", starter.title), name=True)

    def _detector_starter(self) -> str:
        """The id of what its detector needs, where that is not here."""
        if self._layer is None or self._here is None or not isinstance(self._layer.use.kind, ControlKind):
            return ""
        detector = detector_of(self._layer.use.kind, self._layer.use.detector)
        return "" if detector in self._here.detectors else DETECTORS[detector].starter

    def _on_get(self, id: str) -> None:
        if id:
            self.get_wished.emit(id)

    def show_source(self, image: QImage) -> None:
        """Show the picture as the artist gave it."""
        self.thumb.show_map(image, image.size())

    def show_map(self, image: QImage) -> None:
        """Show what the model will see."""
        self._failed = False
        self.map.show_map(image, QSize(self._size.width, self._size.height))
        self._show_fetch()

    def show_waiting(self) -> None:
        """Say that the map is being found; that of before is another's."""
        self._failed = False
        self.map.show_words(self.tr("Finding the map …"), QSize(self._size.width, self._size.height))
        self._show_fetch()

    def show_problem(self, words: str) -> None:
        """Say why there is nothing to see."""
        self._failed = True
        self.map.show_words(words, QSize(self._size.width, self._size.height))
        self._show_fetch()

    @property
    def failed(self) -> bool:
        """Whether its map could not be made."""
        return self._failed

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
        guest = next((info for name, _, info in self._guests if name == kind), None)
        if guest is not None:
            invert = self._invert_for(self._guest_reads_lines(kind))
            self._wish(words, kind=kind, plugin=reference(guest), found=(), invert=invert, detector="", net=None)
        elif kind in list(ControlKind):
            own = ControlKind(kind)
            self._thresholds[str(self._layer.use.kind)] = self._layer.use.low, self._layer.use.high
            low, high = self._thresholds.get(kind, thresholds(own))
            detector = choose(own, self._here.detectors if self._here is not None else ())
            self._wish(
                words, kind=own, plugin=None, found=(), low=low, high=high, net=None, detector=named(own, detector),
                invert=self._invert_for(takes_drawing(own, detector)),
            )  # fmt: skip

    def _on_detector(self, detector: Detector) -> None:
        if self._layer is not None and isinstance(kind := self._layer.use.kind, ControlKind):
            invert = self._invert_for(takes_drawing(kind, detector))
            self._wish(self.tr("change detector"), detector=named(kind, detector), invert=invert)

    def _invert_for(self, lines: bool) -> bool:
        """Whether the picture is inverted once it is read as lines, or no longer is: what was inverted as a drawing is no
        negative for what takes a picture."""
        if self._layer is None:
            return False
        was = self._layer.use
        if isinstance(was.kind, ControlKind):
            read_lines = takes_drawing(was.kind, detector_of(was.kind, was.detector))
        else:
            read_lines = self._guest_reads_lines(was.kind)
        if read_lines:
            self._line_invert = was.invert
        return self._line_invert if lines else was.invert and not read_lines

    def _guest_reads_lines(self, kind: str) -> bool:
        return any(name == kind and part.preprocess in _OF_LINES for name, part, _ in self._guests)

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
