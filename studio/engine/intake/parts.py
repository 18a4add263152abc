"""Parts that come alone: autoencoders, tiny ones, text and image encoders, upscalers."""

from __future__ import annotations

import re

from studio.core.model_files import Family, Kind, Traits
from studio.engine.intake.families import family_in_words
from studio.engine.intake.keys import Keys

_TEXT = {
    768: (Family.SD1, "CLIP ViT-L"),
    1024: (Family.SD2, "OpenCLIP ViT-H"),
    1280: (Family.SDXL, "OpenCLIP ViT-bigG"),
}
_IMAGE = {1024: "CLIP ViT-L", 1280: "CLIP ViT-H", 1664: "CLIP ViT-bigG"}


def vae(keys: Keys) -> Traits | None:
    """An autoencoder with 4 latent channels. SD 1.x, 2.x and SDXL have the same shapes: the family is in words only."""
    for prefix in ("", "first_stage_model.", "vae."):
        shape = keys.shapes.get(f"{prefix}decoder.conv_in.weight", ())
        if len(shape) != 4 or f"{prefix}encoder.conv_in.weight" not in keys:
            continue
        original = keys.starts(f"{prefix}decoder.up.")
        layout = "original" if original else "diffusers"
        if shape[1] == 4:
            return Traits(kind=Kind.VAE, family=family_in_words(keys.metadata), layout=layout)
        if shape[1] == 16 and shape[0] != 512:
            return Traits(kind=Kind.VAE, family=Family.MINI, layout=layout)
        problem = f"Its latents have {shape[1]} channels, as in Flux or Stable Diffusion 3; Stable Diffusion has 4."
        return Traits(kind=Kind.VAE, layout=layout, problem=problem)
    return None


def tiny_vae(keys: Keys) -> Traits | None:
    """TAESD: a row of numbered layers, first from latents (4) or from a picture (3), all 64 wide."""
    for prefix in (
        "",
        "decoder.",
        "decoder.layers.",
        "taesd_decoder.",
        "encoder.",
        "encoder.layers.",
        "taesd_encoder.",
    ):
        for number in ("0", "1"):
            shape = keys.shapes.get(f"{prefix}{number}.weight", ())
            blocks = keys.starts(f"{prefix}3.conv.", f"{prefix}2.conv.", f"{prefix}1.conv.")
            if len(shape) == 4 and shape[2:] == (3, 3) and shape[1] in (3, 4, 12, 16) and blocks:
                return _tiny(keys, prefix, shape)
    return None


def _tiny(keys: Keys, prefix: str, shape: tuple[int, ...]) -> Traits:
    layout = "diffusers" if "layers" in prefix else "original"
    halves = [half for half in ("encoder", "decoder") if keys.starts(f"{half}.", f"taesd_{half}.")]
    variant = "" if len(halves) == 2 else "decoder" if shape[1] in (4, 16) else "encoder"
    problem = ""
    if shape[1] == 16 and shape[0] == 64:
        problem = "Its latents have 16 channels, as in Flux or Stable Diffusion 3; Stable Diffusion has 4."
    family = family_in_words(keys.metadata)
    return Traits(kind=Kind.TINY_VAE, family=family, layout=layout, variant=variant, problem=problem)


def text_encoder(keys: Keys) -> Traits | None:
    """A CLIP text encoder in transformers' or OpenCLIP's names; its width tells which."""
    for prefix in ("", "text_encoder.", "clip_l.", "clip_g.", "clip_h."):
        for name, layout in (
            (f"{prefix}text_model.embeddings.token_embedding.weight", "diffusers"),
            (f"{prefix}transformer.text_model.embeddings.token_embedding.weight", "diffusers"),
            (f"{prefix}token_embedding.weight", "original"),
        ):
            if keys.size(name, 0) > 40_000 and keys.size(name, 1) in _TEXT:
                family, said = _TEXT[keys.size(name, 1)]
                return Traits(kind=Kind.TEXT_ENCODER, family=family, layout=layout, variant=said)
    return None


def image_encoder(keys: Keys) -> Traits | None:
    """A CLIP image encoder, alone or with its text half."""
    for name, layout in (
        ("vision_model.embeddings.patch_embedding.weight", "diffusers"),
        ("visual.conv1.weight", "original"),
    ):
        shape = keys.shapes.get(name, ())
        if len(shape) == 4 and keys.starts("vision_model.encoder.layers.", "visual.transformer."):
            said = _IMAGE.get(shape[0], f"{shape[0]} wide")
            return Traits(kind=Kind.IMAGE_ENCODER, family=Family.ANY, layout=layout, variant=said)
    return None


_UPSCALERS = (
    (re.compile(r"^(?:params(?:_ema)?\.)?(?:RRDB_trunk\.0\.RDB1\.conv1|body\.0\.rdb1\.conv1|model\.1\.sub\.0\.RDB1\.conv1)"), "ESRGAN"),
    (re.compile(r"^(?:params(?:_ema)?\.)?layers\.0\.residual_group\.blocks\.0\.attn"), "SwinIR"),
    (re.compile(r"^(?:params(?:_ema)?\.)?layers\.0\.blocks\.0\.attn\.(?:temperature|attn_drop|qkv)"), "DAT"),
)  # fmt: skip


def upscaler(keys: Keys) -> Traits | None:
    """A network from pictures to larger pictures: ESRGAN in three spellings, its compact form, SwinIR and kin."""
    for pattern, said in _UPSCALERS:
        if keys.find(pattern):
            return Traits(kind=Kind.UPSCALER, family=Family.ANY, variant=said)
    for prefix in ("", "params.", "params_ema."):
        first = keys.shapes.get(f"{prefix}body.0.weight", ())
        if len(first) == 4 and first[1:] == (3, 3, 3) and len(keys.shapes.get(f"{prefix}body.1.weight", ())) == 1:
            return Traits(kind=Kind.UPSCALER, family=Family.ANY, variant="compact ESRGAN")
    return None
