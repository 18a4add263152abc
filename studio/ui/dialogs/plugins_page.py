"""The page Plugins …: what is there and in which state, what each one adds, and what may be done with it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from studio.core.errors import StorageProblem
from studio.core.own_root import make_folders
from studio.core.plugins import PluginInfo
from studio.core.settings import BY_NAME, Settings
from studio.state.plugins_model import PluginsModel
from studio.ui.dialogs.browse import BrowsePage
from studio.ui.dialogs.plugin_row import PluginDetails, PluginRowDelegate
from studio.ui.icons import icon
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.plugin_words import plugin_name
from studio.ui.widgets.buttons import MenuButton
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import PlainLabel, plain_tooltip

_LIST_PX = 264


class PluginsPage(QDialog):
    """Shows what the model knows and sends wishes to it.

    Signals: `setting_changed(str, object)` - wish to keep a setting.
    """

    setting_changed = Signal(str, object)

    def __init__(
        self, plugins: PluginsModel, settings: Settings, folder: Path | None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._plugins, self._folder = plugins, folder
        self.setObjectName("pluginsPage")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Plugins"))
        open_in(self, QSize(860, 600))
        self.details = PluginDetails(plugins)
        self.list = self._make_list()
        self.browse = BrowsePage(plugins, str(settings.get("plugin_index")))
        self.browse.index_chosen.connect(lambda file: self.setting_changed.emit("plugin_index", file))
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self._installed(), self.tr("Installed"))
        self.tabs.addTab(self.browse, self.tr("Browse"))
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 16)
        column.setSpacing(12)
        column.addWidget(self.tabs, 1)
        column.addLayout(self._foot(settings))
        plugins.changed.connect(self._show)
        self._show()

    def select(self, plugin_id: str) -> None:
        """Show this plugin."""
        self.tabs.setCurrentIndex(0)
        for row in range(self.list.count()):
            if self.list.item(row).data(Qt.ItemDataRole.UserRole).id == plugin_id:
                self.list.setCurrentRow(row)

    def _make_list(self) -> QListWidget:
        made = QListWidget()
        made.setObjectName("pluginList")
        made.setAccessibleName(self.tr("Plugins"))
        made.setItemDelegate(PluginRowDelegate(made))
        made.setFixedWidth(_LIST_PX)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        made.currentRowChanged.connect(self._on_row)
        return made

    def _installed(self) -> QWidget:
        page = QWidget()
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 12, 0, 0)
        row.setSpacing(16)
        row.addWidget(self.list)
        row.addWidget(self.details, 1)
        return page

    def _foot(self, settings: Settings) -> QHBoxLayout:
        setting = BY_NAME["plugin_fault"]
        words = {"fail": self.tr("Stop the picture"), "go_on": self.tr("Go on without it")}
        self.fault = CalmCombo("pluginFault", setting.title)
        for choice in setting.choices:
            self.fault.addItem(words[choice], choice)
        self.fault.setCurrentIndex(self.fault.findData(settings.get("plugin_fault")))
        self.fault.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.fault.activated.connect(lambda _row: self.setting_changed.emit("plugin_fault", self.fault.currentData()))
        plain_tooltip(self.fault, setting.help)
        self.install = self._install_button()
        self.open_folder = QPushButton(icon("folder"), self.tr("Open folder"))
        self.open_folder.setEnabled(self._folder is not None)
        self.open_folder.clicked.connect(self._on_open_folder)
        close = QPushButton(self.tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        row = QHBoxLayout()
        row.setSpacing(8)
        self.open_folder.setIconSize(QSize(16, 16))
        self.open_folder.setAutoDefault(False)
        row.addWidget(self.install)
        row.addWidget(self.open_folder)
        row.addStretch(1)
        row.addWidget(PlainLabel(setting.title, "field"))
        row.addWidget(self.fault)
        row.addSpacing(16)
        row.addWidget(close)
        return row

    def _install_button(self) -> MenuButton:
        button = MenuButton("plus", self.tr("Install …"))
        button.setObjectName("installPluginButton")
        menu = button.menu_below
        menu.addAction(self.tr("From a folder …"), lambda: self._on_install(QFileDialog.FileMode.Directory))
        menu.addAction(self.tr("From a .zip file …"), lambda: self._on_install(QFileDialog.FileMode.ExistingFile))
        return button

    def _show(self) -> None:
        current = self.details.info.id if self.details.info else ""
        infos = sorted(self._plugins.infos, key=lambda info: plugin_name(info).casefold())
        with QSignalBlocker(self.list):
            self.list.clear()
            for info in infos:
                item = QListWidgetItem(plugin_name(info))
                item.setData(Qt.ItemDataRole.UserRole, info)
                self.list.addItem(item)
            rows = [row for row, info in enumerate(infos) if info.id == current]
            self.list.setCurrentRow(rows[0] if rows else 0)
        self._on_row(self.list.currentRow())
        self.install.setEnabled(not self._plugins.busy)

    def _on_row(self, row: int) -> None:
        item = self.list.item(row)
        info: PluginInfo | None = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        self.details.show_info(info)

    def _on_install(self, mode: QFileDialog.FileMode) -> None:
        dialog = QFileDialog(self, self.tr("Install a plugin"))
        dialog.setFileMode(mode)
        if mode is QFileDialog.FileMode.ExistingFile:
            dialog.setNameFilter(self.tr("Plugins (*.zip)"))
        dialog.fileSelected.connect(lambda name: self._plugins.install(Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_open_folder(self) -> None:
        if self._folder is not None:
            try:
                make_folders(self._folder)
            except OSError as error:
                hint = self.tr("Look whether the folder of your data is still there.")
                self._plugins.failed.emit(
                    StorageProblem(self.tr("The plugins folder cannot be opened."), hint, str(error))
                )
                return
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))
