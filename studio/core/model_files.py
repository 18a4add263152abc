"""What a file or folder of weights is: its kind, its family, and all that can be said of it without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What a weight file is for."""

    CHECKPOINT = "checkpoint"  # a whole base model: one file, or a folder in diffusers' layout
    UNET = "unet"  # a base model's UNet alone
    CONTROLNET = "controlnet"
    CONTROL_LORA = "control_lora"
    T2I_ADAPTER = "t2i_adapter"
    IP_ADAPTER = "ip_adapter"
    LORA = "lora"
    EMBEDDING = "embedding"  # textual inversion
    VAE = "vae"
    TINY_VAE = "tiny_vae"  # TAESD
    UPSCALER = "upscaler"  # picture to picture, ESRGAN and its kin
    TEXT_ENCODER = "text_encoder"
    IMAGE_ENCODER = "image_encoder"
    DETECTOR = "detector"  # finds control maps in pictures
    UNKNOWN = "unknown"


class Family(StrEnum):
    """Which base models it goes with."""

    MINI = "mini"
    SD1 = "sd1"
    SD2 = "sd2"
    SDXL = "sdxl"
    REFINER = "sdxl_refiner"
    ANY = "any"  # goes with every family (an upscaler)
    UNKNOWN = ""


class Prediction(StrEnum):
    """What a UNet was trained to predict."""

    EPSILON = "epsilon"
    V = "v_prediction"
    SAMPLE = "sample"
    UNKNOWN = ""


NEEDS_MORE = ("inpaint", "edit", "depth")  # variants whose UNet takes more than noise and a prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What key names, shapes and metadata tell.

    `layout` says who named the keys: "original" (CompVis and Stability), "diffusers", "kohya", "peft" ... or "folder".
    `in_channels` of a UNet: 4 plain, 9 inpainting, 8 picture instructions, 5 depth. `zero_snr` None: not told.
    `variant`: "inpaint", "union", "plus", "face", "faceid", "lcm", "turbo", "lightning", "light", ... or "".
    `lacks`: parts of a checkpoint that are not in it ("vae", "text_encoder").
    `problem`: the sentence why it cannot be used, or "".
    """

    kind: Kind = Kind.UNKNOWN
    family: Family = Family.UNKNOWN
    layout: str = ""
    variant: str = ""
    prediction: Prediction = Prediction.UNKNOWN
    zero_snr: bool | None = None
    in_channels: int = 0
    dtype: str = ""  # of most of its bytes: "F16", "F32", "BF16", "F8_E4M3" ...
    rank: int = 0  # of a LoRA
    triggers: tuple[str, ...] = ()  # words that call it, from its own metadata
    title: str = ""  # as its metadata names it
    lacks: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One thing found in the model folders. `path` is a file, or the folder of a pipeline or of one component.

    `name` is what a recipe says: the file's name without its ending, or the folder's. `sha256` "": not computed yet; of
    a folder it is that of the lines "sha256 of a weight file, relative path", sorted by path.
    `asked` names what the artist must still answer ("prediction", "family"), because nothing in the file tells it.
    """

    path: Path
    name: str
    size: int  # bytes; of a folder the sum of its weights
    mtime_ns: int
    traits: Traits
    folder: Path  # the model folder of the artist's that it was found in
    sha256: str = ""
    preview: Path | None = None  # a picture beside it
    notes: str = ""  # text beside it
    triggers: tuple[str, ...] = ()  # from the file and from the notes beside it
    ships: bool = False  # comes with the studio
    asked: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.traits.kind

    @property
    def family(self) -> Family:
        return self.traits.family

    @property
    def problem(self) -> str:
        return self.traits.problem

    @property
    def is_base(self) -> bool:
        """Whether a picture can be made with it alone, from noise and a prompt."""
        return self.kind is Kind.CHECKPOINT and not self.problem and self.traits.variant not in NEEDS_MORE


def fits(file: ModelFile, base: Family) -> bool:
    """Whether a thing can be used together with a base model of the family `base`."""
    if file.problem or base is Family.UNKNOWN:
        return not file.problem
    if file.family in (Family.ANY, Family.UNKNOWN, base):
        return True
    return base is Family.REFINER and file.family is Family.SDXL and file.kind in (Kind.VAE, Kind.TINY_VAE)
