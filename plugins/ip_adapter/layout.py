"""The file layouts of IP-Adapters told apart by names and shapes, and their names in diffusers' networks.

Knows names and numbers only; no torch, no files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
PLAIN, PLUS, FULL = "plain", "plus", "full face"
FAMILIES = {192: "Studio Mini", 768: "SD 1.x", 1024: "SD 2.x", 2048: "SDXL"}
"""Base models by the width of the text that their UNet attends to."""

_PROJECTION, _LAYERS = "image_proj.", "ip_adapter."
_RECOGNISED = 512
"""Numbers that a face recogniser gives for a face, where an image encoder gives 768 and more."""
_RESAMPLER = (
    (r"^layers\.(\d+)\.0\.norm1\.", r"layers.\1.ln0."),
    (r"^layers\.(\d+)\.0\.norm2\.", r"layers.\1.ln1."),
    (r"^layers\.(\d+)\.0\.to_q\.", r"layers.\1.attn.to_q."),
    (r"^layers\.(\d+)\.0\.to_out\.", r"layers.\1.attn.to_out.0."),
    (r"^layers\.(\d+)\.1\.0\.", r"layers.\1.ff.0."),
    (r"^layers\.(\d+)\.1\.1\.", r"layers.\1.ff.1.net.0.proj."),
    (r"^layers\.(\d+)\.1\.3\.", r"layers.\1.ff.1.net.2."),
)
_PLAIN = ((r"^proj\.", "image_embeds."),)
_FULL = ((r"^proj\.0\.", "ff.net.0.proj."), (r"^proj\.2\.", "ff.net.2."), (r"^proj\.3\.", "norm."))


class Refused(ValueError):
    """A file that is no IP-Adapter the studio can use; the text completes “it cannot be used: …”."""


@dataclass(frozen=True, slots=True)
class Design:
    """Sizes of an adapter. `features`: numbers of one token of the image encoder; `text`: of one token for the UNet.

    `tokens` of one picture (0: as many as the encoder gives); `hidden`, `heads`, `depth`: of the resampler.
    """

    variant: str
    features: int
    text: int
    tokens: int = 0
    hidden: int = 0
    heads: int = 0
    depth: int = 0


def read_design(shapes: Shapes) -> Design:
    """What a file's tensors belong to. Raises `Refused` in words, KeyError or IndexError for what is out of shape."""
    projection = under(shapes, _PROJECTION)
    if not projection or not any(name.startswith(_LAYERS) for name in shapes):
        raise Refused("it is no IP-Adapter")
    text = next(shape[-1] for name, shape in shapes.items() if name.endswith(".to_k_ip.weight"))
    if any(name.startswith("perceiver_resampler.") for name in projection) or any("lora" in name for name in shapes):
        raise Refused(_FACE)
    if "proj.weight" in projection:
        width, features = projection["proj.weight"]
        return Design(PLAIN, features, text, tokens=width // projection["norm.weight"][0])
    if "proj.3.weight" in projection:
        return Design(FULL, projection["proj.0.weight"][1], text)
    if "proj.0.weight" in projection and "norm.weight" in projection:
        raise Refused(_FACE)
    if "latents" not in projection:
        raise Refused("its projection is of a kind that is not known here")
    features = projection["proj_in.weight"][1]
    if features == _RECOGNISED:
        raise Refused(_FACE)
    _, tokens, hidden = projection["latents"]
    heads = next(shape[0] for name, shape in projection.items() if name.endswith("to_q.weight")) // 64
    depth = 1 + max(int(match[1]) for name in projection if (match := re.match(r"layers\.(\d+)\.", name)))
    return Design(PLUS, features, text, tokens, hidden, heads, depth)


_FACE = "it needs a face recogniser (insightface), whose models the studio does not use; take one without FaceID"


def under(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> dict[str, tuple[int, ...]]:
    """The entries behind a prefix, without it."""
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}


def projection_names(design: Design, shapes: Shapes) -> dict[str, tuple[str, ...]]:
    """Names of the projection in the file -> diffusers' names. Two for a matrix that holds keys and values."""
    names: dict[str, tuple[str, ...]] = {}
    for name in under(shapes, _PROJECTION):
        if match := re.fullmatch(r"layers\.(\d+)\.(?:0|attn)\.to_kv\.weight", name):
            found = tuple(f"layers.{match[1]}.attn.to_{part}.weight" for part in "kv")
        else:
            found = (_renamed(name, {PLAIN: _PLAIN, PLUS: _RESAMPLER, FULL: _FULL}[design.variant]),)
        names[f"{_PROJECTION}{name}"] = found
    return names


def _renamed(name: str, patterns: tuple[tuple[str, str], ...]) -> str:
    for pattern, ours in patterns:
        renamed = re.sub(pattern, ours, name)
        if renamed != name:
            return renamed
    return name


def layer_names(number: int) -> tuple[str, str]:
    """Keys and values of the cross-attention of this number: files count self-attentions as well, so 1, 3, 5 ..."""
    return f"{_LAYERS}{2 * number + 1}.to_k_ip.weight", f"{_LAYERS}{2 * number + 1}.to_v_ip.weight"
