"""What a control layer's card lets choose beside the kind: how the map is found, and which ControlNet reads it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QStyleOptionComboBox, QWidget

from studio.core.choices import ControlKind, Detector
from studio.core.detectors import DETECTORS, FITTING
from studio.core.hub import Starter
from studio.core.model_files import Family, ModelFile, fits
from studio.core.recipe import ModelRef
from studio.state.control_maps import Here
from studio.state.control_nets import Nets
from studio.ui.models.words import family_words
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.text import plain_tooltip
from studio.ui.words import detector_words, kind_words, memory


class DetectorCombo(CalmCombo):
    """Offers the detectors of a kind, with what those cost that are not here. Mutable state: what is offered.

    Signals: `chosen(Detector)`.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("controlDetector", "", parent)
        self.setAccessibleName(self.tr("How the map is found"))
        self.view().setMinimumWidth(230)
        self._offered: tuple[ControlKind, Here | None] | None = None
        self.activated.connect(lambda _row: self.chosen.emit(Detector(str(self.currentData()))))

    def show_detector(self, kind: ControlKind, detector: Detector, here: Here | None) -> None:
        """Show the choice of a layer; tells nobody."""
        with QSignalBlocker(self):
            if self._offered != (kind, here):
                self._offered = kind, here
                self.clear()
                for one in FITTING[kind]:
                    title, about = detector_words(one, kind)
                    self.add_choice(f"{title}{self._price(one, here)}", one.value, about, title)
            self.setCurrentIndex(self.findData(detector.value))
        title, about = detector_words(detector, kind)
        plain_tooltip(self, f"{title}\n{about}".strip())

    # Qt overrides
    def initStyleOption(self, option: QStyleOptionComboBox) -> None:
        """Closed it says the name alone; what it costs stands in the list, and on the button that fetches it."""
        super().initStyleOption(option)
        option.currentText = str(self.currentData(Qt.ItemDataRole.AccessibleTextRole) or option.currentText)

    def _price(self, detector: Detector, here: Here | None) -> str:
        if here is None or detector in here.detectors:
            return ""
        starter = here.starter(DETECTORS[detector].starter)
        size = size_of(starter)
        return f"  ·  {self.tr('get {size}').replace('{size}', size)}" if size else f"  ·  {self.tr('not here')}"


class NetCombo(CalmCombo):
    """Offers the ControlNets that go with the model. Mutable state: what is offered.

    Signals: `chosen(ModelRef | None)` - None: the one that fits.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("controlNet", "", parent)
        self.setAccessibleName(self.tr("Which ControlNet reads the map"))
        self.view().setMinimumWidth(260)
        self._nets = Nets()
        self._offered: tuple[object, ...] | None = None
        self.activated.connect(self._on_chosen)

    def show_nets(self, nets: Nets, net: ModelRef | None) -> bool:
        """Show the choice of a layer; tells nobody. Returns whether there is anything to choose."""
        offered = (nets.own, nets.family, nets.best, nets.fitting, nets.others, net and net.name)
        self._nets = nets
        with QSignalBlocker(self):
            if offered != self._offered:
                self._offered = offered
                self._fill(nets, net)
            self.setCurrentIndex(max(0, self.findData("" if net is None else net.name)))
        said = self.itemText(self.currentIndex())
        plain_tooltip(self, self.tr("The ControlNet that reads the map: {name}").replace("{name}", said))
        return net is not None or bool(nets.fitting or nets.others)

    def _fill(self, nets: Nets, net: ModelRef | None) -> None:
        self.clear()
        first = self.tr("The one that fits")
        if nets.own and nets.family is Family.MINI:
            first = self.tr("Studio Mini’s own")
        elif nets.best is not None and not nets.own:
            first = self.tr("Fits: {name}").replace("{name}", nets.best.name)
        elif nets.lacks:
            first = self.tr("None that fits")
        self.add_choice(first, "", self.tr("Chosen anew for each kind and model."))
        for file in nets.fitting:
            self.add_choice(file.name, file.name, _about(file))
        if nets.others:
            self.add_heading(self.tr("Made for other kinds"))
            for file in nets.others:
                self.add_choice(file.name, file.name, _about(file))
        if net is not None and self.findData(net.name) < 0:  # shown, never changed in silence
            self.add_choice(net.name, net.name, self.tr("Not here, or made for other models."))

    def _on_chosen(self, _row: int) -> None:
        name = str(self.currentData() or "")
        files = (*self._nets.fitting, *self._nets.others, *filter(None, [self._nets.named]))
        file = next((one for one in files if one.name == name), None)
        self.chosen.emit(ModelRef(name=name, sha256=file.sha256 if file is not None else "") if name else None)


def net_problem(combo: QWidget, nets: Nets, kind: ControlKind, net: ModelRef | None) -> str:
    """Why no network can read a layer now, or ""."""
    family = family_words(nets.family)
    if nets.family is Family.UNKNOWN:
        return ""
    if net is not None:
        if nets.named is None:
            return combo.tr("The ControlNet “{name}” is not in the model folders.").replace("{name}", net.name)
        if not fits(nets.named, nets.family):
            words = combo.tr("“{name}” goes with {its} models, not with {this}.").replace("{name}", net.name)
            return words.replace("{its}", family_words(nets.named.family)).replace("{this}", family)
        return ""
    if not nets.lacks:
        return ""
    if nets.family is Family.MINI:
        return combo.tr("Studio Mini’s ControlNet reads lines alone. Choose such a kind, or another model.")
    words = combo.tr("No ControlNet here reads {kind} for {family}.").replace("{family}", family)
    return words.replace("{kind}", kind_words(kind)[0].lower())


def size_of(starter: Starter | None) -> str:
    """How much there is to fetch, or ""."""
    return memory(starter.size) if starter is not None and starter.size >= 500_000 else "< 1 MB" if starter else ""


def _about(file: ModelFile) -> str:
    return "  ·  ".join(filter(None, (family_words(file.family), file.traits.variant, memory(file.size))))
