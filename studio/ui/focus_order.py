"""Where the Tab key goes in the window: from part to part in the order that is told, and in each part from field to field.

Qt's own way does not do here: it steps from a row of fields to that field of the row which stands for it, also where it has
just left it, and so goes round in a circle.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QScrollArea, QWidget


def stops(window: QWidget, parts: tuple[QWidget, ...]) -> list[QWidget]:
    """What takes the focus by Tab now, in order: what is in `parts`, then the rest of the window."""
    return [widget for widget in _in_order(window, parts) if _can_stop(widget)]


def step(window: QWidget, parts: tuple[QWidget, ...], forward: bool) -> bool:
    """Give the focus to the next stop, or the one before, and show it; False if there is none.

    Qt asks for it also when what has the focus hides or is switched off: its neighbour is the next one then.
    """
    now = window.focusWidget()
    order = [widget for widget in _in_order(window, parts) if widget is now or _can_stop(widget)]
    if not forward:
        order.reverse()
    at = order.index(now) + 1 if now in order else 0
    chosen = next((widget for widget in order[at:] + order[:at] if widget is not now), None)
    if chosen is None:
        return False
    chosen.setFocus(Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason)
    above = chosen.parentWidget()
    while above is not None and above is not window:
        if isinstance(above, QScrollArea):
            above.ensureWidgetVisible(chosen)
        above = above.parentWidget()
    return True


def _in_order(window: QWidget, parts: tuple[QWidget, ...]) -> list[QWidget]:
    """All widgets of the window: those in `parts`, then the rest."""
    found: list[tuple[int, QWidget]] = []
    widget = window.nextInFocusChain()
    while widget is not None and widget is not window:
        if widget.window() is window:
            found.append((_part_of(widget, parts), widget))
        widget = widget.nextInFocusChain()
    return [widget for _part, widget in sorted(found, key=lambda pair: pair[0])]


def _can_stop(widget: QWidget) -> bool:
    if not widget.focusPolicy() & Qt.FocusPolicy.TabFocus or widget.focusProxy() is not None:
        return False
    return widget.isVisible() and widget.isEnabled() and not _is_behind(widget)


def _is_behind(widget: QWidget) -> bool:
    """Whether it is in a dock whose tab is not in front: Qt only lays such a dock beside the window."""
    above: QWidget | None = widget
    while above is not None and not isinstance(above, QDockWidget):
        above = above.parentWidget()
    return above is not None and above.visibleRegion().isEmpty()


def _part_of(widget: QWidget, parts: tuple[QWidget, ...]) -> int:
    for number, part in enumerate(parts):
        if part is widget or part.isAncestorOf(widget):
            return number
    return len(parts)
