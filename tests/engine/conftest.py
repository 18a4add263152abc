"""Tiny models, built once per session in a temporary folder, and an engine over them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from studio.core.paths import RESOURCES
from studio.core.recipe import ImageRef
from tests.engine.guest_host import ToyHost

if TYPE_CHECKING:
    from studio.engine.diffusion.engine import DiffusionEngine


def line_drawing(turn: int = 0, width: int = 64, height: int = 64) -> bytes:
    """A PNG of white lines on black, another one for each `turn`."""
    array = np.zeros((height, width, 3), np.uint8)
    array[height // 4 + turn, :] = 255
    array[:, width // 3 + turn] = 255
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


DRAWINGS = {hashlib.sha256(png).hexdigest(): png for png in (line_drawing(0), line_drawing(5))}
FIRST, SECOND = (ImageRef(digest=digest) for digest in DRAWINGS)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: sd1, sd2, sdxl, refiner, variance."""
    import studio.engine.diffusion  # noqa: F401  (loads the libraries quietly, before the models are built with them)
    from tests.engine import tiny_models

    root = tmp_path_factory.mktemp("models")
    tiny_models.build_sd1(root / "sd1")
    tiny_models.build_sd2(root / "sd2")
    tiny_models.build_sdxl(root / "sdxl")
    tiny_models.build_refiner(root / "refiner")
    tiny_models.build_sd1(root / "variance", learned_variance=True, controlnet=False)
    return root


@pytest.fixture(scope="session")
def make_engine(tiny_folder: Path) -> Iterator[Callable[[], DiffusionEngine]]:
    """Makes real engines on the CPU, over the tiny models and what ships."""
    from studio.engine.diffusion.engine import DiffusionEngine

    made: list[DiffusionEngine] = []

    def make() -> DiffusionEngine:
        made.append(DiffusionEngine((tiny_folder, RESOURCES), lambda ref: DRAWINGS[ref.digest], "cpu"))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def engine(make_engine: Callable[[], DiffusionEngine]) -> DiffusionEngine:
    """A fresh engine with nothing loaded."""
    return make_engine()


@pytest.fixture(scope="module")
def shared_engine(tiny_folder: Path) -> Iterator[DiffusionEngine]:
    """An engine with a plugin host, for all tests of a file."""
    from studio.engine.diffusion.engine import DiffusionEngine

    engine = DiffusionEngine((tiny_folder, RESOURCES), lambda ref: DRAWINGS[ref.digest], "cpu", ToyHost())
    yield engine
    engine.close()


@pytest.fixture
def host() -> ToyHost:
    """A plugin host with nothing in it."""
    return ToyHost()


@pytest.fixture
def guested(shared_engine: DiffusionEngine, host: ToyHost) -> DiffusionEngine:
    """The engine of this file, with a host of this test's own and no picture remembered."""
    shared_engine._plugins, shared_engine.on_fault, shared_engine._last = host, "fail", None
    return shared_engine
