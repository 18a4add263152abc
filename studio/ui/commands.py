"""What the commands of the menus ask and do with the parts of one window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QFileDialog

from studio.core.picture import Picture
from studio.core.settings import Value
from studio.ui.dialogs.texts import about_dialog, messages_dialog, shortcuts_dialog
from studio.ui.theme import apply_theme

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow

_FILES = "*.png *.jpg *.jpeg *.webp *.gif *.bmp"


class Commands(QObject):
    """Slots and conditions for the table of actions. Holds nothing of its own."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        self.state, self.wishes = window.state, window.wishes

    # Conditions
    def has_picture(self) -> bool:
        return self.picture() is not None

    def has_image(self) -> bool:
        return not self.window.centre.view.image.isNull()

    def details_shown(self) -> bool:
        return not self.window.centre.details.text.isHidden()

    def is_light(self) -> bool:
        return self.state.settings.get("theme") == "light"

    def previews(self) -> bool:
        return bool(self.state.settings.get("preview"))

    def compiles(self) -> bool:
        return self.state.settings.get("compile") == "automatic"

    def picture(self) -> Picture | None:
        """The picture that a command is about: the chosen one in the library, otherwise the one on show."""
        history = self.window.history
        return history.choice.current() if history.in_library() else self.window.centre.picture

    def pictures(self) -> tuple[Picture, ...]:
        """The selected pictures if the one that a command is about is among them, otherwise that one."""
        shown = self.picture()
        selected = self.window.gallery.selected_pictures()
        if shown is None or any(picture.id == shown.id for picture in selected):
            return selected
        return (shown,)

    # The picture on show
    def use_settings(self) -> None:
        if picture := self.picture():
            self.wishes.use_picture(picture)

    def choose_settings(self) -> None:
        if picture := self.picture():
            self.wishes.use_picture(picture, ask=True)

    def verify(self) -> None:
        if picture := self.picture():
            self.window.verifying.verify(picture)

    def show_tree(self) -> None:
        if picture := self.picture():
            self.window.tree.show_tree(picture)

    def use_seed(self) -> None:
        if picture := self.picture():
            self.wishes.use_seed(picture.recipe)

    def use_as_control(self) -> None:
        for picture in self.pictures():
            self.wishes.use_as_control(picture)

    def copy_picture(self) -> None:
        if picture := self.picture():
            centre = self.window.centre
            on_show = centre.picture is not None and centre.picture.id == picture.id
            self.wishes.copy_picture(picture, centre.view.image if on_show else QImage())

    def copy_prompt(self) -> None:
        if picture := self.picture():
            self.wishes.copy_prompt(picture.recipe)

    def reveal(self) -> None:
        if picture := self.picture():
            self.wishes.reveal(picture)

    def delete_pictures(self) -> None:
        self.window.history.delete()

    # Files
    def open_control(self) -> None:
        self._choose(self.tr("Open a control picture"), self.wishes.open_control)

    def open_settings(self) -> None:
        self._choose(self.tr("Restore settings from a picture"), self.wishes.open_settings)

    def _choose(self, title: str, use: Callable[[QUrl], None]) -> None:
        dialog = QFileDialog(self.window, title)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(self.tr("Pictures ({patterns})").replace("{patterns}", _FILES))
        dialog.urlSelected.connect(use)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # Plugins
    def add_plugin_layer(self) -> None:
        """Bring the plugins panel forward and open its menu."""
        dock = self.window.docks["pluginsDock"]
        dock.show()
        dock.raise_()
        self.window.plugin_panel.add.open_menu()

    # The window
    def focus_prompt(self) -> None:
        self.window.docks["promptDock"].show()
        self.window.prompt.prompt.setFocus()
        self.window.prompt.prompt.selectAll()

    def escape(self) -> None:
        """Cancel what runs; with nothing running, close the messages."""
        queue = self.state.queue
        if queue.running is not None or queue.waiting:
            self.wishes.cancel()
        elif self.window.history.in_library():
            self.window.history.toggle_library()
        else:
            self.window.centre.messages.clear()

    def toggle_details(self) -> None:
        self.window.centre.details.show_all(not self.details_shown())
        self.window.commands.refresh()

    def toggle_preview(self) -> None:
        self.set_setting("preview", not self.previews())

    def toggle_compile(self) -> None:
        self.set_setting("compile", "off" if self.compiles() else "automatic")

    def toggle_theme(self) -> None:
        name = "dark" if self.is_light() else "light"
        self.set_setting("theme", name)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, name)

    def set_setting(self, name: str, value: Value) -> None:
        """Change a setting and have it kept."""
        self.state.settings.set(name, value)
        self.state.settings_saver()

    def show_shortcuts(self) -> None:
        shortcuts_dialog(self.window, self.window.commands).open()

    def show_messages(self) -> None:
        messages_dialog(self.window, self.state.messages.history()).open()

    def show_about(self) -> None:
        about_dialog(self.window).open()
