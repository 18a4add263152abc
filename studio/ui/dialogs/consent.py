"""The question before a plugin may run: what it is, what it could do, and exactly which bytes are meant. Default: No."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from studio.core.plugins import PluginInfo, PluginState
from studio.ui.plugin_words import adds_lines, file_size, plugin_name
from studio.ui.widgets.buttons import IconSign
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import ElidedLabel, PlainLabel

_FILES_PX = 108
_SIZES_PX = 440  # where the column of sizes begins at the latest
_NAME_MAX = 80  # of what a manifest says, so that a long name pushes nothing out of sight


class ConsentDialog(QDialog):
    """Asks about one plugin.

    Signals: `agreed(PluginInfo)` - the artist allowed exactly the bytes that were shown.
    """

    agreed = Signal(object)

    def __init__(self, info: PluginInfo, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.info = info
        self.setObjectName("consentDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Allow a plugin"))
        open_in(self, QSize(680, 540))
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 16)
        column.setSpacing(12)
        column.addLayout(self._head())
        column.addWidget(self._warning())
        column.addLayout(self._facts())
        column.addWidget(PlainLabel(self._files_title(), "field"))
        column.addWidget(self._files(), 1)
        column.addLayout(self._buttons())
        self.no.setFocus()

    def _head(self) -> QHBoxLayout:
        manifest = self.info.manifest
        name = plugin_name(self.info)[:_NAME_MAX]
        ask = (
            self.tr("Allow “{name}” to run?")
            if self.info.state is PluginState.NEW
            else self.tr("“{name}” has changed. Allow it again?")
        )
        words = QVBoxLayout()
        words.setSpacing(4)
        self.question = PlainLabel(ask.replace("{name}", name), "big", wrap=True)
        words.addWidget(self.question)
        if manifest is not None and manifest.description:
            words.addWidget(PlainLabel(manifest.description, "muted", wrap=True))
        head = QHBoxLayout()
        head.setSpacing(14)
        head.addWidget(IconSign("plugin", "accent", 32), 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        return head

    def _warning(self) -> QFrame:
        frame = QFrame()
        frame.setObjectName("warningFrame")
        row = QHBoxLayout(frame)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(12)
        row.addWidget(IconSign("warning", "warning", 20), 0, Qt.AlignmentFlag.AlignTop)
        self.sentence = PlainLabel(
            self.tr(
                "Its code can do everything that you can do on this computer: read, change, delete and send your files."
            ),
            wrap=True,
        )
        row.addWidget(self.sentence, 1)
        return frame

    def _facts(self) -> QGridLayout:
        manifest = self.info.manifest
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        rows = [
            (self.tr("Author"), (manifest.author if manifest else "") or self.tr("not said"), False),
            (self.tr("Version"), manifest.version if manifest else "", False),
            (self.tr("Adds"), "\n".join(adds_lines(self.info)) or self.tr("nothing"), True),
        ]
        for row, (name, text, wrap) in enumerate(rows):
            grid.addWidget(PlainLabel(name, "field"), row, 0, Qt.AlignmentFlag.AlignTop)
            label = PlainLabel(text, wrap=True) if wrap else ElidedLabel(text)
            grid.addWidget(label, row, 1)
        digest = PlainLabel(self.info.digest)  # whole, so that it can be compared with what a friend says
        digest.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        grid.addWidget(PlainLabel(self.tr("Digest"), "field"), len(rows), 0)
        grid.addWidget(digest, len(rows), 1)
        return grid

    def _files_title(self) -> str:
        total = sum(size for _, size in self.info.files)
        one = len(self.info.files) == 1
        words = self.tr("{n} file, {size}, in {folder}") if one else self.tr("{n} files, {size}, in {folder}")
        filled = words.replace("{n}", str(len(self.info.files))).replace("{size}", file_size(total))
        return filled.replace("{folder}", self.info.folder)

    def _files(self) -> QPlainTextEdit:
        self.files = QPlainTextEdit("\n".join(f"{name}\t{file_size(size)}" for name, size in self.info.files))
        widest = max((self.files.fontMetrics().horizontalAdvance(name) for name, _ in self.info.files), default=0)
        self.files.setTabStopDistance(min(widest, _SIZES_PX) + 32)  # the sizes in a column
        self.files.setReadOnly(True)
        self.files.setAccessibleName(self.tr("Files of the plugin"))
        self.files.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.files.setMinimumHeight(_FILES_PX)
        return self.files

    def _buttons(self) -> QHBoxLayout:
        self.yes = QPushButton(self.tr("Allow it"))
        self.yes.setObjectName("consentYes")
        self.yes.setAutoDefault(False)
        self.yes.clicked.connect(self._on_yes)
        self.no = QPushButton(self.tr("Don’t allow"))
        self.no.setObjectName("consentNo")
        self.no.setProperty("look", "primary-small")
        self.no.setDefault(True)
        self.no.clicked.connect(self.reject)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(PlainLabel(self.tr("If a byte of it changes, you are asked again."), "faint", wrap=True), 1)
        row.addWidget(self.yes)
        row.addWidget(self.no)
        return row

    def _on_yes(self) -> None:
        self.agreed.emit(self.info)
        self.accept()
