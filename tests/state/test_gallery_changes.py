"""What changes the gallery's rows: the trash and back, stars, tags, boards and notes, with undo; true again after trouble."""

from __future__ import annotations

import threading

import pytest
from PySide6.QtCore import QPersistentModelIndex
from PySide6.QtGui import QUndoStack
from pytestqt.qtbot import QtBot

from studio.core.library import Query
from studio.core.recipe import Recipe
from studio.state.background import Background
from studio.state.gallery_marks import MarkChange
from studio.state.gallery_model import GalleryModel
from tests.state.fakes import MemoryStore, picture_of
from tests.state.galleries import Make, ids, make, settle, stack

__all__ = ["make", "stack"]  # fixtures


def test_rows_that_change_while_the_store_is_read_are_not_undone(
    make: Make, qtbot: QtBot, background: Background
) -> None:
    store = MemoryStore(5)
    model = make(store)
    model.refresh()
    background.wait()  # read, but not told yet
    picture = picture_of(Recipe(prompt="new", seed=9), 9)
    store.put(picture)
    model.insert(picture)
    model.remove(["000003"])
    settle(qtbot, background)
    assert ids(model) == [9, 4, 2, 1, 0]


def test_delete_and_undo(make: Make, qtbot: QtBot, background: Background, stack: QUndoStack) -> None:
    store, gone = MemoryStore(5), []
    model = make(store)
    model.gone.connect(gone.append)
    selected = QPersistentModelIndex(model.index(4))
    model.remove(["000003", "000001"])
    assert ids(model) == [4, 2, 0]
    assert gone == ["000003", "000001"]
    assert model.days == (("2026-01-01", 3),)
    assert stack.count() == 1
    assert stack.undoText() == "delete 2 pictures"
    settle(qtbot, background)
    assert set(store.trash) == {"000001", "000003"}
    stack.undo()
    assert ids(model) == [4, 3, 2, 1, 0]
    settle(qtbot, background)
    assert ids(model) == [4, 3, 2, 1, 0]
    assert store.trash == {}
    assert selected.row() == 4
    stack.redo()
    settle(qtbot, background)
    assert ids(model) == [4, 2, 0]
    assert len(store.trash) == 2


@pytest.mark.parametrize("order", [(4, 3, 2), (2, 3, 4), (3, 2, 4), (4, 2, 3), (0, 1, 2, 3, 4)])
def test_neighbours_come_back_to_their_places(make: Make, qtbot: QtBot, order: tuple[int, ...]) -> None:
    model = make(MemoryStore(5), undo=False)
    for number in order:
        model.remove([f"{number:06d}"])
    for number in order:
        model.restore([f"{number:06d}"])
    assert ids(model) == [4, 3, 2, 1, 0]


def test_undo_and_redo_faster_than_the_disk(
    make: Make, qtbot: QtBot, background: Background, stack: QUndoStack
) -> None:
    store = MemoryStore(3)
    model = make(store)
    gate = threading.Event()
    background.run(lambda: gate.wait(5), lambda _: None)
    model.remove(["000001"])
    for _ in range(5):
        stack.undo()
        assert ids(model) == [2, 1, 0]
        stack.redo()
        assert ids(model) == [2, 0]
    gate.set()
    settle(qtbot, background)
    assert ids(model) == [2, 0]
    assert set(store.trash) == {"000001"}


def test_undo_of_a_removal_under_another_search(
    make: Make, qtbot: QtBot, background: Background, stack: QUndoStack
) -> None:
    model = make(MemoryStore(12))
    model.remove(["000005"])
    model.set_query(Query(text="1"))
    settle(qtbot, background)
    stack.undo()
    settle(qtbot, background)
    assert ids(model) == [11, 10, 1]
    model.set_query(Query())
    settle(qtbot, background)
    assert 5 in ids(model)


