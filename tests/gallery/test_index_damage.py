"""Whatever state the index is in, the studio starts and shows the pictures that are there."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from studio.core.picture import Picture
from studio.gallery.index import SCHEMA
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in

COUNT = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Picture, ...]]:
    root = tmp_path_factory.mktemp("original") / "data"
    store = store_in(root)
    for i in range(COUNT):
        store.add(noise(8, i), recipe("long " * 200, seed=i), MADE_WITH)
    pictures = store.page(0, 99)
    store.close()
    return root, pictures


def seeds(pictures: tuple[Picture, ...]) -> list[int]:
    return [picture.recipe.seed for picture in pictures]


def sql(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def overwrite(file: Path, at: int, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


def cut(file: Path, size: int) -> None:
    with file.open("r+b") as stream:
        stream.truncate(size)


MUTATIONS: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: file.unlink(),
    "zero bytes": lambda file: cut(file, 0),
    "one byte": lambda file: cut(file, 1),
    "only a header": lambda file: cut(file, 100),
    "half": lambda file: cut(file, file.stat().st_size // 2),
    "wrong magic": lambda file: overwrite(file, 0, b"Not SQLite 4"),
    "text": lambda file: file.write_text("hello"),
    "zeros": lambda file: file.write_bytes(bytes(20_000)),
    "of another program": lambda file: sql(file, "PRAGMA application_id = 7"),
    "no version": lambda file: sql(file, "PRAGMA user_version = 0"),
    "no table": lambda file: sql(file, "DROP TABLE pictures"),
    "no column": lambda file: sql(file, "ALTER TABLE pictures RENAME COLUMN trashed TO x"),
    "a later column gone": lambda file: sql(file, "ALTER TABLE pictures RENAME COLUMN recipe TO x"),
    "no rows": lambda file: sql(file, "DELETE FROM pictures"),
    "some rows gone": lambda file: sql(file, "DELETE FROM pictures WHERE seq % 3 = 0"),
    "ghost row": lambda file: sql(
        file,
        "INSERT INTO pictures (id, file, width, height, created, prompt, recipe, made_with, checksum) SELECT "
        "'20261121-000000-000000-00000000', 'gone.png', 1, 1, created, '', recipe, made_with, 0 FROM pictures LIMIT 1",
    ),
    "rubbish recipes": lambda file: sql(file, "UPDATE pictures SET recipe = '{', made_with = '', created = 'x'"),
    "rows outside": lambda file: sql(file, "UPDATE pictures SET file = '../../' || file WHERE seq = 2"),
    "a word of each recipe": lambda file: sql(file, "UPDATE pictures SET recipe = replace(recipe, 'ong', 'ing')"),
    "a seed of each recipe": lambda file: sql(
        file, "UPDATE pictures SET recipe = replace(recipe, 'seed\": ', 'seed\": 7')"
    ),
    "garbled ids": lambda file: sql(file, "UPDATE pictures SET id = 'x' || id WHERE seq % 2 = 0"),
    "wrong places": lambda file: sql(file, "UPDATE pictures SET trashed = 1, missing = 1"),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "dead link": lambda file: (file.unlink(), file.symlink_to("nowhere")),
    "foreign log": lambda file: Path(f"{file}-wal").write_bytes(random.Random(1).randbytes(5000)),
    "log without database": lambda file: (Path(f"{file}-wal").write_bytes(bytes(9000)), file.unlink()),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_it_starts_and_shows_every_picture(
    name: str, original: tuple[Path, tuple[Picture, ...]], fast_folder: Path
) -> None:
    data = fast_folder / "data"
    shutil.copytree(original[0], data)
    MUTATIONS[name](data / "index.sqlite3")
    for start in range(2):
        store = store_in(data)
        assert seeds(store.page(0, 99)) == list(range(COUNT + start - 1, -1, -1)), store.notices
        assert store.count() == COUNT + start
        if start == 0:
            store.add(noise(8), recipe(seed=COUNT), MADE_WITH)
        store.close()
    assert store.notices == (), "repaired for good"
    assert len(list((data / "pictures").rglob("*.png"))) == COUNT + 1


def test_100_damaged_pages(original: tuple[Path, tuple[Picture, ...]], fast_folder: Path) -> None:
    data = fast_folder / "data"
    shutil.copytree(original[0], data)
    file = data / "index.sqlite3"
    good = file.read_bytes()
    rng = random.Random(11)
    kept = 0
    for _ in range(100):
        bad = bytearray(good)
        for _ in range(rng.choice((1, 1, 30))):
            at = rng.randrange(len(bad))
            bad[at : at + 200] = rng.randbytes(200)
        file.write_bytes(bad[: len(good) - rng.choice((0, 0, 0, 4096, 5000))])
        store = store_in(data)
        assert seeds(store.page(0, 99)) == list(range(COUNT - 1, -1, -1)), store.notices
        assert store.count() == COUNT
        kept += bool(store.notices)
        store.close()
        for aside in data.glob("index*"):
            aside.unlink()
    assert kept > 50


def test_a_page_is_only_short_where_the_pictures_end(original: tuple[Path, tuple[Picture, ...]], data: Path) -> None:
    shutil.copytree(original[0], data)
    sql(data / "index.sqlite3", "UPDATE pictures SET recipe = '{' WHERE seq > 10")
    for picture in original[1][:2]:
        (data / "pictures" / picture.file.relative_to(original[0] / "pictures")).write_bytes(b"rubbish")
    store = store_in(data)
    assert seeds(store.page(0, 5)) == [9, 8, 7, 6, 5]
    assert store.count() == COUNT - 2
    store.close()


def test_the_damaged_file_is_kept_aside(original: tuple[Path, tuple[Picture, ...]], data: Path) -> None:
    shutil.copytree(original[0], data)
    (data / "index.sqlite3").write_text("was it mine?")
    store = store_in(data)
    (aside,) = data.glob("index.sqlite3.damaged-*")
    assert aside.read_text() == "was it mine?"
    assert aside.name in store.notices[0]
    store.close()


def test_an_index_of_a_newer_studio_is_left_untouched(original: tuple[Path, tuple[Picture, ...]], data: Path) -> None:
    shutil.copytree(original[0], data)
    file = data / "index.sqlite3"
    sql(file, "CREATE TABLE things (x)", f"PRAGMA user_version = {SCHEMA + 1}")
    before = file.read_bytes()
    for seed in (COUNT, COUNT + 1):
        store = store_in(data)
        assert "newer" in store.notices[0]
        store.add(noise(8), recipe(seed=seed), MADE_WITH)
        assert store.count() == seed + 1
        store.close()
    assert file.read_bytes() == before


def test_damage_while_the_studio_runs(original: tuple[Path, tuple[Picture, ...]], data: Path) -> None:
    shutil.copytree(original[0], data)
    store = store_in(data)
    overwrite(data / "index.sqlite3", 0, random.Random(4).randbytes(8192))
    assert seeds(store.page(0, 99)) == list(range(COUNT - 1, -1, -1))
    assert any("damaged" in notice for notice in store.notices)
    store.add(noise(8), recipe(seed=COUNT), MADE_WITH)
    assert store.count() == COUNT + 1
    store.close()


def test_a_locked_index_keeps_nothing_from_being_saved(
    original: tuple[Path, tuple[Picture, ...]], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.gallery.index.BUSY_SECONDS", 0.05)
    shutil.copytree(original[0], data)
    store = store_in(data)
    with closing(sqlite3.connect(data / "index.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        picture = store.add(noise(8), recipe(seed=COUNT), MADE_WITH)
        assert picture.file.exists()
        assert store.count() == COUNT + 1
    store.add(noise(8), recipe(seed=COUNT + 1), MADE_WITH)
    assert seeds(store.page(0, 2)) == [COUNT + 1, COUNT]
    store.close()
