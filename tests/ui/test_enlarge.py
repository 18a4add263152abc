"""Enlarging through the real window, and what details and tree say of a picture and its parent."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.library import LinkKind
from studio.core.picture import Picture
from studio.core.recipe import Size
from studio.engine.fake import FakeEngine
from studio.gallery.png import read_imprint
from studio.ui.dialogs.enlarge import EnlargeDialog
from studio.ui.gallery.changes import since_words
from studio.ui.gallery.wishes import PICTURE_MENU
from studio.ui.tree.words import caption
from studio.ui.words import picture_details
from tests.ui.conftest import drop, file_mime, paint
from tests.ui.test_benches import pictures


def dialog_of(studio: Studio) -> EnlargeDialog:
    studio.window.commands["enlarge"].trigger()
    dialog = studio.window.findChild(EnlargeDialog)
    assert dialog is not None
    return dialog


def enlarge(qtbot: QtBot, studio: Studio, factor: float) -> Picture:
    dialog = dialog_of(studio)
    qtbot.mouseClick(dialog.sizes[factor], Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(studio.queue.picture_added, timeout=5000) as added:
        qtbot.mouseClick(dialog.begin, Qt.MouseButton.LeftButton)
    return added.args[0]


def test_a_larger_picture_begins_with_the_pixels_of_the_small_one(qtbot: QtBot, studio: Studio) -> None:
    assert not studio.window.commands["enlarge"].isEnabled() and any("enlarge" in group for group in PICTURE_MENU)
    paint(qtbot, studio, "a red house", seed=5)
    small = pictures(studio)[0]
    before = studio.draft.draft
    large = enlarge(qtbot, studio, 2.0)
    assert (large.width, large.height) == (2 * small.width, 2 * small.height)
    assert [(link.kind, link.parent) for link in large.parents] == [(LinkKind.UPSCALED, small.id)]
    assert large.recipe.init is not None and large.recipe.strength == pytest.approx(0.35)
    assert (large.recipe.prompt, large.recipe.seed) == ("a red house", 5)
    assert studio.draft.draft == before  # the panels are left alone
    assert read_imprint(large.file).parents == large.parents  # also in the file, for a new index
    words = picture_details(large)
    assert "a picture, of which 35% is painted anew" in words and f"Came from: {small.id} (enlarged)" in words
    qtbot.waitUntil(lambda: studio.window.centre.picture is not None and studio.window.centre.picture.id == large.id)


def test_the_window_remembers_what_was_wished_last(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, seed=5)
    dialog = dialog_of(studio)
    assert dialog.factor == 1.5 and dialog.sizes[1.5].text().endswith("384 × 384")
    dialog.strength.spin.setValue(0.5)
    dialog.sizes[2.0].click()
    with qtbot.waitSignal(studio.queue.picture_added, timeout=5000) as added:
        dialog.begin.click()
    assert added.args[0].recipe.strength == pytest.approx(0.5)
    qtbot.waitUntil(lambda: studio.window.findChild(EnlargeDialog) is None, timeout=5000)
    again = dialog_of(studio)
    assert again.factor == 2.0 and again.strength.spin.value() == pytest.approx(0.5)


def test_what_cannot_be_made_is_said_where_it_is_chosen(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, seed=5)
    wide = replace(pictures(studio)[0], width=1200, height=800)
    dialog = EnlargeDialog(wide, 2.0, 0.35, studio.window)
    assert not dialog.sizes[2.0].isEnabled() and dialog.factor == 1.5 and dialog.begin.isEnabled()
    assert "2400 × 1600; at most 2048" in dialog.problem.text()
    sheet = replace(wide, made_with=replace(wide.made_with, sheet="XY plot: Steps"))
    none = EnlargeDialog(sheet, 2.0, 0.35, studio.window)
    assert none.factor is None and not none.begin.isEnabled() and "a sheet of several pictures" in none.problem.text()
    with qtbot.waitSignal(studio.state.enlarger.failed):
        studio.state.enlarger.enlarge(sheet, 2.0, 0.35)
    assert not studio.queue.running and len(pictures(studio)) == 1


def test_the_tree_says_enlarged_and_the_new_size(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, seed=5)
    large = enlarge(qtbot, studio, 1.5)
    studio.state.family.open(large.id)
    qtbot.waitUntil(lambda: studio.state.family.view is not None, timeout=5000)
    view = studio.state.family.view
    assert view is not None
    link, changes = view.changes[large.id]
    assert caption(link.kind, changes) == "enlarged\n384 × 384"
    assert all(change.field != "init" for change in changes)


def test_details_compare_with_the_parent_even_if_others_came_between(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, "a red house", seed=5)
    parent = pictures(studio)[0]
    paint(qtbot, studio, "something else", seed=9)
    forerunners = studio.state.forerunners
    between = forerunners.changes(pictures(studio)[0])
    assert between is not None and between[0] is None and since_words(None) == "Changed since the picture before"
    assert {change.field for change in between[1]} == {"prompt", "seed"}
    studio.window.wishes.use_picture(parent)
    qtbot.waitUntil(lambda: studio.draft.draft.seed == 5, timeout=5000)
    studio.draft.set_steps(7)
    studio.window.prompt.generate.click()
    qtbot.waitUntil(lambda: len(pictures(studio)) == 3, timeout=5000)
    child = pictures(studio)[0]
    found = forerunners.changes(child)
    assert found is not None and found[0] is not None and since_words(found[0]) == "Changed since its parent (varied)"
    assert [(change.field, change.after) for change in found[1]] == [("steps", "7")]
    studio.window.centre.details.show_picture(child)
    assert studio.window.centre.details.text.toPlainText().startswith(
        "Changed since its parent (varied): Steps: 20 → 7"
    )
    studio.window.commands["library"].trigger()
    details = studio.window.history._library.details
    details.show_pictures((child,), child)
    assert details.since.text() == "Changed since its parent (varied)"


def test_a_parent_that_is_not_in_sight_is_read_in_the_background(
    qtbot: QtBot, make_studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio: Studio = make_studio(engine=FakeEngine())
    paint(qtbot, studio, "a red house", seed=5)
    large = enlarge(qtbot, studio, 1.5)
    monkeypatch.setattr(studio.state.gallery, "known", lambda _id: None)
    forerunners = studio.state.forerunners
    with qtbot.waitSignal(forerunners.found, timeout=5000) as found:
        assert forerunners.changes(large) is None
    assert found.args == [large.id]
    compared = forerunners.changes(large)
    assert compared is not None and compared[0] is not None and compared[0].kind is LinkKind.UPSCALED
    assert {change.field for change in compared[1]} == {"size", "strength"}
    gone = replace(large, parents=(replace(large.parents[0], parent="20200101-000000-000000-aaaa"),))
    with qtbot.waitSignal(forerunners.found, timeout=5000):
        forerunners.changes(gone)
    compared = forerunners.changes(gone)  # the parent is not here any more: the picture before it
    assert compared is not None and compared[0] is None
    assert Size(width=384, height=384) == large.recipe.size


def test_an_enlarged_picture_that_was_mailed_is_made_again_elsewhere(
    qtbot: QtBot, make_studio: Callable[..., Studio], sketch: Path, tmp_path: Path
) -> None:
    """The pixels it begins with and its sketch travel in the file: no folder of the first studio is asked."""
    here = make_studio()
    here.state.intake.add_file(sketch)
    qtbot.waitUntil(lambda: len(here.draft.draft.controls) == 1, timeout=5000)
    paint(qtbot, here, "a red house", seed=5)
    large = enlarge(qtbot, here, 2.0)
    mailed = tmp_path / "from a friend.png"
    shutil.copy(large.file, mailed)
    there = make_studio()
    assert drop(there.window.centre.view, file_mime(mailed))
    qtbot.waitUntil(lambda: there.draft.draft.seed == 5, timeout=5000)
    draft = there.draft.draft
    assert draft.init == large.recipe.init and [layer.use for layer in draft.controls] == list(large.recipe.controls)
    for ref in large.recipe.pictures:
        assert there.store.inputs.read(ref) == here.store.inputs.read(ref)
    with qtbot.waitSignal(there.queue.picture_added, timeout=5000) as added:
        there.window.prompt.generate.click()
    again = added.args[0]
    assert again.recipe == large.recipe and again.made_with.pixel_sha256 == large.made_with.pixel_sha256
