"""All that a plugin imports of the studio, version 1. A plugin may import torch, numpy, Pillow and friends besides.

A plugin is a folder: `plugin.toml` says what it is and what it adds (read without running anything), `__init__.py`
holds `enable(registry)`, which hands in one object for each part that the manifest declares. The code is imported at
first use, in the engine thread (metadata readers: in the one that reads files), and only after the artist allowed it.
plugins/README.md walks through a whole example.

Shapes: latents (1, channels, height / f, width / f) with f the VAE's factor; text (branches, tokens, features), the
unconditional branch first; pictures are Pillow images in RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from studio.core.choices import ControlMode
from studio.core.errors import BadInputImage, BadRecipe, ModelMissing, PluginProblem, StudioError
from studio.core.plugins import Value
from studio.core.recipe import Recipe, Size
from studio.core.weights import WeightHeader, read_weight_header

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, device, dtype

API = 1

__all__ = [
    "API", "Adapter", "BadInputImage", "BadRecipe", "ControlMode", "Denoiser", "Guess", "Guide", "MetadataReader", "ModelMissing",
    "PictureTool", "PluginProblem", "Preprocessor", "PromptTool", "Reading", "Recipe", "Registry", "Sampler", "Scorer",
    "Size", "Steering", "StepContext", "StudioError", "UNetResiduals", "Use", "WeightHeader", "acts_at",
    "read_weight_header",
]  # fmt: skip


def _nobody_asks(_file: Path) -> None:
    """Outside of a picture nothing is written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What the artist asked of one part. Read-only.

    `values`: every declared parameter that is a number, text, choice or yes-no, defaults filled in and limits checked;
    `images`: declared pictures that were given, and for a control layer "map", the control map at the picture's size;
    `files`: declared files that were given. `weight`, `start`, `end`: of a control layer (0 ... 4; fractions of the
    steps), or the declared parameters of the same names, or 1, 0, 1. `mode`: of a control layer; the studio itself
    applies it to what is given as residuals. `folder`: where the plugin lies (never write
    there); `data`: a folder of its own that it may write to, and that is its to create. `reads(file)` is to be called,
    for every picture anew, with each weight file that it found by itself outside of `folder`: its digest goes into the
    recipe, and the artist is told when a picture is made again with another one. `places`: the folders in which the
    artist's models lie, for such a search (never write there). `found`: what an earlier picture of this very recipe was made
    with, by the names that `reads` gave them; where several files would do, take that one again.
    """

    plugin: str
    part: str
    folder: Path
    data: Path
    values: Mapping[str, Value] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: ControlMode = ControlMode.BALANCED
    reads: Callable[[Path], None] = field(default=_nobody_asks, compare=False)
    places: tuple[Path, ...] = ()
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoiser:
    """The model that a picture is made with. After detaching, all of it must be as it was, to the bit.

    `unet`, `vae`: diffusers' UNet2DConditionModel and AutoencoderKL; `tokenizers`, `text_encoders`: transformers'
    (two of each for SDXL), used for the prompt after the adapters are attached; `family`: "mini", "sd1", "sd2",
    "sdxl"; `model` its name and `model_folder` where it lies; `size` of the picture in pixels; `branches`: 2 with
    classifier-free guidance, else 1.
    """

    unet: Any
    vae: Any
    tokenizers: tuple[Any, ...]
    text_encoders: tuple[Any, ...]
    family: str
    model: str
    model_folder: Path
    size: Size
    branches: int
    device: device
    dtype: dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What may be seen before the guess of one step. Tensors are not to be changed in place."""

    index: int  # of the denoiser call, 0 ... count - 1; second-order samplers call about twice a step
    count: int
    timestep: Tensor  # scalar, 0 ... 999 for most models
    model_input: Tensor  # (branches, channels, height / f, width / f), scaled as the UNet wants it
    text: Tensor  # (branches, tokens, features): unconditional first
    added: Mapping[str, Tensor] | None = None  # SDXL: "text_embeds" (branches, features), "time_ids" (branches, 5 or 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetResiduals:
    """What is added inside the UNet: to its skip connections, to its middle, and within its down blocks."""

    down: tuple[Tensor, ...] = ()  # ControlNet (Zhang et al. 2023): one for each skip connection
    mid: Tensor | None = None
    inner: tuple[Tensor, ...] = ()  # T2I-Adapter (Mou et al. 2023): one for each down block


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """What an attached adapter does during the steps. Weights, attention processors and tokens it has changed itself.

    `residuals`: called before each guess; None as answer: nothing at this step, and nothing was computed.
    `text`: called once, after the prompt was read: (branches, tokens, features) to the same with more tokens.
    `notes`: sentences for the artist about this picture (a file that fits only in part); kept with it.
    `words`: those that the tokenizers have learnt for this picture; of one that nobody wrote the artist is told.
    """

    residuals: Callable[[StepContext], UNetResiduals | None] | None = None
    text: Callable[[Tensor], Tensor] | None = None
    notes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


