"""LoRAs in all their spellings, and textual inversions."""

from __future__ import annotations

import json
import re
from collections import Counter

from studio.core.model_files import Family, Kind, Traits
from studio.engine.intake.families import BY_CONTEXT, OTHERS, family_in_words
from studio.engine.intake.keys import Keys

_DOWN = re.compile(
    r"[._](?:lora_down|lora_A(?:\.\w+)?|lora\.down|lora_linear_layer\.down|to_\w+_lora\.down|hada_w1_b|lokr_w1(?:_b)?|lokr_w2(?:_b)?"
    r"|oft_(?:blocks|diag))(?:\.weight)?$|\.diff$"
)
_TO_TEXT = re.compile(r"attn2[._](?:processor[._])?to_[kv]")
_KINDS = (
    ("hada_w1", "loha"),
    ("lokr_w", "lokr"),
    ("oft_", "oft"),
    ("dora_scale", "dora"),
    ("lora_magnitude_vector", "dora"),
)
_TRIGGERS_MAX, _TRIGGER_CHARS = 8, 80
_OTHER = re.compile("|".join(pattern for pattern, _ in OTHERS))
_SPELLING = re.compile(
    r"^(?:lora_(?:unet|te)_?\d?_|unet\.|text_encoder(?:_2)?\.|base_model\.model\.|transformer\.|diffusion_model\.)+"
)


def lora(keys: Keys) -> Traits | None:
    """A LoRA, LoHa, LoKr, DoRA or OFT: small factors named after the layers of a UNet and its text encoders."""
    downs = [name for name in keys.shapes if _DOWN.search(name)]
    if not downs or "lora_controlnet" in keys or len(downs) * 8 < len(keys):
        return None
    algorithm = next((kind for word, kind in _KINDS if any(word in name for name in keys.shapes)), "")
    other = _foreign(downs)
    family = Family.UNKNOWN if other else _family(keys, downs)
    problem = ""
    if other:
        problem = f"It is a LoRA for {other}; the studio draws with Stable Diffusion 1.x, 2.x and SDXL."
    elif algorithm in ("loha", "lokr", "oft"):
        spelled = {"loha": "LoHa", "lokr": "LoKr", "oft": "OFT"}[algorithm]
        problem = f"It is a {spelled}; the studio takes LoRA and DoRA."
    ranks = Counter(keys.size(name, 0) for name in downs)
    return Traits(
        kind=Kind.LORA,
        family=family,
        layout=_layout(downs),
        variant=algorithm,
        rank=ranks.most_common(1)[0][0] if algorithm in ("", "dora") else 0,
        triggers=triggers_in(keys.metadata),
        problem=problem,
    )


def _layout(downs: list[str]) -> str:
    if any(name.startswith(("lora_unet_", "lora_te", "lycoris_")) for name in downs):
        return "kohya"
    if any(".lora_A" in name for name in downs):
        return "peft"
    return "diffusers"


def _foreign(downs: list[str]) -> str:
    for name in downs[:200]:
        inner = _SPELLING.sub("", name)
        for text in (name, inner):
            if _OTHER.search(text):
                return next(said for pattern, said in OTHERS if re.search(pattern, text))
    return ""


def _family(keys: Keys, downs: list[str]) -> Family:
    """From the width of what cross-attention reads; from the names; last from what the file says."""
    for name in downs:
        if _TO_TEXT.search(name):
            wide = keys.size(name, 1)
            if name.endswith(("hada_w1_b", "hada_w1_b.weight")):
                wide = keys.size(name, -1)
            if wide in BY_CONTEXT:
                return BY_CONTEXT[wide]
    if any(name.startswith(("lora_te1_", "lora_te2_", "text_encoder_2.")) for name in downs):
        return Family.SDXL
    if any(re.search(r"^lora_unet_(?:input|output|middle)_block", name) for name in downs):
        return Family.SDXL  # kohya names SDXL's layers by the original names, SD 1.x's by diffusers'
    return family_in_words(keys.metadata)


def triggers_in(metadata: dict[str, str]) -> tuple[str, ...]:
    """The words that call a LoRA: ModelSpec's trigger_phrase, or tags that kohya saw in nearly all training pictures."""
    phrase = metadata.get("modelspec.trigger_phrase", "").strip()
    if phrase:
        return _tidy(phrase.split(","))
    try:
        folders = json.loads(metadata.get("ss_tag_frequency", ""))
        pictures = {str(name): int(str(name).split("_")[0]) for name in folders if str(name).split("_")[0].isdigit()}
        seen: Counter[str] = Counter()
        for tags in folders.values():
            seen.update({str(tag).strip(): int(count) for tag, count in tags.items()})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()
    if not seen or not isinstance(pictures, dict):
        return ()
    most = seen.most_common(1)[0][1]
    return _tidy([tag for tag, count in seen.most_common(_TRIGGERS_MAX) if count >= 0.95 * most and most > 1])


def _tidy(words: list[str]) -> tuple[str, ...]:
    clean = (" ".join(word.split())[:_TRIGGER_CHARS] for word in words)
    return tuple(dict.fromkeys(filter(None, clean)))[:_TRIGGERS_MAX]


_VECTOR = {768: Family.SD1, 1024: Family.SD2}


def embedding(keys: Keys) -> Traits | None:
    """A textual inversion: "emb_params" (n, width), "clip_l" with "clip_g" for SDXL, or one token by its own name."""
    if "clip_g" in keys and "clip_l" in keys and len(keys) <= 4:
        return Traits(kind=Kind.EMBEDDING, family=Family.SDXL, layout="original")
    if len(keys) > 3:
        return None
    name = "emb_params" if "emb_params" in keys else next(iter(keys.shapes), "")
    shape = keys.shapes.get(name, ())
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] > 256) or not shape or shape[-1] not in _VECTOR:
        return None
    return Traits(
        kind=Kind.EMBEDDING, family=_VECTOR[shape[-1]], layout="original" if name == "emb_params" else "diffusers"
    )
