"""Names and shapes of real weight files at full key count, made from how the original programs build their networks.

That they are right is not believed: test_kinds.py lets diffusers' own converters read them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path

Shapes = dict[str, tuple[int, ...]]
_BYTES = {"F16": 2, "F32": 4, "BF16": 2, "I64": 8, "U8": 1}


def write_weights(file: Path, shapes: Mapping[str, tuple[int, ...]], dtype: str = "F16", **metadata: str) -> Path:
    """A .safetensors file of these tensors: a true header, and a hole in the disk of the right length behind it."""
    at, entries = 0, {}
    for name, shape in shapes.items():
        end = at + prod(shape) * _BYTES[dtype]
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    described = {"__metadata__": {key.replace("__", "."): value for key, value in metadata.items()}} if metadata else {}
    header = json.dumps(described | entries).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header)
        stream.truncate(8 + len(header) + at)
    return file


def below(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def _affine(name: str, *weight: int) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": (weight[0],)}


def _res(name: str, ch_in: int, ch_out: int, emb: int) -> Shapes:
    made = _affine(f"{name}.in_layers.0", ch_in) | _affine(f"{name}.in_layers.2", ch_out, ch_in, 3, 3)
    made |= _affine(f"{name}.emb_layers.1", ch_out, emb) | _affine(f"{name}.out_layers.0", ch_out)
    made |= _affine(f"{name}.out_layers.3", ch_out, ch_out, 3, 3)
    return made | (_affine(f"{name}.skip_connection", ch_out, ch_in, 1, 1) if ch_in != ch_out else {})


def _attention(name: str, ch: int, context: int) -> Shapes:
    made = {f"{name}.to_q.weight": (ch, ch), f"{name}.to_k.weight": (ch, context), f"{name}.to_v.weight": (ch, context)}
    return made | _affine(f"{name}.to_out.0", ch, ch)


def _transformer(name: str, ch: int, depth: int, context: int, linear: bool) -> Shapes:
    tail = () if linear else (1, 1)
    made = _affine(f"{name}.norm", ch) | _affine(f"{name}.proj_in", ch, ch, *tail)
    for block in range(depth):
        inner = f"{name}.transformer_blocks.{block}"
        made |= _attention(f"{inner}.attn1", ch, ch) | _attention(f"{inner}.attn2", ch, context)
        made |= _affine(f"{inner}.ff.net.0.proj", ch * 8, ch) | _affine(f"{inner}.ff.net.2", ch, ch * 4)
        for norm in ("norm1", "norm2", "norm3"):
            made |= _affine(f"{inner}.{norm}", ch)
    return made | _affine(f"{name}.proj_out", ch, ch, *tail)


class Plan:
    """The numbers of one UNet."""

    def __init__(self, mult, depth, middle, context, width=320, adm=0, linear=True, channels=4) -> None:
        self.mult, self.depth, self.middle, self.context = mult, depth, middle, context
        self.width, self.adm, self.linear, self.channels = width, adm, linear, channels


SD1 = Plan((1, 2, 4, 4), (1, 1, 1, 0), 1, 768, linear=False)
SD1_INPAINT = Plan((1, 2, 4, 4), (1, 1, 1, 0), 1, 768, linear=False, channels=9)
SD2 = Plan((1, 2, 4, 4), (1, 1, 1, 0), 1, 1024)
SDXL = Plan((1, 2, 4), (0, 2, 10), 10, 2048, adm=2816)
SDXL_INPAINT = Plan((1, 2, 4), (0, 2, 10), 10, 2048, adm=2816, channels=9)
REFINER = Plan((1, 2, 4, 4), (0, 4, 4, 0), 4, 1280, width=384, adm=2560)


def unet_head(plan: Plan) -> tuple[Shapes, list[int]]:
    """The half that goes down, and the middle; with the widths of what each input block leaves for the way up."""
    ch, emb, skips = plan.width, plan.width * 4, [plan.width]
    made = _affine("time_embed.0", emb, ch) | _affine("time_embed.2", emb, emb)
    if plan.adm:
        made |= _affine("label_emb.0.0", emb, plan.adm) | _affine("label_emb.0.2", emb, emb)
    made |= _affine("input_blocks.0.0", ch, plan.channels, 3, 3)
    block = 1
    for level, mult in enumerate(plan.mult):
        for _ in range(2):
            out = plan.width * mult
            made |= _res(f"input_blocks.{block}.0", ch, out, emb)
            ch = out
            if plan.depth[level]:
                made |= _transformer(f"input_blocks.{block}.1", ch, plan.depth[level], plan.context, plan.linear)
            skips.append(ch)
            block += 1
        if level + 1 < len(plan.mult):
            made |= _affine(f"input_blocks.{block}.0.op", ch, ch, 3, 3)
            skips.append(ch)
            block += 1
    made |= _res("middle_block.0", ch, ch, emb) | _res("middle_block.2", ch, ch, emb)
    return made | _transformer("middle_block.1", ch, plan.middle, plan.context, plan.linear), skips


def unet(plan: Plan) -> Shapes:
    """`model.diffusion_model.` without that prefix."""
    made, skips = unet_head(plan)
    ch, emb, block = plan.width * plan.mult[-1], plan.width * 4, 0
    for level in reversed(range(len(plan.mult))):
        for turn in range(3):
            out = plan.width * plan.mult[level]
            made |= _res(f"output_blocks.{block}.0", ch + skips.pop(), out, emb)
            ch = out
            if plan.depth[level]:
                made |= _transformer(f"output_blocks.{block}.1", ch, plan.depth[level], plan.context, plan.linear)
            if turn == 2 and level:
                made |= _affine(f"output_blocks.{block}.{2 if plan.depth[level] else 1}.conv", ch, ch, 3, 3)
            block += 1
    return made | _affine("out.0", ch) | _affine("out.2", 4, ch, 3, 3)


def controlnet(plan: Plan) -> Shapes:
    """The original ControlNet without the prefix `control_model.`."""
    made, skips = unet_head(plan)
    for number, ch in enumerate(skips):
        made |= _affine(f"zero_convs.{number}.0", ch, ch, 1, 1)
    made |= _affine("middle_block_out.0", skips[-1], skips[-1], 1, 1)
    wide = (3, 16, 16, 32, 32, 96, 96, 256, plan.width)
    for number in range(8):
        made |= _affine(f"input_hint_block.{2 * number}", wide[number + 1], wide[number], 3, 3)
    return made


def vae() -> Shapes:
    """`first_stage_model.` without that prefix."""
    made: Shapes = {}

    def block(name: str, ch_in: int, ch_out: int) -> None:
        made.update(_affine(f"{name}.norm1", ch_in) | _affine(f"{name}.conv1", ch_out, ch_in, 3, 3))
        made.update(_affine(f"{name}.norm2", ch_out) | _affine(f"{name}.conv2", ch_out, ch_out, 3, 3))
        if ch_in != ch_out:
            made.update(_affine(f"{name}.nin_shortcut", ch_out, ch_in, 1, 1))

    def middle(name: str) -> None:
        block(f"{name}.mid.block_1", 512, 512)
        made.update(_affine(f"{name}.mid.attn_1.norm", 512))
        for part in ("q", "k", "v", "proj_out"):
            made.update(_affine(f"{name}.mid.attn_1.{part}", 512, 512, 1, 1))
        block(f"{name}.mid.block_2", 512, 512)

    wide, ch = (128, 256, 512, 512), 128
    made |= _affine("encoder.conv_in", 128, 3, 3, 3)
    for level, out in enumerate(wide):
        for number in range(2):
            block(f"encoder.down.{level}.block.{number}", ch, out)
            ch = out
        if level < 3:
            made |= _affine(f"encoder.down.{level}.downsample.conv", ch, ch, 3, 3)
    middle("encoder")
    made |= _affine("encoder.norm_out", 512) | _affine("encoder.conv_out", 8, 512, 3, 3)
    made |= _affine("decoder.conv_in", 512, 4, 3, 3)
    middle("decoder")
    for level in reversed(range(4)):
        for number in range(3):
            block(f"decoder.up.{level}.block.{number}", ch, wide[level])
            ch = wide[level]
        if level:
            made |= _affine(f"decoder.up.{level}.upsample.conv", ch, ch, 3, 3)
    made |= _affine("decoder.norm_out", 128) | _affine("decoder.conv_out", 3, 128, 3, 3)
    return made | _affine("quant_conv", 8, 8, 1, 1) | _affine("post_quant_conv", 4, 4, 1, 1)


def clip(width: int = 768, layers: int = 12) -> Shapes:
    """A CLIP text encoder in transformers' names."""
    made: Shapes = {
        "text_model.embeddings.token_embedding.weight": (49408, width),
        "text_model.embeddings.position_embedding.weight": (77, width),
    }
    for layer in range(layers):
        name = f"text_model.encoder.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            made |= _affine(f"{name}.self_attn.{part}", width, width)
        made |= _affine(f"{name}.layer_norm1", width) | _affine(f"{name}.layer_norm2", width)
        made |= _affine(f"{name}.mlp.fc1", 4 * width, width) | _affine(f"{name}.mlp.fc2", width, 4 * width)
    return made | _affine("text_model.final_layer_norm", width)


