"""The control panel: the layers as cards, or an inviting place to drop a picture."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from studio.core.choices import ControlKind, Detector
from studio.core.detectors import detector_of
from studio.core.draft import ControlLayer, Draft
from studio.core.errors import StudioError
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, Size
from studio.state.control_maps import ControlMaps, what_decides
from studio.state.control_nets import nets_of
from studio.state.draft_model import DraftModel
from studio.state.models_model import ModelsModel
from studio.state.plugins_model import PluginsModel
from studio.state.studio_state import ReadInput
from studio.ui.icons import icon
from studio.ui.images import image_of_pixels
from studio.ui.panels.control_card import LAYER_MIME, ControlCard
from studio.ui.plugin_words import needs_words
from studio.ui.theme import colors
from studio.ui.widgets.text import PlainLabel

_QUICK = (Detector.NONE, Detector.CANNY)  # the others take seconds, the first time at least
_CARD_PX = 280  # below this the fields of a card would be cut


class _Invitation(QWidget):
    """The empty panel. Signals: `open_wished()`."""

    open_wished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 24, 32, 24)
        column.setSpacing(6)
        column.addStretch(1)
        column.addWidget(self._line(self.tr("Drop a sketch here"), "headline"))
        column.addWidget(
            self._line(self.tr("From the desktop, the history or the clipboard; it steers the picture."), "faint")
        )
        column.addSpacing(6)
        button = QPushButton(icon("open"), self.tr("Open a picture …"))
        button.setIconSize(QSize(16, 16))
        button.clicked.connect(self.open_wished)
        column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)

    def _line(self, text: str, look: str) -> PlainLabel:
        label = PlainLabel(text, look, wrap=True)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        return label

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colors().color("border_strong"), 1.5, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(self.rect().adjusted(12, 12, -13, -13), 8, 8)


class ControlPanel(QWidget):
    """Shows the draft's control layers and asks for their maps. Mutable state: `_cards`, reused from draft to draft.

    Signals: `open_wished()` - the artist wants to choose a picture file; `get_wished(str)` - and this starter.
    """

    open_wished = Signal()
    get_wished = Signal(str)

    def __init__(
        self,
        draft: DraftModel,
        maps: ControlMaps,
        read_input: ReadInput,
        plugins: PluginsModel,
        models: ModelsModel,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("controlPanel")
        self.setAccessibleName(self.tr("Control layers"))
        self._draft, self._maps, self._read_input, self._plugins = draft, maps, read_input, plugins
        self._models = models
        self._cards: list[ControlCard] = []
        self._mapped: dict[int, tuple[ControlUse, Size]] = {}
        self._build()
        draft.changed.connect(self._show)
        maps.ready.connect(self._show_map)
        maps.failed.connect(self._show_problem)
        plugins.changed.connect(self._on_plugins)
        maps.looked.connect(self._on_looked)
        models.changed.connect(self._on_models)
        self._show(draft.draft)

    @property
    def cards(self) -> tuple[ControlCard, ...]:
        """The cards on show, top first."""
        return tuple(self._cards)

    def _build(self) -> None:
        self._invitation = _Invitation()
        self._invitation.open_wished.connect(self.open_wished)
        body = QWidget()
        body.setObjectName("scrollBody")
        self._column = QVBoxLayout(body)
        self._column.setContentsMargins(8, 8, 8, 8)
        self._column.setSpacing(8)
        self._column.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setMinimumWidth(_CARD_PX)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(body)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._invitation)
        self._pages.addWidget(self._scroll)
        body.setAcceptDrops(True)
        body.installEventFilter(self)

    def _show(self, draft: Draft) -> None:
        layers = draft.controls
        while len(self._cards) > len(layers):
            self._drop_card()
        while len(self._cards) < len(layers):
            self._add_card()
        for index, (card, layer) in enumerate(zip(self._cards, layers, strict=True)):
            self._show_layer(card, index, layer, draft.size)
        self._pages.setCurrentWidget(self._scroll if layers else self._invitation)

    def _add_card(self) -> None:
        card = ControlCard()
        card.edited.connect(lambda layer, words: self._draft.set_control(card.index, layer, words))
        card.moved.connect(self._draft.move_control)
        card.removed.connect(self._draft.remove_control)
        card.get_wished.connect(self.get_wished)
        if self._maps.here is None:
            self._maps.look()
        self._cards.append(card)
        self._column.insertWidget(self._column.count() - 1, card)

    def _drop_card(self) -> None:
        card = self._cards.pop()
        self._mapped.pop(len(self._cards), None)
        card.hide()
        card.deleteLater()

    def _show_layer(self, card: ControlCard, index: int, layer: ControlLayer, size: Size) -> None:
        before = card.layer
        card.show_kinds(self._plugins.control_kinds())
        here = self._maps.here
        nets = nets_of(self._models, self._draft.draft.model.name, layer.use, here.starters if here else ())
        card.show_surroundings(here, nets)
        card.show_layer(index, len(self._draft.draft.controls), layer, size, self._needs(layer.use))
        if before is None or before.use.image != layer.use.image:
            ref = layer.use.image
            self._read_input(ref, lambda image: self._show_source(card, ref.digest, image))
        seen = what_decides(layer.use)
        if self._mapped.get(index) != (seen, size):
            self._mapped[index] = (seen, size)
            if isinstance(seen.kind, ControlKind) and detector_of(seen.kind, seen.detector) not in _QUICK:
                card.show_waiting()
            self._maps.request(seen, size, index)

    def _needs(self, use: ControlUse) -> str:
        """Why a plugin's kind cannot work now."""
        if use.plugin is None or not self._plugins.known:
            return ""
        has_part = self._plugins.control_part(use) is not None
        return needs_words(self._plugins.find(use.plugin.id), use.plugin.id, has_part)

    def _on_plugins(self) -> None:
        """Kinds came or went; how a plugin's map is made may be known only now."""
        for index in [index for index, (use, _) in self._mapped.items() if use.plugin is not None]:
            del self._mapped[index]
        self._show(self._draft.draft)

    def _on_models(self) -> None:
        """Files came or went: detectors too, and networks."""
        if self._cards and not self._models.busy:
            self._maps.look()
            self._show(self._draft.draft)

    def _on_looked(self) -> None:
        """What is here is known, or is not what it was: maps that could not be made may be now."""
        for index, card in enumerate(self._cards):
            if card.failed:
                self._mapped.pop(index, None)
        self._show(self._draft.draft)

    def _show_source(self, card: ControlCard, digest: str, image: QImage) -> None:
        if card in self._cards and card.layer is not None and card.layer.use.image.digest == digest:
            card.show_source(image)

    def _show_map(self, use: ControlUse, size: Size, pixels: Pixels) -> None:
        for index, card in enumerate(self._cards):
            if self._mapped.get(index) == (use, size):
                card.show_map(image_of_pixels(pixels))

    def _show_problem(self, use: ControlUse, error: StudioError) -> None:
        for index, card in enumerate(self._cards):
            if self._mapped.get(index, (None,))[0] == use:
                card.show_problem(error.headline)

    # Qt overrides
    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """A card dragged to another place; pictures are the business of the panel's drop target."""
        if isinstance(event, QDragEnterEvent | QDragMoveEvent | QDropEvent) and event.mimeData().hasFormat(LAYER_MIME):
            event.acceptProposedAction()
            if event.type() == QEvent.Type.Drop:
                source = int(bytes(event.mimeData().data(LAYER_MIME).data()).decode())
                others = [card for card in self._cards if card.index != source]
                to = sum(card.geometry().center().y() < event.position().y() for card in others)
                if to != source:
                    self._draft.move_control(source, to)
            return True
        return False
