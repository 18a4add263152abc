"""The Recipe: one frozen value that holds all that makes a picture, and nothing that does not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.core.choices import ControlKind, ControlMode, ResizeMode, Spacing, Tiling
from studio.core.detectors import FITTING
from studio.core.errors import BadRecipe
from studio.core.plugins import Value, is_finite
from studio.core.schedulers import SCHEDULERS

SEED_MAX = 2**32 - 1
STEPS_MAX = 1000
GUIDANCE_MAX = 50.0
SIDE_MIN, SIDE_MAX, SIDE_STEP = 64, 2048, 8
WEIGHT_MAX = 4.0
PROMPT_MAX = 20_000
CONTROLS_MAX = 8
CLIP_SKIP_MAX = 11
FREEU_MIN, FREEU_MAX = 0.05, 2.0
PLUGINS_MAX = 32
FOUND_MAX = 64  # files that one layer found by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Width and height in pixels, each a multiple of 8 in 64 ... 2048."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A model by name, never by path: recipes travel between machines. "mini" is the one that ships.

    `sha256` is the digest of its single file, of a folder what `MadeWith.model_digest` says: by it a file is found that
    was moved or renamed. Filled in from the bytes that were loaded when the picture is made; "" of what ships.
    """

    name: str = "mini"
    sha256: str = ""


