"""Searching a library as the window does: words, fields, order, days, boards."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from studio.core.choices import ControlKind, Spacing, Tiling
from studio.core.errors import StudioError
from studio.core.library import BadQuery, Link, LinkKind, Query, Sort
from studio.core.picture import Picture
from studio.core.recipe import ControlUse, FreeU, ImageRef, ModelRef, PluginRef, PluginUse, Size
from studio.gallery.index import Index
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in

SKETCH = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="ab" * 32))
LORA = PluginUse(plugin=PluginRef(id="lora"), type="adapter", part="lora")
MADE = (
    recipe("a red house on green hills", seed=1),
    replace(recipe("A Red boat, (blue sea:1.3)", seed=2), steps=30, scheduler="ddim", spacing=Spacing.NORMAL),
    replace(recipe("红色的房子在绿色的山上", seed=3), model=ModelRef(name="dreamy-15"), raw_prompt="房子 {a|b}"),
    replace(recipe("café with crème brûlée", seed=42), size=Size(width=128, height=64), controls=(SKETCH,)),
    replace(
        recipe("a redwood tree", seed=5),
        init=ImageRef(digest="cd" * 32),
        negative_prompt="house, ugly",
        plugins=(LORA,),
        guidance_scale=7.5,
        tiling=Tiling.X,
        freeu=FreeU(),
    ),
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GalleryStore, tuple[Picture, ...]]]:
    store = store_in(tmp_path_factory.mktemp("library") / "data")
    pictures = tuple(store.add(noise(8, made.seed), made, MADE_WITH) for made in MADE)
    store.mark([pictures[0].id], rating=5, note="for the exhibition", add_boards=["My board"])
    store.mark([pictures[1].id], rating=3, add_tags=["night sky", "sea"])
    store.mark([pictures[2].id], add_boards=["My board"])
    yield store, pictures
    store.close()


def seeds(store: GalleryStore, text: str, sort: Sort = Sort.OLDEST, board: str = "") -> list[int]:
    listing = store.listing(Query(text=text, sort=sort, board=board))
    return [picture.recipe.seed for picture in store.pictures(listing.keys) if picture is not None]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [1, 2, 3, 42, 5]),
        ("red", [1, 2, 5]),
        ("red ", [1, 2]),
        ("red* ", [1, 2, 5]),
        ("RED hou", [1]),
        ('"red house" ', [1]),
        ('"house red" ', []),
        ("red -house ", [2]),
        ('-"red boat" red ', [1]),
        ("红", [3]),
        ("房子", [3]),
        ("子房", []),
        ("绿色的山", [3]),
        ("cafe brulee", [42]),
        ("(blue sea:1.3)", [2]),
        ("exhibition", [1]),
        ("sky", [2]),
        ("board", [1, 3]),
        ("ugly", []),
        ("negative:ugly", [5]),
        ("-negative:blur", [5]),
        ("note:exh", [1]),
        ("seed:42", [42]),
        ("steps:>20", [2]),
        ("-steps:>20 seed:..4", [1, 3]),
        ("guidance:7..8", [5]),
        ("model:mini", [1, 2, 42, 5]),
        ("model:15", [3]),
        ('model:"15"', []),
        ("scheduler:ddim", [2]),
        ("sampler:dpmpp_2m", [1, 3, 42, 5]),
        ('scheduler:"DPM++ 2M Karras"', [1, 3, 42, 5]),
        ("rating:>=4", [1]),
        ("rating:0", [3, 42, 5]),
        ("size:64x64", []),
        ("width:8 height:8", [1, 2, 3, 42, 5]),
        ("shape:square", [1, 2, 3, 42, 5]),
        ("control:scrib", [42]),
        ("has:sketch", [42]),
        ("-has:control plugin:lora", [5]),
        ("has:start", [5]),
        ("has:tiling has:freeu", [5]),
        ("has:rating", [1, 2]),
        ("has:note", [1]),
        ("has:tag", [2]),
        ("tag:night", [2]),
        ('tag:"night"', []),
        ('board:"my board"', [1, 3]),
        ("date:today", [1, 2, 3, 42, 5]),
        ("date:..yesterday", []),
        ("-date:>=2026 ", []),
        ("is:trash", []),
        ('" ) OR * ^', []),
        ("nothing-of-the-kind", []),
        ("\ud800hut", []),  # bytes of a command line that are no letters
    ],
)
def test_what_a_search_finds(library: tuple[GalleryStore, tuple[Picture, ...]], text: str, found: list[int]) -> None:
    assert seeds(library[0], text) == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        (Sort.NEWEST, [5, 42, 3, 2, 1]),
        (Sort.RATING, [1, 2, 5, 42, 3]),
        (Sort.PROMPT, [2, 1, 5, 42, 3]),
        (Sort.MODEL, [3, 5, 42, 2, 1]),
        (Sort.LARGEST, [5, 42, 3, 2, 1]),
    ],
)
def test_orders(library: tuple[GalleryStore, tuple[Picture, ...]], sort: Sort, found: list[int]) -> None:
    assert seeds(library[0], "", sort) == found


def test_a_board_is_a_library_of_its_own(library: tuple[GalleryStore, tuple[Picture, ...]]) -> None:
    store = library[0]
    assert seeds(store, "", board="My board") == [1, 3]
    assert seeds(store, "red", board="My board") == [1]
    assert seeds(store, "", board="my board") == []
    assert store.boards() == (("My board", 2),)
    assert store.tags() == (("night sky", 1), ("sea", 1))


def test_values_are_completed(library: tuple[GalleryStore, tuple[Picture, ...]]) -> None:
    store = library[0]
    assert [item.text for item in store.complete("model:", 6)] == ["mini", "dreamy-15"]
    assert [(item.text, item.hint) for item in store.complete("red tag:n", 9)] == [('"night sky"', "1")]
    assert [item.text for item in store.complete("plugin:", 7)] == ["lora"]


def test_emoji_are_found_where_they_stand(data: Path) -> None:
    store = store_in(data)
    prompts = ("a 🐱 in the garden", "a cat in the garden", "a ❤\ufe0f of stone", "two 👩🏽\u200d🎨 at work", "🐱🐶")
    pictures = [store.add(noise(8), recipe(prompt, seed=seed), MADE_WITH) for seed, prompt in enumerate(prompts, 1)]
    store.add(noise(8), replace(recipe("plain", seed=6), negative_prompt="🐶"), MADE_WITH)
    store.mark([pictures[1].id], note="so 🐶", add_tags=["★"])
    asked = {
        "🐱": [1, 5],
        "🐱 garden ": [1],
        "-🐱 garden ": [2],
        "❤": [3],
        "❤\ufe0f": [3],
        "👩🏽\u200d🎨 ": [4],
        "🐶": [2, 5],
        "🐱🐶": [5],
        "negative:🐶": [6],
        "note:🐶": [2],
        "★": [2],
        "🦊": [],
        '"a 🐱 in"': [1],
        "%": [1, 2, 3, 4, 5, 6],
    }
    assert {text: seeds(store, text) for text in asked} == asked
    store.close()


def test_a_wrong_search_is_told_with_its_place(library: tuple[GalleryStore, tuple[Picture, ...]]) -> None:
    with pytest.raises(BadQuery, match="There is no field “modell”") as caught:
        library[0].listing(Query(text="red modell:mini"))
    assert (caught.value.position, caught.value.length) == (4, 7)


def test_days_are_the_artists_own(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        store = store_in(data)
        moments = ["20261123-145959-000000", "20261123-150001-000000", "20261124-120000-000000"]
        for number, stamp in enumerate(moments):
            picture = store.add(noise(8, number), recipe(seed=number), MADE_WITH)
            moved = picture.file.with_name(f"{stamp}-0000000{number}.png")
            moved.write_bytes(picture.file.read_bytes().replace(picture.id.encode(), moved.stem.encode(), 1))
            picture.file.unlink()
            fix_crc(moved)
        store.close()
        (data / "index.sqlite3").unlink()
        store = store_in(data)
        listing = store.listing(Query())
        assert listing.days == (("2026-11-24", 2), ("2026-11-23", 1))
        assert store.listing(Query(sort=Sort.OLDEST)).days == (("2026-11-23", 1), ("2026-11-24", 2))
        assert store.listing(Query(sort=Sort.RATING)).days == ()
        assert seeds(store, "date:2026-11-24") == [1, 2]
        assert seeds(store, "date:<2026-11-24") == [0]
        store.close()
    finally:
        monkeypatch.undo()
        time.tzset()


def fix_crc(file: Path) -> None:
    """Make the checksum of the first iTXt chunk right again."""
    import struct
    import zlib

    data = file.read_bytes()
    at = data.index(b"iTXt")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    body = data[at : at + 4 + length]
    file.write_bytes(data[: at + 4 + length] + struct.pack(">I", zlib.crc32(body)) + data[at + 8 + length :])


def test_a_listing_follows_every_change(data: Path) -> None:
    store = store_in(data)
    other = GalleryStore(store.folders).open_quickly()
    first = store.add(noise(8), recipe("one", seed=1), MADE_WITH)
    assert seeds(store, "") == seeds(other, "") == [1]
    second = other.add(noise(8), recipe("two", seed=2), MADE_WITH)
    assert seeds(store, "") == seeds(other, "") == [1, 2]
    store.add(noise(8), recipe("three", seed=3), MADE_WITH)
    store.mark([second.id], rating=4, add_tags=["x"])
    assert seeds(other, "rating:4") == seeds(other, "tag:x") == seeds(store, "rating:4 x") == [2]
    store.remove(first.id)
    assert seeds(store, "") == seeds(other, "") == [2, 3]
    assert seeds(store, "is:trash") == [1]
    store.restore(first.id)
    assert seeds(store, "") == [1, 2, 3]
    assert store.pictures([10**9]) == (None,)
    store.close()
    other.close()


def test_a_picture_without_a_row_is_listed_all_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    store = store_in(data)
    store.add(noise(8), recipe(seed=1), MADE_WITH)

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Index, "insert", refuse)
    late = store.add(noise(8), recipe(seed=2), MADE_WITH)
    listing = store.listing(Query())
    assert store.pictures(listing.keys)[0] == late
    assert listing.days == ((datetime.now().date().isoformat(), 2),)
    monkeypatch.undo()
    store.add(noise(8), recipe(seed=3), MADE_WITH)
    assert store.pictures(listing.keys)[0] == late, "an older listing still finds it"
    assert seeds(store, "") == [1, 2, 3]
    store.close()


def test_children_are_found(data: Path) -> None:
    store = store_in(data)
    mother = store.add(noise(8), recipe(seed=1), MADE_WITH)
    links = (Link(kind=LinkKind.VARIED, parent=mother.id),)
    child = store.add(noise(8), recipe(seed=2), MADE_WITH, parents=links)
    assert child.parents == links
    assert store.children(mother.id) == (child.id,)
    assert seeds(store, "has:parent") == [2]
    store.close()
    os.unlink(data / "index.sqlite3")
    store = store_in(data)
    assert store.children(mother.id) == (child.id,), "also after a rebuild"
    assert store.get(child.id) == child
    store.close()


def test_sheets_are_found(data: Path) -> None:
    store = store_in(data)
    store.add(noise(8), recipe("what its cells share", seed=1), replace(MADE_WITH, sheet="Steps across, seeds down"))
    store.add(noise(8), recipe('a "sheet": of paper', seed=2), replace(MADE_WITH, notes=('"sheet": no',)))
    assert seeds(store, "is:sheet") == [1]
    store.close()


def test_what_cannot_be_a_mark_is_refused(data: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(8), recipe(), MADE_WITH)
    for change, words in (
        ({"rating": 6}, "0 to 5 stars"),
        ({"add_tags": ["  "]}, "needs a name"),
        ({"add_boards": ["x" * 81]}, "at most 80"),
        ({"note": "x" * 20_001}, "longer than"),
        ({"add_tags": [f"t{n}" for n in range(101)]}, "at most 100 tags"),
    ):
        with pytest.raises(StudioError, match=words):
            store.mark([picture.id], **change)  # type: ignore[arg-type]
    assert store.get(picture.id) == picture
    assert store.mark(["20260101-000000-000000-00000000"], rating=1) == ()
    store.close()


def test_the_cache_of_numbers_is_only_a_cache(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.gallery.finder.KEPT_FROM", 1)
    store = store_in(data)
    first, second = (store.add(noise(8, seed), recipe(seed=seed), MADE_WITH) for seed in (1, 2))
    assert seeds(store, "") == [1, 2]
    store.close()
    cache = data / "cache" / "numbers"
    good = cache.read_bytes()
    store = GalleryStore(store.folders)
    monkeypatch.setattr("studio.gallery.columns._load", lambda _: pytest.fail("the cache was there"))
    assert seeds(store, "seed:2") == [2]
    third = store.add(noise(8), recipe(seed=3), MADE_WITH)
    assert seeds(store, "") == [1, 2, 3], "and it is carried on"
    monkeypatch.undo()
    store.close()
    assert cache.read_bytes() == good, "too few to keep"
    for stale in (good, good[:-1], b"", b"rubbish", good.replace(b'"count": 2', b'"count": 9')):
        cache.write_bytes(stale)
        store = GalleryStore(store.folders)
        assert seeds(store, "") == [1, 2, 3]
        store.close()
    monkeypatch.setattr("studio.gallery.finder.KEPT_FROM", 1)
    store = GalleryStore(store.folders)
    assert seeds(store, "") == [1, 2, 3]
    store.remove(third.id)
    store.close()
    (data / "index.sqlite3").unlink()
    first.file.unlink()
    store = store_in(data)
    assert seeds(store, "") == [2], "another index, another count"
    assert store.get(second.id) == second
    store.close()
