"""The `render` command: a picture without a window, over the same path draft -> recipe -> engine -> store. No Qt."""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.commands.render_control import check_kinds, read_control, use_of
from studio.commands.render_plugins import PluginRoom, read_lora, read_plugin
from studio.core.advice import few_step_advice, freeu_for, native_size
from studio.core.choices import ControlKind, ControlMode, Spacing, Tiling
from studio.core.draft import Draft, expand
from studio.core.errors import BadRecipe, ModelMissing, StorageProblem
from studio.core.model_files import Family, Kind
from studio.core.paths import Folders
from studio.core.recipe import DEFAULT_SIZE, FreeU, ModelRef, Recipe, Size
from studio.core.schedulers import SCHEDULERS, find_scheduler
from studio.core.settings import load_settings
from studio.core.weights import read_weight_header
from studio.engine.annotators import Annotators, check_detectors
from studio.engine.intake.kinds import recognise
from studio.engine.intake.places import all_folders, make_library
from studio.engine.models import advice_for, find_model

if TYPE_CHECKING:
    from studio.core.picture import Picture
    from studio.engine import PluginHost, Progress, Rendered
    from studio.engine.intake.library import Library
    from studio.gallery.store import GalleryStore


def add_render_command(commands: Any) -> None:  # Any: argparse keeps the type of its sub-parsers private
    """Declare `render` and its options."""
    parser = commands.add_parser("render", help="make one picture without a window")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the picture shows")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what it should not show")
    parser.add_argument("--seed", type=int, metavar="N", help="0 to 4294967295; without it a new one is chosen")
    parser.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help=f"denoising steps (default {Draft().steps}, or what the model is made for)",
    )
    parser.add_argument("--scheduler", metavar="NAME", help="see “main.py schedulers” (default DPM++ 2M)")
    parser.add_argument("--guidance", type=float, metavar="X", help="guidance scale")
    parser.add_argument("--size", metavar="WxH", help="pixels (default: what the model was trained at)")
    parser.add_argument("--model", default="mini", metavar="NAME|PATH", help="a model by name, its folder or its file")
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="KIND=FILE[,weight=W,start=S,end=E,detector=NAME,net=NAME,mode=MODE]",
        help=f"a control layer; KIND is one of {', '.join(ControlKind)}, or one of a plugin's (t2i-sketch); detector=none "
        f"takes a finished map; net=NAME is the ControlNet that reads it; mode=MODE, one of {', '.join(ControlMode)}, says "
        "whether the prompt or the layer leads; may be given several times",
    )
    parser.add_argument(
        "--plugin",
        dest="guests",
        action="append",
        type=lambda text: (read_plugin, text),
        default=[],
        metavar="ID[:KEY=VALUE[,KEY=VALUE]...]",
        help="let a plugin work on the picture; part=NAME chooses one of its parts; may be given several times",
    )
    parser.add_argument(
        "--lora",
        dest="guests",
        action="append",
        type=lambda text: (read_lora, text),
        metavar="FILE|NAME[=WEIGHT]",
        help="a LoRA by file, or by name in the loras folder; may be given several times",
    )
    _add_more(parser)
    parser.add_argument("--exact", action="store_true", help="32-bit floats: the same bits on every run")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to compute")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="also write the picture to this file")
    parser.add_argument("--json", action="store_true", help="print one JSON object about the picture")
    parser.set_defaults(command=render)