DEFAULT_SIZE = Size(width=256, height=256)
MINI = ModelRef()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """An input picture by the SHA-256 of its stored bytes (64 hex digits)."""

    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """A file of the artist's (a LoRA, a word list) by its name and SHA-256, never by path: recipes travel."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRef:
    """Which plugin: its id, and the version and code digest that the picture was made with ("" if not known yet)."""

    id: str
    version: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginUse:
    """One part of a plugin at work on a picture, and all that was asked of it. Order in the recipe is order of work.

    `type` is a `PartType`'s value, `part` the name of the part within the plugin; `values`, `images` and `files` are
    sorted by parameter name, each name at most once. `found`: the files that it found by itself, in its data folder or
    beside the model; filled in when the picture is made.
    """

    plugin: PluginRef
    type: str
    part: str
    values: tuple[tuple[str, Value], ...] = ()
    images: tuple[tuple[str, ImageRef], ...] = ()
    files: tuple[tuple[str, FileRef], ...] = ()
    found: tuple[FileRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeU:
    """FreeU (Si et al. 2023, eq. 2 to 4), each factor 0.05 ... 2, 1 changes nothing.

    In the UNet's two deepest decoder stages, `s1` and `s2` scale the lowest frequencies of what the skip connections
    bring, `b1` and `b2` half of the backbone's channels. The defaults are those that its authors give for SD 1.5;
    `studio.core.advice.freeu_for` has those of the other families.
    """

    s1: float = 0.9
    s2: float = 0.2
    b1: float = 1.5
    b2: float = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlUse:
    """One control layer: which picture steers, as what, how strongly and during which part of the steps.

    `weight` scales the ControlNet's residuals (0 ... 4, 1 is as trained); `start` and `end` are fractions of the
    steps (0 <= start <= end <= 1). `low` and `high` are the Canny thresholds (0 ... 255); of M-LSD `low` is the least
    score of a line in hundredths; other kinds do not use them. `detector` is a `Detector`'s value, one that fits the
    kind, and "" for its usual one (`studio.core.detectors`): so the picture becomes the map. `mode` says whether the
    layer or the prompt leads; without guidance nothing but its softness matters.
    A kind that is not a `ControlKind` comes from a plugin ("t2i-sketch"), which is then named; `found` as in PluginUse.
    """

    kind: ControlKind | str
    image: ImageRef
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    resize: ResizeMode = ResizeMode.CROP
    invert: bool = False
    low: int = 100
    high: int = 200
    plugin: PluginRef | None = None
    net: ModelRef | None = None
    found: tuple[FileRef, ...] = ()
    detector: str = ""
    mode: ControlMode = ControlMode.BALANCED


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that makes one picture. Frozen to the bottom, hashable, comparable, picklable.

    `seed` 0 ... 2**32-1; `steps` 1 ... 1000; `scheduler` is an id of `studio.core.schedulers`; `guidance_scale` is
    w of classifier-free guidance as diffusers counts it (1 = none; Ho & Salimans 2022 write 1 + w); `exact` asks for
    32-bit floats, which give the same bits on every run of one machine. `raw_prompt` is what the artist typed where
    prompt tools (wildcards) made `prompt` of it, and "" otherwise; where it is set, prompt tools do not run again (" "
    where nothing was typed).

    `init` is the picture to begin with instead of noise (image to image, Meng et al. 2022), of which `strength`, 0 ...
    1, is repainted: the last `strength` of the steps run; 1 begins with noise on it all the same. `clip_skip` leaves
    out that many of the text encoder's last layers, counted as diffusers does (0: none). `guidance_rescale` 0 ... 1 is
    phi of Lin et al. 2023, section 3.4. `refiner` names an SDXL refiner that takes over at `refine_at` of the way from
    noise to picture. `vae` names an autoencoder instead of the model's own. `weights` reads `(a:1.2)` as a weight and
    what goes beyond 77 tokens; recipes from before that could be done have it off. `freeu` None leaves the UNet's
    features as they are. `tiling` lets the picture continue itself beyond its sides.
    """

    prompt: str
    seed: int
    negative_prompt: str = ""
    steps: int = 20
    scheduler: str = "dpmpp_2m"
    spacing: Spacing = Spacing.NORMAL
    guidance_scale: float = 5.0
    size: Size = DEFAULT_SIZE
    model: ModelRef = MINI
    controls: tuple[ControlUse, ...] = ()
    exact: bool = False
    plugins: tuple[PluginUse, ...] = ()
    raw_prompt: str = ""
    init: ImageRef | None = None
    strength: float = 0.6
    clip_skip: int = 0
    guidance_rescale: float = 0.0
    refiner: ModelRef | None = None
    refine_at: float = 0.8
    vae: ModelRef | None = None
    weights: bool = True
    freeu: FreeU | None = None
    tiling: Tiling = Tiling.OFF

    @property
    def pictures(self) -> tuple[ImageRef, ...]:
        """Its input pictures, each once, which must travel with it: what it begins with, its layers', its plugins'."""
        given = [use.image for use in self.controls] + [ref for use in self.plugins for _, ref in use.images]
        return tuple(dict.fromkeys([*([] if self.init is None else [self.init]), *given]))

    def __post_init__(self) -> None:
        check_recipe(self)


def check_recipe(recipe: Recipe) -> None:
    """Raise `BadRecipe` with one clear sentence at the first value out of its range."""
    _check_text("prompt", recipe.prompt)
    _check_text("negative prompt", recipe.negative_prompt)
    _check_text("raw prompt", recipe.raw_prompt)
    _check_int("seed", recipe.seed, 0, SEED_MAX)
    _check_int("number of steps", recipe.steps, 1, STEPS_MAX)
    _check_number("guidance scale", recipe.guidance_scale, 0.0, GUIDANCE_MAX)
    _check_size(recipe.size)
    _check_scheduler(recipe.scheduler, recipe.spacing)
    if not isinstance(recipe.model.name, str) or not recipe.model.name.strip():
        raise BadRecipe("No model is named.", "Choose a model; “mini” ships with the studio.")
    _check_more(recipe)
    if len(recipe.controls) > CONTROLS_MAX:
        raise BadRecipe(
            f"{len(recipe.controls)} control layers are too many.", f"At most {CONTROLS_MAX} work together."
        )
    for use in recipe.controls:
        _check_control(use)
    if len(recipe.plugins) > PLUGINS_MAX:
        raise BadRecipe(f"{len(recipe.plugins)} plugin layers are too many.", f"At most {PLUGINS_MAX} work together.")
    for plugin_use in recipe.plugins:
        _check_plugin_use(plugin_use)


