"""What a weight file is, from its key names and shapes. A table of questions, asked from the most telling to the least."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from studio.core.model_files import Family, Kind, Prediction, Traits
from studio.core.weights import WeightHeader
from studio.engine.intake.annotators import detector
from studio.engine.intake.families import (
    BY_CONTEXT,
    fast_in_words,
    may_predict_v,
    other_family,
    prediction_of,
    tiny_family,
    unet_facts,
)
from studio.engine.intake.keys import Keys, main_dtype
from studio.engine.intake.loras import embedding, lora
from studio.engine.intake.parts import image_encoder, text_encoder, tiny_vae, upscaler, vae

UNET_PREFIX = "model.diffusion_model."


def recognise(header: WeightHeader, name: str = "") -> Traits:
    """Kind, family and traits of a weight file. `name` only hints at few-step training, which no tensor shows."""
    keys = Keys(header.shapes, header.metadata)
    found = next((traits for ask in _ASK if (traits := ask(keys)) is not None), None) or _unknown(keys)
    if found.kind is Kind.TINY_VAE and found.family is Family.UNKNOWN:
        found = replace(found, family=tiny_family(name))
    title = header.metadata.get("modelspec.title", "")[:200].strip()
    if found.prediction is Prediction.EPSILON and may_predict_v(keys, name, title):
        found = replace(found, prediction=Prediction.UNKNOWN)
    if not found.variant and found.kind in (Kind.CHECKPOINT, Kind.UNET, Kind.LORA):
        found = replace(found, variant=fast_in_words(name, title))
    return replace(found, dtype=main_dtype(header), title=title)


def _checkpoint(keys: Keys) -> Traits | None:
    """A whole model in the original names: `model.diffusion_model.`, `first_stage_model.`, one or two text encoders."""
    if not keys.starts(f"{UNET_PREFIX}input_blocks."):
        return None
    facts = unet_facts(keys.under(UNET_PREFIX))
    lacks = ["vae"] * (not keys.starts("first_stage_model.decoder."))
    lacks += ["text_encoder"] * (not keys.starts("cond_stage_model.", "conditioner.embedders."))
    prediction, zero = prediction_of(keys, facts.family, facts.variant)
    problem = facts.problem
    if facts.variant == "small":
        problem = problem or "It is a shortened SDXL (such as SSD-1B), which is read from a diffusers folder only."
    if "edm_mean" in keys or "edm_vpred.sigma_max" in keys:
        problem = problem or "It was made for EDM sampling, which the studio does not do."
    kind = Kind.UNET if "text_encoder" in lacks and "vae" in lacks else Kind.CHECKPOINT
    return Traits(
        kind=kind,
        family=facts.family,
        layout="original",
        variant=facts.variant,
        in_channels=facts.in_channels,
        prediction=prediction,
        zero_snr=zero,
        lacks=tuple(lacks),
        problem=problem,
    )


def _unet(keys: Keys) -> Traits | None:
    """A UNet alone, in the original names (with or without a prefix) or in diffusers'."""
    for prefix in ("diffusion_model.", "unet.", ""):
        inner = keys.under(prefix) if not prefix or keys.starts(prefix) else None
        if inner is None:
            continue
        original = inner.starts("input_blocks.0.0.") and inner.starts("output_blocks.")
        diffusers = "conv_in.weight" in inner and inner.starts("down_blocks.0.") and inner.starts("up_blocks.0.")
        if not original and not (diffusers and "time_embedding.linear_1.weight" in inner):
            continue
        if inner.find(re.compile("temporal|motion_modules")):
            return None
        facts = unet_facts(inner)
        lcm = "time_embedding.cond_proj.weight" in inner  # guidance as an input: distilled as an LCM
        prediction, zero = prediction_of(keys, facts.family, facts.variant)
        return Traits(
            kind=Kind.UNET,
            family=facts.family,
            layout="original" if original else "diffusers",
            variant=facts.variant or ("lcm" if lcm else ""),
            in_channels=facts.in_channels,
            prediction=prediction,
            zero_snr=zero,
            problem=facts.problem,
        )
    return None


