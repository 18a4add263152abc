"""What the artist does with models: opens the page, uses one, points the studio at a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices

from studio.core.advice import native_size
from studio.core.errors import StudioError
from studio.core.hub import Transfer
from studio.core.model_files import Family, Kind, ModelFile
from studio.core.plugins import PartType
from studio.core.recipe import FileRef, ModelRef
from studio.state.models_model import ModelsModel, advice_of
from studio.state.plugin_uses import new_use
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
        self._models.failed.connect(self._state.messages.error)
        self._state.downloads.arrived.connect(self._on_arrived)
        self._state.downloads.failed.connect(self._on_failed)

    def show_page(self) -> None:
        """Open the page Models …"""
        if self.page is None:
            own = self._state.own_model_folders()
            self.page = ModelsPage(self._models, own, self._state.draft.draft.model.name, self._window)
            self.page.use_wished.connect(self.use)
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
            self.get_page.finished.connect(self._on_get_closed)
        self.get_page.open()

    def choose(self, name: str) -> None:
        """Paint with the model of this name."""
        file, before = self._models.find(name), self._models.find(self._state.draft.draft.model.name)
        sizes = tuple(native_size(one.traits) if one is not None else None for one in (before, file))
        told = {base.name: advice for base in self._models.bases() if (advice := advice_of(base)) is not None}
        sha256 = file.sha256 if file is not None else ""
        self._state.draft.set_model(name, told | dict(self._state.advice), sha256, (sizes[0], sizes[1]))

    def use(self, file: ModelFile) -> None:
        """Put a model where it belongs."""
        draft, ref = self._state.draft, ModelRef(name=file.name, sha256=file.sha256)
        if file.kind is Kind.CHECKPOINT and file.family is Family.REFINER:
            draft.change(replace(draft.draft, refiner=ref), self.tr("refiner"))
            self._tell(self.tr("“{name}” refines the last steps now."), file)
        elif file.kind is Kind.CHECKPOINT:
            self.choose(file.name)
            self._tell(self.tr("“{name}” paints now."), file)
        elif file.kind is Kind.VAE:
            draft.change(replace(draft.draft, vae=ref), self.tr("VAE"))
            self._tell(self.tr("“{name}” decodes pictures now."), file)
        elif file.kind in (Kind.LORA, Kind.EMBEDDING):
            self._add_layer(file)

    def reveal(self, file: ModelFile) -> None:
        """Open the folder that a model lies in."""
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(file.path.parent))):
            self._state.messages.warn(self.tr("No file manager could be opened."), str(file.path))

    def add_words(self, words: str) -> None:
        """Trigger words to the end of the prompt."""
        prompt = self._state.draft.draft.prompt.rstrip(" ,")
        self._state.draft.set_prompt(f"{prompt}, {words}" if prompt else words)

    def _add_layer(self, file: ModelFile) -> None:
        part = "lora" if file.kind is Kind.LORA else "embedding"
        info = self._state.plugins.find("lora")
        declared = next((p for p in info.manifest.parts if p.part == part), None) if info and info.manifest else None
        if info is None or declared is None or declared.type is not PartType.ADAPTER:
            self._state.messages.warn(self.tr("The plugin “LoRA” is not here."), self.tr("See the page Plugins …"))
            return
        empty = new_use(info, declared)

        def add(ref: FileRef) -> None:
            self._state.draft.add_plugin(replace(empty, files=(("file", ref),)))
            self._tell(self.tr("“{name}” stands as a layer in the plugins panel."), file)

        self._state.own_files.take(Path(file.path), info.folder, add, self._state.messages.error)

    def _tell(self, words: str, file: ModelFile) -> None:
        self._state.messages.info(words.replace("{name}", file.name))
        if self.page is not None:
            self.page.accept()

    def _on_arrived(self, transfer: Transfer) -> None:
        self._models.rescan()
        self._state.messages.info(self.tr("“{name}” is all there.").replace("{name}", transfer.title))

    def _on_failed(self, error: StudioError) -> None:
        if self.get_page is None:  # the page shows it itself
            self._state.messages.error(error)

    def _on_get_closed(self, _result: int) -> None:
        self.get_page = None

    def _on_page_closed(self, _result: int) -> None:
        self.page = None
