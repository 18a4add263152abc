"""The family tree through the real window: opened, walked by keys, started again from, starred, trashed."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.differences import Difference, differences
from studio.core.library import Link, LinkKind
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe, Size
from studio.ui.tree.page import TreePage
from studio.ui.tree.words import caption
from tests.state.fakes import MADE_WITH

BASE = Recipe(prompt="a red house on green hills", seed=7, size=Size(width=64, height=64))


def add(studio: Studio, recipe: Recipe, *links: Link) -> Picture:
    pixels = Pixels(width=64, height=64, data=bytes(64 * 64 * 3))
    picture = studio.store.add(pixels, recipe, MADE_WITH, tuple(links))
    studio.state.gallery.insert(picture)
    return picture


def varied(parent: Picture) -> Link:
    return Link(kind=LinkKind.VARIED, parent=parent.id)


def opened(qtbot: QtBot, studio: Studio, picture: Picture, count: int) -> TreePage:
    studio.window.tree.show_tree(picture)
    page = studio.window.tree.page
    assert page is not None
    qtbot.waitUntil(lambda: len(page.view.nodes) == count, timeout=20_000)
    return page


def test_the_tree_is_walked_and_a_member_becomes_the_new_start(qtbot: QtBot, studio: Studio) -> None:
    first = add(studio, BASE)
    second = add(studio, replace(BASE, steps=32), varied(first))
    third = add(studio, replace(BASE, steps=32, seed=9), varied(second))
    page = opened(qtbot, studio, first, 3)
    assert page.view.picture == first
    qtbot.keyClick(page.view, Qt.Key.Key_Right)
    assert page.view.picture is not None
    assert page.view.picture.id == second.id
    assert page.change.text() == "Varied: Steps 20 → 32"
    assert page.view.nodes[third.id].words == "seed 9"
    qtbot.mouseClick(page.use, Qt.MouseButton.LeftButton)
    draft = studio.draft.draft
    assert draft.steps == 32
    assert draft.origin is not None
    assert draft.origin.picture == second.id
    page.close()


def test_a_new_child_joins_and_a_star_is_seen(qtbot: QtBot, studio: Studio) -> None:
    first = add(studio, BASE)
    page = opened(qtbot, studio, first, 1)
    studio.window.wishes.use_picture(first)
    studio.draft.set_steps(5)
    studio.window.wishes.generate()
    qtbot.waitUntil(lambda: len(page.view.nodes) == 2, timeout=10_000)
    child = next(node.picture for id, node in page.view.nodes.items() if id != first.id)
    assert child.parents == (varied(first),)
    page.view.select(first.id)
    qtbot.keyClick(page.view, Qt.Key.Key_4)
    qtbot.waitUntil(lambda: page.view.nodes[first.id].picture.marks.rating == 4, timeout=20_000)
    assert page.view.picture is not None
    assert page.view.picture.id == first.id, "the selection stays"
    page.close()


def test_a_trashed_leaf_leaves_and_a_trashed_parent_is_dimmed(qtbot: QtBot, studio: Studio) -> None:
    first = add(studio, BASE)
    second = add(studio, replace(BASE, steps=32), varied(first))
    third = add(studio, replace(BASE, steps=32, seed=9), varied(second))
    page = opened(qtbot, studio, first, 3)
    page.view.select(second.id)
    qtbot.keyClick(page.view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: page.view.nodes[second.id].is_trashed, timeout=20_000)
    page.view.select(second.id)
    assert not page.trash.isEnabled()
    page.back_wished.emit(second)
    qtbot.waitUntil(lambda: not page.view.nodes[second.id].is_trashed, timeout=20_000)
    page.view.select(third.id)
    qtbot.keyClick(page.view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: third.id not in page.view.nodes, timeout=20_000)
    page.close()


def test_two_hundred_are_shown_and_close_lets_go(qtbot: QtBot, studio: Studio) -> None:
    first = add(studio, BASE)
    for number in range(199):
        add(studio, replace(BASE, seed=100 + number), varied(first))
    page = opened(qtbot, studio, first, 200)
    assert page.count.text() == "200 pictures"
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    assert not page.isVisible()
    assert studio.state.family.view is None


def test_captions_say_what_changed_in_a_few_words() -> None:
    def said(after: Recipe) -> str:
        return caption(LinkKind.VARIED, differences(BASE, after))

    assert said(BASE) == "varied"
    assert said(replace(BASE, seed=12)) == "seed 12"
    assert said(replace(BASE, prompt="a red house on green hills at night")) == "“at night”"
    assert said(replace(BASE, prompt="a red house")) == "without “on green hills”"
    assert said(replace(BASE, prompt="two cats")) == "prompt"
    assert said(replace(BASE, seed=1, steps=2)) == "seed 1\nsteps 20 → 2"
    assert said(replace(BASE, seed=1, steps=2, guidance_scale=3.0)) == "seed 1\n2 more"
    lora = Difference(field="plugins[0]", title="LoRA ink", before="–", after="weight 0.8")
    assert caption(LinkKind.VARIED, [lora]).startswith("LoRA ink")
