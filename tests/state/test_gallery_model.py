"""The gallery's rows: all known at once, pictures read where somebody looks, search, drag out."""

from __future__ import annotations

import threading

import pytest
from PySide6.QtCore import QPersistentModelIndex, Qt, QUrl
from pytestqt.qtbot import QtBot

from studio.core.library import Query, Sort
from studio.core.recipe import SEED_MAX, Recipe
from studio.state.background import Background
from studio.state.gallery_model import GATHER_MAX, PICTURE_MIME, GalleryModel
from studio.state.thumbnails import Thumbnails
from tests.state.fakes import MemoryStore, picture_of
from tests.state.galleries import Make, ids, make, read_thumbnail, settle, stack

__all__ = ["make", "stack"]  # fixtures


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


def test_all_rows_are_known_and_pictures_are_read_where_somebody_looks(
    make: Make, qtbot: QtBot, background: Background
) -> None:
    store = MemoryStore(5000)
    model = make(store)
    assert model.rowCount() == 5000
    assert model.picture(model.index(0)) is not None
    assert model.picture(model.index(3000)) is None
    store.asked.clear()
    with qtbot.waitSignal(model.dataChanged):
        model.look_at(3000, 3020)
    settle(qtbot, background)
    assert [model.picture(model.index(row)).id for row in (3000, 3019)] == ["001999", "001980"]  # type: ignore[union-attr]
    assert model.picture(model.index(4000)) is None
    assert store.asked == ["pictures 20", "pictures 80"]  # what is in sight, then what is around


