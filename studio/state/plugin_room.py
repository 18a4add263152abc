"""The plugin room behind a door that opens at the first question: nothing of it is on the way to the first paint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.paths import SHIPPED_PLUGINS, Folders
from studio.core.plugins import Part, PartType
from studio.core.recipe import ControlUse, ImageRef, PluginRef, PluginUse

if TYPE_CHECKING:
    from studio.api import Reading, Use
    from studio.plugins.host import Host
    from studio.plugins.readers import Readers
    from studio.plugins.shelf import PluginShelf


class PluginRoom:
    """Shelf and host, made and read from disk by whoever asks first, in that thread; the others wait for it.

    It is the engine's `PluginHost`. `on_change` is told, in any thread, that a plugin came, went or changed its state;
    `on_late` (plugin, hook, seconds) that a call has not come back.
    """

    def __init__(
        self,
        folders: Folders,
        file_folders: Iterable[Path],
        safe_mode: bool = False,
        shipped: Path = SHIPPED_PLUGINS,
    ) -> None:
        self.on_change: Callable[[], None] = _nothing
        self.on_late: Callable[[str, str, float], None] = _nothing_late
        self._folders, self._file_folders = folders, file_folders
        self._safe_mode, self._shipped = safe_mode, shipped
        self._lock = threading.Lock()
        self._made: tuple[PluginShelf, Host, Readers] | None = None  # guarded by the lock

    def shelf(self) -> PluginShelf:
        """What is known of all plugins. The first call reads the folders: not for the UI thread."""
        return self._open()[0]

    def read_metadata(self, data: bytes, name: str) -> Reading:
        """What the plugins' metadata readers make of a picture. Not for the UI thread; raises nothing."""
        return self._open()[2](data, name)

    def give_up(self) -> tuple[tuple[str, str], ...]:
        """Do not wait any longer for calls that are late: (plugin, hook) of each. Returns at once."""
        made = self._made  # without the lock: whoever holds it may be what is late
        return made[1].give_up() if made is not None else ()

    def stuck(self) -> tuple[tuple[str, str], ...]:
        """(plugin, hook) of every call that was given up and has not come back all the same. Returns at once."""
        made = self._made
        return made[1].stuck() if made is not None else ()

    def _open(self) -> tuple[PluginShelf, Host, Readers]:
        with self._lock:
            if self._made is None:
                from studio.plugins.host import Host
                from studio.plugins.readers import Readers
                from studio.plugins.shelf import PluginShelf

                shelf = PluginShelf(self._folders, self._shipped, self._safe_mode, lambda: self.on_change())
                shelf.rescan()
                host = Host(shelf, self._file_folders, lambda id, hook, seconds: self.on_late(id, hook, seconds))
                self._made = shelf, host, Readers(shelf, host)
            return self._made

    # What the engine asks, in its own thread; see studio.engine.protocol.PluginHost
    def part(self, type: PartType, plugin: PluginRef, name: str) -> Any:  # Any: the `studio.api` Protocol of `type`
        return self._open()[1].part(type, plugin, name)

    def control_part(self, use: ControlUse) -> Part:
        return self._open()[1].control_part(use)

    def use(
        self, use: PluginUse | ControlUse, read_image: Callable[[ImageRef], bytes], **images: Any
    ) -> Use:  # Any: Pillow images
        return self._open()[1].use(use, read_image, **images)

    def digest(self, file: Path) -> str:
        return self._open()[1].digest(file)

    def fence(self, plugin: str, hook: str) -> AbstractContextManager[None]:
        return self._open()[1].fence(plugin, hook)

    def reference(self, id: str) -> PluginRef:
        return self._open()[1].reference(id)


def _nothing() -> None:
    """Nobody listens yet."""


def _nothing_late(_id: str, _hook: str, _seconds: float) -> None:
    """Nobody listens yet."""
