"""Where things lie: the user's folders, or one folder given by --data; and the folder of what ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
RESOURCES = PROJECT / "resources"
SHIPPED_PLUGINS = PROJECT / "plugins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """All folders the studio writes to, below one root. Nothing is created by asking for them."""

    root: Path

    @property
    def pictures(self) -> Path:
        return self.root / "pictures"

    @property
    def imported(self) -> Path:
        """Copies of other programs' picture files that the artist gave."""
        return self.root / "imported"

    @property
    def to_copy(self) -> Path:
        """Lists of files that were given and are not all copied yet."""
        return self.root / "to-copy"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    @property
    def trash(self) -> Path:
        return self.root / "trash"

    @property
    def thumbnails(self) -> Path:
        return self.root / "cache" / "thumbnails"

    @property
    def maps(self) -> Path:
        """Control maps that detectors have found, by content."""
        return self.root / "cache" / "maps"

    @property
    def compiled(self) -> Path:
        """What the model's compiler keeps from start to start; may be deleted at any time."""
        return self.root / "cache" / "compiled"

    @property
    def index(self) -> Path:
        return self.root / "index.sqlite3"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def plugins(self) -> Path:
        return self.root / "plugins"

    @property
    def consents(self) -> Path:
        return self.root / "plugin-consents.json"

    @property
    def loras(self) -> Path:
        return self.root / "models" / "loras"

    @property
    def files(self) -> Path:
        """The artist's files that plugins work with, kept by name."""
        return self.root / "files"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def draft(self) -> Path:
        return self.root / "draft.json"

    @property
    def plot(self) -> Path:
        """The axes of the last plot, and what became of its cells until its sheet is drawn."""
        return self.root / "plot.json"

    @property
    def plot_command(self) -> Path:
        """The same of the last plot that was made without a window."""
        return self.root / "plot-command.json"

    @property
    def queue(self) -> Path:
        """What is known of jobs that are not over: one journal for each running studio."""
        return self.root / "queue"

    @property
    def spool(self) -> Path:
        """Latents of pictures that are not saved yet."""
        return self.root / "spool"

    @property
    def session(self) -> Path:
        """Marks of running studios, and the crash log."""
        return self.root / "session"

    @property
    def lock(self) -> Path:
        return self.root / "library.lock"


def model_folders(folders: Folders) -> tuple[Path, ...]:
    """Where models are looked for by name: what ships, then the artist's own folder."""
    return (RESOURCES, folders.models)
