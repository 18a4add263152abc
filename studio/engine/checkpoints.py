"""Which family a single-file checkpoint or ControlNet belongs to, by its key names and shapes. No torch.

"sd1", "sd2", "sdxl", "sdxl_refiner", or "" for anything the denoising loop cannot use. These are also the names of the
folders in resources/configs.
"""

from __future__ import annotations

from studio.core.paths import RESOURCES
from studio.core.weights import WeightHeader
from studio.engine.intake.families import says_v

CONFIGS = RESOURCES / "configs"

_FIRST = "model.diffusion_model.input_blocks.0.0.weight"
_TOWERS = (
    ("conditioner.embedders.1.model.transformer.resblocks.0.ln_1.weight", "sdxl"),
    ("conditioner.embedders.0.model.transformer.resblocks.0.ln_1.weight", "sdxl_refiner"),
    ("cond_stage_model.model.transformer.resblocks.0.ln_1.weight", "sd2"),
    ("cond_stage_model.transformer.text_model.final_layer_norm.weight", "sd1"),
    ("cond_stage_model.transformer.final_layer_norm.weight", "sd1"),
)
_CONTEXT = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_ATTENTION = (".1.transformer_blocks.0.attn2.to_k.weight", ".attentions.0.transformer_blocks.0.attn2.to_k.weight")
PLAIN = 4  # channels of a UNet that starts from noise and a prompt alone


def base_of(header: WeightHeader) -> str:
    """The family of a checkpoint with UNet, text encoder and VAE; "" for anything else, inpainting models included."""
    shapes = header.shapes
    if len(shapes.get(_FIRST, ())) != 4 or shapes[_FIRST][1] != PLAIN:
        return ""
    if not any(name.startswith("first_stage_model.decoder.") for name in shapes):
        return ""
    return next((base for name, base in _TOWERS if name in shapes), "")


def is_controlnet(header: WeightHeader) -> bool:
    """Whether a file is a ControlNet of the kind published first, in original or diffusers' key names.

    No union ControlNet and no control-LoRA: these are other networks.
    """
    shapes = header.shapes
    if not any("zero_convs." in name or name.startswith("controlnet_down_blocks.") for name in shapes):
        return False
    return not any("task_embedding" in name or "control_add_embedding" in name or "lora" in name for name in shapes)


def controlnet_base(header: WeightHeader) -> str:
    """The family of a ControlNet: by the width of the text it reads, else by its build; "" for other files."""
    if not is_controlnet(header):
        return ""
    shapes = header.shapes
    widths = {shape[1] for name, shape in shapes.items() if name.endswith(_ATTENTION) and len(shape) == 2}
    known = {_CONTEXT[width] for width in widths if width in _CONTEXT}
    if known:
        return known.pop() if len(known) == 1 else ""
    if any("label_emb." in name or "add_embedding." in name for name in shapes):
        return "sdxl"
    return (
        "sd2" if any(name.endswith("proj_in.weight") and len(shape) == 2 for name, shape in shapes.items()) else "sd1"
    )


def in_words(base: str) -> str:
    """A family as an artist knows it."""
    names = {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "sdxl_refiner": "SDXL's refiner", "mini": "Studio Mini"}
    return names.get(base, "another kind of")


def prediction_of(base: str, stem: str, header: WeightHeader) -> tuple[str, bool]:
    """(prediction type, zero terminal SNR) as far as a checkpoint tells it.

    By its metadata (modelspec), the marker tensors that trainers write ("v_pred", "ztsnr"), else by its name and family:
    SD 2.x predicts v but for the models called base or 512, others epsilon but for those called v-pred.
    """
    told = header.metadata.get("modelspec.prediction_type", "").lower()
    zero_snr = "ztsnr" in header.shapes
    if told in ("v", "epsilon"):
        return ("v_prediction" if told == "v" else "epsilon"), zero_snr
    if "v_pred" in header.shapes:
        return "v_prediction", zero_snr
    small = "base" in stem.lower() or "512" in stem
    v = (base == "sd2" and not small) or zero_snr or says_v(stem)
    return ("v_prediction" if v else "epsilon"), zero_snr
