"""The family tree in the window: opened from a picture, and its wishes carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from studio.core.picture import Picture
from studio.state.gallery_marks import MarkChange
from studio.ui.tree.page import TreePage

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow


class TreeWishes(QObject):
    """Mutable state: `page`, made when it is first wished for."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._state = window, window.state
        self.page: TreePage | None = None
        family, gallery = self._state.family, self._state.gallery
        family.failed.connect(self._state.messages.error)
        self._state.queue.picture_added.connect(family.take)
        gallery.marks_changed.connect(family.refresh)
        for signal in (gallery.rowsRemoved, gallery.rowsInserted, gallery.listed):
            signal.connect(self._on_rows)

    def show_tree(self, picture: Picture) -> None:
        """Open the page with the family of a picture."""
        if self.page is None:
            page = self.page = TreePage(self._state.family, self._state.thumbnails, self._window)
            page.use_wished.connect(self._window.wishes.use_picture)
            page.show_wished.connect(self._window.history.show_picture)
            page.delete_wished.connect(lambda gone: self._window.wishes.delete([gone]))
            page.back_wished.connect(lambda back: self._state.gallery.restore([back.id]))
            page.rating_wished.connect(self._rate)
            page.verify_wished.connect(self._window.verifying.verify)
            page.closed.connect(self._state.family.close)
        self._state.family.open(picture.id)
        if self.page.isVisible():
            self.page.raise_()
        self.page.show()
        self.page.activateWindow()
        self.page.view.setFocus()

    def _on_rows(self) -> None:
        """Rows go before their files do: the family is read behind that work, in the same thread."""
        QTimer.singleShot(0, self._state.family, self._state.family.refresh)

    def _rate(self, picture: Picture, rating: int) -> None:
        self._state.gallery.mark([picture], self.tr("change stars"), MarkChange(rating=rating))
