"""Files as the trainers write them, at full size: every one of their names has its layer in SD 1.5 and in SDXL.

Names and shapes only, nothing is allocated. The lists are written from what kohya's sd-scripts, LyCORIS and diffusers
call the layers: 192 and 722 layers of the UNets, 72 and 192 of the text encoders, as their logs count them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
import torch

from studio.api import BadRecipe, Denoiser, Size, WeightHeader

RANK = 8
Layer = tuple[str, tuple[int, ...]]  # a trainer's name of a layer, and the shape of its weight


def _denoiser(unet: Any, encoders: list[Any], family: str) -> Denoiser:
    nothing = cast(Any, None)
    return Denoiser(
        unet=unet, vae=nothing, tokenizers=(), text_encoders=tuple(encoders), family=family, model="big",
        model_folder=Path(), size=Size(width=512, height=512), branches=2, device=torch.device("cpu"),
        dtype=torch.float32,
    )  # fmt: skip


@pytest.fixture(scope="module")
def sd15() -> Denoiser:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        text = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12))
    return _denoiser(unet, [text], "sd1")


@pytest.fixture(scope="module")
def sdxl() -> Denoiser:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=128, block_out_channels=(320, 640, 1280), layers_per_block=2, cross_attention_dim=2048,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20), use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
        )  # fmt: skip
        large = CLIPTextConfig(
            hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280
        )
        small = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12)
        encoders = [CLIPTextModel(small), CLIPTextModelWithProjection(large)]
    return _denoiser(unet, encoders, "sdxl")


def transformer(name: str, width: int, text: int, depth: int, join: str, square: bool) -> Iterator[Layer]:
    """The layers of one transformer on a grid; `square`: its ends are 1x1 convolutions (SD 1.x), not matrices."""
    ends = (width, width, 1, 1) if square else (width, width)
    yield f"{name}{join}proj_in", ends
    yield f"{name}{join}proj_out", ends
    for i in range(depth):
        block = f"{name}{join}transformer_blocks{join}{i}{join}"
        for attention, source in (("attn1", width), ("attn2", text)):
            yield f"{block}{attention}{join}to_q", (width, width)
            yield f"{block}{attention}{join}to_k", (width, source)
            yield f"{block}{attention}{join}to_v", (width, source)
            yield f"{block}{attention}{join}to_out{join}0", (width, width)
        yield f"{block}ff{join}net{join}0{join}proj", (8 * width, width)
        yield f"{block}ff{join}net{join}2", (width, 4 * width)


def text_encoder(width: int, layers: int, join: str) -> Iterator[Layer]:
    for i in range(layers):
        layer = f"text_model{join}encoder{join}layers{join}{i}{join}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield f"{layer}self_attn{join}{part}", (width, width)
        yield f"{layer}mlp{join}fc1", (4 * width, width)
        yield f"{layer}mlp{join}fc2", (width, 4 * width)


def sd15_unet(join: str) -> Iterator[Layer]:
    """The attention of SD 1.5's UNet, by diffusers' paths: that is what kohya flattens."""
    places = [("down_blocks", level, row, (320, 640, 1280)[level]) for level in range(3) for row in range(2)]
    places += [("up_blocks", level, row, (1280, 1280, 640, 320)[level]) for level in (1, 2, 3) for row in range(3)]
    for side, level, row, width in places:
        yield from transformer(f"{side}{join}{level}{join}attentions{join}{row}", width, 768, 1, join, True)
    yield from transformer(f"mid_block{join}attentions{join}0", 1280, 768, 1, join, True)


def sd15_convolutions(join: str) -> Iterator[Layer]:
    """What LoCon and conv_dim add: residual blocks with their shortcuts and time layers, and the resampling."""
    down, before = (320, 640, 1280, 1280), 320
    skips = [320]
    for level, width in enumerate(down):
        for row in range(2):
            yield from _resnet(f"down_blocks{join}{level}{join}resnets{join}{row}", before, width, join)
            before = width
            skips.append(width)
        if level < 3:
            yield f"down_blocks{join}{level}{join}downsamplers{join}0{join}conv", (width, width, 3, 3)
            skips.append(width)
    for row in range(2):
        yield from _resnet(f"mid_block{join}resnets{join}{row}", 1280, 1280, join)
    for level, width in enumerate(reversed(down)):
        for row in range(3):
            yield from _resnet(f"up_blocks{join}{level}{join}resnets{join}{row}", before + skips.pop(), width, join)
            before = width
        if level < 3:
            yield f"up_blocks{join}{level}{join}upsamplers{join}0{join}conv", (width, width, 3, 3)


def _resnet(name: str, before: int, width: int, join: str) -> Iterator[Layer]:
    yield f"{name}{join}conv1", (width, before, 3, 3)
    yield f"{name}{join}time_emb_proj", (width, 1280)
    yield f"{name}{join}conv2", (width, width, 3, 3)
    if before != width:
        yield f"{name}{join}conv_shortcut", (width, before, 1, 1)


def sdxl_unet_original() -> Iterator[Layer]:
    """SDXL's attention by the names of Stability's own code, as kohya writes them."""
    places = [(f"input_blocks_{n}_1", 640, 2) for n in (4, 5)] + [(f"input_blocks_{n}_1", 1280, 10) for n in (7, 8)]
    places += [("middle_block_1", 1280, 10)]
    places += [(f"output_blocks_{n}_1", 1280, 10) for n in (0, 1, 2)]
    places += [(f"output_blocks_{n}_1", 640, 2) for n in (3, 4, 5)]
    for name, width, depth in places:
        yield from transformer(name, width, 2048, depth, "_", False)


def sdxl_unet_diffusers() -> Iterator[Layer]:
    places = [(f"down_blocks.1.attentions.{n}", 640, 2) for n in (0, 1)]
    places += [(f"down_blocks.2.attentions.{n}", 1280, 10) for n in (0, 1)] + [("mid_block.attentions.0", 1280, 10)]
    places += [(f"up_blocks.0.attentions.{n}", 1280, 10) for n in (0, 1, 2)]
    places += [(f"up_blocks.1.attentions.{n}", 640, 2) for n in (0, 1, 2)]
    for name, width, depth in places:
        yield from transformer(name, width, 2048, depth, ".", False)


def kohya(prefix: str, layers: Iterator[Layer], dora: bool = False) -> dict[str, tuple[int, ...]]:
    """Three tensors a layer, and LyCORIS' lengths for DoRA."""
    found: dict[str, tuple[int, ...]] = {}
    for name, (out, into, *kernel) in layers:
        found[f"{prefix}{name}.lora_down.weight"] = (RANK, into, *kernel)
        found[f"{prefix}{name}.lora_up.weight"] = (out, RANK, *(1 for _ in kernel))
        found[f"{prefix}{name}.alpha"] = ()
        if dora:
            found[f"{prefix}{name}.dora_scale"] = (1, into, *(1 for _ in kernel))
    return found


