"""What happens around plugins in the window: dropping one, being asked, being told; and the page that lists them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject

from studio.core.plugins import PluginInfo
from studio.core.settings import Value
from studio.state.plugins_model import LAYER_TYPES, PluginsModel
from studio.ui.dialogs.consent import ConsentDialog
from studio.ui.dialogs.plugins_page import PluginsPage
from studio.ui.drops import plugin_files
from studio.ui.plugin_words import plugin_name, state_words

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow


class PluginWishes(QObject):
    """Mutable state: `page` while it is open, `_asking` (the consent dialogs on show, by plugin id)."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._messages = window.state.messages
        self._plugins: PluginsModel = window.state.plugins
        self.page: PluginsPage | None = None
        self._asking: dict[str, ConsentDialog] = {}
        self._plugins.consent_wished.connect(self.ask)
        self._plugins.allowed.connect(self._on_allowed)
        self._plugins.fell.connect(self._on_fell)
        self._plugins.failed.connect(self._messages.error)

    def drop(self, mime: QMimeData) -> None:
        """Install what was dropped: each folder or .zip is copied in and shown for what it is; nothing of it runs yet."""
        for path in plugin_files(mime):
            self._plugins.install(path)

    def show_page(self) -> None:
        """Open the page Plugins …"""
        if self.page is None:
            state = self._window.state
            self.page = PluginsPage(self._plugins, state.settings, state.plugins_folder, self._window)
            self.page.setting_changed.connect(self._on_setting)
            self.page.finished.connect(self._on_page_closed)
            self._plugins.rescan()
        self.page.open()

    def ask(self, info: PluginInfo) -> None:
        """Ask whether a plugin may run."""
        open_now = self._asking.pop(info.id, None)
        if open_now is not None:
            open_now.reject()
        dialog = self._asking[info.id] = ConsentDialog(info, self.page or self._window)
        dialog.agreed.connect(self._plugins.allow)
        dialog.finished.connect(lambda _result: self._on_answered(info.id, dialog))
        dialog.open()

    def _on_answered(self, plugin_id: str, dialog: ConsentDialog) -> None:
        if self._asking.get(plugin_id) is dialog:
            del self._asking[plugin_id]

    def _on_allowed(self, info: PluginInfo) -> None:
        words = self.tr("“{name}” is ready.").replace("{name}", plugin_name(info))
        parts = info.manifest.parts if info.manifest is not None else ()
        layer = next((part for part in parts if part.type in LAYER_TYPES and not part.control), None)
        if layer is None:
            where = self.tr("It stands where it belongs: in the list of control kinds or of schedulers.")
            self._messages.info(words, where if parts else "")
        else:
            add = partial(self._window.plugin_panel.add_part, info, layer)
            self._messages.info(words, "", self.tr("Add {part}").replace("{part}", layer.title), add)

    def _on_fell(self, info: PluginInfo) -> None:
        words = self.tr("The plugin “{name}” was switched off.").replace("{name}", plugin_name(info))
        meaning = info.problem or state_words(info.state)[1]
        self._messages.warn(words, meaning, self.tr("Plugins …"), self.show_page)

    def _on_setting(self, name: str, value: Value) -> None:
        self._window.do.set_setting(name, value)

    def _on_page_closed(self, _result: int) -> None:
        self.page = None
