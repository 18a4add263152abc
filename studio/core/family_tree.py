"""The family of a picture, and where its members stand when it is drawn: oldest left, what came of them to the right.

Pure. Places are in cells; the window decides how large a cell is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from studio.core.library import Link, LinkKind
from studio.core.picture import Picture

FAMILY_MAX = 400  # members that are gathered
BLOCK_MIN = 4  # children without children of their own, from which on they stand in a block

GetMany = Callable[[Iterable[str]], Sequence[Picture]]  # of those that are here
ChildrenOf = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Pictures that came from one another, oldest first. `missing` are parents that are named but not here; `is_cut`:
    there are more than were gathered."""

    start: str
    members: tuple[Picture, ...] = ()
    missing: frozenset[str] = frozenset()
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where one member stands: `column` and `row` in cells, from 0. Rows may be halves, to stand between children."""

    id: str
    column: int
    row: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A line from a parent to a child. `is_main`: it decided where the child stands; `in_block`: the child stands in a
    block, to which one line goes."""

    parent: str
    child: str
    kind: LinkKind
    is_main: bool = True
    in_block: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Many children of one parent, side by side: its place and size in cells."""

    parent: str
    column: int
    row: float
    columns: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLayout:
    """All places. Sizes in cells."""

    spots: tuple[Spot, ...] = ()
    edges: tuple[Edge, ...] = ()
    blocks: tuple[Block, ...] = ()
    columns: int = 0
    rows: float = 0.0


def gather(start: str, get_many: GetMany, children_of: ChildrenOf, limit: int = FAMILY_MAX) -> Family:
    """Everybody who is linked to a picture through any number of parents and children, nearest first up to `limit`.

    Terminates for any links, also for ones in a circle.
    """
    found: dict[str, Picture] = {}
    missing: set[str] = set()
    wanted, asked = [start], {start}
    is_cut = False
    while wanted and not is_cut:
        here = {picture.id: picture for picture in get_many(wanted)}
        missing |= {id for id in wanted if id not in here}
        here = {id: picture for id, picture in here.items() if id == start or not _is_sheet(picture)}
        found |= here
        wanted = []
        for picture in here.values():
            for id in (*(link.parent for link in _links(picture)), *children_of(picture.id)):
                if id not in asked:
                    asked.add(id)
                    wanted.append(id)
        if len(found) + len(wanted) > limit:
            wanted, is_cut = wanted[: max(0, limit - len(found))], True
            found |= {picture.id: picture for picture in get_many(wanted) if not _is_sheet(picture)}
    members = tuple(sorted(found.values(), key=lambda picture: picture.id))
    return Family(start=start, members=members, missing=frozenset(missing), is_cut=is_cut)


def main_link(picture: Picture, here: Iterable[str]) -> Link | None:
    """The link that decides where a picture stands: the first to an older picture of the family."""
    known = set(here)
    return next((link for link in _links(picture) if link.parent in known and link.parent < picture.id), None)


def lay_out(members: Sequence[Picture]) -> TreeLayout:
    """Places for a family: a column for each generation, every parent in the middle of what came of it.

    No two members stand in one place. A member with several parents stands with the first; the others get a line.
    """
    ids = [picture.id for picture in members]
    here = set(ids)
    main = {picture.id: main_link(picture, here) for picture in members}
    children: dict[str, list[str]] = {id: [] for id in ids}
    for id in ids:
        if (link := main[id]) is not None:
            children[link.parent].append(id)
    spots: dict[str, Spot] = {}
    blocks: list[Block] = []
    in_block: set[str] = set()
    heights = _heights(ids, children)
    row = 0.0
    for root in (id for id in ids if main[id] is None):
        _place(root, 0, row, children, heights, spots, blocks, in_block)
        row += heights[root]
    edges = _edges(members, here, main, in_block)
    columns = 1 + max((spot.column for spot in spots.values()), default=-1)
    return TreeLayout(
        spots=tuple(spots[id] for id in ids), edges=edges, blocks=tuple(blocks), columns=columns, rows=row
    )


def nearest(layout: TreeLayout, id: str, dx: int, dy: int) -> str:
    """The member that an arrow key leads to from `id`: -1, 0 or 1 to the right and down. `id` itself if there is none."""
    places = {spot.id: spot for spot in layout.spots}
    here = places.get(id)
    if here is None:
        return id
    best, least = id, math.inf
    for spot in layout.spots:
        across, down = spot.column - here.column, spot.row - here.row
        along, aside = (across * dx, down) if dx else (down * dy, across)
        if along > 0.01 and (cost := along + 2.5 * abs(aside)) < least:
            best, least = spot.id, cost
    return best


def _is_sheet(picture: Picture) -> bool:
    """A sheet is no member of its cells' families: it would join everything that was ever on one sheet."""
    return bool(picture.parents) and not _links(picture)


def _links(picture: Picture) -> tuple[Link, ...]:
    return tuple(link for link in picture.parents if link.kind is not LinkKind.CELL)


def _split(id: str, children: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """Children with children of their own; those without, if they are enough for a block (otherwise all are first)."""
    leaves = [child for child in children[id] if not children[child]]
    if len(leaves) < BLOCK_MIN:
        return children[id], []
    return [child for child in children[id] if children[child]], leaves


def _block_size(count: int) -> tuple[int, int]:
    columns = max(2, round(math.sqrt(count)))
    return columns, math.ceil(count / columns)


def _heights(ids: Sequence[str], children: dict[str, list[str]]) -> dict[str, int]:
    heights: dict[str, int] = {}
    for id in reversed(ids):  # children are younger than their parents, so they come first
        branches, leaves = _split(id, children)
        block = _block_size(len(leaves))[1] if leaves else 0
        heights[id] = max(1, sum(heights[child] for child in branches) + block)
    return heights


def _place(
    root: str,
    column: int,
    top: float,
    children: dict[str, list[str]],
    heights: dict[str, int],
    spots: dict[str, Spot],
    blocks: list[Block],
    in_block: set[str],
) -> None:
    waiting = [(root, column, top)]  # a list and no recursion: a chain may be hundreds long
    while waiting:
        id, at, row = waiting.pop()
        spots[id] = Spot(id=id, column=at, row=row + (heights[id] - 1) / 2)
        branches, leaves = _split(id, children)
        for child in branches:
            waiting.append((child, at + 1, row))
            row += heights[child]
        if leaves:
            columns, rows = _block_size(len(leaves))
            blocks.append(Block(parent=id, column=at + 1, row=row, columns=columns, rows=rows))
            in_block.update(leaves)
            for number, leaf in enumerate(leaves):
                spots[leaf] = Spot(id=leaf, column=at + 1 + number % columns, row=row + number // columns)


def _edges(
    members: Sequence[Picture], here: set[str], main: dict[str, Link | None], in_block: set[str]
) -> tuple[Edge, ...]:
    found = []
    for picture in members:
        for link in _links(picture):
            if link.parent in here and link.parent != picture.id:
                is_main = link is main[picture.id]
                inside = is_main and picture.id in in_block
                found.append(
                    Edge(parent=link.parent, child=picture.id, kind=link.kind, is_main=is_main, in_block=inside)
                )
    return tuple(found)