class Adapter(Protocol):
    """Something attached to the denoiser while one picture is made: LoRA, T2I-Adapter, Uni-ControlNet, IP-Adapter."""

    def attach(self, denoiser: Denoiser, use: Use) -> AbstractContextManager[Steering]:
        """Attach on entering, detach on leaving, also after an exception or a cancel.

        Weights may be kept between pictures. Raises `StudioError` in words before anything is loaded when a file does
        not fit the denoiser (see `read_weight_header`).
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One step as a guide sees it: x_t = alpha x_0 + sigma eps. Everything float32, batch 1, without gradient.

    `clean`: x_0 as the guided guess predicts it. `predict_clean(latents)`: the same prediction for other latents at
    this noise level, through which a gradient flows (one more UNet call, forwards and backwards; conditional branch
    only). `decode(clean)`: pictures (1, 3, height, width) in -1 ... 1, differentiable.
    """

    step: StepContext
    latents: Tensor
    clean: Tensor
    alpha: float
    sigma: float
    predict_clean: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]


class Guide(Protocol):
    """Something that pulls every step towards a goal: a classifier, CLIP, a colour map."""

    def prepare(self, denoiser: Denoiser, use: Use) -> Callable[[Guess], Tensor | None]:
        """A function from a step to the gradient of log p(goal | x_t) with respect to x_t, or None at steps to skip.

        The gradient has the latents' shape and is already scaled. The studio shifts the guess by it as Dhariwal &
        Nichol 2021, algorithm 2: eps - sigma * gradient, whatever the model predicts (eps, v or x_0).
        """
        ...


class Preprocessor(Protocol):
    """A picture to a control map."""

    def __call__(self, picture: Image, use: Use) -> Image:
        """The map, RGB, as large as `picture` (which has the final size already)."""
        ...


class PromptTool(Protocol):
    """A text to one text or several: wildcards, a language model."""

    def __call__(self, prompt: str, seed: int, count: int, use: Use) -> Sequence[str]:
        """1 ... `count` texts; the same for the same arguments. In a recipe the first one becomes the prompt."""
        ...


class PictureTool(Protocol):
    """A picture to a picture, after decoding and before saving."""

    def __call__(self, picture: Image, use: Use) -> Image:
        """RGB, at most 4096 pixels a side."""
        ...


class Scorer(Protocol):
    """Says how good a finished picture is, so that variants can be sorted."""

    def __call__(self, picture: Image, recipe: Recipe, use: Use) -> float:
        """Higher is better; finite. Stored with the picture."""
        ...


class Sampler(Protocol):
    """A scheduler entry, "plugin_id:part" in a recipe."""

    def __call__(self, config: Mapping[str, Any]) -> Any:
        """A scheduler object in diffusers' interface (set_timesteps, timesteps, scale_model_input, step), made from
        the model's own scheduler config."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was understood of a foreign picture's metadata.

    `recipe`: as far as it was understood, None where nothing can be used; `source`: the program that wrote it (empty:
    the part's title); `raw`: the text as it stood there; `not_understood`: a line for each thing the recipe lacks.
    """

    recipe: Recipe | None
    source: str = ""
    raw: str = ""
    not_understood: tuple[str, ...] = ()


class MetadataReader(Protocol):
    """Reads the settings other programs wrote into pictures. Nothing in them is ever executed.

    Asked where the studio's own readers find nothing they can use; in the thread that reads files, not the engine's.
    """

    def __call__(self, data: bytes, name: str) -> Reading | None:
        """`data`: the whole file; `name`: its name, no folder. None when it is of no kind that this reader knows."""
        ...


class Registry(Protocol):
    """What `enable` fills: one call for each part of the manifest, by its `part` name. Taken back when disabled."""

    def adapter(self, part: str, adapter: Adapter) -> None: ...
    def guide(self, part: str, guide: Guide) -> None: ...
    def preprocessor(self, part: str, preprocessor: Preprocessor) -> None: ...
    def prompt_tool(self, part: str, tool: PromptTool) -> None: ...
    def picture_tool(self, part: str, tool: PictureTool) -> None: ...
    def scorer(self, part: str, scorer: Scorer) -> None: ...
    def sampler(self, part: str, sampler: Sampler) -> None: ...
    def metadata_reader(self, part: str, reader: MetadataReader) -> None: ...


def acts_at(step: StepContext, start: float, end: float) -> bool:
    """Whether a step lies wholly within start ... end (fractions of the steps), as diffusers counts it."""
    return step.index / step.count >= start and (step.index + 1) / step.count <= end
