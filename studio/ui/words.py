"""Recipes, jobs and figures in words: plain text for labels, made when it is shown."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from studio.core.choices import ControlKind, ControlMode, Detector, ResizeMode, Spacing, Tiling
from studio.core.detectors import DETECTORS
from studio.core.differences import freeu_words
from studio.core.draft import Draft
from studio.core.job import Job, JobState
from studio.core.library import LinkKind
from studio.core.picture import Picture
from studio.core.plugins import Part
from studio.core.recipe import ControlUse, Recipe
from studio.core.schedulers import SCHEDULERS, SchedulerInfo, scheduler_name
from studio.ui.plugin_words import PartOf, found_words, plugin_use_line, score_words
from studio.ui.tree.words import kind_words as how_it_came


def tr(text: str) -> str:
    """Translate a whole sentence now."""
    return QCoreApplication.translate("words", text)


def scheduler_words(scheduler: str, spacing: Spacing) -> str:
    """The artists' name of a scheduler; an id that is not known stands for itself."""
    return scheduler_name(scheduler, spacing) if scheduler in SCHEDULERS else scheduler


def cost_words(info: SchedulerInfo) -> str:
    """What one step costs."""
    cost = tr("One model call a step.") if info.calls_per_step == 1 else tr("{n} model calls a step.")
    noise = tr("Adds fresh noise at each step.") if info.random else ""
    return f"{cost.replace('{n}', f'{info.calls_per_step:g}')} {noise}".strip()


def spacing_words(spacing: Spacing) -> tuple[str, str]:
    """Name and meaning of a spacing."""
    return {
        Spacing.NORMAL: (tr("Normal"), tr("As the model was set up.")),
        Spacing.KARRAS: (tr("Karras"), tr("More steps at low noise: finer detail (Karras et al. 2022).")),
        Spacing.EXPONENTIAL: (tr("Exponential"), tr("Even in the logarithm of the noise.")),
        Spacing.BETA: (tr("Beta"), tr("More steps at both ends (Lee et al. 2024).")),
        Spacing.TRAILING: (tr("Trailing"), tr("Starts at pure noise: best for few steps (Lin et al. 2024).")),
    }[spacing]


def kind_words(kind: str) -> tuple[str, str]:
    """Name and meaning of a control kind; a plugin's kind by its own name."""
    known: dict[str, tuple[str, str]] = {
        ControlKind.SCRIBBLE: (tr("Scribble"), tr("Rough lines: a drawing, or found in any picture.")),
        ControlKind.CANNY: (tr("Canny"), tr("The hard edges found in any picture.")),
        ControlKind.SOFTEDGE: (tr("Soft edges"), tr("Outlines, the stronger the brighter; keeps shapes loosely.")),
        ControlKind.LINEART: (tr("Line art"), tr("Clean lines, thick and thin, as inked by hand.")),
        ControlKind.LINEART_ANIME: (tr("Anime lines"), tr("Clean lines as in anime.")),
        ControlKind.MLSD: (tr("Straight lines"), tr("For rooms and houses (M-LSD).")),
        ControlKind.DEPTH: (tr("Depth"), tr("Keeps what is near and what is far.")),
        ControlKind.NORMAL: (tr("Normals"), tr("Keeps the relief: which way each surface looks.")),
        ControlKind.POSE: (tr("Pose"), tr("Puts people into the same pose.")),
        ControlKind.SEGMENTATION: (tr("Areas"), tr("Keeps what is where: sky, wall, tree (ADE20K’s colours).")),
        ControlKind.SHUFFLE: (tr("Shuffle"), tr("Takes over colours and look, not the places of things.")),
        ControlKind.TILE: (tr("Tile"), tr("Keeps the picture, makes its details anew.")),
    }
    return known.get(kind, (kind, ""))


