"""The plugins as the window sees them: what is there, what may be added to a picture, and all wishes about them.

Everything that touches the disk or foreign code happens in the background; this file runs no plugin.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, Qt, Signal

from studio.core.draft import Draft
from studio.core.errors import PluginProblem, StudioError
from studio.core.plugins import Part, PartType, PluginInfo, PluginState
from studio.core.recipe import ControlUse, PluginRef, PluginUse
from studio.state.background import Background
from studio.state.plugin_index import Offer, ReadPicture, read_offers
from studio.state.plugin_uses import lacking, missing

ControlKindOf = tuple[str, Part, PluginInfo]  # the kind's name, what it was declared as, and whose it is
LAYER_TYPES = (PartType.PROMPT_TOOL, PartType.ADAPTER, PartType.GUIDE, PartType.PICTURE_TOOL, PartType.SCORER)
ASKS_FIRST = (PluginState.NEW, PluginState.CHANGED)
FELL = (PluginState.FAULTY, PluginState.QUARANTINED)


class Shelf(Protocol):
    """What this model needs of `studio.plugins.shelf.PluginShelf`; called in the background, may raise StudioError."""

    def infos(self) -> tuple[PluginInfo, ...]: ...
    def rescan(self) -> tuple[PluginInfo, ...]: ...
    def allow(self, id: str, digest: str, /) -> PluginInfo: ...
    def enable(self, id: str, /) -> object: ...
    def disable(self, id: str, /) -> object: ...
    def install(self, source: Path, /) -> PluginInfo: ...
    def remove(self, id: str, /) -> object: ...
    def reload(self, id: str, /) -> object: ...


class PluginsModel(QObject):
    """Mutable state: `_infos` as last read, `_busy` (pieces of work under way), `_known` (read at least once), `_offers`.

    Signals: `changed()` - plugins, their states or `busy`; `consent_wished(PluginInfo)` - the artist must be asked before
    it may run; `allowed(PluginInfo)`; `fell(PluginInfo)` - it was switched off for what it did; `failed(StudioError)`.
    """

    changed = Signal()
    consent_wished = Signal(object)
    allowed = Signal(object)
    fell = Signal(object)
    failed = Signal(object)
    _told = Signal()

    def __init__(
        self,
        shelf: Callable[[], Shelf],
        background: Background,
        read_picture: ReadPicture,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._shelf, self._background, self._read_picture = shelf, background, read_picture
        self._infos: tuple[PluginInfo, ...] = ()
        self._offers: tuple[Offer, ...] = ()
        self._busy, self._known, self._reading = 0, False, False
        self._told.connect(self.read, Qt.ConnectionType.QueuedConnection)

    # What is there
    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """All plugins as last read."""
        return self._infos

    @property
    def known(self) -> bool:
        """Whether the folders were read at all."""
        return self._known

    @property
    def busy(self) -> bool:
        """Whether a wish is still being carried out."""
        return self._busy > 0

    @property
    def is_reading_index(self) -> bool:
        """Whether an index is being read."""
        return self._reading

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What the index that was read last offers."""
        return self._offers

    def find(self, plugin_id: str) -> PluginInfo | None:
        """The plugin of this id, whatever its state."""
        return next((info for info in self._infos if info.id == plugin_id), None)

    def layer_parts(self) -> tuple[tuple[PluginInfo, tuple[Part, ...]], ...]:
        """What may be added to a picture as a plugin layer: of every enabled plugin, its parts."""
        found = ((info, tuple(part for part in _parts(info) if _is_layer(part))) for info in self._enabled())
        return tuple((info, parts) for info, parts in found if parts)

    def control_kinds(self) -> tuple[ControlKindOf, ...]:
        """The kinds of control layer that enabled plugins add, by title."""
        if not self._infos:
            return ()  # at the start: the plugin room is not opened for this
        from studio.plugins.uses import control_kinds

        return control_kinds(self._infos)

    def schedulers(self) -> tuple[tuple[str, str, str], ...]:
        """The schedulers that enabled plugins add: id as in a recipe, title, description."""
        found = ((info, part) for info in self._enabled() for part in _parts(info) if part.type is PartType.SAMPLER)
        return tuple((f"{info.id}:{part.part}", part.title, part.description) for info, part in found)

    def control_part(self, use: ControlUse) -> Part | None:
        """What a plugin's kind of control layer was declared as, also while the plugin is switched off."""
        info = self.find(use.plugin.id) if use.plugin is not None else None
        return next((part for part in _parts(info) if part.control == use.kind), None) if info else None

    def part_of(self, use: PluginUse) -> Part | None:
        """What a layer's part was declared as, also while the plugin is switched off."""
        info = self.find(use.plugin.id)
        return (
            next((part for part in _parts(info) if (part.type, part.part) == (use.type, use.part)), None)
            if info
            else None
        )

    def declared(self, use: ControlUse | PluginUse) -> Part | None:
        """What a layer of either kind was declared as; None for the studio's own kinds and plugins that are not here."""
        return self.control_part(use) if isinstance(use, ControlUse) else self.part_of(use)

    def score_title(self, name: str) -> str:
        """What a score's name, "plugin_id:part", was declared as; the name itself if its plugin is not here."""
        plugin_id, _, part = name.partition(":")
        declared = (p.title for p in _parts(self.find(plugin_id)) if (p.type, p.part) == (PartType.SCORER, part))
        return next(declared, name)

    def prompt_tool(self, name: str) -> tuple[PluginInfo, Part] | None:
        """An enabled prompt tool of this part name ("continue" suggests how a prompt may go on)."""
        tools = ((info, part) for info in self._enabled() for part in _parts(info) if part.type is PartType.PROMPT_TOOL)
        return next(((info, part) for info, part in tools if part.part == name), None)

    def problem(self, draft: Draft) -> PluginProblem | None:
        """Why this draft cannot be made now: a plugin that is missing or off, or a picture that it still needs."""
        if not self._known:
            return None  # the engine will know
        plugin_id, colon, part_name = draft.scheduler.partition(":")
        if colon and draft.scheduler not in {scheduler for scheduler, _, _ in self.schedulers()}:
            return missing(self.find(plugin_id), PluginRef(id=plugin_id), None, part_name)
        for layer in draft.controls:
            if layer.enabled and layer.use.plugin is not None:
                ref = layer.use.plugin
                found = missing(self.find(ref.id), ref, self.control_part(layer.use), str(layer.use.kind))
                if found:
                    return found
        for guest in draft.plugins:
            if guest.enabled:
                use, part = guest.use, self.part_of(guest.use)
                found = missing(self.find(use.plugin.id), use.plugin, part, use.part)
                found = found or (lacking(part, use) if part is not None else None)
                if found:
                    return found
        return None

    # Wishes
    def read(self) -> None:
        """Read again what is known, without the disk."""
        self._background.run_latest("infos", lambda: self._shelf().infos(), self._take, self.failed.emit)

    def rescan(self) -> None:
        """Read the folders again."""
        self._work(lambda shelf: shelf.rescan(), lambda _: None)

    def enable(self, plugin_id: str) -> None:
        """Switch on; one that was never allowed, or whose bytes are others now, is asked about first."""
        info = self.find(plugin_id)
        if info is not None and info.state in ASKS_FIRST:
            self.consent_wished.emit(info)
        else:
            self._work(lambda shelf: shelf.enable(plugin_id), lambda _: None)

    def allow(self, info: PluginInfo) -> None:
        """Consent to exactly the bytes that the artist was shown."""
        self._work(lambda shelf: shelf.allow(info.id, info.digest), self.allowed.emit)

    def disable(self, plugin_id: str) -> None:
        self._work(lambda shelf: shelf.disable(plugin_id), lambda _: None)

    def reload(self, plugin_id: str) -> None:
        """Forget the loaded code; changed bytes are asked about again."""
        self._work(lambda shelf: shelf.reload(plugin_id), lambda _: self._ask_about(plugin_id))

    def remove(self, plugin_id: str) -> None:
        """Into the trash folder."""
        self._work(lambda shelf: shelf.remove(plugin_id), lambda _: None)

    def install(self, source: Path) -> None:
        """Copy a folder or .zip in, then ask whether it may run."""
        self._work(lambda shelf: shelf.install(source), lambda info: self._ask_about(info.id))

    def read_index(self, place: Path | str) -> None:
        """Read a list of plugins, from a file or (the artist's wish) an address; `changed` follows, `offers` has them."""
        self._reading = True
        self._background.run_latest(
            "index", partial(read_offers, place, self._read_picture), self._on_offers, self._on_no_offers
        )
        self.changed.emit()

    def install_offer(self, offer: Offer) -> None:
        """Install what the index offers, its digest checked, then ask whether it may run."""
        self._work(partial(_install_offer, offer), lambda info: self._ask_about(info.id))

    def tell(self) -> None:
        """Something changed on the shelf. Any thread."""
        with contextlib.suppress(RuntimeError):  # the Qt side is gone: the program ends
            self._told.emit()

    def _work(self, call: Callable[[Shelf], object], done: Callable[..., object]) -> None:
        self._busy += 1
        self.changed.emit()
        shelf = self._shelf

        def work() -> tuple[object, tuple[PluginInfo, ...]]:
            result = call(shelf())
            return result, shelf().infos()

        self._background.run(work, partial(self._on_done, done), self._on_failed)

    def _on_done(self, done: Callable[..., object], result: tuple[object, tuple[PluginInfo, ...]]) -> None:
        self._busy -= 1
        self._take(result[1])
        done(result[0])

    def _on_failed(self, error: StudioError) -> None:
        self._busy -= 1
        self.failed.emit(error)
        self.changed.emit()
        self.read()

    def _take(self, infos: tuple[PluginInfo, ...]) -> None:
        before = {info.id: info.state for info in self._infos}
        news = FELL if self._known else (PluginState.QUARANTINED,)  # faults of earlier sessions were told then
        self._infos, self._known = infos, True
        self.changed.emit()
        for info in infos:
            if info.state in news and before.get(info.id) is not info.state:
                self.fell.emit(info)

    def _on_no_offers(self, error: StudioError) -> None:
        self._reading = False
        self.failed.emit(error)
        self.changed.emit()

    def _on_offers(self, offers: tuple[Offer, ...]) -> None:
        self._offers, self._reading = offers, False
        self.changed.emit()

    def _ask_about(self, plugin_id: str) -> None:
        info = self.find(plugin_id)
        if info is not None and info.state in ASKS_FIRST:
            self.consent_wished.emit(info)

    def _enabled(self) -> tuple[PluginInfo, ...]:
        return tuple(info for info in self._infos if info.state is PluginState.ENABLED)


def _parts(info: PluginInfo | None) -> tuple[Part, ...]:
    return info.manifest.parts if info is not None and info.manifest is not None else ()


def _is_layer(part: Part) -> bool:
    return part.type in LAYER_TYPES and not part.control


def _install_offer(offer: Offer, shelf: Shelf) -> PluginInfo:
    from studio.plugins.index import install

    return install(offer.source, shelf)
