"""Our dock: a quiet title line with the panel's own small buttons in it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QMainWindow, QToolButton, QVBoxLayout, QWidget

from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import PlainLabel

TITLE_PX = 34


class _Title(QWidget):
    """Lets mouse presses through to the dock, which moves itself by them."""

    # Qt overrides
    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.ignore()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        event.ignore()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.ignore()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        event.ignore()

    def minimumSizeHint(self) -> QSize:
        return QSize(80, TITLE_PX)


class Dock(QDockWidget):
    """A dock named `name` (for saved layouts) with a panel in it; `tools` stand at the right of the title."""

    def __init__(self, name: str, title: str, panel: QWidget, tools: tuple[QWidget, ...], parent: QWidget) -> None:
        super().__init__(title, parent)
        self.setObjectName(name)
        self.setAllowedAreas(Qt.DockWidgetArea.LeftDockWidgetArea | Qt.DockWidgetArea.RightDockWidgetArea)
        self.setTitleBarWidget(self._title(title, tools))
        body = QWidget()
        body.setObjectName("dockBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(panel)
        self.setWidget(body)
        self._settled = QTimer(self, singleShot=True, interval=0)  # a layout that is restored tells before it stands
        self._settled.timeout.connect(self._show_label)
        for changed in (self.visibilityChanged, self.topLevelChanged):
            changed.connect(self._show_label)
            changed.connect(lambda _changed: self._settled.start())

    def _show_label(self, _changed: bool = False) -> None:
        """Between tabs that say the same, the title is not said again."""
        window = self.parentWidget()
        tabbed = isinstance(window, QMainWindow) and bool(window.tabifiedDockWidgets(self))
        self._label.setVisible(self.isFloating() or not tabbed)

    def _title(self, title: str, tools: tuple[QWidget, ...]) -> QWidget:
        bar = _Title()
        bar.setObjectName("dockTitle")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        bar.setFixedHeight(TITLE_PX)
        row = QHBoxLayout(bar)
        row.setContentsMargins(12, 0, 6, 0)
        row.setSpacing(2)
        self._label = PlainLabel(title, look="title")
        row.addWidget(self._label)
        row.addStretch(1)
        for tool in tools:
            row.addWidget(tool)
        row.addWidget(self._close_button())
        return bar

    def _close_button(self) -> QToolButton:
        button = icon_button("close", self.tr("Hide this panel (View menu brings it back)"), px=12)
        button.clicked.connect(self.close)
        return button
