"""A shelf over empty folders, and small plugins written on the spot."""

from __future__ import annotations

import shutil
from pathlib import Path

from studio.core.paths import Folders
from studio.core.plugins import PluginInfo
from studio.plugins.shelf import PluginShelf

DATA = Path(__file__).resolve().parents[1] / "data" / "plugins"


class Yard:
    """A data folder, a folder of what ships, and shelves over both."""

    def __init__(self, root: Path) -> None:
        self.folders = Folders(root=root / "data")
        self.shipped = root / "shipped"
        self.shipped.mkdir()
        self.changes = 0

    def shelf(self, safe_mode: bool = False) -> PluginShelf:
        """A shelf as a fresh start of the studio makes it, read."""
        shelf = PluginShelf(self.folders, self.shipped, safe_mode, self._count)
        shelf.rescan()
        return shelf

    def put(self, id: str, name: str = "") -> Path:
        """A plugin of tests/data in the artist's folder."""
        folder = self.folders.plugins / (name or id)
        shutil.copytree(DATA / id, folder)
        return folder

    def write(
        self, id: str, code: str, adds: str = 'type = "prompt_tool"\npart = "tool"', shipped: bool = False
    ) -> Path:
        """A plugin with one part and this code."""
        folder = (self.shipped if shipped else self.folders.plugins) / id
        folder.mkdir(parents=True, exist_ok=True)
        head = f'id = "{id}"\nname = "{id}"\nversion = "1.0.0"\napi = 1\nauthor = "me"\ndescription = "x"\n'
        (folder / "plugin.toml").write_text(f'{head}[[adds]]\n{adds}\ntitle = "Tool"\n', "utf-8")
        (folder / "__init__.py").write_text(code, "utf-8")
        return folder

    def _count(self) -> None:
        self.changes += 1


def allowed(shelf: PluginShelf, id: str) -> PluginInfo:
    """Consent as the dialog gives it, to the digest that is shown."""
    return shelf.allow(id, shelf.info(id).digest)