def _check_more(recipe: Recipe) -> None:
    """What is left alone in most pictures."""
    if recipe.init is not None:
        _check_digest("Image to image names its picture", recipe.init.digest)
    _check_number("strength of image to image", recipe.strength, 0.0, 1.0)
    _check_int("number of CLIP layers to skip", recipe.clip_skip, 0, CLIP_SKIP_MAX)
    _check_number("guidance rescale", recipe.guidance_rescale, 0.0, 1.0)
    _check_number("point where the refiner takes over", recipe.refine_at, 0.0, 1.0)
    if recipe.freeu is not None:
        for factor in ("s1", "s2", "b1", "b2"):
            _check_number(f"FreeU factor {factor}", getattr(recipe.freeu, factor), FREEU_MIN, FREEU_MAX)
    if not isinstance(recipe.tiling, Tiling):
        raise BadRecipe(f"“{recipe.tiling!r:.60}” is no way of tiling.", f"There are: {', '.join(Tiling)}.")
    for what, named in (("refiner", recipe.refiner), ("VAE", recipe.vae)):
        if named is not None and (not isinstance(named.name, str) or not named.name.strip()):
            raise BadRecipe(f"The {what} is named by nothing.", f"Choose a {what}, or none.")
    for named in (recipe.model, recipe.refiner, recipe.vae, *(use.net for use in recipe.controls)):
        if named is not None and named.sha256:
            _check_digest(f"The model “{named.name}” names its file", named.sha256)


def _check_text(what: str, text: str) -> None:
    if not isinstance(text, str) or len(text) > PROMPT_MAX:
        raise BadRecipe(f"The {what} is not a text of at most {PROMPT_MAX:,} characters.", "Shorten it.")


