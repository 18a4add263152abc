"""One plugin on the page: its row in the list, and all about it beside the list."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QFont, QPainter
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from studio.core.plugins import PluginInfo, PluginState
from studio.state.plugins_model import ASKS_FIRST, PluginsModel
from studio.ui.plugin_words import adds_lines, plugin_name, state_words
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip

_ROW_PX = 50
_BAD = (PluginState.BROKEN, PluginState.FAULTY, PluginState.QUARANTINED, PluginState.CHANGED)


class PluginRowDelegate(QStyledItemDelegate):
    """Paints name, version and state of the PluginInfo in UserRole; a dot shows the state at a glance."""

    # Qt overrides
    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(120, _ROW_PX)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        info: PluginInfo = index.data(Qt.ItemDataRole.UserRole)
        tokens, rect = colors(), option.rect.adjusted(2, 1, -2, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setBrush(tokens.color("accent_soft"))
            painter.drawRoundedRect(rect, 6, 6)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(tokens.color("raised_hover"))
            painter.drawRoundedRect(rect, 6, 6)
        painter.setBrush(tokens.color(_dot(info.state)))
        painter.drawEllipse(rect.left() + 10, rect.center().y() - 3, 8, 8)
        text = rect.adjusted(30, 6, -8, -6)
        top, bottom = QRect(text), QRect(text)
        top.setHeight(text.height() // 2)
        bottom.setTop(top.bottom() + 1)
        version = info.manifest.version if info.manifest else ""
        _line(painter, top, plugin_name(info), "text", ui_font(13, QFont.Weight.DemiBold))
        words = "  ·  ".join(filter(None, (state_words(info.state)[0], version)))
        _line(painter, bottom, words, "text_muted", ui_font(12))
        painter.restore()


class PluginDetails(QScrollArea):
    """All about one plugin, with its buttons. Mutable state: `info`, the one on show."""

    def __init__(self, plugins: PluginsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plugins = plugins
        self.info: PluginInfo | None = None
        self.name = PlainLabel(look="big", wrap=True)
        self.by = PlainLabel(look="muted", wrap=True)
        self.about = PlainLabel(wrap=True)
        self.state = PlainLabel(look="headline", wrap=True)
        self.meaning = PlainLabel(look="muted", wrap=True)
        self.problem = PlainLabel(look="warning", wrap=True)
        self.adds = PlainLabel(wrap=True)
        self.place = ElidedLabel(look="faint")
        self.digest = ElidedLabel(look="faint")
        self._make_buttons(plugins)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._body = self._make_body()
        self.setWidget(self._body)

    def _make_buttons(self, plugins: PluginsModel) -> None:
        self.switch = QCheckBox(self.tr("Switched on"))
        self.switch.setObjectName("pluginSwitch")
        self.switch.clicked.connect(self._on_switch)
        self.allow = QPushButton(self.tr("Allow …"))
        self.allow.setObjectName("allowPluginButton")
        self.allow.clicked.connect(partial(self._do, plugins.enable))
        self.reload = QPushButton(self.tr("Reload"))
        plain_tooltip(
            self.reload, self.tr("Take the code from disk again at its next use. Changed code is asked about.")
        )
        self.reload.clicked.connect(partial(self._do, plugins.reload))
        self.remove = QPushButton(self.tr("Remove"))
        plain_tooltip(self.remove, self.tr("Into the studio's trash folder."))
        self.remove.clicked.connect(partial(self._do, plugins.remove))
        for button in (self.allow, self.reload, self.remove):
            button.setAutoDefault(False)

    def _make_body(self) -> QWidget:
        body = QWidget()
        body.setObjectName("scrollBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(4, 4, 12, 4)
        column.setSpacing(4)
        for part in (self.name, self.by):
            column.addWidget(part)
        column.addSpacing(8)
        column.addWidget(self.about)
        column.addSpacing(12)
        column.addLayout(self._state_box())
        column.addSpacing(12)
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(1, 1)
        rows = ((self.tr("Adds"), self.adds), (self.tr("Folder"), self.place), (self.tr("Digest"), self.digest))
        for row, (words, label) in enumerate(rows):
            grid.addWidget(PlainLabel(words, "field"), row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label, row, 1)
        column.addLayout(grid)
        column.addStretch(1)
        return body

    def _state_box(self) -> QVBoxLayout:
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.switch)
        buttons.addWidget(self.allow)
        buttons.addStretch(1)
        buttons.addWidget(self.reload)
        buttons.addWidget(self.remove)
        box = QVBoxLayout()
        box.setSpacing(4)
        for part in (self.state, self.meaning, self.problem):
            box.addWidget(part)
        box.addSpacing(4)
        box.addLayout(buttons)
        return box

    def show_info(self, info: PluginInfo | None) -> None:
        """Show a plugin, or that there is none."""
        self.info = info
        self._body.setVisible(info is not None)
        if info is None:
            return
        manifest = info.manifest
        self.name.setText(plugin_name(info))
        said = (
            self.tr("Version {v}").replace("{v}", manifest.version) if manifest else "",
            self.tr("by {a}").replace("{a}", manifest.author) if manifest and manifest.author else "",
            self.tr("ships with the studio") if info.shipped else "",
        )
        self.by.setText("  ·  ".join(filter(None, said)))
        self.by.setVisible(bool(self.by.text()))
        self.about.setText(manifest.description if manifest else "")
        self.about.setVisible(bool(self.about.text()))
        self.state.setText(state_words(info.state)[0])
        self.meaning.setText(state_words(info.state)[1])
        self.problem.setText(info.problem)
        self.problem.setVisible(bool(info.problem))
        self.adds.setText("\n".join(adds_lines(info)) or "–")
        self.place.setText(info.folder or "–")
        self.digest.setText(info.digest or "–")
        self._show_buttons(info)

    def _show_buttons(self, info: PluginInfo) -> None:
        idle = not self._plugins.busy
        asks, broken = info.state in ASKS_FIRST, info.state is PluginState.BROKEN
        self.switch.setVisible(not asks and not broken)
        self.switch.setChecked(info.state is PluginState.ENABLED)
        self.allow.setVisible(asks)
        self.remove.setVisible(not info.shipped)
        for button in (self.switch, self.allow, self.reload, self.remove):
            button.setEnabled(idle)

    def _on_switch(self, on: bool) -> None:
        self._do(self._plugins.enable if on else self._plugins.disable)

    def _do(self, wish: Callable[[str], None], _checked: bool = False) -> None:
        if self.info is not None:
            wish(self.info.id)


def _dot(state: PluginState) -> str:
    if state is PluginState.ENABLED:
        return "success"
    return "warning" if state in _BAD else "text_faint"


def _line(painter: QPainter, rect: QRect, text: str, token: str, font: QFont) -> None:
    painter.setPen(colors().color(token))
    painter.setFont(font)
    shown = painter.fontMetrics().elidedText(" ".join(text.split()), Qt.TextElideMode.ElideRight, rect.width())
    painter.drawText(rect, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), shown)
    painter.setPen(Qt.PenStyle.NoPen)
