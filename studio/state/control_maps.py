"""What the model will see of each control picture, worked out off the UI thread while the artist turns the knobs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.choices import ControlMode, Detector
from studio.core.errors import StudioError
from studio.core.hub import Starter
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, Size
from studio.state.background import Background

KEPT = 32


@dataclass(frozen=True, slots=True)
class Here:
    """The detectors that can work, and what can be fetched."""

    detectors: frozenset[Detector] = frozenset()
    starters: tuple[Starter, ...] = ()

    def starter(self, id: str) -> Starter | None:
        """What can be fetched under this id."""
        return next((one for one in self.starters if one.id == id), None)


LookHere = Callable[[], Here]  # called in the background
MakeMap = Callable[[ControlUse, Size], Pixels]  # called in the background; raises StudioError


class ControlMaps(QObject):
    """Makes maps; per layer the latest wish wins, and the last 32 maps are kept. `look_here` tells which detectors can
    work; it is called in the background too.

    Signals: `ready(ControlUse, Size, Pixels)` and `failed(ControlUse, StudioError)`, with the use as it was asked for;
    `looked()` - `here` is known, or is not what it was.
    """

    ready = Signal(object, object, object)
    failed = Signal(object, object)
    looked = Signal()

    def __init__(
        self,
        make_map: MakeMap,
        background: Background,
        look_here: LookHere = Here,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._make_map, self._background, self._look_here = make_map, background, look_here
        self._here: Here | None = None
        self._maps: OrderedDict[tuple[ControlUse, Size], Pixels] = OrderedDict()

    @property
    def here(self) -> Here | None:
        """The detectors that can work; None until it was looked."""
        return self._here

    def look(self) -> None:
        """See which detectors are here; `looked` follows if that has changed."""
        self._background.run_latest("detectors", self._look_here, self._on_looked)

    def _on_looked(self, here: Here) -> None:
        if here != self._here:
            self._here = here
            self.looked.emit()

    def request(self, use: ControlUse, size: Size, layer: int | None = None) -> None:
        """Ask for a map of `size`; `ready` follows, at once if it is known.

        Give the layer's index so that two layers of one picture do not drop each other's wishes.
        """
        key = f"map {use.image.digest} {use.kind}" if layer is None else f"map {layer}"
        known = self._maps.get((what_decides(use), size))
        if known is not None:
            self._background.drop(key)
            self._maps.move_to_end((what_decides(use), size))
            self.ready.emit(use, size, known)
            return
        work = partial(self._make_map, use, size)
        self._background.run_latest(key, work, partial(self._keep, use, size), partial(self._on_failed, use))

    def _keep(self, use: ControlUse, size: Size, pixels: Pixels) -> None:
        self._maps[(what_decides(use), size)] = pixels
        while len(self._maps) > KEPT:
            self._maps.popitem(last=False)
        self.ready.emit(use, size, pixels)

    def _on_failed(self, use: ControlUse, error: StudioError) -> None:
        self.failed.emit(use, error)


def what_decides(use: ControlUse) -> ControlUse:
    """The use without what only the denoising sees: weight, start, end, mode and network do not change the map."""
    return replace(use, weight=1.0, start=0.0, end=1.0, mode=ControlMode.BALANCED, net=None)
