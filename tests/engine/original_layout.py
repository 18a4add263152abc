"""Models under the key names of the original checkpoints (CompVis, Stability, lllyasviel): the way back from diffusers'.

Written after the published layouts, not after diffusers' converters, so that each checks the other. Two layers a block.
"""

from __future__ import annotations

import re
from typing import Any

import torch

Tensors = dict[str, Any]
_RESNET = (
    ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("norm2", "out_layers.0"), ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"), ("conv_shortcut", "skip_connection"),
)  # fmt: skip
_AROUND = (
    ("conv_in.", "input_blocks.0.0."), ("conv_norm_out.", "out.0."), ("conv_out.", "out.2."),
    ("time_embedding.linear_1.", "time_embed.0."), ("time_embedding.linear_2.", "time_embed.2."),
    ("add_embedding.linear_1.", "label_emb.0.0."), ("add_embedding.linear_2.", "label_emb.0.2."),
)  # fmt: skip
_CLIP = (
    ("encoder.layers.", "transformer.resblocks."), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("fc1", "c_fc"),
    ("fc2", "c_proj"), ("self_attn.out_proj", "attn.out_proj"), ("final_layer_norm", "ln_final"),
    ("embeddings.token_embedding", "token_embedding"),
)  # fmt: skip


def checkpoint(unet: Any, vae: Any, texts: dict[str, Any], base: str) -> Tensors:
    """A whole checkpoint of the family `base`; `texts` by the name of their folder."""
    tensors = {f"model.diffusion_model.{key}": value for key, value in unet_keys(unet).items()}
    tensors |= {f"first_stage_model.{key}": value for key, value in vae_keys(vae).items()}
    if base == "sd1":
        tensors |= {f"cond_stage_model.transformer.text_model.{k}": v for k, v in _clip(texts["text_encoder"]).items()}
    elif base == "sd2":
        tensors |= {f"cond_stage_model.model.{k}": v for k, v in open_clip_keys(texts["text_encoder"]).items()}
    else:
        second = 0
        if "text_encoder" in texts:
            name, second = "conditioner.embedders.0.transformer.text_model.", 1
            tensors |= {f"{name}{key}": value for key, value in _clip(texts["text_encoder"]).items()}
        name = f"conditioner.embedders.{second}.model."
        tensors |= {f"{name}{key}": value for key, value in open_clip_keys(texts["text_encoder_2"]).items()}
    return {key: value.contiguous() for key, value in tensors.items()}


def unet_keys(unet: Any) -> Tensors:
    """A UNet, or the half of one that a ControlNet is, without a prefix."""
    return {_unet_key(key, unet): value for key, value in unet.state_dict().items()}


def controlnet_keys(net: Any) -> Tensors:
    """A ControlNet as it was published."""
    found = {}
    for key, value in net.state_dict().items():
        hint = re.match(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d+))\.(.*)", key)
        if hint:
            place = {"conv_in": 0, "conv_out": 14}.get(hint[1], 2 * (int(hint[2] or 0) + 1))
            found[f"control_model.input_hint_block.{place}.{hint[3]}"] = value
            continue
        key = re.sub(r"^controlnet_down_blocks\.(\d+)\.", r"zero_convs.\1.0.", key)
        key = re.sub(r"^controlnet_mid_block\.", "middle_block_out.0.", key)
        found[f"control_model.{_unet_key(key, net)}"] = value
    return found


def _unet_key(key: str, unet: Any) -> str:
    for ours, theirs in _AROUND:
        if key.startswith(ours):
            return theirs + key[len(ours) :]
    match = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", key)
    if match:
        way, level, kind, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
        if way == "down":
            if kind == "downsamplers":
                return f"input_blocks.{3 * level + 3}.0.op.{rest.removeprefix('conv.')}"
            return f"input_blocks.{3 * level + index + 1}.{_inside(kind, rest)}"
        if kind == "upsamplers":
            attends = bool(getattr(unet.up_blocks[level], "has_cross_attention", False))
            return f"output_blocks.{3 * level + 2}.{2 if attends else 1}.{rest}"
        return f"output_blocks.{3 * level + index}.{_inside(kind, rest)}"
    match = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", key)
    if match:
        place = 1 if match[1] == "attentions" else 2 * int(match[2])
        return f"middle_block.{place}.{_inside(match[1], match[3]).split('.', 1)[1]}"
    return key


def _inside(kind: str, rest: str) -> str:
    if kind == "attentions":
        return f"1.{rest}"
    for ours, theirs in _RESNET:
        if rest.startswith(f"{ours}."):
            return f"0.{theirs}{rest[len(ours) :]}"
    raise KeyError(rest)


def vae_keys(vae: Any) -> Tensors:
    """An autoencoder of four levels."""
    found = {}
    for key, value in vae.state_dict().items():
        name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", key)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{3 - int(m[1])}.block", name)
        name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0" in name:
            for ours, theirs in (
                ("group_norm", "norm"),
                ("to_q", "q"),
                ("to_k", "k"),
                ("to_v", "v"),
                ("to_out.0", "proj_out"),
            ):
                name = name.replace(f"attentions.0.{ours}.", f"attentions.0.{theirs}.")
            name = name.replace("mid_block.attentions.0", "mid.attn_1")
            value = value[:, :, None, None] if value.ndim == 2 else value
        found[name] = value
    return found


def _clip(model: Any) -> Tensors:
    return {
        key.removeprefix("text_model."): value for key, value in model.state_dict().items() if "position_ids" not in key
    }


def open_clip_keys(model: Any) -> Tensors:
    """A text tower of OpenCLIP: query, key and value in one matrix, the projection turned round."""
    found: Tensors = {}
    for key, value in _clip(model).items():
        match = re.match(r"(encoder\.layers\.\d+\.)self_attn\.q_proj\.(weight|bias)", key)
        if match:
            three = [_clip(model)[f"{match[1]}self_attn.{part}_proj.{match[2]}"] for part in "qkv"]
            layer = match[1].replace("encoder.layers.", "transformer.resblocks.")
            found[f"{layer}attn.in_proj_{match[2]}"] = torch.cat(three)
        elif key == "text_projection.weight":
            found["text_projection"] = value.T
        elif key == "embeddings.position_embedding.weight":
            found["positional_embedding"] = value
        elif not re.search(r"[kv]_proj", key):
            for ours, theirs in _CLIP:
                key = key.replace(ours, theirs)
            found[key] = value
    return found
