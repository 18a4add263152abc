"""The plugin as it is declared, and the names of layers in files made for SDXL, against diffusers' own conversion."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from studio.core.plugins import PartType
from studio.plugins.manifest import read_manifest
from tests.shipped.lora.makers import LORA


class _Listener:
    """Notes what `enable` hands in, as (type, part)."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], Any] = {}

    def __getattr__(self, type: str) -> Any:
        return lambda part, thing: self.parts.update({(type, part): thing})


def test_the_manifest_declares_what_the_code_hands_in(plugin: ModuleType) -> None:
    manifest = read_manifest((LORA / "plugin.toml").read_bytes(), "lora")
    listener = _Listener()
    plugin.enable(listener)
    assert set(listener.parts) == {(part.type.value, part.part) for part in manifest.parts}
    lora = manifest.part(PartType.ADAPTER, "lora")
    assert lora is not None
    weight = next(parameter for parameter in lora.parameters if parameter.name == "weight")
    assert (weight.default, weight.minimum, weight.maximum) == (1.0, -4.0, 4.0)
    assert manifest.parts[0] == lora, "what --plugin lora:file=... means"


@pytest.fixture(scope="module")
def sdxl() -> Any:
    """A tiny UNet in SDXL's shape: three levels, the first without attention, two transformer layers in the last."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 32),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=40,
    )


def test_sdxl_layers_are_found_by_their_original_names(
    plugin: ModuleType, sdxl: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from diffusers.loaders import StableDiffusionXLLoraLoaderMixin

    names = sys.modules["lora_under_test.names"]
    found = dict(names.layer_names("unet", sdxl))
    paths = {layer: path for path, layer in sdxl.named_modules()}
    originals = {
        name: paths[layer]
        for name, layer in found.items()
        if name.startswith(("input_blocks", "middle_block", "output_blocks"))
        and "samplers" not in paths[layer]
        and name != "input_blocks_0_0"
    }
    assert len(originals) == sum("blocks" in path or "mid_" in path for path in paths.values() if _kohya(path, sdxl))
    tensors = {}
    for i, name in enumerate(originals):
        tensors[f"lora_unet_{name}.lora_down.weight"] = torch.full((1, 1), float(i))
        tensors[f"lora_unet_{name}.lora_up.weight"] = torch.full((1, 1), float(i))
        tensors[f"lora_unet_{name}.alpha"] = torch.tensor(1.0)
    save_file(tensors, tmp_path / "a.safetensors")
    with caplog.at_level(logging.ERROR):
        theirs, _ = StableDiffusionXLLoraLoaderMixin.lora_state_dict(
            str(tmp_path / "a.safetensors"), unet_config=sdxl.config
        )
    for i, (name, path) in enumerate(originals.items()):
        place = next(key for key, value in theirs.items() if "lora" in key and "down" in key and float(value) == i)
        read = names.read_name(place)
        assert read.network == "unet" and found[read.layer] is sdxl.get_submodule(path), (name, place, path)
    for key in tensors:
        assert names.read_name(key).layer in found


def _kohya(path: str, unet: Any) -> bool:
    """Whether a LoRA can lie on this layer: a matrix of a block, and no resampling."""
    weight = getattr(unet.get_submodule(path), "weight", None)
    return weight is not None and weight.ndim in (2, 4) and "samplers" not in path


def test_resampling_and_outer_layers_have_their_original_names(plugin: ModuleType, sdxl: Any) -> None:
    names = sys.modules["lora_under_test.names"]
    found = dict(names.layer_names("unet", sdxl))
    for name, path in {
        "input_blocks_0_0": "conv_in",
        "out_2": "conv_out",
        "time_embed_2": "time_embedding.linear_2",
        "label_emb_0_0": "add_embedding.linear_1",
        "input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
        "input_blocks_6_0_op": "down_blocks.1.downsamplers.0.conv",
        "output_blocks_2_2_conv": "up_blocks.0.upsamplers.0.conv",
        "output_blocks_5_2_conv": "up_blocks.1.upsamplers.0.conv",
        "middle_block_1_proj_in": "mid_block.attentions.0.proj_in",
        "middle_block_2_in_layers_2": "mid_block.resnets.1.conv1",
        "output_blocks_8_0_skip_connection": "up_blocks.2.resnets.2.conv_shortcut",
        "input_blocks_4_0_emb_layers_1": "down_blocks.1.resnets.0.time_emb_proj",
    }.items():
        assert found[name] is sdxl.get_submodule(path), name
    assert names.read_name("lora_te2_text_projection.lora_up.weight") == names.Name("text_2", "text_projection", "up")
    assert names.read_name("unet.conv_in.weight") is None and names.read_name("other.lora_A.weight") is None
