"""Colours and similar pictures: what an eye would say, checked on pictures whose colours and shapes are known."""

from __future__ import annotations

import shutil
import threading

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from studio.core.library import Query
from studio.core.pixels import Pixels
from studio.core.query import COLOURS
from studio.gallery import care
from studio.gallery.looks import _LAB, SIZE, _distances, look_of
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, recipe, store_in

SAMPLES = {
    "red": (200, 20, 30),
    "orange": (255, 140, 0),
    "yellow": (240, 220, 40),
    "green": (40, 140, 50),
    "cyan": (40, 200, 210),
    "blue": (40, 80, 200),
    "purple": (120, 40, 180),
    "pink": (255, 170, 190),
    "brown": (110, 65, 30),
    "black": (10, 10, 12),
    "grey": (128, 128, 130),
    "white": (250, 250, 248),
}


def pixels_of(image: Image.Image) -> Pixels:
    return Pixels(width=image.width, height=image.height, data=image.convert("RGB").tobytes())


def scene(sky: tuple[int, int, int], hill: tuple[int, int, int], sun: int = 40) -> Image.Image:
    image = Image.new("RGB", (256, 192), sky)
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 110, 256, 300), fill=hill)
    draw.ellipse((sun, 20, sun + 30, 50), fill=(250, 220, 80))
    return image


def far(one: Image.Image, other: Image.Image) -> float:
    looks = np.frombuffer(look_of(pixels_of(one)) + look_of(pixels_of(other)), np.uint8).reshape(2, SIZE)
    return float(_distances(looks[1:], looks[0])[0])


@pytest.mark.parametrize("name", COLOURS)
def test_each_colour_has_its_name(name: str) -> None:
    look = np.frombuffer(look_of(pixels_of(Image.new("RGB", (64, 64), SAMPLES[name]))), np.uint8)
    shares = dict(zip(COLOURS, look[_LAB : _LAB + len(COLOURS)], strict=True))
    assert shares[name] == 255, shares


def test_what_looks_alike_is_near() -> None:
    day = scene((120, 170, 230), (60, 140, 60))
    assert far(day, day) == 0
    blurred, cut = day.filter(ImageFilter.GaussianBlur(3)), day.resize((128, 96))
    moved = scene((120, 170, 230), (60, 140, 60), sun=60)
    night = scene((10, 12, 40), (20, 40, 30))
    flipped = day.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    assert max(far(day, blurred), far(day, cut)) < far(day, moved) < far(day, night)
    assert far(day, moved) < far(day, flipped)


def test_similar_pictures_and_colours_are_found(data: object) -> None:
    store = store_in(data)  # type: ignore[arg-type]
    scenes = {
        "day": scene((120, 170, 230), (60, 140, 60)),
        "late": scene((120, 170, 230), (60, 140, 60), sun=200),
        "night": scene((10, 12, 40), (20, 40, 30)),
        "red": Image.new("RGB", (64, 64), SAMPLES["red"]),
    }
    made = {name: store.add(pixels_of(image), recipe(name), MADE_WITH) for name, image in scenes.items()}
    day = made["day"]
    assert store.similar(day.id, 3) == (), "not looked at yet"
    assert store.listing(Query(text="colour:red")).keys.tolist() == []
    assert store.look_at_new() == 4
    assert store.look_at_new() == 0
    assert store.similar(day.id, 1) == (made["late"].id,)
    assert set(store.similar(day.id, 9)) == {picture.id for name, picture in made.items() if name != "day"}
    assert store.similar("20260101-000000-000000-00000000", 3) == ()
    names = {
        colour: {p.recipe.prompt for p in store.pictures(store.listing(Query(text=f"colour:{colour}")).keys) if p}
        for colour in ("red", "blue", "green", "black")
    }
    assert names == {"red": {"red"}, "blue": {"day", "late"}, "green": {"day", "late"}, "black": {"night"}}
    store.remove(made["late"].id)
    assert made["late"].id not in store.similar(day.id, 9)
    late = store.add(pixels_of(scenes["late"]), recipe("again"), MADE_WITH)
    store.look_at_new()
    assert store.similar(day.id, 1) == (late.id,)
    store.close()


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(data: object) -> None:
    store = store_in(data)  # type: ignore[arg-type]
    pictures = [store.add(pixels_of(scene((9, 9, 9), (0, 90, 0))), recipe(seed=n), MADE_WITH) for n in range(3)]
    pictures[1].file.write_bytes(pictures[1].file.read_bytes()[:900])
    assert store.look_at_new() == 2
    asked: list[int] = []
    store.add(pixels_of(scene((9, 9, 9), (0, 90, 0))), recipe(), MADE_WITH)
    assert store.look_at_new(lambda: bool(asked.append(1)) or True) == 0, "stopped before the first"
    store.close()


def looks_in(store: GalleryStore) -> list[tuple[int, bytes]]:
    return [(row[0], row[1]) for row in store._shelf.opened().read("SELECT seq, look FROM looks ORDER BY rowid")]


def test_several_threads_see_to_the_byte_what_one_sees(data: object) -> None:
    store = store_in(data)  # type: ignore[arg-type]
    pictures = [
        store.add(pixels_of(scene((9 * n, 90, 200), (0, 5 * n, 60))), recipe(seed=n), MADE_WITH) for n in range(40)
    ]
    pictures[7].file.write_bytes(pictures[7].file.read_bytes()[:900])
    shelf, thumbnails = store._shelf, store._thumbnails
    assert care.look_at_new(shelf, thumbnails, lambda: False, workers=1) == 39
    alone = looks_in(store)
    shutil.rmtree(store.folders.thumbnails)
    with shelf.opened()._writing() as writer:
        writer.execute("DELETE FROM looks")
    threads: set[str] = set()

    def stopped() -> bool:
        threads.add(threading.current_thread().name)
        return False

    assert care.look_at_new(shelf, thumbnails, stopped, workers=3) == 39
    assert looks_in(store) == alone and sum(name.startswith("looks") for name in threads) > 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("looks")], "they end with the work"
    store.close()


def test_several_threads_stop_between_two_pictures_and_go_on_later(data: object) -> None:
    store = store_in(data)  # type: ignore[arg-type]
    for n in range(40):
        store.add(pixels_of(scene((9 * n, 90, 200), (0, 5 * n, 60))), recipe(seed=n), MADE_WITH)
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 10

    first = care.look_at_new(store._shelf, store._thumbnails, stopped, workers=3)
    assert first == 10, "what was looked at by then is kept"
    assert store.look_at_new() == 30
    store.close()