def _add_more(parser: argparse.ArgumentParser) -> None:
    """What is left alone in most pictures."""
    usual = Draft()
    parser.add_argument("--init", type=Path, metavar="FILE", help="begin with this picture instead of noise")
    parser.add_argument(
        "--strength",
        type=float,
        default=usual.strength,
        help="how much of it is repainted, 0 to 1 (default %(default)s)",
    )
    parser.add_argument(
        "--clip-skip", type=int, default=0, metavar="N", help="leave out the text encoder's last N layers (default 0)"
    )
    parser.add_argument(
        "--rescale", type=float, default=0.0, metavar="X", help="guidance rescale, 0 to 1 (default 0; 0.7 for zero SNR)"
    )
    parser.add_argument("--refiner", default="", metavar="NAME|PATH", help="SDXL's refiner, for the last steps")
    parser.add_argument(
        "--refine-at",
        type=float,
        default=usual.refine_at,
        metavar="X",
        help="where it takes over (default %(default)s)",
    )
    parser.add_argument(
        "--tiling",
        default="off",
        choices=[way.value for way in Tiling],
        help="seamless: the picture goes on beyond these sides",
    )
    parser.add_argument(
        "--freeu",
        nargs="?",
        const="",
        metavar="S1,S2,B1,B2",
        help="FreeU, with the factors known to suit the model, or with these",
    )
    parser.add_argument("--vae", default="", metavar="NAME|PATH", help="another VAE than the model's own")


def render(arguments: argparse.Namespace) -> int:
    """Make the picture that the arguments ask for. Raises StudioError for wrong input, before anything is loaded."""
    from studio.gallery.store import GalleryStore

    _check_out(arguments.out)
    wishes = [read_control(text) for text in arguments.control]
    guests = [read(text) for read, text in arguments.guests]
    room = PluginRoom(arguments.folders)
    kinds = check_kinds(wishes, room)
    folders = _all_folders(arguments.folders)
    model, folders = _model(arguments.model, folders)
    refiner, folders = _model(arguments.refiner, folders) if arguments.refiner else ("", folders)
    vae, folders = _model(arguments.vae, folders) if arguments.vae else ("", folders)
    named = ((arguments.model, Kind.CHECKPOINT), (arguments.refiner, Kind.CHECKPOINT), (arguments.vae, Kind.VAE))
    library = _library(arguments.folders, named)
    usual = _usual(model, folders, library)
    recipe = expand(_draft(arguments, usual, room), random.Random())[0]
    annotators = Annotators(lambda: folders, arguments.folders.maps, library, arguments.device)
    store = GalleryStore(arguments.folders)
    try:
        recipe = replace(
            recipe,
            controls=tuple(use_of(wish, kinds.get(wish.kind), store, annotators) for wish in wishes),
            plugins=tuple(room.use(guest, store) for guest in guests),
            init=store.inputs.add(arguments.init) if arguments.init else None,
            refiner=ModelRef(name=refiner) if refiner else None,
            vae=ModelRef(name=vae) if vae else None,
        )
        check_detectors(recipe, annotators)
        store.check_writable()
        picture, rate = _make(recipe, folders, store, arguments.device, room.host(), library, annotators)
        if arguments.out:
            _copy(picture.file, arguments.out)
    finally:
        store.close()
        room.close()
    estimate = _estimate(picture, folders, library) if arguments.json else None
    _report(picture, rate, arguments.out or picture.file, arguments.json, estimate)
    return 0


def _estimate(picture: Picture, folders: tuple[Path, ...], library: Library | None) -> int | None:
    """Bytes that the headers say a picture takes at its peak, on the device it was made on; None where that is not known."""
    from studio.core.events import EngineReady
    from studio.engine.estimate.budget import Estimator, finder, folder_finder
    from studio.engine.estimate.patches import file_finder

    made = picture.made_with
    if library is None:
        tell = Estimator(folder_finder(folders))
    else:
        tell = Estimator(finder(library), files=file_finder(library), shelf=library.installed)
    budget = tell(picture.recipe, EngineReady(device=made.device, dtype=made.dtype, memory_bytes=0))
    return None if budget is None else budget.best


def _is_plugin_scheduler(name: str) -> bool:
    return find_scheduler(name) is None and re.fullmatch(r"[a-z][a-z0-9_]*:[a-z0-9_]+", name) is not None


