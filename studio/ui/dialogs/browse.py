"""The tab Browse of the page Plugins …: what an index offers, searched as you type, installed by a button."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPushButton, QScrollArea, QVBoxLayout, QWidget

from studio.state.plugin_index import Offer, host_of
from studio.state.plugins_model import PluginsModel
from studio.ui.dialogs.index_address import IndexAddressDialog
from studio.ui.panels.input_fields import choose_file
from studio.ui.panels.map_view import MapView
from studio.ui.widgets.buttons import MenuButton
from studio.ui.widgets.text import ElidedLabel, PlainLabel

_THUMB_PX = 48


class BrowsePage(QWidget):
    """Shows the offers of the index that the artist chose: a file, read at once, or an address, read only when asked for.

    Signals: `index_chosen(str)` - wish to keep this index, a file or an address.
    """

    index_chosen = Signal(str)

    def __init__(self, plugins: PluginsModel, index: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plugins = plugins
        self._cards: list[OfferCard] = []
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search"))
        self.search.setAccessibleName(self.tr("Search the index"))
        self.search.setClearButtonEnabled(True)
        self.search.textEdited.connect(self._filter)
        self.source = ElidedLabel(look="muted")
        self.choose = MenuButton("open", self.tr("Choose an index …"))
        self.choose.menu_below.addAction(self.tr("A file …"), self._on_choose_file)
        self.choose.menu_below.addAction(self.tr("An address on the network …"), self._on_choose_address)
        self.nothing = PlainLabel(look="muted", wrap=True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.nothing.setContentsMargins(140, 64, 140, 8)
        self.read = QPushButton()
        self.read.setAutoDefault(False)
        self.read.clicked.connect(self._on_read)
        self._lay_out()
        plugins.changed.connect(self._show)
        self._index = index
        if index and not host_of(index) and not plugins.offers:
            plugins.read_index(Path(index))
        self._show()

    @property
    def cards(self) -> tuple[OfferCard, ...]:
        """One for each offer that fits the search."""
        return tuple(card for card in self._cards if not card.isHidden())

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.search, 2)
        head.addWidget(self.source, 3)
        head.addWidget(self.choose)
        body = QWidget()
        body.setObjectName("scrollBody")
        self._column = QVBoxLayout(body)
        self._column.setContentsMargins(0, 0, 8, 0)
        self._column.setSpacing(8)
        self._column.addWidget(self.nothing)
        self._column.addWidget(self.read, 0, Qt.AlignmentFlag.AlignHCenter)
        self._column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 12, 0, 0)
        column.setSpacing(12)
        column.addLayout(head)
        column.addWidget(scroll, 1)

    def _show(self) -> None:
        offers = self._plugins.offers
        if tuple(card.offer for card in self._cards) != offers:
            for card in self._cards:
                card.hide()
                card.deleteLater()
            self._cards = [OfferCard(offer) for offer in offers]
            for place, card in enumerate(self._cards):
                card.install.clicked.connect(partial(self._plugins.install_offer, card.offer))
                self._column.insertWidget(2 + place, card)
        for card in self._cards:
            info = self._plugins.find(card.offer.id)
            here = info.manifest.version if info is not None and info.manifest is not None else ""
            card.show_here(here, self._plugins.busy)
        self.source.setText(host_of(self._index) or (Path(self._index).name if self._index else ""))
        self.choose.setEnabled(not self._plugins.is_reading_index)
        self._filter(self.search.text())

    def _filter(self, text: str) -> None:
        words = text.casefold().split()
        for card in self._cards:
            card.setVisible(all(word in card.searched for word in words))
        shown, host = bool(self.cards), host_of(self._index)
        self.nothing.setVisible(not shown)
        self.nothing.setText("" if shown else self._why_nothing(host))
        self.read.setVisible(bool(host) and not self._cards)
        self.read.setEnabled(not self._plugins.is_reading_index)
        self.read.setText(self.tr("Connect to {h} and read it").replace("{h}", host))

    def _why_nothing(self, host: str) -> str:
        if self._cards:
            return self.tr("Nothing in the index fits the search.")
        if self._plugins.is_reading_index:
            return self.tr("Reading …")
        if host:
            return self.tr("Your index lies on the network. It is read when you ask for it, not before.")
        if self._index:
            return self.tr("The index offers nothing.")
        return self.tr(
            "An index is a list of plugins (a .json file) that a friend or a group keeps. Choose one to see what it offers; "
            "nothing of it runs before you allow it."
        )

    def _on_choose_file(self) -> None:
        choose_file(
            self, self.tr("Choose an index"), self.tr("Index files (*.json)"), lambda file: self._choose(str(file))
        )

    def _on_choose_address(self) -> None:
        dialog = IndexAddressDialog(self._index if host_of(self._index) else "", self)
        dialog.chosen.connect(self._choose)
        dialog.open()

    def _choose(self, index: str) -> None:
        self._index = index
        self.index_chosen.emit(index)
        self._on_read()

    def _on_read(self) -> None:
        self._plugins.read_index(self._index if host_of(self._index) else Path(self._index))


class OfferCard(QFrame):
    """One plugin of the index."""

    def __init__(self, offer: Offer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offerCard")
        self.offer = offer
        self.searched = f"{offer.id} {offer.name} {offer.description}".casefold()
        self.install = QPushButton(self.tr("Install"))
        self.install.setAutoDefault(False)
        self.install.setMinimumWidth(96)
        title = QHBoxLayout()
        title.setSpacing(8)
        title.addWidget(PlainLabel(offer.name, "headline"))
        title.addWidget(PlainLabel(offer.version, "faint"))
        title.addStretch(1)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addLayout(title)
        words.addWidget(PlainLabel(offer.description, "muted", wrap=True))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(12)
        if offer.picture is not None:
            thumb = MapView(_THUMB_PX)
            thumb.setFixedWidth(_THUMB_PX)
            thumb.show_map(offer.picture, offer.picture.size())
            row.addWidget(thumb)
        row.addLayout(words, 1)
        row.addWidget(self.install, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_here(self, version: str, busy: bool) -> None:
        """Say whether it is installed already, and as which version."""
        same = version == self.offer.version
        self.install.setText(self.tr("Installed") if same else self.tr("Update") if version else self.tr("Install"))
        self.install.setEnabled(not same and not busy)
