"""The detectors of control maps: where their weights lie, what to fetch where they lack, and maps kept by content.

No torch of its own, no Qt; safe in any thread. The networks live in studio/engine/diffusion/detectors.py, imported at the
first picture that one of them looks at.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.choices import ControlKind, Detector
from studio.core.detectors import DETECTORS, detector_of
from studio.core.errors import ModelMissing, StorageProblem
from studio.core.hub import Starter
from studio.core.own_root import make_folders
from studio.core.recipe import Recipe
from studio.core.safe_files import write_whole
from studio.engine.libraries import load_torch
from studio.engine.missing import starters
from studio.engine.models import fingerprint

if TYPE_CHECKING:
    from PIL.Image import Image

    from studio.engine.diffusion.detectors import Detectors
    from studio.engine.intake.library import Library

FOLDER = "annotators"
GRID = 64  # the networks want sides that are multiples of this
PICKLES = (".pth", ".pt", ".bin", ".ckpt")
KEPT_FILES, KEPT_BYTES = 400, 256_000_000
_VERSION = b"1"  # of the way maps are made; another one makes all kept maps strangers


class Annotators:
    """Finds control maps. `folders` gives the model folders as they are now; `cache` is where maps are kept, or None.

    Mutable state: `_networks` (made at first use), guarded by `_lock`; the files in `cache`.
    """

    def __init__(
        self,
        folders: Callable[[], Iterable[Path]],
        cache: Path | None = None,
        library: Library | None = None,
        device: str = "auto",
    ) -> None:
        self._folders, self._cache, self._library, self._device = folders, cache, library, device
        self._lock = threading.Lock()
        self._networks: Detectors | None = None

    def weights(self, detector: Detector) -> tuple[Path, ...]:
        """The files, or the folder, that a detector needs. Raises `ModelMissing`, which says what to fetch."""
        return tuple(self._place(detector, stem) for stem in DETECTORS[detector].files)

    def stamps(self, recipe: Recipe) -> tuple[object, ...]:
        """What changes whenever a file of a detector does that a recipe's layers need. Raises `ModelMissing`."""
        uses = recipe.controls
        asked = (detector_of(use.kind, use.detector) for use in uses if isinstance(use.kind, ControlKind))
        return tuple((file, fingerprint(file)) for detector in asked for file in self.weights(detector))

    def is_here(self, detector: Detector) -> bool:
        """Whether all that it needs is here. Looks on the disk."""
        try:
            self.weights(detector)
        except ModelMissing:
            return False
        return True

    def here(self) -> frozenset[Detector]:
        """The detectors that can work now. Looks on the disk."""
        return frozenset(one for one in Detector if self.is_here(one))

    def detect(self, detector: Detector, picture: Image, seed: bytes, low: int = 0) -> Image:
        """The map of a picture, as large as it is, RGB. `seed` decides what is random in it; `low`: see `ControlUse`.

        Raises `ModelMissing`.
        """
        from PIL.Image import Resampling  # here, so that the window starts without it

        files = self.weights(detector)
        key = _key(detector, picture, files, seed if detector is Detector.SHUFFLE else b"", low)
        kept = self._read(key, picture.size)
        if kept is not None:
            return kept
        low_side, high_side = DETECTORS[detector].sides
        looked_at = picture.resize(grid_size(picture.size, low_side, high_side), Resampling.LANCZOS)
        with self._lock:
            found = self._made().find(detector, files, looked_at, int.from_bytes(seed[:4] or b"\0"), low)
        flat = detector is Detector.UPERNET  # colours that mean classes are not mixed
        resample = Resampling.NEAREST if flat else Resampling.BILINEAR
        made = found if found.size == picture.size else found.resize(picture.size, resample)
        self._keep(key, made)
        return made

    def clear(self) -> None:
        """Let go of the networks."""
        with self._lock:
            self._networks = None

    def _made(self) -> Detectors:
        if self._networks is None:
            load_torch()
            from studio.engine.diffusion.detectors import Detectors

            self._networks = Detectors(self._device)
        return self._networks

    def _place(self, detector: Detector, stem: str) -> Path:
        info = DETECTORS[detector]
        found = self._library.installed() if self._library is not None else ()
        for file in found:
            if not file.problem and file.path.is_dir() == info.is_folder and _stem(file.path) == stem:
                return file.path
        pickle: Path | None = None
        for parent in self._folders():
            for place in (parent / FOLDER, parent / FOLDER / "Annotators", parent):
                if info.is_folder:
                    if (place / stem / "config.json").is_file() and (place / stem / "model.safetensors").is_file():
                        return place / stem
                elif (place / f"{stem}.safetensors").is_file():
                    return place / f"{stem}.safetensors"
                else:
                    pickle = pickle or next((f for end in PICKLES if (f := place / f"{stem}{end}").is_file()), None)
        raise self._missing(detector, pickle or next((f.path for f in found if _is_pickle(f.path, stem)), None))

    def _missing(self, detector: Detector, pickle: Path | None) -> ModelMissing:
        title = DETECTORS[detector].title
        starter = starter_of(detector)
        size = f" ({starter.size / 1e6:,.0f} MB)" if starter is not None and starter.size >= 1e6 else ""
        get = f"Get it on the page Get models{size}" if starter is not None else "Put its files into “annotators”"
        if pickle is not None:
            headline = f"The detector {title} is here only as “{pickle.name}”, a pickle, which can run programs."
            return ModelMissing(headline, f"{get}, or convert it: main.py convert FILE", str(pickle))
        names = ", ".join(DETECTORS[detector].files)
        return ModelMissing(f"The detector {title} is not here.", f"{get}.", f"Looked for: {names}")

    def _read(self, key: str, size: tuple[int, int]) -> Image | None:
        from PIL.Image import open as open_image

        if self._cache is None:
            return None
        file = self._cache / f"{key}.png"
        try:
            with open_image(file, formats=["PNG"]) as image:
                if image.size != size:
                    return None
                image.load()
                kept = image.convert("RGB")
            os.utime(file)  # used last
        except (OSError, SyntaxError, ValueError):
            return None  # not there, or damaged: it is made again
        return kept

    def _keep(self, key: str, image: Image) -> None:
        if self._cache is None:
            return
        stream = io.BytesIO()
        image.save(stream, "PNG", compress_level=1)
        with contextlib.suppress(OSError, StorageProblem):  # a full disk: it is only made again
            make_folders(self._cache)
            write_whole(self._cache / f"{key}.png", stream.getvalue())
            prune(self._cache)


