"""The family of a picture, and where its members stand when it is drawn: oldest left, what came of them to the right.

Pure. Places are in cells; the window decides how large a cell is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from studio.core.library import Link, LinkKind
from studio.core.picture import Picture

FAMILY_MAX = 400  # members that are gathered
STACK_ROWS = 7  # what came of one picture stands in a stack up to here, and beyond in a block as wide as it is high
LEAF = 0.74  # width of a picture in a block with nothing to its right, in cells: it needs no room for lines
WIDE = 1.6  # cells across to cells down that a block is to have

GetMany = Callable[[Iterable[str]], Sequence[Picture]]  # of those that are here
ChildrenOf = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Pictures that came from one another, oldest first. `missing` are parents that are named but not here, `trashed`
    members that lie in the trash; `is_cut`: there are more than were gathered."""

    start: str
    members: tuple[Picture, ...] = ()
    missing: frozenset[str] = frozenset()
    trashed: frozenset[str] = frozenset()
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where one member stands: `column` and `row` in cells, from 0; fractions, to stand between children."""

    id: str
    column: float
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
    """What came of one parent, packed side by side: its place and size in cells; `depth` blocks stand in one another
    inside it."""

    parent: str
    column: float
    row: float
    columns: float
    rows: float
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLayout:
    """All places. Sizes in cells."""

    spots: tuple[Spot, ...] = ()
    edges: tuple[Edge, ...] = ()
    blocks: tuple[Block, ...] = ()
    columns: float = 0.0
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


def without_trash(family: Family, trashed: Iterable[str]) -> Family:
    """The family without those of the trash that nothing else came of; the others are named, as they hold it together."""
    gone = set(trashed)
    members = list(family.members)
    parents_of = {picture.id: {link.parent for link in _links(picture)} for picture in members}
    while True:
        needed = {parent for picture in members for parent in parents_of[picture.id]} | {family.start}
        kept = [picture for picture in members if picture.id not in gone or picture.id in needed]
        if len(kept) == len(members):
            break
        members = kept
    here = {picture.id for picture in members}
    return replace(family, members=tuple(members), trashed=frozenset(gone & here))


def main_link(picture: Picture, here: Iterable[str]) -> Link | None:
    """The link that decides where a picture stands: the first to an older picture of the family."""
    known = set(here)
    return next((link for link in _links(picture) if link.parent in known and link.parent < picture.id), None)


def lay_out(members: Sequence[Picture]) -> TreeLayout:
    """Places for a family: every parent to the left of what came of it, in its middle.

    No two members stand in one place. A member with several parents stands with the first; the others get a line.
    """
    ids = [picture.id for picture in members]
    here = set(ids)
    main = {picture.id: main_link(picture, here) for picture in members}
    children: dict[str, list[str]] = {id: [] for id in ids}
    for id in ids:
        if (link := main[id]) is not None:
            children[link.parent].append(id)
    plots: dict[str, _Plot] = {}
    for id in reversed(ids):  # children are younger than their parents, so they come first
        plots[id] = _plot(children[id], plots)
    spots: dict[str, Spot] = {}
    blocks: list[Block] = []
    in_block: set[str] = set()
    row, columns = 0.0, 0.0
    for root in (id for id in ids if main[id] is None):
        _place(root, row, plots, spots, blocks, in_block)
        row += plots[root].rows
        columns = max(columns, plots[root].columns)
    edges = _edges(members, here, main, in_block)
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


@dataclass(frozen=True, slots=True)
class _Plot:
    """The ground that a member takes with all that came of it: size in cells, and where each child's ground begins."""

    columns: float
    rows: float
    inside: tuple[tuple[str, float, float], ...] = ()  # child, column and row from the member's own corner
    is_block: bool = False
    depth: int = 0  # blocks in one another


def _plot(children: Sequence[str], plots: dict[str, _Plot]) -> _Plot:
    if not children:
        return _Plot(1.0, 1.0)
    rows = sum(plots[child].rows for child in children)
    depth = max(plots[child].depth for child in children)
    if rows <= STACK_ROWS:
        tops = list(accumulate((plots[child].rows for child in children), initial=0.0))
        inside = tuple((child, 1.0, top) for child, top in zip(children, tops, strict=False))
        return _Plot(1.0 + max(plots[child].columns for child in children), rows, inside, depth=depth)
    columns, rows, inside = _packed(children, plots)
    return _Plot(1.0 + columns, rows, inside, is_block=True, depth=depth + 1)


def _packed(
    children: Sequence[str], plots: dict[str, _Plot]
) -> tuple[float, float, tuple[tuple[str, float, float], ...]]:
    """Children in columns from top to bottom, oldest first, in about the proportions of a screen."""
    best: tuple[float, float, float, tuple[tuple[str, float, float], ...]] | None = None
    total, tallest = sum(plots[child].rows for child in children), max(plots[child].rows for child in children)
    for count in range(1, len(children) + 1):
        columns, rows, inside = _in_columns(children, plots, max(total / count, tallest))
        cost = max(columns / WIDE, rows)
        if best is None or cost < best[0]:
            best = cost, columns, rows, inside
        if columns / WIDE > rows:
            break  # from here on it only grows wider
    assert best is not None  # there is at least one child
    return best[1:]


def _in_columns(
    children: Sequence[str], plots: dict[str, _Plot], most: float
) -> tuple[float, float, tuple[tuple[str, float, float], ...]]:
    inside, left, top, width, rows = [], 1.0, 0.0, 0.0, 0.0
    for child in children:
        plot = plots[child]
        if top > 0 and top + plot.rows > most + 0.01:
            left, top, width = left + width, 0.0, 0.0
        inside.append((child, left, top))
        top += plot.rows
        width = max(width, plot.columns if plot.inside else LEAF)
        rows = max(rows, top)
    return left + width - 1.0, rows, tuple(inside)


def _place(
    root: str,
    top: float,
    plots: dict[str, _Plot],
    spots: dict[str, Spot],
    blocks: list[Block],
    in_block: set[str],
) -> None:
    waiting = [(root, 0.0, top)]  # a list and no recursion: a chain may be hundreds long
    while waiting:
        id, column, row = waiting.pop()
        plot = plots[id]
        spots[id] = Spot(id=id, column=column, row=row + (plot.rows - 1) / 2)
        if plot.is_block:
            size = plot.columns - 1, plot.rows
            blocks.append(
                Block(parent=id, column=column + 1, row=row, columns=size[0], rows=size[1], depth=plot.depth - 1)
            )
            in_block.update(child for child, _, _ in plot.inside)
        waiting += [(child, column + across, row + down) for child, across, down in plot.inside]


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