def peft(prefix: str, layers: Iterator[Layer], dora: bool = False) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, (out, into, *kernel) in layers:
        found[f"{prefix}.{name}.lora_A.weight"] = (RANK, into, *kernel)
        found[f"{prefix}.{name}.lora_B.weight"] = (out, RANK, *(1 for _ in kernel))
        if dora:
            found[f"{prefix}.{name}.lora_magnitude_vector"] = (out,)
    return found


def old_diffusers(layers: Iterator[Layer]) -> dict[str, tuple[int, ...]]:
    """Attention processors, as diffusers wrote them before it used peft: no feed-forward, no ends."""
    found: dict[str, tuple[int, ...]] = {}
    for name, (out, into, *_) in layers:
        if ".attn" in name:
            block, _, part = name.rpartition(".to_")
            part = part.removesuffix(".0")
            found[f"unet.{block}.processor.to_{part}_lora.down.weight"] = (RANK, into)
            found[f"unet.{block}.processor.to_{part}_lora.up.weight"] = (out, RANK)
    return found


def planned(plugin: ModuleType, model: Denoiser, shapes: dict[str, tuple[int, ...]]) -> Any:
    from lora_under_test.fit import plan  # type: ignore[import-not-found]  # the fixture loads it under this name

    made = plan("a.safetensors", WeightHeader(shapes=shapes, dtypes=dict.fromkeys(shapes, "F16"), metadata={}), model)
    assert len(made.fits) == made.layers, "every layer of the file has its place"
    used = {key for fit in made.fits for key in fit.keys.values()}
    assert used == shapes.keys(), sorted(shapes.keys() - used)[:3]
    assert len({id(fit.layer) for fit in made.fits}) == len(made.fits), "and no two the same"
    return made