def check_detectors(recipe: Recipe, annotators: Annotators) -> None:
    """Raise `ModelMissing` for the first layer whose detector is not here; nothing was loaded then."""
    for use in recipe.controls:
        if isinstance(use.kind, ControlKind):
            annotators.weights(detector_of(use.kind, use.detector))


def prune(cache: Path, files_max: int = KEPT_FILES, bytes_max: int = KEPT_BYTES) -> None:
    """Take away the maps that were used longest ago, until few and small enough are left. Raises OSError."""
    found = sorted(((f, f.stat()) for f in cache.glob("*.png")), key=lambda pair: -pair[1].st_mtime_ns)
    total = 0
    for number, (file, status) in enumerate(found):
        total += status.st_size
        if number >= files_max or total > bytes_max:
            file.unlink(missing_ok=True)


def grid_size(size: tuple[int, int], low: int, high: int) -> tuple[int, int]:
    """The size at which a network looks at a picture: the shorter side `low` ... `high`, both multiples of 64."""
    width, height = size
    scale = min(max(min(size), low), high) / min(size)
    sides = [max(GRID, round(side * scale / GRID) * GRID) for side in (width, height)]
    return sides[0], sides[1]


def starter_of(detector: Detector) -> Starter | None:
    """What to fetch for a detector; None for those that need nothing, and for a damaged list."""
    wanted = DETECTORS[detector].starter
    return next((one for one in starters() if one.id == wanted), None) if wanted else None


def _key(detector: Detector, picture: Image, files: tuple[Path, ...], seed: bytes, low: int) -> str:
    """All that decides a map: the picture as it goes in, the detector with its very files, and what is asked of it."""
    total = hashlib.sha256(_VERSION)
    total.update(repr((detector.value, picture.size, low if detector is Detector.MLSD else 0)).encode())
    total.update(seed)
    for place in files:
        for file in sorted(place.iterdir()) if place.is_dir() else (place,):
            status = file.stat()
            total.update(repr((file.name, status.st_size, status.st_mtime_ns)).encode())
    total.update(picture.tobytes())
    return total.hexdigest()


def _stem(path: Path) -> str:
    return path.name.removesuffix(".safetensors")


def _is_pickle(path: Path, stem: str) -> bool:
    return path.stem == stem and path.suffix.casefold() in PICKLES
