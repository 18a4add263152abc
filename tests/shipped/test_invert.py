"""Invert: the negative, mixed with the picture, leaving the picture it was given alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from plugins.invert import enable
from studio.api import Use
from studio.core.paths import SHIPPED_PLUGINS
from studio.core.plugins import PartType
from studio.plugins.bundle import read_bundle
from studio.plugins.registry import PartRegistry


@pytest.mark.parametrize(("strength", "wanted"), [(0.0, (10, 200, 255)), (1.0, (245, 55, 0)), (0.5, (127, 127, 127))])
def test_invert(tmp_path: Path, strength: float, wanted: tuple[int, int, int]) -> None:
    folder = SHIPPED_PLUGINS / "invert"
    registry = PartRegistry(read_bundle(folder, "invert").manifest)
    enable(registry)
    tool = registry.close()[PartType.PICTURE_TOOL, "invert"]
    picture = Image.new("RGB", (3, 2), (10, 200, 255))
    use = Use(plugin="invert", part="invert", folder=folder, data=tmp_path, values={"strength": strength})
    answer = tool(picture, use)
    assert (answer.mode, answer.size) == ("RGB", (3, 2))
    assert answer.getpixel((1, 1)) == pytest.approx(wanted, abs=1)
    assert picture.getpixel((1, 1)) == (10, 200, 255)
