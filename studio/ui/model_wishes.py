"""What the artist does with models: opens the page, uses one, points the studio at a folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices

from studio.core.advice import native_size
from studio.core.errors import StudioError
from studio.core.hub import Transfer, offline_problem
from studio.core.model_files import ModelFile
from studio.state.models_model import ModelsModel, advice_of
from studio.ui.model_uses import ModelUses
from studio.ui.models.get_page import GetModelsPage
from studio.ui.models.page import ModelsPage

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow


class ModelWishes(QObject):
    """Mutable state: `page` and `get_page` while they are open."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._state = window, window.state
        self._models: ModelsModel = window.state.model_files
        self.page: ModelsPage | None = None
        self.get_page: GetModelsPage | None = None
        self.uses = ModelUses(window, self.choose)
        self.uses.told.connect(self._on_used)
        self._models.failed.connect(self._state.messages.error)
        self._state.downloads.arrived.connect(self._on_arrived)
        self._state.downloads.failed.connect(self._on_failed)

    def show_page(self) -> None:
        """Open the page Models …"""
        if self.page is None:
            own = self._state.own_model_folders()
            self.page = ModelsPage(self._models, own, self._state.draft.draft.model.name, self._window)
            self.page.use_wished.connect(self.uses.use)
            self.page.reveal_wished.connect(self.reveal)
            self.page.words_wished.connect(self.add_words)
            self.page.folders_wished.connect(self._state.look_for_models)
            self.page.get_wished.connect(self.show_get)
            self.page.finished.connect(self._on_page_closed)
            if not self._models.busy:
                self._models.rescan()
        self.page.open()

    def show_get(self) -> None:
        """Open the page Get models …"""
        if self.get_page is None:
            state = self._state
            self.get_page = GetModelsPage(state.downloads, self._models, state.settings, self.page or self._window)
            self.get_page.setting_changed.connect(self._window.do.set_setting)
            self.get_page.show_wished.connect(self.show_place)
            self.get_page.page_wished.connect(self.open_address)
            self.get_page.finished.connect(self._on_get_closed)
        self.get_page.open()

    def show_starter(self, starter: str) -> None:
        """Open the page Get models … at one of the well-known things, by its id."""
        self.show_get()
        if self.get_page is not None:
            self.get_page.show_starter(starter)

    def show_place(self, place: str) -> None:
        """Show on the page Models … what lies at this place, or below it, within the models folder or another."""
        if self.get_page is not None:
            self.get_page.accept()
        self.show_page()
        if self.page is not None:
            self.page.show_place(place)

    def open_address(self, address: str) -> None:
        """Open a page of the hub in the artist's browser; not while the studio stays offline."""
        if self._state.downloads.offline:
            self._on_failed(offline_problem())
        elif not QDesktopServices.openUrl(QUrl(address)):
            self._state.messages.warn(self.tr("No browser could be opened."), address)

    def choose(self, name: str) -> None:
        """Paint with the model of this name."""
        file, before = self._models.find(name), self._models.find(self._state.draft.draft.model.name)
        sizes = tuple(native_size(one.traits) if one is not None else None for one in (before, file))
        told = {base.name: advice for base in self._models.bases() if (advice := advice_of(base)) is not None}
        sha256 = file.sha256 if file is not None else ""
        self._state.draft.set_model(name, told | dict(self._state.advice), sha256, (sizes[0], sizes[1]))

    def reveal(self, file: ModelFile) -> None:
        """Open the folder that a model lies in."""
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(file.path.parent))):
            self._state.messages.warn(self.tr("No file manager could be opened."), str(file.path))

    def add_words(self, words: str) -> None:
        """Trigger words to the end of the prompt."""
        prompt = self._state.draft.draft.prompt.rstrip(" ,")
        self._state.draft.set_prompt(f"{prompt}, {words}" if prompt else words)

    def _on_used(self, words: str) -> None:
        self._state.messages.info(words)
        if self.page is not None:
            self.page.accept()

    def _on_arrived(self, transfer: Transfer) -> None:
        self._models.rescan()
        words = self.tr("“{name}” is all there.").replace("{name}", transfer.title)
        last = next((file.path for file in reversed(transfer.files) if file.path.endswith(".safetensors")), "")
        place = f"{transfer.folder}/{last.rpartition('/')[2]}" if transfer.flat and last else transfer.folder
        self._state.messages.info(words, "", self.tr("Show it"), partial(self.show_place, place))

    def _on_failed(self, error: StudioError) -> None:
        if self.get_page is None:  # the page shows it itself
            self._state.messages.error(error)

    def _on_get_closed(self, _result: int) -> None:
        self.get_page = None

    def _on_page_closed(self, _result: int) -> None:
        self.page = None
