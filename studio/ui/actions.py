"""The commands: rows become QActions, menus and shortcuts; which of them are possible is asked again when the state changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenuBar, QWidget

from studio.ui.icons import icon
from studio.ui.widgets.text import plain_tooltip

Shortcut = str | QKeySequence.StandardKey


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """One command. `menu` is its menu's id; `line` draws a separator above; `checked` makes it a tick."""

    id: str
    menu: str
    text: str
    slot: Callable[[], object]
    shortcut: Shortcut | tuple[Shortcut, ...] = ()
    icon: str = ""
    tip: str = ""
    enabled: Callable[[], bool] = _always
    checked: Callable[[], bool] | None = None
    line: bool = False


class Actions(QObject):
    """All commands of a window by id."""

    def __init__(self, window: QWidget, rows: tuple[ActionRow, ...]) -> None:
        super().__init__(window)
        self._rows = rows
        self._made: dict[str, QAction] = {}
        for row in rows:
            self._made[row.id] = self._make(window, row)
        self.refresh()

    def __getitem__(self, action_id: str) -> QAction:
        return self._made[action_id]

    def some(self, *action_ids: str) -> tuple[QAction, ...]:
        """The actions of these ids."""
        return tuple(self._made[action_id] for action_id in action_ids)

    def rows(self) -> tuple[ActionRow, ...]:
        return self._rows

    def shortcut_text(self, action_id: str) -> str:
        """The shortcuts of an action as this system writes them."""
        keys = self._made[action_id].shortcuts()
        return ", ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in keys)

    def fill(self, bar: QMenuBar, menus: tuple[tuple[str, str], ...]) -> None:
        """Put every action into the menu of its row; `menus` are (id, title) in order."""
        for menu_id, title in menus:
            menu = bar.addMenu(title)
            menu.setObjectName(f"{menu_id}Menu")
            menu.setToolTipsVisible(False)
            for row in self._rows:
                if row.menu == menu_id:
                    if row.line:
                        menu.addSeparator()
                    menu.addAction(self._made[row.id])
            menu.aboutToShow.connect(self.refresh)

    def refresh(self) -> None:
        """Ask each row again whether it is possible, and whether it is ticked."""
        for row in self._rows:
            action = self._made[row.id]
            action.setEnabled(row.enabled())
            if row.checked is not None:
                action.setChecked(row.checked())

    def _make(self, window: QWidget, row: ActionRow) -> QAction:
        action = QAction(row.text, self)
        action.setObjectName(row.id)
        if row.icon:
            action.setIcon(icon(row.icon))
        keys = row.shortcut if isinstance(row.shortcut, tuple) else (row.shortcut,)
        if keys:
            action.setShortcuts([QKeySequence(key) for key in keys])
            action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.setCheckable(row.checked is not None)
        name = row.tip or row.text.replace("&", "").rstrip(" …")
        shown = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        plain_tooltip(action, f"{name} ({shown})" if shown else name)
        action.triggered.connect(lambda _checked=False: row.slot())
        window.addAction(action)
        return action