def test_the_newest_stand_there_before_all_rows_are_known(qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(3000)
    model = GalleryModel(store, background, Thumbnails(read_thumbnail, background))
    counts: list[int] = []
    model.modelReset.connect(lambda: counts.append(model.rowCount()))
    with qtbot.waitSignal(model.listed):
        model.refresh()
    assert counts == [60, 3000]
    assert store.asked[:2] == ["page", "listing"]
    assert ids(model)[:3] == [2999, 2998, 2997]
    assert model.key(0) == 2999
    assert sum(count for _, count in model.days) == 3000
    model.refresh()
    settle(qtbot, background)
    assert counts == [60, 3000]


def test_while_one_scrolls_only_the_last_place_is_read(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(5000)
    model = make(store)
    gate = threading.Event()
    background.run(lambda: gate.wait(5), lambda _: None)
    store.asked.clear()
    for first in range(500, 4500, 100):
        model.look_at(first, first + 10)
    gate.set()
    settle(qtbot, background)
    assert len(store.asked) <= 3  # the first place, the last one and around it
    assert model.picture(model.index(4405)) is not None
    assert model.picture(model.index(2505)) is None


def test_a_view_that_only_asks_for_data_gets_it_too(make: Make, qtbot: QtBot, background: Background) -> None:
    model = make(MemoryStore(900))
    assert model.index(700).data() is None
    settle(qtbot, background)
    assert model.index(700).data() == "picture 199"


def test_pictures_read_long_ago_are_let_go(
    make: Make, qtbot: QtBot, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.state.picture_cache.KEPT", 200)
    model = make(MemoryStore(2000))
    for first in range(0, 2000, 100):
        model.look_at(first, first + 100)
        settle(qtbot, background)
    assert model.picture(model.index(1999)) is not None
    assert model.picture(model.index(500)) is None
    assert not model.find("001499").isValid()


def test_gather_reads_what_is_missing(make: Make, qtbot: QtBot, background: Background) -> None:
    model, got = make(MemoryStore(3000)), []
    model.gather([0, 1], got.append)
    assert [picture.id for picture in got[0]] == ["002999", "002998"]  # known: at once
    model.gather([2999, 0], got.append)
    settle(qtbot, background)
    assert [picture.id for picture in got[1]] == ["000000", "002999"]


def test_a_command_about_too_many_pictures_is_refused(make: Make, qtbot: QtBot) -> None:
    model = make(MemoryStore(GATHER_MAX + 1))
    with qtbot.waitSignal(model.failed) as failed:
        model.gather(range(model.rowCount()), lambda _: pytest.fail("gathered"))
    assert "10,001 pictures" in failed.args[0].headline


def test_a_new_picture_stands_on_top_once(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(2)
    model = make(store)
    picture = picture_of(Recipe(prompt="new", seed=9), 9)
    store.put(picture)
    model.insert(picture)
    model.insert(picture)
    assert ids(model) == [9, 1, 0]
    assert model.days == (("2026-01-01", 3),)
    assert model.key(0) < 0
    chosen = QPersistentModelIndex(model.index(0))
    model.refresh()
    settle(qtbot, background)
    assert ids(model) == [9, 1, 0]
    assert model.key(0) == 9  # the store's own number, without the row having gone
    assert chosen.row() == 0
    assert model.find("000009").row() == 0


def test_a_new_picture_goes_where_the_order_wants_it(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(3)
    model = make(store)
    for sort, expected in ((Sort.OLDEST, [0, 1, 2, 9]), (Sort.PROMPT, [9, 10, 0, 1, 2])):
        model.set_query(Query(sort=sort))
        settle(qtbot, background)
        picture = picture_of(Recipe(prompt="a new one", seed=9), 8 + len(expected) - 3)
        store.put(picture)
        model.insert(picture)
        settle(qtbot, background)
        assert sorted(ids(model)) == sorted(expected)
    assert model.index(0).data() == "a new one"


def test_a_picture_that_comes_while_the_gallery_is_read_is_not_lost(
    make: Make, qtbot: QtBot, background: Background
) -> None:
    model = make(MemoryStore(2))
    model.set_query(Query())
    background.wait()  # read, but not told yet
    model.insert(picture_of(Recipe(prompt="new", seed=9), 9))
    qtbot.wait(10)
    assert ids(model) == [9, 1, 0]


def test_search(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(30)
    model = make(store)
    with qtbot.waitSignal(model.listed):
        model.set_query(Query(text="2"))
    assert ids(model) == [29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 12, 2]
    assert model.query == Query(text="2")
    for number, prompt in ((40, "a fox"), (41, "2 cats")):
        picture = picture_of(Recipe(prompt=prompt, seed=1), number)
        store.put(picture)
        model.insert(picture)
        settle(qtbot, background)
    assert ids(model)[:2] == [41, 29]  # and what does not match is not shown
    model.set_query(Query())
    settle(qtbot, background)
    assert ids(model)[:3] == [41, 40, 29]


def test_the_newest_search_wins(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(30)
    model = make(store)
    gate = threading.Event()
    background.run(lambda: gate.wait(5), lambda _: None)
    store.asked.clear()
    for text in ("p", "pi", "picture 1"):
        model.set_query(Query(text=text))
    gate.set()
    settle(qtbot, background)
    assert ids(model) == [21, *range(19, 9, -1), 1]
    assert store.asked.count("listing") == 1


def test_a_search_that_cannot_be_understood_leaves_the_rows(make: Make, qtbot: QtBot) -> None:
    model = make(MemoryStore(3))
    with qtbot.waitSignal(model.query_failed) as failed:
        model.set_query(Query(text="("))
    assert (failed.args[0].position, failed.args[0].length) == (0, 1)
    assert ids(model) == [2, 1, 0]


def test_similar_pictures(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(50)
    model = make(store)
    picture = model.picture(model.index(10))
    assert picture is not None
    model.show_similar(picture)
    settle(qtbot, background)
    assert model.alike == picture
    assert ids(model)[0] == 39
    assert set(ids(model)[1:5]) == {38, 40, 37, 41}
    assert model.days == ()
    model.insert(picture_of(Recipe(prompt="new", seed=9), 99))
    assert 99 not in ids(model)
    model.set_query(Query())
    settle(qtbot, background)
    assert model.alike is None
    assert model.rowCount() == 50


def test_refresh_keeps_what_is_selected(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(300)
    model = make(store)
    chosen = QPersistentModelIndex(model.index(100))
    del store.held["000290"], store.held["000100"]
    for number in (300, 301):
        store.put(picture_of(Recipe(prompt="from elsewhere", seed=1), number))
    resets = []
    model.modelReset.connect(lambda: resets.append(1))
    model.refresh()
    settle(qtbot, background)
    assert ids(model)[:3] == [301, 300, 299]
    assert model.rowCount() == 300
    assert chosen.row() == 101
    assert resets == []
    assert sum(count for _, count in model.days) == 300


def test_refresh_after_the_index_was_rebuilt(make: Make, qtbot: QtBot, background: Background) -> None:
    store = MemoryStore(30)
    model = make(store)
    model.look_at(0, 20)
    store.shift = 7  # every row number names another picture now
    model.refresh()
    settle(qtbot, background)
    assert ids(model) == list(reversed(range(30)))
    assert model.index(0).data() == "picture 29"


def test_a_gallery_that_cannot_be_read_says_so(make: Make, qtbot: QtBot) -> None:
    store = MemoryStore(3)
    model = make(store)
    store.broken = True
    with qtbot.waitSignal(model.failed) as failed:
        model.refresh()
    assert failed.args[0].headline == "The disk refuses."
    assert ids(model) == [2, 1, 0]


def test_drag_out(make: Make) -> None:
    model = make(MemoryStore(3))
    index = model.index(0)
    assert index.flags() & Qt.ItemFlag.ItemIsDragEnabled
    mime = model.mimeData([index, model.index(2)])
    assert mime.urls() == [QUrl.fromLocalFile("/nowhere/000002.png"), QUrl.fromLocalFile("/nowhere/000000.png")]
    assert bytes(mime.data(PICTURE_MIME).data()) == b"000002\n000000"
    assert set(model.mimeTypes()) == {"text/uri-list", PICTURE_MIME}
    assert model.supportedDragActions() == Qt.DropAction.CopyAction
