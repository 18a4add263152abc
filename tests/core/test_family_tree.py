"""A family is gathered whole, and nobody stands in another's place."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.family_tree import LEAF, STACK_ROWS, TreeLayout, gather, lay_out, main_link, nearest, without_trash
from studio.core.library import Link, LinkKind
from studio.core.picture import MadeWith, Picture
from studio.core.recipe import Recipe

MADE = MadeWith(studio="", device="", dtype="", seconds=0.0)


def picture(number: int, *parents: int, kind: LinkKind = LinkKind.VARIED) -> Picture:
    return Picture(
        id=f"{number:04d}",
        recipe=Recipe(prompt="a cat", seed=number),
        made_with=MADE,
        file=Path(f"{number}.png"),
        width=64,
        height=64,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        parents=tuple(Link(kind=kind, parent=f"{parent:04d}") for parent in parents),
    )


class Library:
    def __init__(self, pictures: Iterable[Picture]) -> None:
        self.pictures = {one.id: one for one in pictures}

    def get_many(self, ids: Iterable[str]) -> list[Picture]:
        return [self.pictures[id] for id in ids if id in self.pictures]

    def children(self, id: str) -> list[str]:
        return [one.id for one in self.pictures.values() if any(link.parent == id for link in one.parents)]


def family(start: int, *pictures: Picture, limit: int = 400) -> list[str]:
    library = Library(pictures)
    found = gather(f"{start:04d}", library.get_many, library.children, limit)
    return [one.id for one in found.members]


def check(layout: TreeLayout) -> None:
    places = [(spot.column, spot.row) for spot in layout.spots]
    for i, (column, row) in enumerate(places):
        assert 0 <= column <= layout.columns - LEAF + 0.001
        assert 0 <= row <= layout.rows - 1 + 0.001
        assert not any(abs(c - column) < LEAF - 0.001 and abs(r - row) < 0.999 for c, r in places[:i])
    spot_of = {spot.id: spot for spot in layout.spots}
    assert all(spot_of[e.parent].column < spot_of[e.child].column for e in layout.edges if e.is_main)


def test_the_family_of_any_member_is_the_same() -> None:
    members = [picture(1), picture(2, 1), picture(3, 1), picture(4, 3), picture(5, 4, 2), picture(9)]
    for start in (1, 3, 5):
        assert family(start, *members) == ["0001", "0002", "0003", "0004", "0005"]
    assert family(9, *members) == ["0009"]


def test_parents_that_are_gone_are_named() -> None:
    library = Library([picture(2, 1)])
    found = gather("0002", library.get_many, library.children)
    assert found.missing == {"0001"}
    assert gather("0007", library.get_many, library.children).members == ()


def test_links_in_a_circle_end() -> None:
    members = [picture(1, 3), picture(2, 1), picture(3, 2)]
    assert family(2, *members) == ["0001", "0002", "0003"]
    check(lay_out(members))


def test_a_family_that_is_too_large_is_cut_nearest_first() -> None:
    library = Library([picture(1), *(picture(n, 1) for n in range(2, 60))])
    found = gather("0001", library.get_many, library.children, limit=20)
    assert found.is_cut
    assert len(found.members) == 20


def test_what_lies_in_the_trash_stays_only_where_something_came_of_it() -> None:
    library = Library([picture(1), picture(2, 1), picture(3, 2), picture(4, 1), picture(5, 4)])
    whole = gather("0001", library.get_many, library.children)
    kept = without_trash(whole, ["0002", "0004", "0005"])
    assert [one.id for one in kept.members] == ["0001", "0002", "0003"]
    assert kept.trashed == {"0002"}
    alone = without_trash(gather("0005", library.get_many, library.children), ["0005"])
    assert "0005" in {one.id for one in alone.members}, "the one that is looked at stays"


def test_a_sheet_does_not_join_families() -> None:
    sheet = picture(5, 1, 2, kind=LinkKind.CELL)
    assert family(1, picture(1), picture(2), sheet) == ["0001"]
    assert family(5, picture(1), picture(2), sheet) == ["0005"]
    assert main_link(sheet, ["0001"]) is None


def test_a_parent_stands_in_the_middle_of_its_children() -> None:
    members = [picture(1), picture(2, 1), picture(3, 1), picture(4, 1)]
    layout = lay_out(members)
    spots = {spot.id: spot for spot in layout.spots}
    assert (spots["0001"].column, spots["0001"].row) == (0, 1.0)
    assert [spots[id].row for id in ("0002", "0003", "0004")] == [0, 1, 2]
    check(layout)


def test_many_children_stand_in_a_block_of_the_proportions_of_a_screen() -> None:
    members = [picture(1), *(picture(n, 1) for n in range(2, 202))]
    layout = lay_out(members)
    assert len(layout.blocks) == 1
    block = layout.blocks[0]
    assert 1.2 < block.columns / block.rows < 2.2
    assert block.columns / LEAF * block.rows >= 200
    assert all(edge.in_block for edge in layout.edges)
    check(layout)
    assert not lay_out(members[: STACK_ROWS + 1]).blocks


def test_a_large_family_is_no_tower() -> None:
    rng = random.Random(4)
    members = [picture(0)]
    for n in range(1, 200):
        members.append(picture(n, int(n * rng.random() ** 1.6) if n > 24 else 0))
    layout = lay_out(members)
    check(layout)
    assert layout.columns / layout.rows > 0.7
    inner = {block.parent: block for block in layout.blocks}
    assert all(block.depth < 6 for block in inner.values())


def test_a_second_parent_gets_a_line_and_decides_nothing() -> None:
    members = [picture(1), picture(2), picture(3, 1, 2)]
    edges = lay_out(members).edges
    assert [(edge.parent, edge.is_main) for edge in edges] == [("0001", True), ("0002", False)]


def test_a_chain_of_a_thousand_is_no_trouble() -> None:
    layout = lay_out([picture(1), *(picture(n, n - 1) for n in range(2, 1001))])
    assert (layout.columns, layout.rows) == (1000, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 120))
def test_nobody_stands_in_anothers_place(seed: int, count: int) -> None:
    rng = random.Random(seed)
    members = [
        picture(
            n, *{rng.randrange(max(0, n - rng.choice((1, 4, 60))), n + 2) for _ in range(rng.choice((0, 1, 1, 1, 2)))}
        )
        for n in range(count)
    ]
    check(lay_out(members))


@pytest.mark.parametrize(
    ("start", "dx", "dy", "end"),
    [(1, 1, 0, 3), (1, -1, 0, 1), (3, -1, 0, 1), (3, 0, 1, 4), (3, 0, -1, 2), (2, 0, -1, 2), (2, 1, 0, 2)],
)
def test_arrow_keys_lead_to_the_nearest(start: int, dx: int, dy: int, end: int) -> None:
    layout = lay_out([picture(1), picture(2, 1), picture(3, 1), picture(4, 1)])
    assert nearest(layout, f"{start:04d}", dx, dy) == f"{end:04d}"
    assert nearest(layout, "gone", dx, dy) == "gone"


def test_marks_and_places_do_not_mind_each_other() -> None:
    members = [picture(1), replace(picture(2, 1), parents=picture(2, 1).parents * 2)]
    check(lay_out(members))
