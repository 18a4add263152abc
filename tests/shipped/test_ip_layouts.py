"""IP-Adapter files: the published ones' key lists at full size on the real UNets, and others refused in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from plugins.ip_adapter.layout import read_design
from plugins.ip_adapter.weights import Found, check_fit, inspect
from studio.api import Denoiser, ModelMissing, Size, WeightHeader
from studio.core.paths import RESOURCES
from tests.shipped import ip_files

SIZE = Size(width=512, height=512)


def full_size(family: str) -> Any:
    """A denoiser over the real UNet's shapes, on the meta device."""
    config = json.loads((RESOURCES / "configs" / family / "unet" / "config.json").read_text("utf-8"))
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    return replace(EMPTY, unet=unet, family=family, model=family)


EMPTY = Denoiser(
    unet=None, vae=None, tokenizers=(), text_encoders=(), family="", model="", model_folder=Path(), size=SIZE,
    branches=2, device=torch.device("cpu"), dtype=torch.float32,
)  # fmt: skip
SD15 = [320] * 2 + [640] * 2 + [1280] * 2 + [1280] * 3 + [640] * 3 + [320] * 3 + [1280]
XL = [640] * 4 + [1280] * 20 + [1280] * 30 + [640] * 6 + [1280] * 10
PUBLISHED = {
    "ip-sd15": ("sd1", "plain", ip_files.plain(1024, 768) | ip_files.layers(SD15, 768)),
    "ip-plus-sd15": ("sd1", "plus", ip_files.plus(1280, 768, 768, 12) | ip_files.layers(SD15, 768)),
    "ip-face-sd15": ("sd1", "plus", ip_files.plus(1280, 768, 768, 12) | ip_files.layers(SD15, 768)),
    "ip-sdxl": ("sdxl", "plus", ip_files.plus(1280, 2048, 1280, 20) | ip_files.layers(XL, 2048)),
}


@pytest.mark.parametrize("starter", PUBLISHED)
def test_published_files_at_full_size(starter: str) -> None:
    """The key list has the published file's size to within its header, and fits the real UNet."""
    family, variant, shapes = PUBLISHED[starter]
    entries = {entry["id"]: entry for entry in json.loads((RESOURCES / "models.json").read_text("utf-8"))["starters"]}
    size = 2 * sum(int(np.prod(shape)) for shape in shapes.values())
    assert 0 < entries[starter]["size"] - size < 40_000
    found = Found(
        Path("published.safetensors"), WeightHeader(shapes=shapes, dtypes={}, metadata={}), read_design(shapes)
    )
    assert found.design.variant == variant
    check_fit(found, full_size(family))
    other = "sdxl" if family == "sd1" else "sd1"
    with pytest.raises(ModelMissing, match="does not fit the model"):
        check_fit(found, full_size(other))
    broken = dict(shapes)
    del broken["ip_adapter.5.to_v_ip.weight"]
    with pytest.raises(ModelMissing, match="1 of its tensors are missing or of the wrong shape"):
        check_fit(replace(found, header=WeightHeader(shapes=broken, dtypes={}, metadata={})), full_size(family))


FACEID = {"image_proj.proj.0.weight": (8, 512), "image_proj.proj.2.weight": (8, 8), "image_proj.norm.weight": (16,)}


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (FACEID | ip_files.layers([16], 16), "face recogniser"),
        ({"image_proj.perceiver_resampler.proj_in.weight": (8, 8)} | ip_files.layers([16], 16), "face recogniser"),
        (ip_files.plus(512, 16, 8, 1) | ip_files.layers([16], 16), "face recogniser"),
        ({"image_proj.strange.weight": (8, 8)} | ip_files.layers([16], 16), "not known here"),
        ({"lora_unet_mid.lora_down.weight": (8, 8)}, "it is no IP-Adapter"),
    ],
    ids=["FaceID", "FaceID plus", "InstantID", "unknown", "a LoRA"],
)
def test_other_files_are_refused_in_words(tmp_path: Path, shapes: ip_files.Shapes, why: str) -> None:
    ip_files.save(tmp_path / "a.safetensors", shapes)
    with pytest.raises(ModelMissing, match="cannot be used") as caught:
        inspect(tmp_path / "a.safetensors")
    assert why in caught.value.headline
