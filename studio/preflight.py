"""Looks before Qt leaps: a missing system library becomes one sentence that names the packages, not an abort.

Knows the file names of libraries and the packages that hold them; imports Qt's core only to find its plugins.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from studio.core.errors import StudioError

PACKAGES = {  # library -> package of Debian and Ubuntu
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libOpenGL.so.0": "libopengl0",
    "libGLX.so.0": "libglx0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
}


def check_window_system() -> None:
    """Raise StudioError if Qt could not open a window here: libraries or a display are missing. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    platform = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    if not platform:
        platform = "wayland" if os.environ.get("WAYLAND_DISPLAY") and not os.environ.get("DISPLAY") else "xcb"
        if not (os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")):
            raise StudioError(
                "There is no screen to open a window on.",
                "Start from a desktop, or use “render” (see --help) without one.",
            )
    _raise_if_missing(missing_libraries(platform))


def missing_libraries(platform: str) -> tuple[str, ...]:
    """Names of the shared libraries that Qt's window modules and its platform plugin want and the system lacks."""
    try:
        import PySide6
    except ImportError as error:
        raise StudioError("PySide6 is not installed.", "Start the studio with “uv run main.py”.", str(error)) from None
    qt = Path(PySide6.__file__).parent / "Qt"
    wanted = [qt / "lib" / f"libQt6{name}.so.6" for name in ("Gui", "Widgets")]
    if platform in ("xcb", "wayland"):
        wanted.append(qt / "plugins" / "platforms" / f"libq{platform}.so")
    return tuple(dict.fromkeys(name for file in wanted if file.exists() for name in _not_found(file)))


def _not_found(file: Path) -> list[str]:
    """What the loader misses for one library. Loading it costs nothing when all is well (Qt loads it next) but names
    only the first one missing; then `ldd`, slower, names all."""
    try:
        ctypes.CDLL(str(file))
        return []
    except OSError as error:
        first = str(error).split(":")[0].strip()
    try:
        listing = subprocess.run(["ldd", str(file)], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return [first]
    return [line.split("=>")[0].strip() for line in listing.splitlines() if "not found" in line] or [first]


def _raise_if_missing(libraries: tuple[str, ...]) -> None:
    if not libraries:
        return
    packages = " ".join(sorted({PACKAGES.get(name, name) for name in libraries}))
    raise StudioError(
        f"The system lacks {len(libraries)} librar{'y' if len(libraries) == 1 else 'ies'} that the window needs: "
        f"{', '.join(libraries)}.",
        f"On Debian or Ubuntu: sudo apt-get install {packages}",
    )
