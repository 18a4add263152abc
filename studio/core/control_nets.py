"""ControlNets by name: which kind of control layer each reads, and which of those that are here serves a layer best."""

from __future__ import annotations

from collections.abc import Iterable

from studio.core.choices import ControlKind
from studio.core.hub import Starter
from studio.core.model_files import Family, Kind, ModelFile, fits

_NETS: tuple[tuple[ControlKind, tuple[str, ...]], ...] = (
    (ControlKind.SCRIBBLE, ("scribble", "sketch")),
    (ControlKind.CANNY, ("canny",)),
    (ControlKind.LINEART_ANIME, ("lineartanime", "animelineart", "s2lineartanime", "anime")),
    (ControlKind.LINEART, ("lineart",)),
    (ControlKind.SOFTEDGE, ("softedge", "hed", "pidinet")),
    (ControlKind.MLSD, ("mlsd",)),
    (ControlKind.DEPTH, ("depth", "midas")),
    (ControlKind.NORMAL, ("normal",)),
    (ControlKind.POSE, ("openpose", "dwpose", "pose")),
    (ControlKind.SEGMENTATION, ("segmentation", "seg")),
    (ControlKind.SHUFFLE, ("shuffle",)),
    (ControlKind.TILE, ("tile",)),
)  # in what the names of published ControlNets say, the more telling first


def kind_of_net(name: str) -> ControlKind | None:
    """Which kind of map a ControlNet reads, as far as its name tells."""
    plain = "".join(sign for sign in name.casefold() if sign.isalnum())
    return next((kind for kind, words in _NETS if any(word in plain for word in words)), None)


UNION_TYPES: dict[ControlKind, int] = {
    ControlKind.POSE: 0,
    ControlKind.DEPTH: 1,
    ControlKind.SCRIBBLE: 2,
    ControlKind.SOFTEDGE: 2,
    ControlKind.CANNY: 3,
    ControlKind.LINEART: 3,
    ControlKind.LINEART_ANIME: 3,
    ControlKind.MLSD: 3,
    ControlKind.NORMAL: 4,
    ControlKind.SEGMENTATION: 5,
    ControlKind.TILE: 6,
}  # which input of a union ControlNet reads which kind, as xinsir's ControlNet++ numbers them (tile only in "promax")


def reads(net: str, variant: str, kind: ControlKind) -> bool:
    """Whether a ControlNet of this name and variant was made for maps of this kind, as far as it is known."""
    return kind in UNION_TYPES if variant == "union" else kind_of_net(net) is kind


def nets_for(files: Iterable[ModelFile], family: Family, kind: ControlKind) -> tuple[ModelFile, ...]:
    """The ControlNets that go with models of this family, first those made for this kind, then unions, then the others."""
    usable = [file for file in files if file.kind is Kind.CONTROLNET and not file.ships and fits(file, family)]
    return tuple(sorted(usable, key=lambda file: (_rank(file, kind), file.name.casefold())))


def best_net(files: Iterable[ModelFile], family: Family, kind: ControlKind) -> ModelFile | None:
    """The one that a layer takes where it names none; None if none was made for its kind."""
    first = next(iter(nets_for(files, family, kind)), None)
    return first if first is not None and reads(first.name, first.traits.variant, kind) else None


def net_starter(starters: Iterable[Starter], family: Family, kind: ControlKind) -> Starter | None:
    """What to fetch for a kind that no ControlNet here reads: one made for it, else a union."""
    offered = [one for one in starters if one.kind is Kind.CONTROLNET and one.family is family]
    made = (one for one in offered if kind_of_net(one.id) is kind or kind_of_net(one.into) is kind)
    union = (one for one in offered if "union" in one.id and kind in UNION_TYPES)
    return next(made, None) or next(union, None)


def _rank(file: ModelFile, kind: ControlKind) -> int:
    if not reads(file.name, file.traits.variant, kind):
        return 2
    return int(file.traits.variant == "union")
