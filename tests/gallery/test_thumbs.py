"""Thumbnails are a cache: made when missing, made again when damaged, never in the way."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from studio.core.errors import BadInputImage
from studio.core.pixels import Pixels
from studio.core.recipe import Size
from studio.gallery.thumbs import SIDE, Thumbnails
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in


def test_made_once_and_small(data: Path) -> None:
    store = store_in(data)
    wide = Pixels(width=768, height=384, data=b"\x20\x80\xc0" * (768 * 384))
    made = dataclasses.replace(recipe(), size=Size(width=768, height=384))
    picture = store.add(wide, made, MADE_WITH)
    thumbnail = store.thumbnail(picture)
    assert (thumbnail.width, thumbnail.height) == (SIDE, SIDE // 2)
    assert thumbnail.data[:3] == b"\x20\x80\xc0"
    (file,) = (data / "cache" / "thumbnails").rglob("*.jpg")
    picture.file.unlink()
    again = store.thumbnail(picture)
    assert (again.width, again.height) == (SIDE, SIDE // 2), "now from the cache"
    assert file.stat().st_size < 40_000
    store.close()


def test_small_pictures_are_not_blown_up(data: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(64), recipe(), MADE_WITH)
    assert store.thumbnail(picture) == noise(64)
    store.close()


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\xff\xd8\xff\xe0 cut", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_cache_is_made_again(data: Path, content: bytes) -> None:
    store = store_in(data)
    picture = store.add(noise(64), recipe(), MADE_WITH)
    store.thumbnail(picture)
    (file,) = (data / "cache" / "thumbnails").rglob("*.jpg")
    file.write_bytes(content)
    assert store.thumbnail(picture) == noise(64)
    assert len(file.read_bytes()) > 100
    store.close()


def test_an_unwritable_cache_costs_only_time(data: Path, tmp_path: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(64), recipe(), MADE_WITH)
    (tmp_path / "file").write_text("in the way")
    assert Thumbnails(tmp_path / "file" / "thumbnails").thumbnail(picture) == noise(64)
    store.close()


def test_a_damaged_picture_is_told_in_words(data: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(64), recipe(), MADE_WITH)
    picture.file.write_bytes(picture.file.read_bytes()[:2000])
    with pytest.raises(BadInputImage, match="cannot be read"):
        store.thumbnail(picture)
    strange = dataclasses.replace(picture, id="../../evil", file=picture.file.with_name("none.png"))
    with pytest.raises(BadInputImage, match="no longer there"):
        store.thumbnail(strange)
    store.close()


def test_the_cache_is_bounded_and_the_oldest_go(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(data)
    pictures = [store.add(noise(64, seed), recipe(seed=seed), MADE_WITH) for seed in range(4)]
    for age, picture in enumerate(pictures):
        store.thumbnail(picture)
        os.utime(data / "cache" / "thumbnails" / picture.id[:8] / f"{picture.id}.jpg", (1e9 + age, 1e9 + age))
    size = sum(file.stat().st_size for file in (data / "cache" / "thumbnails").rglob("*.jpg"))
    monkeypatch.setattr("studio.gallery.thumbs.BYTES_MAX", size * 0.6)
    Thumbnails(data / "cache" / "thumbnails").prune()
    left = {file.stem for file in (data / "cache" / "thumbnails").rglob("*.jpg")}
    assert left == {picture.id for picture in pictures[2:]}
    assert store.thumbnail(pictures[0]) == noise(64, 0)
    store.close()