def test_a_picture_that_is_not_among_the_rows_goes_too(
    make: Make, qtbot: QtBot, background: Background, stack: QUndoStack
) -> None:
    store, gone = MemoryStore(12), []
    model = make(store)
    model.gone.connect(gone.append)
    model.set_query(Query(text="11"))
    settle(qtbot, background)
    model.remove(["000003"])  # from the family tree, or the copy that a verification made
    model.remove(["000003"])  # twice is once
    settle(qtbot, background)
    assert (gone, set(store.trash), stack.count()) == (["000003"], {"000003"}, 1)
    stack.undo()
    settle(qtbot, background)
    assert store.trash == {} and ids(model) == [11]
    model.set_query(Query())
    settle(qtbot, background)
    assert ids(model) == list(range(11, -1, -1))
    stack.redo()
    settle(qtbot, background)
    assert 3 not in ids(model) and set(store.trash) == {"000003"}


def test_a_picture_whose_row_was_never_looked_at_goes_with_it(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(500)
    model = make(store)
    assert not model.find("000100").isValid(), "it is among the rows, but nobody has looked there"
    model.remove(["000100"])
    qtbot.waitUntil(lambda: model.rowCount() == 499)
    assert 100 not in ids(model) and set(store.trash) == {"000100"}


def test_a_listing_read_before_a_removal_does_not_bring_the_picture_back(
    make: Make, qtbot: QtBot, background: Background
) -> None:
    model = make(MemoryStore(3))
    model.set_query(Query())
    background.wait()  # the listing is read with the picture in it, but not told yet
    model.remove(["000001"])
    settle(qtbot, background)
    assert ids(model) == [2, 0]


def test_what_cannot_be_deleted_comes_back(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(3)
    model = make(store)
    store.broken = True
    with qtbot.waitSignal(model.failed):
        model.remove(["000001"])
    store.broken = False
    model.refresh()
    settle(qtbot, background)
    assert ids(model) == [2, 1, 0]


def test_marks_and_undo(make: Make, qtbot: QtBot, background: Background, stack: QUndoStack) -> None:
    store = MemoryStore(3)
    model = make(store)
    pictures = [p for row in (0, 1) if (p := model.picture(model.index(row))) is not None]
    model.mark(pictures[:1], "first", MarkChange(rating=2, add_tags=("sea",)))
    with qtbot.waitSignal(model.marks_changed):
        model.mark([model.known(p.id) or p for p in pictures], "stars", MarkChange(rating=4, add_tags=("sea", "blue")))
    assert [p.marks.rating for p in store.held.values()] == [0, 4, 4]
    assert model.index(1).data(GalleryModel.PictureRole).marks.tags == ("blue", "sea")
    assert stack.undoText() == "stars"
    stack.undo()
    settle(qtbot, background)
    assert [(p.marks.rating, p.marks.tags) for p in store.held.values()] == [(0, ()), (0, ()), (2, ("sea",))]
    stack.undo()
    settle(qtbot, background)
    assert {p.marks.rating for p in store.held.values()} == {0}
    assert model.index(0).data(GalleryModel.PictureRole).marks.tags == ()


def test_a_mark_that_changes_nothing_is_no_undo_step(make: Make, stack: QUndoStack) -> None:
    model = make(MemoryStore(1))
    picture = model.picture(model.index(0))
    assert picture is not None
    model.mark([picture], "stars", MarkChange(rating=0, remove_tags=("sea",), note=""))
    assert stack.count() == 0


def test_a_picture_that_no_longer_answers_the_search_goes(make: Make, qtbot: QtBot, background: Background) -> None:
    model = make(MemoryStore(3))
    picture = model.picture(model.index(1))
    assert picture is not None
    model.set_query(Query(text="rating:0"))
    settle(qtbot, background)
    model.mark([picture], "stars", MarkChange(rating=5))
    settle(qtbot, background)
    assert ids(model) == [2, 0]


def test_a_mark_that_cannot_be_kept_is_taken_back(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(3)
    model = make(store)
    model.look_at(0, 3)
    picture = model.picture(model.index(1))
    assert picture is not None
    store.broken = True
    with qtbot.waitSignal(model.failed):
        model.mark([picture], "stars", MarkChange(rating=5))
    store.broken = False
    model.refresh()
    settle(qtbot, background)
    assert model.index(1).data(GalleryModel.PictureRole).marks.rating == 0
