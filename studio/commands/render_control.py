"""The --control arguments of `render`: a kind, a picture, how its map is found and which ControlNet reads it. No Qt."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from studio.commands.render_plugins import PluginRoom
from studio.core.choices import MODE_NAMES, ControlKind, ControlMode, Detector, ResizeMode
from studio.core.detectors import FITTING, LINES, choose, named, thresholds
from studio.core.errors import BadRecipe
from studio.core.plugins import Part
from studio.core.recipe import ControlUse, ImageRef, ModelRef, PluginRef
from studio.engine.annotators import Annotators

if TYPE_CHECKING:
    from studio.gallery.store import GalleryStore


@dataclass(frozen=True, slots=True)
class ControlWish:
    """One --control argument: KIND=FILE and options: ,weight=W,start=S,end=E,invert=yes|no,resize=MODE,low=N,high=N,
    detector=NAME,net=NAME,mode=MODE."""

    kind: str  # a `ControlKind`, or one that a plugin adds
    file: Path
    options: dict[str, str] = field(default_factory=dict)


_OPTION = re.compile(r",(weight|start|end|invert|resize|low|high|detector|net|mode)=([^,]*)$")


def read_control(text: str) -> ControlWish:
    """Read a --control argument; the file name may itself hold commas and equal signs. Raises BadRecipe.

    Whether a plugin adds its kind is asked later.
    """
    options: dict[str, str] = {}
    while match := _OPTION.search(text):
        options.setdefault(match[1], match[2])
        text = text[: match.start()]
    kind, equals, file = text.partition("=")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", kind) or not equals or not file:
        raise BadRecipe(f"“{text}” is not a control layer.", f"Write KIND=FILE, KIND one of {', '.join(ControlKind)}.")
    return ControlWish(kind, Path(file), options)


def check_kinds(wishes: Sequence[ControlWish], room: PluginRoom) -> dict[str, tuple[Part, PluginRef]]:
    """The plugins' kinds, if one is asked for. Raises `BadRecipe` for a kind that nobody knows."""
    foreign = [wish.kind for wish in wishes if wish.kind not in set(ControlKind)]
    kinds = room.control_kinds() if foreign else {}
    for kind in foreign:
        if kind not in kinds:
            known = ", ".join([*ControlKind, *kinds])
            raise BadRecipe(f"“{kind}” is not a kind of control layer.", f"Choose one of {known}.")
    return kinds


def use_of(
    wish: ControlWish, guest: tuple[Part, PluginRef] | None, store: GalleryStore, annotators: Annotators
) -> ControlUse:
    """The layer that an argument asks for, its picture kept. Raises `BadRecipe` and `BadInputImage`."""
    ref = store.inputs.add(wish.file)
    options = wish.options
    kind = ControlKind(wish.kind) if guest is None else wish.kind
    low, high = thresholds(kind)
    try:
        use = ControlUse(
            kind=kind,
            detector=_detector(kind, options.get("detector"), annotators),
            image=ref,
            plugin=None if guest is None else guest[1],
            weight=float(options.get("weight", "1")),
            start=float(options.get("start", "0")),
            end=float(options.get("end", "1")),
            resize=ResizeMode(options.get("resize", "crop")),
            low=int(options.get("low", str(low))),
            high=int(options.get("high", str(high))),
            net=ModelRef(name=options["net"]) if "net" in options else None,
            mode=_mode(options.get("mode", "balanced")),
        )
    except ValueError as error:
        raise BadRecipe(f"An option of the control layer {wish.file.name} cannot be read.", str(error)) from None
    is_drawing = guest[0].preprocess == "grey" if guest is not None else _is_drawing(use)
    return replace(use, invert=_invert(wish, ref, store, is_drawing))


def _mode(asked: str) -> ControlMode:
    """By the name that a recipe gives it, or the one on a layer's card ("most control")."""
    spelt = re.sub("[- ]", "_", asked.strip().lower())
    for mode, name in MODE_NAMES.items():
        if spelt in (mode, name.replace(" ", "_")):
            return mode
    raise BadRecipe(f"There is no mode “{asked}”.", f"Choose one of {', '.join(ControlMode)}.")


def _detector(kind: ControlKind | str, asked: str | None, annotators: Annotators) -> str:
    """As a recipe names it: the one asked for, else the best of those that are here. Whether it fits is asked later."""
    if not isinstance(kind, ControlKind):
        return asked or ""
    if asked is None:
        return named(kind, choose(kind, annotators.here()))
    return "" if asked == FITTING[kind][0] else asked


def _is_drawing(use: ControlUse) -> bool:
    """Whether a sketch of dark lines has to be turned round."""
    drawn = isinstance(use.kind, ControlKind) and use.kind is not ControlKind.CANNY and use.kind in LINES
    return drawn and (use.detector or FITTING[ControlKind(use.kind)][0]) == Detector.NONE


def _invert(wish: ControlWish, ref: ImageRef, store: GalleryStore, is_drawing: bool) -> bool:
    """As asked by invert=yes|no; otherwise a dark-on-light scribble is turned round, and said so."""
    asked = wish.options.get("invert")
    if asked is not None:
        if asked not in ("yes", "no"):
            raise BadRecipe(f"invert={asked} is neither yes nor no.")
        return asked == "yes"
    if not is_drawing:
        return False
    from studio.engine.control_maps import looks_black_on_white

    dark_on_light = looks_black_on_white(store.inputs.read(ref))
    if dark_on_light:
        print(f"{wish.file.name}: dark lines on a light ground, inverted (invert=no keeps it).", file=sys.stderr)
    return dark_on_light
