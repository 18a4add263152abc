"""Each setting once: name, default, limits, title and help. Damaged files are set aside, never fatal."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path

from studio.core.safe_files import write_whole

Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: the type is that of `default`; `choices` or `low`/`high` limit it; empty `title` keeps it off the page."""

    name: str
    default: Value
    title: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0

    def accepts(self, value: object) -> bool:
        """Whether `value` has the right type and lies within the limits."""
        if type(value) is not type(self.default):
            return False
        if self.choices:
            return value in self.choices
        if isinstance(value, int | float) and not isinstance(value, bool) and self.high > self.low:
            return self.low <= value <= self.high
        return True


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="theme",
        default="dark",
        choices=("dark", "light"),
        title="Theme",
        help="Dark keeps the eye on the picture.",
    ),
    Setting(name="preview", default=True, title="Live preview", help="Show the picture while it forms."),
    Setting(
        name="thumbnail_px",
        default=128,
        low=64,
        high=256,
        title="Thumbnail size",
        help="Height of a thumbnail in the history.",
    ),
    Setting(
        name="library_px",
        default=180,
        low=64,
        high=256,
        title="Thumbnail size in the library",
        help="Height of a thumbnail on the library page.",
    ),
    Setting(
        name="plugin_fault",
        default="fail",
        choices=("fail", "go_on"),
        title="When a plugin fails",
        help="Stop the picture, or make it without what the plugin was to do; the picture's details say so.",
    ),
    Setting(
        name="restore_list",
        default="when_needed",
        choices=("when_needed", "always"),
        title="Before settings are restored",
        help="Show the list of what a picture says every time, or only where not all of it can be taken over.",
    ),
    Setting(
        name="compile",
        default="off",
        choices=("off", "automatic"),
        title="Compile the model",
        help="Automatic: on an NVIDIA card the second picture of a size, and those after it, are made quicker. The first "
        "one is made as ever, while the model is compiled beside it for some minutes. The last bits differ, so a picture "
        "made this way is made again closely, not exactly; its details say so.",
    ),
    Setting(
        name="offline",
        default=False,
        title="Stay offline",
        help="Nothing is fetched, whatever is pressed. The studio asks the network for nothing but models you get.",
    ),
    Setting(name="model_folders", default=""),  # a list of folders as JSON
    Setting(name="hub_endpoint", default=""),  # a mirror of the model hub; empty: the hub itself
    Setting(name="plugin_index", default=""),
    Setting(name="welcomed", default=False),
    Setting(name="more_settings", default=False),  # whether the settings panel shows its rarer fields
    Setting(name="window_geometry", default=""),
    Setting(name="window_layout", default=""),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}


class Settings:
    """The values in use. Reading gives the default for anything absent; `save` is atomic. Not thread-safe: UI thread only,
    but `text()` may be handed to a thread that writes."""

    def __init__(self, values: dict[str, Value] | None = None) -> None:
        self._values: dict[str, Value] = values or {}

    def get(self, name: str) -> Value:
        return self._values.get(name, BY_NAME[name].default)

    def set(self, name: str, value: Value) -> None:
        """Raises ValueError for a value the setting does not accept."""
        if not BY_NAME[name].accepts(value):
            raise ValueError(f"{value!r} does not fit the setting {name!r}")
        self._values[name] = value

    def text(self) -> str:
        return json.dumps(self._values, indent=1, ensure_ascii=False)


def load_settings(file: Path) -> tuple[Settings, str]:
    """The settings of a file and a sentence for the artist if it was damaged (then it is kept aside as *.damaged)."""
    try:
        if file.stat().st_size > 1_000_000:
            raise ValueError("too large")
        values = json.loads(file.read_text("utf-8"))
        if not isinstance(values, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        return Settings(), ""
    except (OSError, ValueError, RecursionError):
        return Settings(), set_aside(file, "settings file", "the defaults are in use")
    return Settings(
        {name: value for name, value in values.items() if name in BY_NAME and BY_NAME[name].accepts(value)}
    ), ""


def write_text_safely(file: Path, text: str) -> None:
    """Write a small text so that a crash leaves either the old or the new one. Raises OSError."""
    write_whole(file, text.encode("utf-8", "replace"))


def set_aside(file: Path, what: str, instead: str) -> str:
    """Keep a damaged file as *.damaged, *.damaged-2 and so on. Returns the sentence that tells the artist."""
    names = itertools.chain((".damaged",), (f".damaged-{number}" for number in itertools.count(2)))
    kept = next(kept for name in names if not os.path.lexists(kept := file.with_name(file.name + name)))
    try:
        os.replace(file, kept)
    except OSError:
        return f"The {what} could not be read; {instead}."
    return f"The {what} was damaged; {instead} and the old file is kept as {kept.name}."
