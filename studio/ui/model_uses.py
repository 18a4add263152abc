"""“Use”: puts a model, a VAE, a ControlNet, a LoRA ... where it belongs, and says where that is; or why it does not go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog

from studio.core.choices import ControlKind
from studio.core.control_nets import kind_of_net
from studio.core.draft import ControlLayer
from studio.core.errors import StudioError
from studio.core.lora_marks import LoraMark
from studio.core.model_files import Family, Kind, ModelFile
from studio.core.model_use import LAYERS, Place, guest_kind_of, place_of, suits
from studio.core.plugins import PluginState
from studio.core.recipe import ControlUse, FileRef, ModelRef
from studio.state.intake import Added
from studio.state.plugin_uses import new_use, reference, weighed
from studio.ui.models.words import fit_words, kind_words

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow

_PICTURES = "*.png *.jpg *.jpeg *.webp *.bmp *.tif *.tiff"
_DRAWN = (ControlKind.SCRIBBLE, "t2i-sketch")  # kinds whose picture is a drawing: dark on white is turned round
Put = Callable[[Added], None]


class ModelUses(QObject):
    """Holds nothing of its own. Signals: `told(str)` - it is done, in words."""

    told = Signal(str)

    def __init__(self, window: MainWindow, choose: Callable[[str], None]) -> None:
        super().__init__(window)
        self._window, self._state, self._choose = window, window.state, choose

    def use(self, file: ModelFile, mark: LoraMark | None = None) -> None:
        """Put a file where it belongs. What does not go with the model that paints is refused in words.

        A LoRA that a mark in the prompt asks for is as strong as the mark says, and takes its place.
        """
        draft = self._state.draft
        base = self._state.model_files.find(draft.draft.model.name)
        family = base.family if base is not None else Family.UNKNOWN
        place, ref = place_of(file), ModelRef(name=file.name, sha256=file.sha256)
        if not suits(file, family):
            self._state.messages.warn(fit_words(file, family, draft.draft.model.name), self.tr("Nothing was changed."))
        elif place is Place.MODEL:
            self._choose(file.name)
            self._say(self.tr("“{name}” paints now."), file)
        elif place is Place.REFINER:
            draft.change(replace(draft.draft, refiner=ref), self.tr("refiner"))
            self._say(self.tr("“{name}” refines the last steps now."), file)
        elif place is Place.VAE:
            draft.change(replace(draft.draft, vae=ref), self.tr("VAE"))
            self._say(self.tr("“{name}” decodes pictures now."), file)
        elif place is Place.CONTROL:
            self._use_controlnet(file, ref)
        elif place is Place.GUEST_CONTROL:
            self._use_t2i(file)
        elif place is Place.LAYER:
            self._add_layer(file, mark)

    # Control layers
    def _use_controlnet(self, file: ModelFile, ref: ModelRef) -> None:
        """The last layer of its kind is read by it from now on; without one, a picture is asked for."""
        layers = self._state.draft.draft.controls
        kind = kind_of_net(file.name)
        own = [i for i, layer in enumerate(layers) if isinstance(layer.use.kind, ControlKind)]
        fitting = [i for i in own if kind is None or layers[i].use.kind is kind]
        if fitting:
            self._read_by(fitting[-1], ref)
            self._say(self.tr("“{name}” reads the control layer now."), file)
            return

        def put(added: Added) -> None:
            self._add_control(ControlUse(kind=kind or ControlKind.SCRIBBLE, image=added.ref, net=ref), added, file)

        self._ask_picture(file, put)

    def _read_by(self, index: int, ref: ModelRef) -> None:
        layer = self._state.draft.draft.controls[index]
        changed = replace(layer, use=replace(layer.use, net=ref), enabled=True)
        self._state.draft.set_control(index, changed, self.tr("choose ControlNet"))

    def _use_t2i(self, file: ModelFile) -> None:
        kind, info = guest_kind_of(file.name), self._state.plugins.find("t2i_adapter")
        if info is None or info.state is not PluginState.ENABLED:
            self._miss("T2I-Adapter")
            return
        if not kind:
            words = self.tr("The name “{name}” does not say which maps this T2I-Adapter reads.")
            hint = self.tr("Put “sketch”, “canny”, “lineart”, “depth”, “pose”, “color” or “seg” into the file's name.")
            self._state.messages.warn(words.replace("{name}", file.name), hint)
            return
        if any(layer.use.kind == kind and layer.enabled for layer in self._state.draft.draft.controls):
            self._say(self.tr("“{name}” works in the control layer that is there already."), file)
            return

        def put(added: Added) -> None:
            self._add_control(ControlUse(kind=kind, image=added.ref, plugin=reference(info)), added, file)

        self._ask_picture(file, put)

    def _ask_picture(self, file: ModelFile, put: Put) -> None:
        title = self.tr("Which picture shall “{name}” follow?").replace("{name}", file.name)
        dialog = QFileDialog(self._window.models.page or self._window, title)
        dialog.setObjectName("followedPicture")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(self.tr("Pictures ({patterns})").replace("{patterns}", _PICTURES))
        dialog.fileSelected.connect(lambda name: self._state.intake.keep(Path(name), put, self._fail))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _add_control(self, use: ControlUse, added: Added, file: ModelFile) -> None:
        use = replace(use, invert=added.invert and use.kind in _DRAWN)
        try:
            self._state.draft.add_control_layer(ControlLayer(use=use))
        except StudioError as error:
            self._fail(error)
        else:
            self._say(self.tr("“{name}” steers by this picture now: see the panel Control."), file)

    # Layers of plugins
    def _add_layer(self, file: ModelFile, mark: LoraMark | None) -> None:
        plugin, part, parameter = LAYERS[file.kind]
        info = self._state.plugins.find(plugin)
        parts = info.manifest.parts if info is not None and info.manifest is not None else ()
        declared = next((one for one in parts if one.part == part), None)
        takes = declared is not None and any(one.name == parameter for one in declared.parameters)
        if info is None or declared is None or not takes or info.state is not PluginState.ENABLED:
            self._miss(kind_words(file.kind)[0])
            return
        source = self._weights_of(file)
        if source is None:
            words = self.tr("“{name}” is a folder of several files; a layer takes one.")
            self._state.messages.warn(words.replace("{name}", file.name), self.tr("Nothing was changed."))
            return
        empty = new_use(info, declared)

        def add(ref: FileRef) -> None:
            use = replace(empty if mark is None else weighed(empty, declared, mark), files=((parameter, ref),))
            try:
                self._state.draft.add_plugin(use, mark)
            except StudioError as error:
                self._fail(error)
                return
            words = {
                Kind.EMBEDDING: self.tr("“{name}” stands in the panel Plugins; write its word into the prompt."),
                Kind.IP_ADAPTER: self.tr("“{name}” stands in the panel Plugins; give it a reference picture there."),
            }
            self._say(words.get(file.kind, self.tr("“{name}” stands as a layer in the panel Plugins.")), file)

        self._state.own_files.take(source, info.folder, add, self._fail)

    def _weights_of(self, file: ModelFile) -> Path | None:
        """The one file of weights; a folder of a component holds one."""
        if not file.path.is_dir():
            return file.path
        inside = sorted(file.path.glob("*.safetensors"))
        return inside[0] if len(inside) == 1 else None

    # Saying
    def _miss(self, what: str) -> None:
        words = self.tr("The plugin for this ({what}) is not switched on.").replace("{what}", what)
        self._state.messages.warn(words, self.tr("See Plugins > Plugins …; nothing was changed."))

    def _fail(self, error: StudioError) -> None:
        self._state.messages.error(error)

    def _say(self, words: str, file: ModelFile) -> None:
        self.told.emit(words.replace("{name}", file.name))
