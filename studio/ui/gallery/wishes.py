"""What the artist wishes in the history: stars, similar ones, a quick look, the library page, the menu of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QObject, QPoint, QSize, Qt, QTimer
from PySide6.QtWidgets import QInputDialog, QMenu, QStackedWidget, QWidget

from studio.core.library import NAME_MAX, RATING_MAX
from studio.core.picture import Picture
from studio.state.gallery_marks import MarkChange
from studio.ui.gallery.choice import SELECTED_KEPT
from studio.ui.gallery.library import LibraryPage
from studio.ui.gallery.panel import HistoryPanel
from studio.ui.gallery.quick_look import QuickLook
from studio.ui.gallery.terms import has_term
from studio.ui.gallery.view import GalleryView
from studio.ui.icons import icon

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow

LAYOUT_VERSION = 2  # of the panels; 2 added the plugins panel

# The menu of a picture: ids of the action table, a line between two groups. Add an id here to have an action in it.
PICTURE_MENU: list[list[str]] = [
    ["open_picture", "quick_look"],
    ["use_settings", "choose_settings", "use_seed", "use_control"],
    ["tree", "verify", "enlarge"],
    ["similar", "compare", "compare_previous"],
    ["copy", "copy_prompt", "reveal", "export"],
    ["delete", "bring_back", "empty_trash"],
]


class HistoryWishes(QObject):
    """Joins the history's dock and the library page with the rest of the window.

    Mutable state: `_layout`, the panels as they stood before the library took the window (None while it has not), and
    `_library`, made when it is first wished for.
    """

    def __init__(self, window: MainWindow, centre: QWidget) -> None:
        super().__init__(window)
        self._window, self._state = window, window.state
        self._model = window.state.gallery
        self._layout: QByteArray | None = None
        self._library: LibraryPage | None = None
        self.panel = HistoryPanel(self._model, int(self._state.settings.get("thumbnail_px")))
        self.choice = self.panel.grid.choice
        self.stack = _Pages()
        self.stack.addWidget(centre)
        self.quick = QuickLook(self._state.full_image, self.stack)
        self.quick.leafed.connect(self.panel.grid.leaf)
        self.quick.stars_wished.connect(self.rate)
        self.quick.closed.connect(lambda: self.grid.setFocus())
        self.choice.picture_chosen.connect(self._on_chosen)
        self._model.dataChanged.connect(self._on_data)
        self._tile_saver = QTimer(self, singleShot=True, interval=500)
        self._tile_saver.timeout.connect(self.keep_tile_px)
        self._asking = QTimer(self, singleShot=True, interval=0)
        self._asking.timeout.connect(lambda: window.commands.refresh())
        for changed in (self._model.listed, self.choice.selectionChanged):
            changed.connect(lambda *_: self._asking.start())
        self._adopt(self.panel)

    def _adopt(self, panel: HistoryPanel) -> None:
        grid = panel.grid
        panel.foot.size_slider.valueChanged.connect(lambda _px: self._tile_saver.start())
        grid.menu_wished.connect(self.open_menu)
        grid.delete_wished.connect(self._delete_chosen)
        grid.stars_wished.connect(self.rate)
        grid.open_wished.connect(self.open_picture)
        grid.look_wished.connect(self.look)

    @property
    def grid(self) -> GalleryView:
        """The grid before the artist's eyes."""
        return self._library.grid if self._library is not None and self.in_library() else self.panel.grid

    def keep_tile_px(self) -> None:
        """Write away how large the tiles are, in the dock and in the library."""
        self._tile_saver.stop()
        sizes = {"thumbnail_px": self.panel.grid.tile_px}
        if self._library is not None:
            sizes["library_px"] = self._library.grid.tile_px
        for name, size in sizes.items():
            if self._state.settings.get(name) != size:
                self._window.do.set_setting(name, size)

    # The library page
    def in_library(self) -> bool:
        """Whether the library has the window."""
        return self._layout is not None

    @property
    def layout(self) -> QByteArray | None:
        """How the panels stand outside the library, while it has the window."""
        return self._layout

    def toggle_library(self) -> None:
        """Give the window to the library, or back to the picture and its panels."""
        if self._layout is not None:
            self.stack.setCurrentIndex(0)
            self._window.restoreState(self._layout, LAYOUT_VERSION)
            self._layout = None
            self._window.centre.messages.move_over(self._window.centre.view)
            if (shown := self._window.centre.picture) is not None:
                self.panel.grid.select_picture(shown.id)
        else:
            page = self._made_library()
            self._layout = self._window.saveState(LAYOUT_VERSION)
            for dock in self._window.docks.values():
                dock.hide()
            self.stack.setCurrentWidget(page)
            page.begin()
            self._window.centre.messages.move_over(page.grid)
        self._window.commands.refresh()

    def _made_library(self) -> LibraryPage:
        if self._library is None:
            imports, size = self._window.imports, int(self._state.settings.get("library_px"))
            page = self._library = LibraryPage(self._state, self.choice, imports.make_side(), size)
            imports.take_drops(page.panel, page)
            page.details.compare_with(self._state.forerunners)
            page.details.add_actions(
                self._window.commands.some("open_picture", "use_settings", "use_seed", "use_control", "enlarge")
            )
            self._adopt(page.panel)
            self.stack.addWidget(page)
        return self._library

    def find(self) -> None:
        """The keyboard to the search field that is in sight."""
        panel = self._library.panel if self._library is not None and self.in_library() else self.panel
        if panel is self.panel:
            self._window.docks["historyDock"].show()
            self._window.docks["historyDock"].raise_()
        panel.search.setFocus()
        panel.search.selectAll()

    # The chosen pictures
    def has_choice(self) -> bool:
        return self.choice.currentIndex().isValid()

    def open_picture(self) -> None:
        """The current picture into the middle of the window."""
        picture = self.choice.current()
        if picture is not None:
            self.show_picture(picture)
            self._window.centre.view.setFocus()

    def show_picture(self, picture: Picture) -> None:
        """A picture into the middle of the window, which the library gives back if it has it."""
        self.quick.end()
        if self.in_library():
            self.toggle_library()
        self._window.centre.show_picture(picture)

    def look(self) -> None:
        """A quick look at the current picture."""
        picture = self.choice.current()
        if picture is not None:
            self.quick.look(picture)

    def rate(self, picture: Picture | None, rating: int) -> None:
        """Give stars to a picture, or to all selected ones."""
        words = self.tr("stars")

        def give(pictures: tuple[Picture, ...]) -> None:
            self._model.mark(pictures, words, MarkChange(rating=rating))

        if picture is not None:
            give((self._model.known(picture.id) or picture,))
        else:
            self.choice.gather(give)

    def delete(self) -> None:
        """The selected pictures to the trash; those that lie there stay there."""
        if self.in_trash():
            self._state.messages.info(self.tr("These pictures lie in the trash already."))
        elif self.choice.count() > SELECTED_KEPT:
            self.choice.gather(self._window.wishes.delete)
        else:
            self._window.wishes.delete(self._window.do.pictures())

    def _delete_chosen(self) -> None:
        """As the Delete key in the grid: what is selected there, whatever is shown in the middle."""
        if self.choice.count() and not self.in_trash():
            self.choice.gather(self._window.wishes.delete)
        else:
            self.delete()

    def in_trash(self) -> bool:
        """Whether the rows are those of the trash."""
        return has_term(self._model.query.text, "is", "trash")

    def bring_back(self) -> None:
        """The selected pictures back from the trash."""
        self.choice.gather(lambda pictures: self._model.restore([picture.id for picture in pictures]))

    def empty_trash(self) -> None:
        """Delete the pictures of the trash for good, once the artist said so."""
        self._state.messages.warn(
            self.tr("Delete all pictures in the trash for good?"),
            self.tr(
                "Their files are removed from the disk, but not those in folders of your own. "
                "This cannot be undone. Close this to keep them."
            ),
            self.tr("Delete for good"),
            self._model.empty_trash,
        )

    def show_similar(self) -> None:
        """Pictures that look like the current one."""
        picture = self.choice.current() or self._window.do.picture()
        if picture is not None:
            self._model.show_similar(picture)

    def open_menu(self, at: QPoint) -> None:
        """The menu of the selected pictures."""
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        hidden = ("delete",) if self.in_trash() else ("bring_back", "empty_trash")
        for number, ids in enumerate(PICTURE_MENU):
            menu.addActions(self._window.commands.some(*(name for name in ids if name not in hidden)))
            if number == 0:
                menu.addMenu(self._stars_menu(menu))
                menu.addMenu(self._boards_menu(menu))
            menu.addSeparator()
        menu.popup(at)

    def _stars_menu(self, menu: QMenu) -> QMenu:
        stars = QMenu(self.tr("S&tars"), menu)
        stars.setIcon(icon("star-off"))
        for rating in range(RATING_MAX, -1, -1):
            action = stars.addAction(f"{'★' * rating or self.tr('None')}\t{rating}")
            action.triggered.connect(lambda _checked=False, rating=rating: self.rate(None, rating))
        return stars

    def _boards_menu(self, menu: QMenu) -> QMenu:
        boards = QMenu(self.tr("Add to &board"), menu)
        boards.setIcon(icon("board"))
        for name, _ in self._model.catalogue.boards:
            action = boards.addAction(name.replace("&", "&&"))
            action.triggered.connect(lambda _checked=False, name=name: self._put_onto(name))
        boards.addSeparator()
        board = self._model.query.board
        if board:
            words = self.tr("Take off “{board}”").replace("{board}", board)
            boards.addAction(words).triggered.connect(lambda: self._take_off(board))
        boards.addAction(icon("plus"), self.tr("New board …")).triggered.connect(self._name_board)
        return boards

    def _name_board(self) -> None:
        dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(self.tr("New board"))
        dialog.setLabelText(self.tr("Name of the board"))
        dialog.textValueSelected.connect(lambda text: self._put_onto(" ".join(text.split())[:NAME_MAX]))
        dialog.open()

    def _put_onto(self, board: str) -> None:
        if board:
            words = self.tr("put onto “{board}”").replace("{board}", board)
            self.choice.gather(lambda found: self._model.mark(found, words, MarkChange(add_boards=(board,))))

    def _take_off(self, board: str) -> None:
        words = self.tr("take off “{board}”").replace("{board}", board)
        self.choice.gather(lambda found: self._model.mark(found, words, MarkChange(remove_boards=(board,))))

    # Answers
    def _on_chosen(self, picture: Picture) -> None:
        if not self.quick.isHidden():
            self.quick.look(picture)

    def _on_data(self) -> None:
        picture = self.choice.current()
        if picture is not None and not self.quick.isHidden():
            self.quick.show_words(picture)


class _Pages(QStackedWidget):
    """As narrow as the page in sight allows: the library shall not widen the window that it is not in."""

    def __init__(self) -> None:
        super().__init__()
        self.currentChanged.connect(lambda _index: self.updateGeometry())

    # Qt overrides
    def minimumSizeHint(self) -> QSize:
        page = self.currentWidget()
        return page.minimumSizeHint() if page is not None else super().minimumSizeHint()