def detector_words(detector: Detector, kind: str = "") -> tuple[str, str]:
    """Name and meaning of a detector, as a layer of this kind offers it."""
    title = DETECTORS[detector].title
    if detector is Detector.NONE:
        drawn = kind == ControlKind.SCRIBBLE
        if kind == ControlKind.TILE:
            return tr("Picture as it is"), tr("The network sees the picture itself.")
        return (
            (tr("As drawn"), tr("Your lines, as they are."))
            if drawn
            else (
                tr("Finished map"),
                tr("The picture is such a map already, from elsewhere; nothing is searched in it."),
            )
        )
    told: dict[Detector, tuple[str, str]] = {
        Detector.HED: (title, tr("Soft, full outlines.")),
        Detector.PIDINET: (title, tr("Cleaner outlines, quicker.")),
        Detector.TEED: (title, tr("Fine outlines; very small.")),
        Detector.LINEART: (tr("Fine lines"), tr("As inked by hand, with detail.")),
        Detector.LINEART_COARSE: (tr("Coarse lines"), tr("As inked by hand, the main lines only.")),
        Detector.LINEART_STANDARD: (tr("Plain lines"), tr("Simple, but nothing needs to be fetched.")),
        Detector.LINEART_ANIME: (tr("Anime"), tr("For anime and cel pictures.")),
        Detector.DEPTH_ANYTHING: (title, tr("Sharp and sure.")),
        Detector.MIDAS: (title, tr("Softer; what the first depth ControlNets were trained with.")),
        Detector.OPENPOSE: (tr("Bodies"), tr("OpenPose: bodies.")),
        Detector.OPENPOSE_FULL: (tr("Bodies, hands, faces"), tr("OpenPose: bodies, hands and faces.")),
        Detector.DOWNSAMPLE: (tr("Blurred"), tr("Made small and large again: more is left to the network.")),
    }
    return told.get(detector, (title, ""))


def mode_words(mode: ControlMode) -> tuple[str, str]:
    """Name and meaning of a control layer's mode."""
    return {
        ControlMode.BALANCED: (tr("Balanced"), tr("As the network was trained: prompt and layer side by side.")),
        ControlMode.MORE_PROMPT: (tr("More prompt"), tr("The layer gives the rough layout; details are the prompt’s.")),
        ControlMode.MORE_CONTROL: (
            tr("More control"),
            tr("Guidance makes the layer’s large shapes stronger; details stay loose."),
        ),
        ControlMode.UNBALANCED: (
            tr("Most control"),
            tr(
                "Guidance makes the whole layer stronger: lines are followed most closely, even without words.\n"
                "Less weight or guidance keeps the colours calm."
            ),
        ),
    }[mode]


def resize_words(mode: ResizeMode) -> tuple[str, str]:
    """Name and meaning of a resize mode."""
    return {
        ResizeMode.CROP: (tr("Crop"), tr("Fill the frame, cut what stands over.")),
        ResizeMode.PAD: (tr("Pad"), tr("Show all of it, with empty margins.")),
        ResizeMode.STRETCH: (tr("Stretch"), tr("Fill the frame, change the proportions.")),
    }[mode]


def facts_line(recipe: Recipe | Draft) -> str:
    """The figures of a recipe in one line."""
    seed = tr("seed {n}").replace("{n}", str(recipe.seed)) if recipe.seed is not None else tr("open seed")
    parts = [
        seed,
        scheduler_words(recipe.scheduler, recipe.spacing),
        tr("{n} steps").replace("{n}", str(recipe.steps)),
        tr("guidance {n}").replace("{n}", f"{recipe.guidance_scale:g}"),
        f"{recipe.size.width} × {recipe.size.height}",
        recipe.model.name,
    ]
    return "  ·  ".join(parts)


def extras(recipe: Recipe | Draft) -> tuple[tuple[str, str], ...]:
    """What is set beyond the usual: the field of the recipe, and it in words."""
    found: list[tuple[str, str]] = []
    if recipe.refiner is not None:
        words = tr("Refiner {name}, from {percent} %").replace("{name}", recipe.refiner.name)
        found.append(("refiner", words.replace("{percent}", f"{recipe.refine_at * 100:.0f}")))
    if recipe.vae is not None:
        found.append(("vae", tr("VAE {name}").replace("{name}", recipe.vae.name)))
    if recipe.clip_skip:
        found.append(("clip_skip", tr("CLIP skip {n}").replace("{n}", str(recipe.clip_skip))))
    if recipe.guidance_rescale:
        words = tr("Guidance rescale {x}").replace("{x}", f"{recipe.guidance_rescale:.2f}")
        found.append(("guidance_rescale", words))
    if not recipe.weights:
        found.append(("weights", tr("Brackets are signs")))
    if recipe.freeu is not None:
        found.append(("freeu", f"{tr('FreeU')} {freeu_words(recipe.freeu)}"))
    if recipe.tiling is not Tiling.OFF:
        found.append(("tiling", tiling_words(recipe.tiling)))
    return tuple(found)


def tiling_words(tiling: Tiling) -> str:
    """Along which sides a picture goes on."""
    return {
        Tiling.OFF: tr("Does not tile"),
        Tiling.BOTH: tr("Tiles on all sides"),
        Tiling.X: tr("Tiles left and right"),
        Tiling.Y: tr("Tiles top and bottom"),
    }[tiling]


