"""Weight files in words: kinds, families, sizes, questions. Plain text, translated when it is shown."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from studio.core.model_files import Family, Kind, ModelFile, Prediction
from studio.core.model_use import Place, place_of, suits


def tr(text: str) -> str:
    """Translate now."""
    return QCoreApplication.translate("models", text)


def kind_words(kind: Kind) -> tuple[str, str]:
    """A kind for one, and for many."""
    return {
        Kind.CHECKPOINT: (tr("Model"), tr("Models")),
        Kind.UNET: (tr("UNet"), tr("UNets")),
        Kind.CONTROLNET: (tr("ControlNet"), tr("ControlNets")),
        Kind.CONTROL_LORA: (tr("Control-LoRA"), tr("Control-LoRAs")),
        Kind.T2I_ADAPTER: (tr("T2I-Adapter"), tr("T2I-Adapters")),
        Kind.IP_ADAPTER: (tr("IP-Adapter"), tr("IP-Adapters")),
        Kind.LORA: (tr("LoRA"), tr("LoRAs")),
        Kind.EMBEDDING: (tr("Textual inversion"), tr("Textual inversions")),
        Kind.VAE: (tr("VAE"), tr("VAEs")),
        Kind.TINY_VAE: (tr("Tiny VAE"), tr("Tiny VAEs")),
        Kind.UPSCALER: (tr("Upscaler"), tr("Upscalers")),
        Kind.TEXT_ENCODER: (tr("Text encoder"), tr("Text encoders")),
        Kind.IMAGE_ENCODER: (tr("Image encoder"), tr("Image encoders")),
        Kind.UNKNOWN: (tr("Cannot be used"), tr("Cannot be used")),
    }.get(kind, (tr("Detector"), tr("Detectors for control layers")))


def family_words(family: Family) -> str:
    """The artists' name of a family."""
    return {
        Family.MINI: tr("Studio Mini"),
        Family.SD1: tr("SD 1.x"),
        Family.SD2: tr("SD 2.x"),
        Family.SDXL: tr("SDXL"),
        Family.REFINER: tr("SDXL refiner"),
        Family.ANY: tr("any model"),
        Family.UNKNOWN: "",
    }[family]


def variant_words(variant: str) -> str:
    """What is special about it."""
    return {
        "inpaint": tr("inpainting"),
        "edit": tr("edits by instruction"),
        "depth": tr("depth"),
        "lcm": tr("LCM, few steps"),
        "turbo": tr("Turbo, few steps"),
        "lightning": tr("Lightning, few steps"),
        "hyper": tr("Hyper-SD, few steps"),
        "tcd": tr("TCD, few steps"),
        "dora": tr("DoRA"),
    }.get(variant, variant)


def size_words(size: int) -> str:
    """Bytes for people."""
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= one:
            digits = 1 if size < 10 * one or unit == "GB" else 0
            return f"{size / one:.{digits}f} {unit}"
    return f"{size} B"


def facts_line(file: ModelFile) -> str:
    """Kind, family, variant and size in one line."""
    kind = "" if file.kind is Kind.UNKNOWN else kind_words(file.kind)[0]
    family = family_words(file.family)
    return "  ·  ".join(filter(None, (kind, family, variant_words(file.traits.variant), size_words(file.size))))


def row_line(file: ModelFile) -> str:
    """The second line of a row: what it is, or why it cannot be used."""
    return file.problem or facts_line(file)


def format_words(file: ModelFile) -> str:
    """Number format and layout."""
    traits = file.traits
    layout = {
        "original": tr("one file, original names"),
        "diffusers": tr("one file, diffusers' names"),
        "kohya": tr("kohya's names"),
        "peft": tr("PEFT's names"),
        "folder": tr("folder"),
    }.get(traits.layout, traits.layout)
    rank = tr("rank {n}").replace("{n}", str(traits.rank)) if traits.rank else ""
    return "  ·  ".join(filter(None, (layout, traits.dtype, rank)))


def prediction_words(prediction: Prediction, zero_snr: bool | None) -> str:
    """What it predicts, for those who know."""
    words = {
        Prediction.EPSILON: tr("noise (epsilon)"),
        Prediction.V: tr("velocity (v)"),
        Prediction.SAMPLE: tr("the picture"),
        Prediction.UNKNOWN: tr("not told by the file"),
    }[prediction]
    return "  ·  ".join(filter(None, (words, tr("zero terminal SNR") if zero_snr else "")))


def place_words(file: ModelFile) -> str:
    """Where it lies, below its model folder."""
    if file.ships:
        return tr("ships with the studio")
    try:
        return str(file.path.relative_to(file.folder))
    except ValueError:
        return file.path.name


def use_words(file: ModelFile) -> str:
    """What it is for and what “Use” does, in one sentence."""
    if file.kind is Kind.CHECKPOINT and file.family is Family.REFINER:
        return tr("Takes over the last steps of an SDXL model for finer detail.")
    if file.kind is Kind.CHECKPOINT and not file.is_base:
        return tr(
            "It needs more than a prompt (a mask, a picture to edit, a depth map), which the studio does not do yet."
        )
    return {
        Kind.CHECKPOINT: tr("Paints pictures by itself."),
        Kind.UNET: tr("Only the middle of a model, without text encoder and VAE; it cannot paint alone."),
        Kind.CONTROLNET: tr("Makes the picture follow another: lines, depth, a pose."),
        Kind.CONTROL_LORA: tr("A ControlNet in the form of a LoRA, which the studio does not read yet."),
        Kind.T2I_ADAPTER: tr("Makes the picture follow another, at almost no cost."),
        Kind.IP_ADAPTER: tr("Lets another picture act like words. It needs its image encoder beside it."),
        Kind.LORA: tr("Adds a style, a person or a thing to the model."),
        Kind.EMBEDDING: tr("Teaches the prompt a new word."),
        Kind.VAE: tr("Turns what was painted into pixels, instead of the model's own VAE."),
        Kind.TINY_VAE: tr("Works by itself: sharp live previews for models of its family."),
        Kind.UPSCALER: tr("Enlarges finished pictures."),
        Kind.TEXT_ENCODER: tr("Reads prompts for models that come in parts; nothing to do."),
        Kind.IMAGE_ENCODER: tr("Works by itself: IP-Adapters look through it."),
        Kind.DETECTOR: tr("Works by itself: control layers find their maps with it."),
    }.get(file.kind, "")


def use_button(file: ModelFile) -> str:
    """What stands on the button."""
    return {
        Place.MODEL: tr("Paint with it"),
        Place.REFINER: tr("Refine with it"),
        Place.VAE: tr("Decode with it"),
        Place.CONTROL: tr("Steer with it"),
        Place.GUEST_CONTROL: tr("Steer with it"),
        Place.LAYER: tr("Add as a layer"),
    }.get(place_of(file), tr("Use"))


def fit_words(file: ModelFile, base: Family, base_name: str) -> str:
    """Why a file does not go with the model that paints, and what would do; "" if it does."""
    if suits(file, base):
        return ""
    wanted = family_words(Family.SDXL if file.family is Family.REFINER else file.family)
    words = tr("It goes with {wanted} models, and “{model}” is {base}. Choose one of those first.")
    return words.replace("{wanted}", wanted).replace("{base}", family_words(base)).replace("{model}", base_name)
