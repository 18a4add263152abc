"""The middle of the window decides nothing but what is on show: the forming picture, the newest, or the one chosen."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from studio.core.job import Job
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.state.gallery_model import mime_of
from studio.state.studio_state import StudioState
from studio.ui.centre.empty_state import EmptyState
from studio.ui.centre.picture_view import PictureView
from studio.ui.gallery.details import DetailsBar
from studio.ui.gallery.ranked import RankedStrip
from studio.ui.images import image_of_pixels
from studio.ui.widgets.message_bar import MessageBar
from studio.ui.widgets.text import PlainLabel


class ZoomBar(QFrame):
    """The zoom actions over a corner of the picture: there when the pointer is, or while the picture is not fitted."""

    def __init__(self, view: PictureView) -> None:
        super().__init__(view)
        self.setObjectName("zoomBar")
        self._view = view
        self._percent = PlainLabel(look="faint")
        self._percent.setFixedWidth(48)
        self._percent.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(4, 2, 4, 2)
        self._row.setSpacing(0)
        view.zoom_changed.connect(self._show_zoom)
        view.installEventFilter(self)
        self.hide()

    def add_actions(self, actions: tuple[QAction, ...]) -> None:
        """Zoom out, zoom in, and the rest; the percentage stands between the first two."""
        for place, action in enumerate(actions):
            button = QToolButton()
            button.setDefaultAction(action)
            button.setIconSize(QSize(16, 16))
            button.setAccessibleName(action.text().replace("&", ""))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._row.addWidget(button)
            if place == 0:
                self._row.addWidget(self._percent)

    def _show_zoom(self) -> None:
        wanted = self._view.underMouse() or self._view.place.zoom is not None
        self.setVisible(wanted and not self._view.image.isNull())
        self._percent.setText(f"{self._view.place.scale:.0%}")
        self._put()

    def _put(self) -> None:
        size = self.sizeHint()
        self.setGeometry(
            self._view.width() - size.width() - 12,
            self._view.height() - size.height() - 12,
            size.width(),
            size.height(),
        )

    # Qt overrides
    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._put()
        elif event.type() in (QEvent.Type.Enter, QEvent.Type.Leave):
            self._show_zoom()
        return False


class Centre(QWidget):
    """Mutable state: `_picture` (chosen or newest), `_following` (show what forms), `_forming` (a preview is on show).

    Signals: `picture_shown(object)` - another Picture, or None, is on show.
    """

    picture_shown = Signal(object)

    def __init__(self, state: StudioState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centre")
        self._state = state
        self._picture: Picture | None = None
        self._following, self._forming = True, False
        self.view = PictureView()
        self.empty = EmptyState(str(state.models_folder or ""), self.view)
        self.zoom_bar = ZoomBar(self.view)
        self.ranked = RankedStrip(state.ranking, state.thumbnails, state.plugins)
        self.details = DetailsBar(state.gallery)
        self.details.part_of = state.plugins.declared
        self.details.compare_with(state.forerunners)
        self.messages = MessageBar(state.messages, self.view)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.view, 1)
        column.addWidget(self.ranked)
        column.addWidget(self.details)
        self.view.installEventFilter(self)
        self.view.zoom_changed.connect(lambda: self.empty.setVisible(self.view.image.isNull()))
        state.queue.previewed.connect(self._on_preview)
        state.queue.progressed.connect(self._on_progress)
        state.queue.picture_added.connect(self._on_added)
        state.queue.jobs_changed.connect(self._on_jobs)
        state.full_image.ready.connect(self._on_image)
        state.gallery.listed.connect(self._on_gallery)  # after the reset, which takes the choice from the history

    @property
    def picture(self) -> Picture | None:
        """The picture on show or on its way to be shown; None while another one forms before the artist's eyes."""
        return None if self._forming else self._picture

    def follow(self) -> None:
        """Show what forms from now on."""
        self._following = True

    def show_picture(self, picture: Picture) -> None:
        """Show a picture the artist chose; previews stay away until the next Generate."""
        self._following = False
        self._load(picture)

    def picture_gone(self, picture_id: str) -> None:
        """A picture was removed from the gallery."""
        if self._picture is not None and self._picture.id == picture_id:
            self._picture = None
            self.view.drag_data = None
            self.view.show_image(QImage())
            self._tell()

    def _load(self, picture: Picture) -> None:
        self._picture, self._forming = picture, False
        self._tell()
        self._state.full_image.load(picture)

    def _tell(self) -> None:
        self.details.show_picture(self.picture)
        self.ranked.mark(self.picture.id if self.picture is not None else "")
        self.picture_shown.emit(self.picture)

    def _on_gallery(self) -> None:
        """At the start the newest picture is there again."""
        gallery = self._state.gallery
        newest = gallery.picture(gallery.index(0))
        if self._picture is None and self.view.image.isNull() and newest is not None:
            self._load(newest)

    def _on_image(self, picture: Picture, image: QImage) -> None:
        if not self._forming and self._picture is not None and picture.id == self._picture.id:
            self.view.drag_data = mime_of([picture])
            self.view.show_image(image)

    def _on_preview(self, pixels: Pixels) -> None:
        if self._following and self._state.settings.get("preview"):
            running = self._state.queue.running
            if running is None:
                return
            size = running.recipe.size
            self.view.show_image(image_of_pixels(pixels), QSize(size.width, size.height))
            if not self._forming:
                self._forming = True
                self.view.drag_data = None
                self._tell()
            self.details.show_forming(running.recipe)

    def _on_progress(self, job: Job) -> None:
        self.view.show_progress(job.step / max(1, job.recipe.steps))

    def _on_added(self, picture: Picture) -> None:
        if self._following:
            self._load(picture)

    def _on_jobs(self) -> None:
        running = self._state.queue.running
        if running is not None:
            if self._forming:  # the next one after one that was cancelled: its first preview takes a while
                self.details.show_forming(running.recipe)
            return
        self.view.show_progress(-1)
        last = self._state.queue.jobs[-1] if self._state.queue.jobs else None
        if self._forming and last is not None and last.picture is None:  # cancelled or failed: half a picture is none
            self._forming = False
            if self._picture is not None:
                self._load(self._picture)
            else:
                self.view.show_image(QImage())
                self._tell()

    # Qt overrides
    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.empty.setGeometry(self.view.rect())
        return False
