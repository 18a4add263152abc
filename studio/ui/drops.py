"""What may be dropped where, shown while dragging: hints over every target, one place that tells pictures from other data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QObject, QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from studio.core.errors import StudioError
from studio.state.gallery_model import PICTURE_MIME
from studio.state.intake import local_file
from studio.ui.icons import render
from studio.ui.theme import colors, ui_font

_LEAVE_MS = 120  # between two targets the drag is over none for a moment


def holds_picture(mime: QMimeData) -> bool:
    """Whether a drag or the clipboard carries a picture of the gallery, files, or pixels."""
    return mime.hasFormat(PICTURE_MIME) or mime.hasUrls() or mime.hasImage()


def plugin_files(mime: QMimeData) -> tuple[Path, ...]:
    """The dragged folders and .zip files of this computer: what may be a plugin (installing says if it is none)."""
    if mime.hasFormat(PICTURE_MIME) or not mime.hasUrls():
        return ()
    found = []
    for url in mime.urls():
        try:
            path = local_file(url)
        except StudioError:
            continue
        if path.suffix.lower() == ".zip" or path.is_dir():
            found.append(path)
    return tuple(found)


def brings_files(mime: QMimeData) -> bool:
    """Whether a drag carries files or folders from outside that are no plugin: what the history may take in."""
    if mime.hasFormat(PICTURE_MIME) or not mime.hasUrls():
        return False
    return not any(path.suffix.lower() == ".zip" or (path / "plugin.toml").is_file() for path in plugin_files(mime))


Takes = Callable[[QMimeData], bool]


def takes_picture(mime: QMimeData) -> bool:
    """What most targets take: pictures, but not what the whole window takes as a plugin."""
    return holds_picture(mime) and not plugin_files(mime)


class DropHint(QWidget):
    """Lies over a target while something is dragged, and says in words what dropping here does; the second line of
    the words is said more quietly."""

    def __init__(self, target: QWidget, words: str, icon_name: str, takes: Takes = takes_picture) -> None:
        super().__init__(target)
        self._target, self.takes = target, takes
        self.words, self._icon = words, icon_name
        self.hot = False
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        """Lie over all of the target."""
        self.setGeometry(self._target.rect())
        if self.isHidden():
            self.show()
            self.raise_()

    def set_hot(self, hot: bool) -> None:
        """Whether the pointer is over this target."""
        self.hot = hot
        self.update()

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        inset = 8 if self.height() > 60 else 1
        frame = QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        painter.setBrush(tokens.color("accent_soft", 250 if self.hot else 225))
        style = Qt.PenStyle.SolidLine if self.hot else Qt.PenStyle.DashLine
        painter.setPen(QPen(tokens.color("accent"), 2 if self.hot else 1, style))
        painter.drawRoundedRect(frame, 8 if inset > 1 else 6, 8 if inset > 1 else 6)
        painter.setPen(tokens.color("text"))
        painter.setFont(ui_font(14 if inset > 1 else 12, ui_font().Weight.DemiBold))
        if self.height() > 100:
            self._paint_icon(painter, frame.center() - QPointF(0, 24))
            frame.translate(0, 16)
        headline, _, more = self.words.partition("\n")
        flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
        painter.drawText(frame, flags, headline)
        if more:
            top = painter.boundingRect(frame, flags, headline).bottom() + 4
            painter.setPen(tokens.color("text_muted"))
            painter.setFont(ui_font(12))
            below = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
            room = QRectF(frame.left() + 16, top, frame.width() - 32, frame.bottom() - top)
            painter.drawText(room, int(below) | int(Qt.TextFlag.TextWordWrap), more)

    def _paint_icon(self, painter: QPainter, centre: QPointF) -> None:
        image = render(self._icon, round(28 * self.devicePixelRatioF()), colors().accent)
        painter.drawImage(QRectF(centre.x() - 14, centre.y() - 14, 28, 28), image)


class DropTarget(QObject):
    """Makes `widget` take pictures: `on_drop(mime)` is called with what was dropped. Other data go the usual way."""

    def __init__(self, zones: DropZones, widget: QWidget, hint: DropHint, on_drop: Callable[[QMimeData], None]) -> None:
        super().__init__(widget)
        self._zones, self.hint, self._on_drop = zones, hint, on_drop
        self._watch(widget)

    def also(self, widget: QWidget) -> DropTarget:
        """A part of the target that takes drops itself (a field inside the panel)."""
        self._watch(widget)
        return self

    def _watch(self, widget: QWidget) -> None:
        places = [widget, widget.viewport()] if isinstance(widget, QAbstractScrollArea) else [widget]
        for place in places:
            place.setAcceptDrops(True)
            place.installEventFilter(self)

    # Qt overrides
    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        takes = isinstance(event, QDropEvent) and self.hint.takes(event.mimeData())
        if isinstance(event, QDropEvent) and not takes and self._zones.take_guest(event):
            return True
        if isinstance(event, QDragEnterEvent | QDragMoveEvent) and takes:
            self._zones.enter(self.hint, event.mimeData())
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            return True
        if event.type() == QEvent.Type.DragLeave:
            self._zones.leave()
        elif isinstance(event, QDropEvent) and event.type() == QEvent.Type.Drop and takes:
            self._zones.end()
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._on_drop(event.mimeData())
            return True
        return False


class PictureDrop(QObject):
    """Makes a small field take one picture, without a hint of its own: its words say so already."""

    def __init__(self, widget: QWidget, on_drop: Callable[[QMimeData], None]) -> None:
        super().__init__(widget)
        self._on_drop = on_drop
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    # Qt overrides
    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QDropEvent) or not holds_picture(event.mimeData()) or plugin_files(event.mimeData()):
            return False
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if event.type() == QEvent.Type.Drop:
            self._on_drop(event.mimeData())
        return True


class DropZones(QObject):
    """All targets of a window; their hints appear together as soon as a picture is dragged over the window.

    A plugin (a folder or .zip) is taken anywhere, by the whole window.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._hints: list[DropHint] = []
        self._guest: tuple[DropHint, Callable[[QMimeData], None]] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LEAVE_MS)
        self._timer.timeout.connect(self.end)
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def add(
        self,
        widget: QWidget,
        words: str,
        icon_name: str,
        on_drop: Callable[[QMimeData], None],
        takes: Takes = takes_picture,
    ) -> DropTarget:
        """Make a widget a target for what it `takes`; `words` say what dropping does."""
        hint = DropHint(widget, words, icon_name, takes)
        self._hints.append(hint)
        return DropTarget(self, widget, hint, on_drop)

    def add_guests(self, window: QWidget, words: str, icon_name: str, on_drop: Callable[[QMimeData], None]) -> None:
        """Let the whole window take plugins."""
        self._guest = DropHint(window, words, icon_name), on_drop

    def take_guest(self, event: QDropEvent) -> bool:
        """Whether a plugin is dragged (QDragEnter and QDragMove are QDropEvents too): then it is answered here."""
        if self._guest is None or not plugin_files(event.mimeData()):
            return False
        hint, on_drop = self._guest
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if event.type() == QEvent.Type.Drop:
            self.end()
            on_drop(event.mimeData())
        else:
            self._timer.stop()
            for other in self._hints:
                other.hide()
            hint.cover()
            hint.set_hot(True)
        return True

    def hints(self) -> tuple[DropHint, ...]:
        return tuple(self._hints)

    def enter(self, hot: DropHint | None, mime: QMimeData) -> None:
        """What `mime` carries is over this target (None: over the window, but no target)."""
        self._timer.stop()
        if self._guest is not None:
            self._guest[0].hide()
        for hint in self._hints:
            if not hint.takes(mime):
                hint.hide()
                continue
            hint.cover()
            if hint.hot != (hint is hot):
                hint.set_hot(hint is hot)

    def leave(self) -> None:
        """It left a target; if it does not enter another one soon, the hints go."""
        self._timer.start()

    def end(self) -> None:
        """Nothing is dragged any more."""
        self._timer.stop()
        for hint in (*self._hints, *([self._guest[0]] if self._guest else [])):
            hint.set_hot(False)
            hint.hide()

    # Qt overrides
    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QDropEvent) and self.take_guest(event):
            return True
        if isinstance(event, QDragEnterEvent) and holds_picture(event.mimeData()):
            self.enter(None, event.mimeData())
            event.accept()
            return True
        if isinstance(event, QDragMoveEvent) and event.type() == QEvent.Type.DragMove:
            event.ignore()
            return True
        if event.type() == QEvent.Type.DragLeave:
            self.leave()
        elif event.type() == QEvent.Type.Drop:
            self.end()
        return False
