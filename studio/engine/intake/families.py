"""Families of base models by the sizes that only they have, and what else a UNet says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.core.model_files import Family, Prediction
from studio.engine.intake.keys import Keys

BY_CONTEXT = {768: Family.SD1, 1024: Family.SD2, 2048: Family.SDXL}
_LATENT = 4
_CHANNELS = {9: "inpaint", 8: "edit", 5: "depth", 7: "upscale"}  # first convolution's inputs
_CONTEXT = re.compile(r"^(?:input_blocks|down_blocks|middle_block|mid_block)\..*attn2\.to_k\.(?:weight|down)$")
_ADM = ("label_emb.0.0.weight", "add_embedding.linear_1.weight")
_FIRST = ("input_blocks.0.0.weight", "conv_in.weight")


@dataclass(frozen=True, slots=True)
class UNetFacts:
    """What the shapes of a UNet, or of the half of one that a ControlNet is, tell."""

    family: Family
    in_channels: int
    variant: str
    problem: str


def unet_facts(keys: Keys) -> UNetFacts:
    """Family and variant of a UNet in the original or diffusers' names, without a prefix."""
    name = keys.find(_CONTEXT)
    context = keys.size(name, 1)
    adm = max((keys.size(name, 1) for name in _ADM), default=0)
    first = next((keys.shapes[name] for name in _FIRST if name in keys), ())
    width, channels = (first[0], first[1]) if len(first) == 4 else (0, 0)
    family = _family(context, adm, width)
    variant, problem = _CHANNELS.get(channels, ""), ""
    if channels == 7:
        problem = "It makes small pictures four times larger, which the studio does not do with this kind of model."
    elif family is Family.SD2 and adm:
        variant, problem = "unclip", "It starts from a picture's CLIP embedding (unCLIP), which the studio does not do."
    elif family is Family.UNKNOWN and channels in (_LATENT, *_CHANNELS):
        problem = "Its shape is that of no Stable Diffusion the studio knows."
    if family is Family.SDXL and _is_shortened(keys):
        variant = variant or "small"
    return UNetFacts(family, channels, variant, problem)


def _family(context: int, adm: int, width: int) -> Family:
    if adm == 2560 and width in (384, 0):
        return Family.REFINER
    if adm == 2816:
        return Family.SDXL
    if not adm or BY_CONTEXT.get(context) is Family.SD2:
        return BY_CONTEXT.get(context, Family.UNKNOWN)
    return Family.UNKNOWN


def _is_shortened(keys: Keys) -> bool:
    """Whether it has fewer transformer blocks than SDXL's ten in the deepest place (SSD-1B, Vega)."""
    deep = keys.starts("input_blocks.7.1.transformer_blocks.", "down_blocks.2.attentions.0.transformer_blocks.")
    last = keys.starts("input_blocks.8.1.transformer_blocks.9.", "down_blocks.2.attentions.1.transformer_blocks.9.")
    return deep and not last


def prediction_of(keys: Keys, family: Family, variant: str) -> tuple[Prediction, bool | None]:
    """What was predicted in training, and whether with zero terminal SNR; UNKNOWN and None where nothing tells.

    Marks: the empty tensors "v_pred" and "ztsnr" (written by ComfyUI and by NoobAI-XL), ModelSpec's prediction_type and
    predict_key, kohya's ss_v_parameterization and ss_zero_terminal_snr. Nearly all SD 1.x and SDXL models predict epsilon;
    SD 2.x is half and half, so it is not guessed. Inpainting and depth SD 2.x predict epsilon.
    """
    said = " ".join(
        keys.metadata.get(name, "") for name in ("modelspec.prediction_type", "modelspec.predict_key")
    ).lower()
    architecture = keys.metadata.get("modelspec.architecture", "").lower()
    zero = "ztsnr" in keys or keys.metadata.get("ss_zero_terminal_snr", "").lower() == "true"
    kohya = keys.metadata.get("ss_v_parameterization", "").lower()
    if "v_pred" in keys or said.split()[:1] in (["v"], ["v_prediction"], ["velocity"]) or kohya == "true":
        return Prediction.V, zero or None
    if said.split()[:1] in (["epsilon"], ["eps"]) or kohya == "false":
        return Prediction.EPSILON, zero or None
    if "v2-768-v" in architecture:
        return Prediction.V, zero or None
    if "v2-512" in architecture or (family is Family.SD2 and variant in ("inpaint", "depth")):
        return Prediction.EPSILON, zero or None
    if family in (Family.SD1, Family.SDXL, Family.REFINER):
        return (Prediction.V if zero else Prediction.EPSILON), zero or None
    return Prediction.UNKNOWN, zero or None