def _usual(model: str, folders: tuple[Path, ...], library: Library | None) -> Draft:
    """What is not said on the command line: the defaults, or the settings that the model was made for.

    Raises `ModelMissing`.
    """
    size, family = None, Family.UNKNOWN
    if library is None:
        place = find_model(model, folders)
        advice = advice_for((model,), folders).get(model)
        if place.is_file():
            traits = recognise(read_weight_header(place), model)
            size, family = native_size(traits), traits.family
    else:
        file = library.find(model)
        advice = few_step_advice(file.traits.variant, file.name) or advice_for((model,), (file.path.parent,)).get(model)
        size, family = native_size(file.traits), file.family
    draft = Draft(model=ModelRef(name=model), size=size or DEFAULT_SIZE, freeu=freeu_for(family))
    return advice.onto(draft) if advice else draft


def _all_folders(folders: Folders) -> tuple[Path, ...]:
    return all_folders(folders, load_settings(folders.settings)[0])


def _library(folders: Folders, named: Iterable[tuple[str, Kind]]) -> Library | None:
    """The library, in which what is named by a path comes first; None where it is not what it is named for.

    Then it is looked for in its folder alone, and said there in words what is wrong with it.
    """
    library = make_library(folders, load_settings(folders.settings)[0])
    for name, kind in named:
        path = _path(name)
        if path is not None:
            try:
                file = library.take_in(path)
            except (OSError, ModelMissing):
                return None
            if file.kind is not kind or file.problem:
                return None
    return library


def _scheduler(name: str | None, usual: Draft, room: PluginRoom) -> tuple[str, Spacing]:
    if name is None:
        return usual.scheduler, usual.spacing
    if _is_plugin_scheduler(name):
        room.check_scheduler(name)
        return name, Spacing.NORMAL
    found = find_scheduler(name)
    if found is None:
        names = ", ".join(info.title for info in SCHEDULERS.values())
        raise BadRecipe(f"There is no scheduler named “{name}”.", f"Choose from: {names}.")
    return found


def _draft(arguments: argparse.Namespace, usual: Draft, room: PluginRoom) -> Draft:
    scheduler, spacing = _scheduler(arguments.scheduler, usual, room)
    return replace(
        usual,
        prompt=arguments.prompt,
        negative_prompt=arguments.negative,
        seed=arguments.seed,
        steps=usual.steps if arguments.steps is None else arguments.steps,
        scheduler=scheduler,
        spacing=spacing,
        guidance_scale=usual.guidance_scale if arguments.guidance is None else arguments.guidance,
        size=usual.size if arguments.size is None else _size(arguments.size),
        exact=arguments.exact,
        strength=arguments.strength,
        clip_skip=arguments.clip_skip,
        guidance_rescale=arguments.rescale,
        refine_at=arguments.refine_at,
        tiling=Tiling(arguments.tiling),
        freeu=_freeu(arguments.freeu, usual),
    )


def _freeu(text: str | None, usual: Draft) -> FreeU | None:
    """None: not asked for; "": with what suits the model, which `usual` has."""
    if not text:
        return None if text is None else usual.freeu
    try:
        s1, s2, b1, b2 = (float(factor) for factor in text.split(","))
    except ValueError:
        raise BadRecipe(f"“{text}” are not FreeU’s four factors.", "Write S1,S2,B1,B2: 0.9,0.2,1.5,1.6.") from None
    return FreeU(s1=s1, s2=s2, b1=b1, b2=b2)


def _size(text: str) -> Size:
    match = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text)
    if not match:
        raise BadRecipe(f"“{text}” is not a size.", "Write WIDTHxHEIGHT, for example 256x256.")
    return Size(width=int(match[1]), height=int(match[2]))


