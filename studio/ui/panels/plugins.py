"""The plugins panel: the plugin layers of the draft as cards, in their order of work, and a menu that adds more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from studio.core.draft import Draft, PluginLayer
from studio.core.errors import StudioError
from studio.core.plugins import Part, PluginInfo
from studio.core.recipe import FileRef, ImageRef, PluginUse
from studio.state.draft_model import DraftModel
from studio.state.plugin_uses import new_use
from studio.state.plugins_model import PluginsModel
from studio.state.studio_state import ReadInput
from studio.ui.icons import icon
from studio.ui.panels.input_fields import FileField
from studio.ui.panels.plugin_card import PluginCard
from studio.ui.plugin_words import needs_words, part_words, plugin_name
from studio.ui.widgets.buttons import MenuButton
from studio.ui.widgets.text import PlainLabel, one_line, plain_tooltip, sentences

_CARD_PX = 280
_WORDS_MAX = 84  # of a description in the menu
_CLAUSE_ENDS = (". ", "; ", ": ", ", ", " · ")


class PluginPanel(QWidget):
    """Shows the draft's plugin layers. Mutable state: `_cards`, each made for one declared part.

    Signals: `picture_wished(object, object)` - take in a QMimeData or Path and call back with its ImageRef;
    `file_wished(Path, str, object, object)` - take in a file for the plugin in this folder, then call the third with its
    FileRef or the fourth with the error; `offers_wished(str, tuple, object)` - files at hand for the plugin in this folder;
    `page_wished()`; `failed(StudioError)`.
    """

    picture_wished = Signal(object, object)
    file_wished = Signal(object, str, object, object)
    offers_wished = Signal(str, object, object)
    page_wished = Signal()
    failed = Signal(object)

    def __init__(
        self, draft: DraftModel, plugins: PluginsModel, read_input: ReadInput, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("pluginPanel")
        self.setAccessibleName(self.tr("Plugin layers"))
        self._draft, self._plugins, self._read_input = draft, plugins, read_input
        self._cards: list[PluginCard] = []
        self.add = self._add_button()
        self._build()
        draft.changed.connect(self._show)
        plugins.changed.connect(lambda: self._show(self._draft.draft))
        self._show(draft.draft)

    @property
    def cards(self) -> tuple[PluginCard, ...]:
        """The cards on show, top first."""
        return tuple(self._cards)

    def fill_menu(self) -> None:
        """List the parts of the enabled plugins, grouped by plugin."""
        self.menu.clear()
        offered = sorted(self._plugins.layer_parts(), key=lambda row: plugin_name(row[0]).casefold())
        for info, parts in offered:
            alone = len(parts) == 1  # needs no heading: part and plugin often have the same name
            if not alone:
                self.menu.addSeparator()
                self.menu.addAction(plugin_name(info).replace("&", "&&")).setEnabled(False)
            for part in parts:
                about = info.manifest.description if alone and info.manifest else part.description
                add = self.menu.addAction(_menu_words(part, about), partial(self.add_part, info, part))
                plain_tooltip(add, sentences(part.description))
            if not alone:
                self.menu.addSeparator()
        if not offered:
            self.menu.addAction(self.tr("No plugin that is on adds a layer")).setEnabled(False)
        self.menu.addSeparator()
        self.menu.addAction(icon("plugin"), self.tr("Plugins …"), self.page_wished.emit)

    def add_part(self, info: PluginInfo, part: Part) -> None:
        """Put a layer for this part below the others."""
        try:
            self._draft.add_plugin(new_use(info, part))
        except StudioError as error:
            self.failed.emit(error)

    # Building
    def _add_button(self) -> MenuButton:
        button = MenuButton("plus", self.tr("Add …"))
        button.setObjectName("addPluginButton")
        self.menu = button.menu_below
        self.menu.setToolTipsVisible(True)
        self.menu.aboutToShow.connect(self.fill_menu)
        return button

    def _build(self) -> None:
        self._invitation = self._invite()
        body = QWidget()
        body.setObjectName("scrollBody")
        self._column = QVBoxLayout(body)
        self._column.setContentsMargins(8, 8, 8, 8)
        self._column.setSpacing(8)
        self._place_for_add = QVBoxLayout()
        self._column.addLayout(self._place_for_add)
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

    def _invite(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(32, 24, 32, 24)
        column.setSpacing(6)
        column.addStretch(1)
        for text, look in (
            (self.tr("Add what plugins bring"), "headline"),
            (self.tr("LoRAs, guidance, wildcards, scores. Kinds of control layer are in the panel Control."), "faint"),
        ):
            label = PlainLabel(text, look, wrap=True)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        column.addSpacing(6)
        self._place_for_first = QVBoxLayout()
        column.addLayout(self._place_for_first)
        column.addStretch(1)
        return page

    # Showing
    def _show(self, draft: Draft) -> None:
        layers = draft.plugins
        while len(self._cards) > len(layers):
            self._drop_card(len(self._cards) - 1)
        for index, layer in enumerate(layers):
            part = self._plugins.part_of(layer.use)
            if index == len(self._cards):
                self._cards.append(self._insert_card(index, part))
            elif self._cards[index].part != part or not _same_part(self._cards[index].layer, layer):
                self._drop_card(index)
                self._cards.insert(index, self._insert_card(index, part))
            self._show_layer(self._cards[index], index, layer)
        self._place_add(bool(layers))

    def _show_layer(self, card: PluginCard, index: int, layer: PluginLayer) -> None:
        use, before = layer.use, card.layer
        info = self._plugins.find(use.plugin.id)
        problem = needs_words(info, use.plugin.id, card.part is not None) if self._plugins.known else ""
        card.show_layer(index, len(self._draft.draft.plugins), layer, plugin_name(info, use.plugin.id), problem)
        given, shown = dict(use.images), dict(before.use.images) if before is not None else {}
        for name in set(given) | set(shown):
            if name not in given:
                card.show_picture(name, None)
            elif given[name] != shown.get(name):
                self._read_input(given[name], partial(self._show_picture, card, name, given[name]))

    def _show_picture(self, card: PluginCard, name: str, ref: ImageRef, image: QImage) -> None:
        if card in self._cards and card.layer is not None and dict(card.layer.use.images).get(name) == ref:
            card.show_picture(name, image)

    def _insert_card(self, index: int, part: Part | None) -> PluginCard:
        card = PluginCard(part)
        card.edited.connect(lambda layer, words: self._draft.set_plugin(card.index, layer, words))
        card.moved.connect(self._draft.move_plugin)
        card.removed.connect(self._draft.remove_plugin)
        card.picture_wished.connect(lambda name, source: self._wish_picture(card, name, source))
        card.file_wished.connect(lambda name, path: self._wish_file(card, name, path))
        card.offers_wished.connect(
            lambda field, suffixes: self.offers_wished.emit(self._folder(card), suffixes, self._offer_to(card, field))
        )
        self._column.insertWidget(index, card)
        return card

    def _drop_card(self, index: int) -> None:
        card = self._cards.pop(index)
        self._column.removeWidget(card)
        card.hide()
        card.deleteLater()

    def _place_add(self, filled: bool) -> None:
        place = self._place_for_add if filled else self._place_for_first
        if place.count() == 0:
            place.addWidget(self.add, 0, Qt.AlignmentFlag.AlignHCenter)
        self._pages.setCurrentWidget(self._scroll if filled else self._invitation)

    # Pictures and files
    def _wish_picture(self, card: PluginCard, name: str, source: object) -> None:
        use = card.layer.use if card.layer else None
        self.picture_wished.emit(source, lambda ref: self._take(card, use, name, ref))

    def _wish_file(self, card: PluginCard, name: str, path: object) -> None:
        use = card.layer.use if card.layer else None
        done, failed = partial(self._take, card, use, name), partial(self._on_no_file, card)
        self.file_wished.emit(path, self._folder(card), done, failed)

    def _folder(self, card: PluginCard) -> str:
        info = self._plugins.find(card.layer.use.plugin.id) if card.layer else None
        return info.folder if info is not None else ""

    def _offer_to(self, card: PluginCard, field: FileField) -> Callable[[tuple[Path, ...]], None]:
        return lambda files: field.show_offers(files) if card in self._cards else None

    def _take(self, card: PluginCard, asked: PluginUse | None, name: str, ref: ImageRef | FileRef) -> None:
        """Into the layer that asked, unless its card shows another one by now."""
        now = card.layer.use if card in self._cards and card.layer is not None else None
        if now is not None and asked is not None and (now.plugin.id, now.part) == (asked.plugin.id, asked.part):
            card.set_value(name, ref)

    def _on_no_file(self, card: PluginCard, error: StudioError) -> None:
        self.failed.emit(error)
        if card in self._cards:
            self._show(self._draft.draft)


def _same_part(before: PluginLayer | None, now: PluginLayer) -> bool:
    if before is None:
        return False
    a, b = before.use, now.use
    return (a.plugin.id, a.type, a.part) == (b.plugin.id, b.type, b.part)


def _menu_words(part: Part, about: str) -> str:
    about = _shortened(one_line(about)) or part_words(part.type)
    return f"{part.title}  –  {about}".replace("&", "&&")


def _shortened(text: str) -> str:
    """The text up to the last clause that ends within the room; without one, up to the last word."""
    if len(text) <= _WORDS_MAX:
        return text.rstrip(".")
    cut = max(text.rfind(end, 0, _WORDS_MAX + 2) for end in _CLAUSE_ENDS)
    if cut > _WORDS_MAX // 3:
        colon = text.rfind(":", 0, cut)  # what it announces is not begun without being ended
        return text[: colon if colon > _WORDS_MAX // 3 else cut]
    return f"{text[:_WORDS_MAX].rpartition(' ')[0] or text[:_WORDS_MAX]} …"