def may_predict_v(keys: Keys, *texts: str) -> bool:
    """Whether a name or title says "v-pred" or "zero SNR" of a file that says nothing of it itself: then it is asked."""
    told = ("modelspec.prediction_type", "modelspec.predict_key", "ss_v_parameterization")
    if any(keys.metadata.get(name, "").strip() for name in told) or "v_pred" in keys or "ztsnr" in keys:
        return False
    return says_v(*texts)


def says_v(*texts: str) -> bool:
    """Whether words name v-prediction or zero terminal SNR."""
    return (
        re.search(r"v[-_ ]?pred|v[-_ ]?param|z(?:ero)?[-_ ]?(?:t(?:erminal)?[-_ ]?)?snr", " ".join(texts).lower())
        is not None
    )


def family_in_words(metadata: dict[str, str]) -> Family:
    """The family that a file's own metadata names (ModelSpec's architecture, kohya's base model)."""
    text = " ".join(
        metadata.get(name, "") for name in ("modelspec.architecture", "ss_base_model_version", "ss_sd_model_name")
    )
    text = text.lower()
    if "refiner" in text:
        return Family.REFINER
    if "xl" in text:
        return Family.SDXL
    if "diffusion-v2" in text or "sd_v2" in text or metadata.get("ss_v2", "").lower() == "true":
        return Family.SD2
    if "diffusion-v1" in text or "sd_v1" in text or "sd1" in text:
        return Family.SD1
    return Family.UNKNOWN


def tiny_family(name: str) -> Family:
    """The family of a tiny autoencoder by its name: all TAESDs are shaped alike, and only the name tells SDXL's."""
    found = re.search(r"taesd(xl)?(?![a-z0-9]*(?:3|f1))", name.lower())
    return Family.UNKNOWN if found is None else Family.SDXL if found[1] else Family.SD1


_FAST = (
    ("lightning", "lightning"), ("hyper-sd", "hyper"), ("hyper_sd", "hyper"), ("hypersd", "hyper"), ("turbo", "turbo"),
    ("lcm", "lcm"), ("tcd", "tcd"), ("dmd2", "dmd"), ("pcm", "pcm"),
)  # fmt: skip


def fast_in_words(*texts: str) -> str:
    """ "turbo", "lcm", "lightning" ...: what a name or title says of few-step training, which no tensor shows."""
    words = " ".join(texts).lower()
    return next((fast for word, fast in _FAST if re.search(rf"(?<![a-z]){word}(?![a-z])", words)), "")


# Families that the studio does not draw with, told by a name that only they have (prefixes "model.diffusion_model." and
# "diffusion_model." and "transformer." are taken off before).
OTHERS: tuple[tuple[str, str], ...] = (
    (r"^double_blocks\.\d+\.img_attn|^lora_unet_double_blocks|^single_transformer_blocks\.|^lora_transformer_single", "Flux"),
    (r"^joint_blocks\.\d+\.|^lora_unet_joint_blocks", "Stable Diffusion 3"),
    (r"motion_modules?\.|temporal_transformer", "AnimateDiff (moving pictures)"),
    (r"^double_layers\.\d+|^cond_seq_linear", "AuraFlow"),
    (r"clip_txt_mapper|^down_blocks\.1\.0\.channelwise|effnet_mapper", "Stable Cascade"),
    (r"time_mix_factor|^time_stack|temporal_res_block", "Stable Video Diffusion"),
    (r"^distilled_guidance_layer", "Chroma"),
    (r"^cap_embedder\.", "Lumina or Z-Image"),
    (r"individual_token_refiner", "Hunyuan Video"),
    (r"^txt_in\.text_norm|^txt_norm", "Qwen-Image"),
    (r"^head\.modulation", "Wan"),
    (r"^patchify_proj", "LTX-Video"),
    (r"^blocks\.\d+\.cross_attn\.(kv|q)_linear", "PixArt or Sana"),
    (r"^t_block\.1|^y_embedder\.y_proj", "PixArt"),
    (r"^encoder\.block\.0\.layer\.0\.SelfAttention", "a T5 text encoder"),
    (r"^model\.layers\.\d+\.self_attn|^model\.embed_tokens", "a language model"),
)  # fmt: skip
_OTHERS = tuple((re.compile(pattern), name) for pattern, name in OTHERS)
_PREFIX = re.compile(r"^(?:model\.diffusion_model|diffusion_model|transformer|net)\.")


def other_family(keys: Keys) -> str:
    """The name of a family that the studio does not draw with, or ""."""
    names = [_PREFIX.sub("", name) for name in keys.shapes]
    return next((said for pattern, said in _OTHERS if any(pattern.search(name) for name in names)), "")
