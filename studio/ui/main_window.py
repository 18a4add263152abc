"""The window: puts the panels around the picture, joins their signals, remembers its layout."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QTabBar, QTabWidget, QToolButton, QWidget

from studio.core.picture import Picture
from studio.state.studio_state import StudioState
from studio.ui import action_table, focus_order
from studio.ui.actions import Actions
from studio.ui.benches import Benches
from studio.ui.centre.centre import Centre
from studio.ui.commands import Commands
from studio.ui.drops import DropZones
from studio.ui.gallery.import_wishes import ImportWishes
from studio.ui.gallery.wishes import LAYOUT_VERSION, HistoryWishes
from studio.ui.icons import app_icon
from studio.ui.model_wishes import ModelWishes
from studio.ui.panels.budget_line import BudgetLine
from studio.ui.panels.control import ControlPanel
from studio.ui.panels.jobs import JobsView
from studio.ui.panels.plugins import PluginPanel
from studio.ui.panels.prompt import PromptPanel
from studio.ui.panels.settings import SettingsPanel
from studio.ui.plugin_wishes import PluginWishes
from studio.ui.restore.verify_wishes import VerifyWishes
from studio.ui.restore.wishes import RestoreWishes
from studio.ui.status import StatusLine
from studio.ui.theme import apply_theme
from studio.ui.tree.wishes import TreeWishes
from studio.ui.widgets.dock import Dock
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import plain_tooltip
from studio.ui.wishes import Wishes

SIZE = QSize(1280, 800)
LEFT_PX, RIGHT_PX = 324, 316


class MainWindow(QMainWindow):
    """Everything the artist sees, over a `StudioState`. Close the state after the window."""

    def __init__(self, state: StudioState) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, str(state.settings.get("theme")))
        super().__init__()
        self.state = state
        self._shown = self._closed = False
        self.setWindowTitle("Diffusion Studio")
        self.setWindowIcon(app_icon())
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.setDockOptions(QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AnimatedDocks)
        self.wishes = Wishes(state, self)
        self._make_panels()
        self.guests = PluginWishes(self)
        self.benches = Benches(self)
        self.models = ModelWishes(self)
        self.settings.model_row.chosen.connect(self.models.choose)
        self.settings.model_row.page_wished.connect(self.models.show_page)
        self.restoring = RestoreWishes(state, self)
        self.verifying = VerifyWishes(
            state, lambda a, b: self.benches.show_compare(a, b), lambda copy: self.wishes.delete([copy]), self
        )
        self.verifying.settled.connect(self.centre.messages.take_away)
        self.tree = TreeWishes(self)
        self.imports = ImportWishes(self)
        self.do = Commands(self)
        self.commands = Actions(self, action_table.rows(self.do))
        self.commands.fill(self.menuBar(), action_table.menus())
        self._make_docks()
        self._connect()
        self._make_drop_targets()
        self._restore_layout()
        self._order_focus()

    # Building
    def _make_panels(self) -> None:
        state = self.state
        below = BudgetLine(state.budgets)
        self.prompt = PromptPanel(state.draft, state.queue, state.tokens, state.plugins, state.model_files, below)
        self.settings = SettingsPanel(state)
        self.control = ControlPanel(state.draft, state.control_maps, state.read_input, state.plugins, state.model_files)
        self.plugin_panel = PluginPanel(state.draft, state.plugins, state.read_input)
        self.jobs = JobsView(state.queue, state.jobs_model)
        self.centre = Centre(state)
        self.history = HistoryWishes(self, self.centre)
        self.gallery = self.history.panel.grid
        self.setCentralWidget(self.history.stack)
        self.setStatusBar(StatusLine(state.queue))

    def _make_docks(self) -> None:
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        docks = {
            "promptDock": (left, Dock("promptDock", self.tr("Prompt"), self.prompt, (self.prompt.prompt_count,), self)),
            "settingsDock": (left, Dock("settingsDock", self.tr("Settings"), self.settings, (), self)),
            "queueDock": (
                left,
                Dock("queueDock", self.tr("Queue"), self.jobs, self._tools("job_up", "job_down", "cancel_all"), self),
            ),
            "controlDock": (
                right,
                Dock("controlDock", self.tr("Control"), self.control, self._tools("open_control", "paste"), self),
            ),
            "pluginsDock": (
                right,
                Dock(
                    "pluginsDock",
                    self.tr("Plugins"),
                    self.plugin_panel,
                    self._tools("add_plugin_layer", "plugins"),
                    self,
                ),
            ),
            "historyDock": (
                right,
                Dock(
                    "historyDock",
                    self.tr("History"),
                    self.history.panel,
                    self._tools("library", "use_settings", "delete"),
                    self,
                ),
            ),
        }
        self.docks = {name: dock for name, (_area, dock) in docks.items()}
        self._areas = {name: area for name, (area, _dock) in docks.items()}
        self._place_docks()
        view_menu = self.menuBar().findChild(QMenu, "viewMenu")
        assert isinstance(view_menu, QMenu)
        after = self.commands["reset_layout"]
        for dock in self.docks.values():
            view_menu.insertAction(after, dock.toggleViewAction())
        file_menu = self.menuBar().findChild(QMenu, "fileMenu")
        assert isinstance(file_menu, QMenu)
        self.imports.fill_menu(file_menu)
        self.centre.details.add_actions(self.commands.some("use_settings", "use_seed", "use_control", "details"))
        self.centre.zoom_bar.add_actions(self.commands.some("zoom_out", "zoom_in", "fit", "actual"))

    def _place_docks(self) -> None:
        for name, dock in self.docks.items():
            self.addDockWidget(self._areas[name], dock)
            dock.show()
        dock_of = self.docks
        self.tabifyDockWidget(dock_of["controlDock"], dock_of["pluginsDock"])
        dock_of["controlDock"].raise_()
        for bar in self.findChildren(QTabBar):
            for button in bar.findChildren(QToolButton):  # Qt's own, for more tabs than fit
                plain_tooltip(button, button.accessibleName())
        sideways, down = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        self.resizeDocks([dock_of["promptDock"], dock_of["controlDock"]], [LEFT_PX, RIGHT_PX], sideways)
        self.resizeDocks([dock_of["promptDock"], dock_of["settingsDock"], dock_of["queueDock"]], [280, 356, 130], down)
        self.resizeDocks([dock_of["controlDock"], dock_of["historyDock"]], [400, 366], down)

    def _tools(self, *ids: str) -> tuple[QWidget, ...]:
        tools = []
        for action in self.commands.some(*ids):
            button = QToolButton()
            button.setDefaultAction(action)
            button.setIconSize(QSize(16, 16))
            button.setAccessibleName(action.text().replace("&", "").rstrip(" …"))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            tools.append(button)
        return tuple(tools)

    def _connect(self) -> None:
        state, wishes, refresh = self.state, self.wishes, self.commands.refresh
        self.prompt.generate.clicked.connect(wishes.generate)
        self.prompt.cancel.clicked.connect(wishes.cancel)
        self.prompt.prompt.picture_pasted.connect(wishes.drop_control)
        self.prompt.negative.picture_pasted.connect(wishes.drop_control)
        self.prompt.lora_mark.layer_wished.connect(self.models.uses.use)
        wishes.generating.connect(self.centre.follow)
        wishes.heeded.connect(self.centre.messages.take_away)
        wishes.layer_added.connect(self._on_layer)
        self.control.open_wished.connect(self.do.open_control)
        self.control.get_wished.connect(self.models.show_starter)
        self.settings.begin.picture_wished.connect(wishes.begin_with)
        self.plugin_panel.picture_wished.connect(wishes.keep_picture)
        self.plugin_panel.file_wished.connect(state.own_files.take)
        self.plugin_panel.offers_wished.connect(state.own_files.offered)
        self.plugin_panel.page_wished.connect(self.guests.show_page)
        for source in (self.plugin_panel.failed, self.prompt.suggest.failed):
            source.connect(state.messages.error)
        self.centre.ranked.picture_chosen.connect(self.centre.show_picture)
        self.jobs.picture_wished.connect(self.centre.show_picture)
        self.jobs.problem_wished.connect(wishes.tell_failure)
        self.jobs.recipe_wished.connect(wishes.use_settings)
        self.gallery.picture_chosen.connect(self.centre.show_picture)
        self.gallery.choice.selectionChanged.connect(lambda *_: refresh())
        state.gallery.gone.connect(self._on_gone)
        self.centre.picture_shown.connect(self._on_picture_shown)
        self.centre.view.leafed.connect(self.gallery.leaf)
        self.centre.empty.sample_chosen.connect(self._on_sample)
        self.centre.view.zoom_changed.connect(refresh)
        state.queue.jobs_changed.connect(refresh)
        undo = state.draft.undo_stack
        undo.indexChanged.connect(self._show_undo)
        self._show_undo()

    def _make_drop_targets(self) -> None:
        zones = self.zones = DropZones(self)
        control = self.tr("Use as control layer")
        restore = self.tr("Restore its settings")
        zones.add(self.control, control, "control", self.wishes.drop_control)
        zones.add(self.centre.view, restore, "reuse", self.wishes.drop_settings)
        zones.add(self.prompt, restore, "reuse", self.wishes.drop_settings).also(self.prompt.prompt).also(
            self.prompt.negative
        )
        seed = self.settings.seed
        zones.add(seed, self.tr("Take its seed"), "seed", self.wishes.drop_seed).also(seed.edit)
        zones.add(self.settings.begin, self.tr("Begin with this picture"), "reuse", self.wishes.begin_with)
        self.imports.take_drops(self.history.panel)
        zones.add_guests(self, self.tr("Install as a plugin: you are asked before it runs"), "plugin", self.guests.drop)

    def _order_focus(self) -> None:
        s = self.settings
        order = (
            self.prompt.prompt, self.prompt.suggest, self.prompt.lora_mark, self.prompt.typed, self.prompt.negative,
            self.prompt.generate, self.prompt.cancel,
            s.model, s.model_row.page, s.size_row.width_spin,
            s.size_row.swap, s.size_row.height_spin, s.size_row.presets, s.steps.slider, s.steps.spin, s.guidance.slider,
            s.guidance.spin, s.scheduler.scheduler, s.scheduler.spacing, s.seed.edit, s.seed.dice, s.seed.lock, s.count, s.exact,
            s.begin.choose, s.begin.strength.slider, s.begin.strength.spin, s.begin.other, s.begin.clear,
            self.history.panel.search, self.history.panel.filter, self.history.panel.sort, self.gallery,
        )  # fmt: skip
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)
        self.prompt.prompt.setFocus()

    # What other parts wish
    def reset_layout(self) -> None:
        """All panels back to where they began."""
        for dock in self.docks.values():
            dock.setFloating(False)
            self.removeDockWidget(dock)
        self._place_docks()

    def may_close(self) -> bool:
        """False, and said why, while a picture is only in memory; the artist may close all the same."""
        unsaved = len(self.state.queue.unsaved_jobs)
        if not unsaved:
            return True
        words = self.tr("There are pictures that could not be saved yet: {n}.").replace("{n}", str(unsaved))
        hint = self.tr("Make room on the disk and save them again from the queue. Closing now loses them.")
        self.state.messages.warn(words, hint, self.tr("Close anyway"), self._close_anyway)
        return False

    def _close_anyway(self) -> None:
        self.close()

    def come_forward(self) -> None:
        """Somebody started the studio once more: this is its window."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def quit(self) -> None:
        """As closing the window by its frame."""
        if self.may_close():
            self.close()

    def _on_picture_shown(self, picture: Picture | None) -> None:
        if picture is not None and not self.history.in_library():  # there the artist works on: nothing moves for it
            self.gallery.select_picture(picture.id)
        self.commands.refresh()

    def _on_layer(self) -> None:
        """What was asked for is seen: its panel may be hidden, or behind the plugins."""
        if self.history.in_library():
            self.state.messages.info(self.tr("The picture is a control layer now."))
        else:
            self.docks["controlDock"].show()
            self.docks["controlDock"].raise_()

    def _on_gone(self, picture_id: str) -> None:
        self.centre.picture_gone(picture_id)
        self.state.ranking.forget(picture_id)

    def _on_sample(self, prompt: str) -> None:
        self.state.draft.set_prompt(prompt)
        self.prompt.prompt.setFocus()

    def _show_undo(self, _index: int = 0) -> None:
        if self._closed:  # a stack that dies with the state still tells that it is empty
            return
        stack = self.state.draft.undo_stack
        for name, words, text in (
            ("undo", self.tr("&Undo"), stack.undoText()),
            ("redo", self.tr("&Redo"), stack.redoText()),
        ):
            self.commands[name].setText(f"{words} {text.replace('&', '&&')}" if text else words)
        self.commands.refresh()

    def _restore_layout(self) -> None:
        open_in(self, SIZE)
        for name, restore in (("window_geometry", self.restoreGeometry), ("window_layout", self._restore_docks)):
            text = str(self.state.settings.get(name))
            if text:
                restore(QByteArray.fromBase64(text.encode("ascii", "ignore")))

    def _restore_docks(self, saved: QByteArray) -> None:
        if not self.restoreState(saved, LAYOUT_VERSION):
            self.reset_layout()

    def _save_layout(self) -> None:
        self.history.keep_tile_px()
        for name, value in (
            ("window_geometry", self.saveGeometry()),
            ("window_layout", self.history.layout or self.saveState(LAYOUT_VERSION)),
        ):
            self.state.settings.set(name, bytes(value.toBase64().data()).decode("ascii"))
        self.state.settings.set("welcomed", True)
        self.state.settings_saver()

    # Qt overrides
    def focusNextPrevChild(self, forward: bool) -> bool:
        panels = (self.prompt, self.settings, self.jobs, self.history.stack, self.control, self.plugin_panel)
        return focus_order.step(self, (*panels, self.history.panel), forward)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._shown:  # what can wait until the first paint
            self._shown = True
            QTimer.singleShot(0, self, self.state.messages.start_delivery)

    def closeEvent(self, event: QCloseEvent) -> None:
        if event.spontaneous() and not self.may_close():
            event.ignore()
            return
        if not self._closed:
            self._closed = True
            self._save_layout()
        super().closeEvent(event)
