"""The windows beside the main one: compare, plot, enlarge, export. Hands each what is chosen, minds what is dropped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, QStandardPaths, Qt
from PySide6.QtWidgets import QDialog

from studio.core.errors import BadInputImage, StudioError
from studio.core.picture import Picture
from studio.state.messages import Message
from studio.ui.compare.dropped import pictures_in
from studio.ui.compare.window import CompareWindow
from studio.ui.dialogs.enlarge import EnlargeDialog
from studio.ui.export.dialog import ExportDialog
from studio.ui.plot.dialog import PlotDialog
from studio.ui.plot.words import offer

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow


class Benches(QObject):
    """Mutable state: the compare and plot windows, made at their first use; `_offered`, the headline that offers to go on."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._state = window, window.state
        self.compare: CompareWindow | None = None
        self.plot: PlotDialog | None = None
        self._offered = ""
        self._state.enlarger.failed.connect(self._state.messages.error)
        self._state.enlarger.queued.connect(lambda _job: window.centre.follow())
        plots = self._state.plots
        plots.sheet_added.connect(self._on_sheet)
        plots.taken_up.connect(self._offer_to_go_on)
        plots.changed.connect(self._on_plot)

    def can_compare(self) -> bool:
        """Whether exactly two pictures are selected."""
        return self._window.gallery.choice.count() == 2

    def has_previous(self) -> bool:
        """Whether the history goes on behind the picture on show."""
        return self._previous_row() is not None

    def compare_selected(self) -> None:
        """The two selected pictures: the older as A, the newer as B."""
        if self.can_compare():
            self._window.gallery.choice.gather(self._compare_newest_first)

    def compare_with_previous(self) -> None:
        """The picture on show as B, the one behind it in the history as A."""
        row, shown = self._previous_row(), self._window.do.picture()
        if row is not None and shown is not None:
            self._state.gallery.gather((row,), lambda found: self._compare_newest_first((shown, *found)))

    def show_compare(self, a: Picture | Path, b: Picture | Path) -> None:
        """Open the window over these two."""
        if self.compare is None:
            self.compare = CompareWindow(self._state.comparison, self._window)
            self.compare.dropped.connect(self._on_dropped)
        self._state.comparison.show(a, b)
        _bring_forward(self.compare)

    def show_plot(self) -> None:
        """Open the window of plots, as it was left."""
        if self.plot is None:
            self.plot = PlotDialog(self._state, self._window)
            self.plot.picture_wished.connect(self._window.history.show_picture)
            self.plot.started.connect(self._window.centre.follow)
        self.plot.plan_now()
        _bring_forward(self.plot)

    def show_enlarge(self) -> None:
        """Ask how much larger the chosen picture shall be made."""
        picture, enlarger = self._window.do.picture(), self._state.enlarger
        if picture is not None:
            dialog = EnlargeDialog(picture, enlarger.factor, enlarger.strength, self._window)
            dialog.wished.connect(partial(enlarger.enlarge, picture))
            _bring_forward(dialog)

    def show_export(self) -> None:
        """Export the selected pictures, or the one on show."""
        self._chosen(self._open_export)

    def _chosen(self, use: Callable[[tuple[Picture, ...]], None]) -> None:
        choice, shown = self._window.gallery.choice, self._window.do.picture()
        if choice.count() > 1:
            choice.gather(use)
        elif shown is not None:
            use((shown,))

    def _open_export(self, pictures: tuple[Picture, ...]) -> None:
        exporter = self._state.exporter
        if not pictures:
            return
        if exporter.busy:
            self._state.messages.info(self.tr("An export is under way; wait for it, or cancel it."))
            return
        folder = exporter.folder or _pictures_folder()
        _bring_forward(ExportDialog(exporter, pictures, folder, self._window))

    def _compare_newest_first(self, pictures: tuple[Picture, ...]) -> None:
        if len(pictures) == 2:
            self.show_compare(pictures[1], pictures[0])

    def _previous_row(self) -> int | None:
        shown, gallery = self._window.do.picture(), self._state.gallery
        if shown is None:
            return None
        index = gallery.find(shown.id)
        row = index.row() + 1
        return row if index.isValid() and row < gallery.rowCount() else None

    def _on_sheet(self, sheet: Picture) -> None:
        """Whoever closed the window of the plot meanwhile hears of its end."""
        if self.plot is None or not self.plot.isVisible():
            words = self.tr("The plot is made; its sheet is in the history.")
            self._state.messages.info(words, "", self.tr("Show it"), partial(self._window.history.show_picture, sheet))

    def _offer_to_go_on(self) -> None:
        """A plot was half done when the studio ended: nothing of it is made before the artist says so."""
        plots = self._state.plots
        self._offered, hint = offer(plots.cells)
        action = self.tr("Go on") if plots.is_held else self.tr("Make what is missing")
        self._state.messages.post(
            Message(
                level="info",
                headline=self._offered,
                hint=hint,
                action=action,
                on_action=plots.go_on if plots.is_held else self._make_missing,
                other=self.tr("Show the plot"),
                on_other=self.show_plot,
                stays=True,
            )
        )

    def _make_missing(self) -> None:
        try:
            self._state.plots.make_missing()
        except StudioError as error:
            self._state.messages.error(error)

    def _on_plot(self) -> None:
        """It goes on, from wherever that was wished: the offer is settled."""
        if self._offered and (self._state.plots.is_running or self._state.plots.is_drawing):
            self._window.centre.messages.take_away(self._offered)
            self._offered = ""

    def _on_dropped(self, side: int, mime: QMimeData) -> None:
        try:
            found = pictures_in(mime, self._state.gallery)
            if not found:
                hint = self.tr("Drop a picture of the history, or a file.")
                raise BadInputImage(self.tr("There is no picture in what was dropped."), hint)
        except StudioError as error:
            self._state.messages.error(error)
            return
        for place, picture in zip((side, 1 - side), found, strict=False):
            self._state.comparison.put(place, picture)


def _bring_forward(dialog: QDialog) -> None:
    dialog.setWindowState(dialog.windowState() & ~Qt.WindowState.WindowMinimized)
    dialog.show()
    dialog.activateWindow()


def _pictures_folder() -> Path:
    """Where this system keeps pictures; the home folder where it says nothing."""
    place = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    return Path(place) if place else Path.home()
