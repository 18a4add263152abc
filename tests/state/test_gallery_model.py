"""The gallery's rows: newest first, page by page, trash and back, true again after trouble, drag out."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, QUrl
from PySide6.QtGui import QUndoStack
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.core.recipe import SEED_MAX, Recipe
from studio.state.background import Background
from studio.state.gallery_model import PAGE, PICTURE_MIME, GalleryModel
from studio.state.thumbnails import Thumbnails
from tests.state.fakes import MemoryStore, picture_of

Make = Callable[..., GalleryModel]


def read_thumbnail(picture: Picture) -> Pixels:
    return Pixels(width=4, height=4, data=bytes([picture.recipe.seed % 256]) * 48)


@pytest.fixture
def stack(qtbot: QtBot) -> QUndoStack:
    return QUndoStack()


@pytest.fixture
def make(qtbot: QtBot, background: Background, stack: QUndoStack) -> Make:
    def build(store: MemoryStore, undo: bool = True, tester: bool = True) -> GalleryModel:
        thumbnails = Thumbnails(read_thumbnail, background)
        model = GalleryModel(store, background, thumbnails, stack if undo else None)
        fatal = QAbstractItemModelTester.FailureReportingMode.Fatal
        model.kept = (thumbnails, QAbstractItemModelTester(model, fatal) if tester else None)  # type: ignore[attr-defined]
        model.refresh()
        background.wait()
        qtbot.wait(10)
        return model

    return build


def settle(qtbot: QtBot, background: Background) -> None:
    background.wait()
    qtbot.wait(10)


def ids(model: GalleryModel) -> list[int]:
    return [int(model.picture(model.index(row)).id) for row in range(model.rowCount())]


def test_roles(make: Make, qtbot: QtBot) -> None:
    model = make(MemoryStore(3))
    index = model.index(0)
    assert ids(model) == [2, 1, 0]
    assert index.data(GalleryModel.PictureRole) is model.picture(index)
    assert index.data(GalleryModel.RecipeRole) == Recipe(prompt="picture 2", seed=2)
    assert index.data(Qt.ItemDataRole.DisplayRole) == "picture 2"
    assert index.data(Qt.ItemDataRole.ToolTipRole) is None  # Qt would guess HTML in a prompt
    with qtbot.waitSignal(model.dataChanged) as changed:
        assert index.data(GalleryModel.ThumbnailRole) is None
    assert changed.args[0] == index
    assert changed.args[2] == [GalleryModel.ThumbnailRole]
    assert index.data(GalleryModel.ThumbnailRole).pixelColor(0, 0).red() == 2


def test_a_seed_of_32_bits_comes_out_whole(make: Make, qtbot: QtBot) -> None:
    model = make(MemoryStore())
    model.insert(picture_of(Recipe(prompt="", seed=SEED_MAX), 1))
    assert model.index(0).data(GalleryModel.RecipeRole).seed == SEED_MAX


def test_pages_come_when_asked_for(make: Make, qtbot: QtBot, background: Background) -> None:
    model = make(MemoryStore(2 * PAGE + 50), tester=False)  # the tester would ask for more itself
    assert model.rowCount() == PAGE
    pages = 0
    while model.canFetchMore(QModelIndex()):
        model.fetchMore(QModelIndex())
        assert not model.canFetchMore(QModelIndex())  # one is on its way
        settle(qtbot, background)
        pages += 1
    assert pages == 2
    assert ids(model) == list(reversed(range(2 * PAGE + 50)))


def test_pictures_that_come_between_two_pages_shift_nothing(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(PAGE + 10)
    model = make(store)
    for number in range(1000, 1003):
        picture = picture_of(Recipe(prompt="new", seed=number), number)
        store.pictures.append(picture)
        model.insert(picture)
    model.remove([f"{PAGE:06d}"])
    model.fetchMore(QModelIndex())
    settle(qtbot, background)
    expected = [1002, 1001, 1000, *(i for i in reversed(range(PAGE + 10)) if i != PAGE)]
    assert ids(model) == expected


def test_a_new_picture_stands_on_top_once(make: Make) -> None:
    model = make(MemoryStore(2))
    picture = picture_of(Recipe(prompt="new", seed=9), 9)
    model.insert(picture)
    model.insert(picture)
    assert ids(model) == [9, 1, 0]


def test_a_picture_that_comes_while_the_gallery_is_read_is_not_lost(
    make: Make, qtbot: QtBot, background: Background
) -> None:
    store = MemoryStore(2)
    model = make(store)
    model.refresh()
    background.wait()  # read, but not told yet
    model.insert(picture_of(Recipe(prompt="new", seed=9), 9))
    qtbot.wait(10)
    assert ids(model) == [9, 1, 0]


def test_delete_and_undo(make: Make, qtbot: QtBot, background: Background, stack: QUndoStack) -> None:
    store = MemoryStore(5)
    model = make(store)
    selected = QPersistentModelIndex(model.index(4))
    model.remove(["000003", "000001", "nobody"])
    assert ids(model) == [4, 2, 0]
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


def test_restore_without_an_undo_stack(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(3)
    model = make(store, undo=False)
    model.remove(["000001"])
    settle(qtbot, background)
    model.restore(["000001"])
    settle(qtbot, background)
    assert ids(model) == [2, 1, 0]


def test_a_page_read_before_a_removal_does_not_bring_the_picture_back(
    make: Make, qtbot: QtBot, background: Background
) -> None:
    store = MemoryStore(3)
    model = make(store)
    model.refresh()
    background.wait()  # the page is read with the picture in it, but not told yet
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


def test_a_gallery_that_cannot_be_read_says_so(make: Make, qtbot: QtBot) -> None:
    store = MemoryStore(3)
    model = make(store)
    store.broken = True
    with qtbot.waitSignal(model.failed) as failed:
        model.refresh()
    assert failed.args[0].headline == "The disk refuses."
    assert not model.canFetchMore(QModelIndex())


def test_drag_out(make: Make) -> None:
    model = make(MemoryStore(3))
    index = model.index(0)
    assert index.flags() & Qt.ItemFlag.ItemIsDragEnabled
    mime = model.mimeData([index, model.index(2)])
    assert mime.urls() == [QUrl.fromLocalFile("/nowhere/000002.png"), QUrl.fromLocalFile("/nowhere/000000.png")]
    assert bytes(mime.data(PICTURE_MIME).data()) == b"000002\n000000"
    assert set(model.mimeTypes()) == {"text/uri-list", PICTURE_MIME}
    assert model.supportedDragActions() == Qt.DropAction.CopyAction