def _controlnet(keys: Keys) -> Traits | None:
    if keys.starts("lllite_"):
        problem = "It is a ControlNet-LLLite, which the studio does not use; get the whole ControlNet."
        return Traits(kind=Kind.CONTROLNET, family=Family.SDXL, layout="original", variant="lllite", problem=problem)
    prefix = next((p for p in ("control_model.", "controlnet.", "") if _begins_control(keys, p)), None)
    if prefix is None:
        return None
    inner = keys.under(prefix)
    original = "input_hint_block.0.weight" in inner
    if inner.find(re.compile("motion_modules|temporal_transformer")):
        problem = "It steers moving pictures (SparseCtrl), which the studio does not make."
        return Traits(kind=Kind.CONTROLNET, layout="diffusers", variant="sparse", problem=problem)
    facts = unet_facts(inner)
    family, problem = facts.family, ""
    union = "task_embedding" in inner or inner.starts("control_add_embedding.")
    if "lora_controlnet" in keys or inner.find(_PATCH):
        return Traits(kind=Kind.CONTROL_LORA, family=family, layout="original")
    if "difference" in keys:
        problem = "It holds only the difference to SD 1.5; get the whole ControlNet."
    if family is Family.UNKNOWN and not problem:
        problem = "It steers a model that the studio does not know."
    layout = "original" if original else "diffusers"
    return Traits(kind=Kind.CONTROLNET, family=family, layout=layout, variant="union" * union, problem=problem)


_PATCH = re.compile(r"^input_blocks\..*\.(?:up|down)$")


def _begins_control(keys: Keys, prefix: str) -> bool:
    return f"{prefix}input_hint_block.0.weight" in keys or f"{prefix}controlnet_cond_embedding.conv_in.weight" in keys


def _ip_adapter(keys: Keys) -> Traits | None:
    """`image_proj.` and `ip_adapter.N.to_k_ip.weight` (tencent-ailab/IP-Adapter); the projection tells the variant."""
    layer = keys.find(re.compile(r"^ip_adapter\.\d+\.to_k_ip\.weight$"))
    if not layer or not keys.starts("image_proj."):
        return None
    projection = keys.under("image_proj.")
    family = BY_CONTEXT.get(keys.size(layer, 1), Family.UNKNOWN)
    variant, problem = "", ""
    if "proj.3.weight" in projection:
        variant = "full face"
    elif projection.starts("perceiver_resampler."):
        variant = "faceid plus"
    elif "latents" in projection:
        variant = "instantid" if projection.size("proj_in.weight", 1) == 512 else "plus"
    elif "norm.weight" in projection and "proj.0.weight" in projection:
        variant = "faceid"
    elif "proj.weight" in projection:
        variant = "plain"
    if variant in ("faceid", "faceid plus", "instantid"):
        problem = "It needs a face recogniser (insightface), whose models the studio does not use."
    if family is Family.UNKNOWN:
        problem = "It goes with a model that the studio does not know."
    return Traits(kind=Kind.IP_ADAPTER, family=family, layout="original", variant=variant, problem=problem)


def _t2i_adapter(keys: Keys) -> Traits | None:
    """Full ("conv_in" and "body.N.block1"), light ("body.N.in_conv") or style, in the original or diffusers' names."""
    diffusers = keys.starts("adapter.body.")
    inner = keys.under("adapter.") if diffusers else keys
    if "style_embedding" in inner and inner.starts("transformer_layes."):
        problem = "It is a style adapter; use an IP-Adapter for that."
        return Traits(kind=Kind.T2I_ADAPTER, family=Family.SD1, layout="original", variant="style", problem=problem)
    light = "body.0.in_conv.weight" in inner and "conv_in.weight" not in inner
    full = "conv_in.weight" in inner and inner.starts("body.0.block1.", "body.0.resnets.0.block1.")
    if not light and not full:
        return None
    inputs = inner.size("conv_in.weight" if full else "body.0.in_conv.weight", 1)  # 64 or 256 positions per channel
    width = inner.size("conv_in.weight", 0)
    family = Family.SDXL if full and inputs in (256, 768) else Family.SD1
    if full and width not in (0, 320):
        family = Family.MINI
    layout = "diffusers" if diffusers else "original"
    return Traits(kind=Kind.T2I_ADAPTER, family=family, layout=layout, variant="light" * light)


def _unknown(keys: Keys) -> Traits:
    other = other_family(keys)
    if other:
        return Traits(problem=f"It belongs to {other}; the studio draws with Stable Diffusion 1.x, 2.x and SDXL.")
    if not len(keys):
        return Traits(problem="It holds no tensors.")
    return Traits(problem=f"The studio does not know what it is ({len(keys):,} tensors).")


_ASK: tuple[Callable[[Keys], Traits | None], ...] = (
    _controlnet,
    _ip_adapter,
    _checkpoint,
    lora,
    _t2i_adapter,
    _unet,
    tiny_vae,
    vae,
    image_encoder,
    detector,
    text_encoder,
    upscaler,
    embedding,
)