def open_clip(width: int, layers: int) -> Shapes:
    """A text encoder in OpenCLIP's names (SD 2.x: 1024, 24; SDXL: 1280, 32)."""
    made: Shapes = {
        "positional_embedding": (77, width), "token_embedding.weight": (49408, width), "text_projection": (width, width), "logit_scale": (),
    }  # fmt: skip
    for layer in range(layers):
        name = f"transformer.resblocks.{layer}"
        made |= {f"{name}.attn.in_proj_weight": (3 * width, width), f"{name}.attn.in_proj_bias": (3 * width,)}
        made |= _affine(f"{name}.attn.out_proj", width, width)
        made |= _affine(f"{name}.ln_1", width) | _affine(f"{name}.ln_2", width)
        made |= _affine(f"{name}.mlp.c_fc", 4 * width, width) | _affine(f"{name}.mlp.c_proj", width, 4 * width)
    return made | _affine("ln_final", width)


def checkpoint(plan: Plan) -> Shapes:
    """A whole single file as the original programs and A1111 name it."""
    made = below("model.diffusion_model.", unet(plan)) | below("first_stage_model.", vae())
    if plan.context == 768:
        return made | below("cond_stage_model.transformer.", clip())
    if plan.context == 1024:
        return made | below("cond_stage_model.model.", open_clip(1024, 24))
    if plan is REFINER:
        return made | below("conditioner.embedders.0.model.", open_clip(1280, 32))
    made |= below("conditioner.embedders.0.transformer.", clip())
    return made | below("conditioner.embedders.1.model.", open_clip(1280, 32))