def control_line(use: ControlUse, part: Part | None = None) -> str:
    """One control layer in a line; `part` is what a plugin's kind was declared as, if that plugin is here."""
    strength = f"{tr('weight')} {use.weight:g}, {use.start:.0%} – {use.end:.0%}"
    kind = part.title if part is not None else kind_words(use.kind)[0]
    words = f"{kind}, {strength}, {resize_words(use.resize)[0]}"
    if use.detector:
        words += f", {detector_words(Detector(use.detector), use.kind)[0]}"
    if use.net is not None:
        words += f", {use.net.name}"
    if use.mode is not ControlMode.BALANCED:
        words += f", {mode_words(use.mode)[0]}"
    if use.plugin is not None:
        words += f", {tr('plugin')} {use.plugin.id} {use.plugin.version}".rstrip()
    words += found_words(use.found)
    return f"{words}, {tr('inverted')}" if use.invert else words


def picture_details(picture: Picture, part_of: PartOf = lambda _use: None) -> str:
    """Everything known about a picture, as lines of plain text. `part_of` tells what a plugin declared for a layer."""
    return "\n".join(f"{name}: {text}" for name, text in picture_rows(picture, part_of))


def picture_rows(picture: Picture, part_of: PartOf = lambda _use: None) -> list[tuple[str, str]]:
    """As `picture_details`, in rows of a name and a text."""
    recipe, made = picture.recipe, picture.made_with
    rows = [(tr("Prompt"), recipe.prompt or "–")]
    if recipe.raw_prompt:
        rows.append((tr("Typed as"), recipe.raw_prompt))
    rows.append((tr("Negative prompt"), recipe.negative_prompt or "–"))
    rows.append((tr("Settings"), facts_line(recipe)))
    if more := extras(recipe):
        rows.append((tr("Also"), "  ·  ".join(words for _, words in more)))
    if recipe.init is not None:
        words = tr("a picture, of which {p} is painted anew").replace("{p}", f"{recipe.strength:.0%}")
        rows.append((tr("Begins with"), words))
    rows += [(tr("Control"), control_line(use, part_of(use))) for use in recipe.controls]
    rows += [(tr("Plugin"), plugin_use_line(use, part_of(use))) for use in recipe.plugins]
    if made.scores:
        rows.append((tr("Scores"), score_words(made.scores)))
    rows += [(tr("Note"), note) for note in made.notes]
    local = picture.created.astimezone()
    rows.append((tr("Made"), f"{local:%Y-%m-%d %H:%M:%S}  ·  {made.seconds:.1f} s  ·  {made.device}  ·  {made.dtype}"))
    if came := [
        f"{link.parent} ({how_it_came(link.kind)})" for link in picture.parents if link.kind is not LinkKind.CELL
    ]:
        rows.append((tr("Came from"), "\n".join(came)))
    if made.versions:
        rows.append((tr("With"), "  ·  ".join(f"{name} {version}" for name, version in made.versions)))
    rows.append((tr("File"), str(picture.file)))
    return rows


def duration(seconds: float) -> str:
    """A time span as artists read it: "0.8 s", "12 s", "3 min 05 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def memory(count: int) -> str:
    """Bytes in GB or MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def progress_line(job: Job) -> str:
    """Where a job stands, in one line."""
    if job.state is JobState.CANCELLING:
        return tr("Cancelling …")
    if job.state is JobState.RUNNING:
        if job.step == 0:
            return f"{job.phase[:1].upper()}{job.phase[1:]} …" if job.phase else tr("Starting …")
        line = tr("Step {a} of {b}").replace("{a}", str(job.step)).replace("{b}", str(job.recipe.steps))
        if job.phase:
            return f"{line}  ·  {job.phase} …"
        rate, left = job.steps_per_second, job.seconds_left
        return f"{line}  ·  {rate:.1f} it/s  ·  {tr('{t} left').replace('{t}', duration(left))}" if rate else line
    interrupted = tr("Interrupted; its steps are kept") if job.undecoded else tr("Interrupted by the end of the studio")
    return {
        JobState.QUEUED: tr("Waiting"),
        JobState.HELD: tr("Waits for you"),
        JobState.SAVING: tr("Saving …"),
        JobState.INTERRUPTED: interrupted,
        JobState.DONE: tr("Done"),
        JobState.CANCELLED: tr("Cancelled"),
        JobState.FAILED: job.error.headline if job.error else tr("Failed"),
    }[job.state]