def _model(name: str, folders: tuple[Path, ...]) -> tuple[str, tuple[Path, ...]]:
    """A model's name and where to look: the path of a folder or file adds its own parent folder in front."""
    path = _path(name)
    if path is not None and path.is_file() and path.suffix != ".safetensors":
        hint = "Other formats can run code when they are opened; convert the file first."
        raise ModelMissing(f"“{path.name}” is not a .safetensors file.", hint)
    if path is not None:
        return path.stem if path.is_file() else path.name, (path.parent, *folders)
    if len(Path(name).expanduser().parts) > 1:
        raise ModelMissing(
            f"There is no model “{name}”.", "Give the name of a model, or the path of its folder or file."
        )
    return name, folders


def _path(name: str) -> Path | None:
    """The file or folder that a name is the path of; None for the name of a model."""
    path = Path(name).expanduser()
    try:
        if (
            name
            and path.is_dir()
            and (path.is_absolute() or len(path.parts) > 1 or (path / "model_index.json").exists())
        ):
            return path.resolve()
        return path.absolute() if path.is_file() else None
    except OSError:  # longer than any path can be
        return None


def _make(
    recipe: Recipe,
    folders: tuple[Path, ...],
    store: GalleryStore,
    device: str,
    plugins: PluginHost | None,
    library: Library | None,
    annotators: Annotators,
) -> tuple[Picture, float]:
    """Render and save; returns the picture and the steps per second."""
    from tqdm import tqdm

    from studio.engine import make_engine

    engine = make_engine(folders, store.inputs.read, device, plugins, library=library, annotators=annotators)
    rate = 0.0
    with tqdm(total=recipe.steps, file=sys.stderr, unit="step", leave=False) as bar:

        def show(progress: Progress) -> bool:
            nonlocal rate
            bar.set_description(progress.phase, refresh=bar.desc.removesuffix(": ") != progress.phase)
            bar.update(progress.step - bar.n)
            if progress.step and progress.seconds > 0:
                rate = progress.step / progress.seconds
            return True

        try:
            rendered: Rendered = engine.render(recipe, show)
        finally:
            engine.close()
    for note in rendered.made_with.notes:
        print(note, file=sys.stderr)
    return store.add(rendered.pixels, rendered.recipe or recipe, rendered.made_with), rate


def _check_out(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix.lower() != ".png":
        raise BadRecipe(f"“{out.name}” is not the name of a PNG file.", "Let it end in .png.")
    if not out.parent.is_dir():
        raise StorageProblem(f"There is no folder for “{out.name}”.", "Nothing was made.")


def _copy(file: Path, out: Path) -> None:
    try:
        part = out.with_name(f".{out.name}.part")
        shutil.copyfile(file, part)
        part.replace(out)
    except OSError as error:
        raise StorageProblem(
            f"The picture could not be written to “{out.name}”, but is safe in the history.", str(file), str(error)
        ) from None


def _report(picture: Picture, rate: float, file: Path, as_json: bool, estimate: int | None) -> None:
    if not as_json:
        print(f"{file}  seed {picture.recipe.seed}  {picture.made_with.seconds:.2f} s  {rate:.1f} steps/s")
        if picture.recipe.raw_prompt:
            print(f"prompt  {picture.recipe.prompt}")
        for name, score in picture.made_with.scores:
            print(f"score  {name}  {score:.4f}")
        return
    facts = {
        "file": str(file),
        "seed": picture.recipe.seed,
        "seconds": round(picture.made_with.seconds, 3),
        "steps_per_second": round(rate, 2),
        "device": picture.made_with.device,
        "dtype": picture.made_with.dtype,
        "pixel_sha256": picture.made_with.pixel_sha256,
        "memory_estimate_bytes": estimate,
        "picture": picture.id,
        "prompt": picture.recipe.prompt,
        "raw_prompt": picture.recipe.raw_prompt,
        "scores": [{"name": name, "score": score} for name, score in picture.made_with.scores],
        "notes": list(picture.made_with.notes),
    }
    print(json.dumps(facts))