@pytest.mark.parametrize("dora", [False, True], ids=["LoRA", "DoRA"])
def test_kohyas_sd15_files_at_full_size(plugin: ModuleType, sd15: Denoiser, dora: bool) -> None:
    shapes = kohya("lora_unet_", sd15_unet("_"), dora) | kohya("lora_te_", text_encoder(768, 12, "_"), dora)
    made = planned(plugin, sd15, shapes)
    assert [sum(fit.network == name for fit in made.fits) for name in ("unet", "text")] == [192, 72]
    assert len(shapes) == 264 * (4 if dora else 3)


def test_locon_files_at_full_size(plugin: ModuleType, sd15: Denoiser) -> None:
    shapes = kohya("lora_unet_", sd15_unet("_")) | kohya("lora_unet_", sd15_convolutions("_"))
    assert planned(plugin, sd15, shapes).layers == 192 + 86


@pytest.mark.parametrize("dora", [False, True], ids=["LoRA", "DoRA"])
def test_diffusers_sd15_files_at_full_size(plugin: ModuleType, sd15: Denoiser, dora: bool) -> None:
    shapes = peft("unet", sd15_unet("."), dora) | peft("text_encoder", text_encoder(768, 12, "."), dora)
    assert planned(plugin, sd15, shapes).layers == 264
    assert planned(plugin, sd15, peft("unet", sd15_convolutions("."), dora)).layers == 86


def test_files_from_before_peft_at_full_size(plugin: ModuleType, sd15: Denoiser) -> None:
    assert planned(plugin, sd15, old_diffusers(sd15_unet("."))).layers == 128


@pytest.mark.parametrize("dora", [False, True], ids=["LoRA", "DoRA"])
def test_kohyas_sdxl_files_at_full_size(plugin: ModuleType, sdxl: Denoiser, dora: bool) -> None:
    shapes = kohya("lora_unet_", sdxl_unet_original(), dora)
    shapes |= kohya("lora_te1_", text_encoder(768, 12, "_"), dora)
    shapes |= kohya("lora_te2_", text_encoder(1280, 32, "_"), dora)
    made = planned(plugin, sdxl, shapes)
    assert [sum(fit.network == name for fit in made.fits) for name in ("unet", "text", "text_2")] == [722, 72, 192]


def test_diffusers_sdxl_files_at_full_size(plugin: ModuleType, sdxl: Denoiser) -> None:
    shapes = peft("unet", sdxl_unet_diffusers())
    shapes |= peft("text_encoder", text_encoder(768, 12, ".")) | peft("text_encoder_2", text_encoder(1280, 32, "."))
    assert planned(plugin, sdxl, shapes).layers == 986


def test_whole_files_of_the_other_family_are_refused(plugin: ModuleType, sd15: Denoiser, sdxl: Denoiser) -> None:
    ours = kohya("lora_unet_", sd15_unet("_")) | kohya("lora_te_", text_encoder(768, 12, "_"))
    theirs = kohya("lora_unet_", sdxl_unet_original())
    for model, shapes, words in ((sdxl, ours, "SDXL"), (sd15, theirs, "SDXL")):
        with pytest.raises(BadRecipe, match=words):
            planned(plugin, model, shapes)
