"""The small window that asks for the address of an index, and says what reading it means."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from studio.state.plugin_index import host_of
from studio.ui.widgets.text import PlainLabel

_WIDTH_PX = 480


class IndexAddressDialog(QDialog):
    """Asks for an address. Nothing is connected to before its button is pressed.

    Signals: `chosen(str)` - read the index at this address.
    """

    chosen = Signal(str)

    def __init__(self, address: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("indexAddressDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("An index on the network"))
        self.setMinimumWidth(_WIDTH_PX)
        self.address = QLineEdit(address)
        self.address.setPlaceholderText("https://…/index.json")
        self.address.setAccessibleName(self.tr("Address of the index"))
        self.address.textChanged.connect(self._show)
        says = self.tr(
            "The studio connects to this address when you press Read, and again when you install something from it; "
            "never by itself. Nothing about you or your pictures is sent."
        )
        self.host = PlainLabel(look="muted", wrap=True)
        self.read = QPushButton(self.tr("Read"))
        self.read.setProperty("look", "primary-small")
        self.read.setDefault(True)
        self.read.clicked.connect(self._on_read)
        cancel = QPushButton(self.tr("Cancel"))
        cancel.setAutoDefault(False)
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.host, 1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.read)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, 16)
        column.setSpacing(12)
        column.addWidget(PlainLabel(says, wrap=True))
        column.addWidget(self.address)
        column.addLayout(buttons)
        self._show(address)

    def _show(self, text: str) -> None:
        host = host_of(text)
        self.read.setEnabled(bool(host))
        self.host.setText(self.tr("Connects to {h}").replace("{h}", host) if host else "")

    def _on_read(self) -> None:
        self.chosen.emit(self.address.text().strip())
        self.accept()