def _check_int(what: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadRecipe(f"The {what} is {value!r}, but must be a whole number from {low} to {high}.")


def _check_number(what: str, value: float, low: float, high: float) -> None:
    if not is_finite(value):
        raise BadRecipe(f"The {what} is {value!r:.60}, which is not a number.")
    if not low <= value <= high:
        raise BadRecipe(f"The {what} is {value:g}, but must lie between {low:g} and {high:g}.")


def _check_size(size: Size) -> None:
    for what, side in (("width", size.width), ("height", size.height)):
        _check_int(what, side, SIDE_MIN, SIDE_MAX)
        if side % SIDE_STEP:
            raise BadRecipe(f"The {what} is {side}, but must be a multiple of {SIDE_STEP}.")


def _check_scheduler(scheduler: str, spacing: Spacing) -> None:
    if isinstance(scheduler, str) and _PLUGIN_SCHEDULER.fullmatch(scheduler):
        return  # a plugin's; whether it is there is asked when the picture is made
    info = SCHEDULERS.get(scheduler)
    if info is None:
        raise BadRecipe(f"There is no scheduler named {scheduler!r}.", "See the list of schedulers.")
    if spacing not in info.spacings:
        offered = ", ".join(info.spacings)
        raise BadRecipe(f"{info.title} cannot use {spacing} spacing.", f"It offers: {offered}.")


def _check_control(use: ControlUse) -> None:
    _check_number("weight of a control layer", use.weight, 0.0, WEIGHT_MAX)
    _check_number("start of a control layer", use.start, 0.0, 1.0)
    _check_number("end of a control layer", use.end, 0.0, 1.0)
    _check_int("lower Canny threshold", use.low, 0, 255)
    _check_int("upper Canny threshold", use.high, 0, 255)
    if use.start > use.end:
        raise BadRecipe(
            f"A control layer starts at {use.start:g} but ends at {use.end:g}.", "Let it end after it starts."
        )
    _check_digest("A control layer names its picture", use.image.digest)
    _check_found(f"The control layer {use.kind}", use.found)
    if not isinstance(use.mode, ControlMode):
        raise BadRecipe(f"“{use.mode!r:.60}” is no mode of a control layer.", f"There are: {', '.join(ControlMode)}.")
    if isinstance(use.kind, ControlKind):
        _check_detector(use.kind, use.detector)
        return
    if use.detector:
        raise BadRecipe(f"A “{use.kind}” layer of a plugin has no detector.", "Leave it out.")
    if not isinstance(use.kind, str) or not _KIND.fullmatch(use.kind):
        raise BadRecipe(f"{use.kind!r} is not a kind of control layer.")
    if use.plugin is None:
        raise BadRecipe(f"“{use.kind}” is not a kind of control layer that comes with the studio, and names no plugin.")
    _check_plugin(use.plugin)


def _check_detector(kind: ControlKind, detector: str) -> None:
    fitting = [one.value for one in FITTING[kind]]
    if detector and detector not in fitting:
        raise BadRecipe(f"{detector!r:.60} is not a detector of {kind} layers.", f"Choose one of {', '.join(fitting)}.")


_KIND = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLUGIN_SCHEDULER = re.compile(r"[a-z][a-z0-9_]{0,47}:[a-z0-9_]{1,48}")


def _check_plugin_use(use: PluginUse) -> None:
    _check_plugin(use.plugin)
    what = f"“{use.plugin.id}”"
    if not (isinstance(use.type, str) and _NAME.fullmatch(use.type)):
        raise BadRecipe(f"The plugin layer {what} is of an unknown type.")
    if not (isinstance(use.part, str) and _NAME.fullmatch(use.part)):
        raise BadRecipe(f"The plugin layer {what} names its part by {use.part!r}.")
    for pairs in (use.values, use.images, use.files):
        names = [name for name, _ in pairs]
        if names != sorted(set(names)) or not all(_NAME.fullmatch(name) for name in names):
            raise BadRecipe(
                f"The plugin layer {what} has parameters that are out of order, twice there or badly named."
            )
    for name, value in use.values:
        if isinstance(value, str):
            _check_text(f"parameter {name} of {what}", value)
        elif not isinstance(value, bool) and not is_finite(value):
            raise BadRecipe(
                f"The parameter {name} of {what} is {value!r:.60}, which is neither text, number nor yes or no."
            )
    _check_found(f"The plugin layer {what}", use.found)
    for name, image in use.images:
        _check_digest(f"The parameter {name} of {what} names a picture", image.digest)
    for name, file in use.files:
        _check_digest(f"The parameter {name} of {what} names a file", file.sha256)
        if not file.name or len(file.name) > 255 or "/" in file.name or "\\" in file.name:
            raise BadRecipe(f"The parameter {name} of {what} names a file by {file.name!r}.")


def _check_found(what: str, found: tuple[FileRef, ...]) -> None:
    if len(found) > FOUND_MAX or len(set(found)) < len(found):
        raise BadRecipe(f"{what} names too many files, or one twice.")
    for file in found:
        _check_digest(f"{what} names a file", file.sha256)
        if not isinstance(file.name, str) or not file.name.isprintable() or not 0 < len(file.name) <= 255:
            raise BadRecipe(f"{what} names a file by {file.name!r:.80}.")


def _check_plugin(plugin: PluginRef) -> None:
    if not isinstance(plugin.id, str) or not _NAME.fullmatch(plugin.id):
        raise BadRecipe(f"{plugin.id!r} is not the id of a plugin.")
    if not isinstance(plugin.version, str) or len(plugin.version) > 48:
        raise BadRecipe(f"The version of the plugin {plugin.id} cannot be read.")
    if plugin.digest:
        _check_digest(f"The plugin {plugin.id} names its code", plugin.digest)


def _check_digest(what: str, digest: str) -> None:
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise BadRecipe(f"{what} by something that is not a SHA-256.")
