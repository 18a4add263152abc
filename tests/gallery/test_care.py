"""A library is looked after: old schemas, snapshots, quick opening, reading only, the trash."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from studio.core.errors import StorageProblem
from studio.core.library import Query
from studio.gallery import index_file, repair, schema, snapshots
from studio.gallery.rows import Row, row_of
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in


def as_schema_1(file: Path) -> None:
    """What the first version of the studio left behind, from the same pictures."""
    with closing(sqlite3.connect(file)) as index:
        names = "seq, id, file, width, height, created, prompt, recipe, made_with, checksum, trashed, missing"
        rows = index.execute(f"SELECT {names} FROM pictures").fetchall()
    file.unlink()
    with closing(sqlite3.connect(file)) as index:
        index.executescript(schema._PICTURES_1)
        index.executemany(f"INSERT INTO pictures ({names}) VALUES ({', '.join('?' * 12)})", rows)
        index.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        index.execute("PRAGMA user_version = 1")
        index.commit()


def test_an_index_of_the_first_version_is_brought_over(data: Path) -> None:
    store = store_in(data)
    pictures = [store.add(noise(8, seed), recipe(f"red {seed}", seed=seed), MADE_WITH) for seed in range(5)]
    store.remove(pictures[1].id)
    before = store.page(0, 9)
    store.close()
    as_schema_1(data / "index.sqlite3")
    store = GalleryStore(store.folders).open_quickly()
    assert store.page(0, 9) == before
    assert len(store.listing(Query(text="red seed:>=3")).keys) == 2
    assert len(store.listing(Query(text="is:trash")).keys) == 1
    assert store.notices == ()
    store.close()
    (copy,) = (data / "snapshots").iterdir()
    assert copy.name.endswith("-schema-1.sqlite3")
    with closing(sqlite3.connect(copy)) as index:
        assert index.execute("PRAGMA user_version").fetchone() == (1,)
        assert index.execute("SELECT count(*) FROM pictures").fetchone() == (5,)


def test_a_migration_that_fails_leaves_the_old_index(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(data)
    store.add(noise(8), recipe(), MADE_WITH)
    store.close()
    file = data / "index.sqlite3"
    as_schema_1(file)
    good = file.read_bytes()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("studio.gallery.migration.connect", full)
    store = store_in(data)
    assert store.count() == 1, "from memory"
    store.close()
    assert file.read_bytes() == good
    monkeypatch.undo()
    store = store_in(data)
    assert (store.count(), store.notices) == (1, ())
    store.close()


def test_a_lost_index_comes_back_from_a_snapshot_and_the_pictures(data: Path) -> None:
    store = store_in(data)
    first = store.add(noise(8, 1), recipe(seed=1), MADE_WITH)
    store.mark([first.id], rating=3)
    store.care()
    (copy,) = (data / "snapshots").iterdir()
    second = store.add(noise(8, 2), recipe(seed=2), MADE_WITH)
    store.mark([first.id], rating=5)
    store.close()
    (data / "index.sqlite3").write_bytes(b"was it mine?" * 1000)
    store = store_in(data)
    assert [(p.id, p.marks.rating) for p in store.page(0, 9)] == [(second.id, 0), (first.id, 5)]
    assert copy.name in store.notices[0]
    store.close()


def test_a_damaged_snapshot_does_not_count(data: Path) -> None:
    store = store_in(data)
    store.add(noise(8), recipe(), MADE_WITH)
    store.care()
    store.close()
    (copy,) = (data / "snapshots").iterdir()
    for rubbish in (b"", copy.read_bytes()[: copy.stat().st_size // 2], b"rubbish" * 5000):
        copy.write_bytes(rubbish)
        assert not snapshots.is_sound(copy)
        (data / "index.sqlite3").write_bytes(b"")
        store = store_in(data)
        assert store.count() == 1
        assert "rebuilt from the pictures" in store.notices[0]
        store.close()


def test_one_snapshot_a_day_and_ten_in_all(data: Path) -> None:
    store = store_in(data)
    store.add(noise(8), recipe(), MADE_WITH)
    index = data / "index.sqlite3"
    today = datetime.now(UTC)
    assert not snapshots.is_taken(index, today)
    store.care()
    assert snapshots.is_taken(index, today)
    store.care()
    (copy,) = (data / "snapshots").iterdir()
    for day in range(1, 15):
        stamp = (today - timedelta(days=day)).strftime("%Y%m%d-%H%M%S")
        shutil.copy(copy, copy.with_name(f"index-{stamp}-daily.sqlite3"))
    snapshots.prune(copy.parent)
    assert len(list(copy.parent.iterdir())) == snapshots.KEPT
    assert copy.exists()
    store.close()


def test_opening_quickly_shows_the_rows_and_care_finds_the_rest(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(data)
    kept, lost = (store.add(noise(8, seed), recipe(seed=seed), MADE_WITH) for seed in (1, 2))
    found = store.add(noise(8, 3), recipe(seed=3), MADE_WITH)
    store._opened().forget([found.id])
    store.close()
    lost.file.unlink()
    monkeypatch.setattr("studio.gallery.repair.sweep", lambda _: pytest.fail("no walk before the first rows"))
    store = GalleryStore(store.folders).open_quickly()
    assert store.page(0, 9) == (lost, kept)
    monkeypatch.undo()
    changes: list[int] = []
    store.care(lambda: changes.append(len(store.page(0, 9))))
    assert store.page(0, 9) == (found, kept)
    assert changes
    assert len(store.notices) == 2
    store.close()


def test_saving_and_throwing_away_while_the_folders_are_compared(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(data)
    kept, thrown, back = (store.add(noise(8, seed), recipe(seed=seed), MADE_WITH) for seed in range(3))
    store.remove(back.id)
    store.close()
    store = GalleryStore(store.folders).open_quickly()
    saved: list[str] = []
    real = repair.files_below

    def slow(folder: Path, inside: str = "") -> Iterator[str]:
        files = list(real(folder))
        if folder == store.folders.trash and not saved:  # both folders were walked through, the rows not yet written
            saved.append(store.add(noise(8), recipe(seed=9), MADE_WITH).id)
            store.remove(thrown.id)
            store.restore(back.id)
        return iter(files)

    monkeypatch.setattr(repair, "files_below", slow)
    store.care()
    assert [picture.id for picture in store.page(0, 9)] == [saved[0], back.id, kept.id]
    assert store.notices == ()
    assert [p.id for p in store.pictures(store.listing(Query(text="is:trash")).keys) if p] == [thrown.id]
    store.close()


def test_a_large_damaged_index_is_found_by_care(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "CHECKED_AT_ONCE", 0)
    monkeypatch.setattr("studio.gallery.care.CHECKED_AT_ONCE", 0)
    store = store_in(data)
    made = [store.add(noise(8, seed), recipe("long " * 200, seed=seed), MADE_WITH) for seed in range(20)]
    store.close()
    file = data / "index.sqlite3"
    content = bytearray(file.read_bytes())
    page = len(content) // 4096 // 2 * 4096
    content[page : page + 4096] = bytes(4096)
    file.write_bytes(content)
    store = GalleryStore(store.folders).open_quickly()
    store.care()
    assert store.page(0, 99) == tuple(reversed(made))
    assert any("damaged" in notice for notice in store.notices)
    store.close()


def test_tables_that_do_not_belong_together_are_made_again(data: Path) -> None:
    store = store_in(data)
    store.add(noise(8), recipe("a red house"), MADE_WITH)
    store.close()
    with closing(sqlite3.connect(data / "index.sqlite3")) as index:
        index.execute("DELETE FROM words")
        index.execute("DELETE FROM facets")
        index.execute("UPDATE pictures SET seed = 0, made = 0")
        index.commit()
    store = store_in(data)
    assert len(store.listing(Query(text="red model:mini seed:7 date:>=2026")).keys) == 1
    store.close()


def test_damage_that_sqlite_does_not_see(data: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(8), recipe("a red house"), MADE_WITH)
    (marked,) = store.mark([picture.id], rating=4, add_tags=["blue"])
    store.close()
    with closing(sqlite3.connect(data / "index.sqlite3")) as index:
        index.execute("UPDATE pictures SET marks = replace(marks, 'blue', 'blew'), rating = 1")
        index.execute("UPDATE words_content SET c0 = 'a blue mouse'")
        index.execute("UPDATE words_data SET block = zeroblob(length(block)) WHERE id > 10")
        index.commit()
        assert index.execute("PRAGMA quick_check").fetchone() == ("ok",)
    store = GalleryStore(store.folders).open_quickly()
    store.care()
    assert store.page(0, 9) == (marked,)
    assert len(store.listing(Query(text="red house tag:blue rating:4")).keys) == 1
    store.close()


def test_a_window_that_only_looks(data: Path) -> None:
    writer = store_in(data)
    picture = writer.add(noise(8), recipe(), MADE_WITH)
    reader = GalleryStore(writer.folders, read_only=True).open()
    assert reader.page(0, 9) == (picture,)
    late = writer.add(noise(8), recipe(seed=8), MADE_WITH)
    assert reader.page(0, 9) == (late, picture)
    assert len(reader.listing(Query()).keys) == 2
    before = sorted(file.name for file in data.rglob("*"))
    for refused in (
        lambda: reader.add(noise(8), recipe(), MADE_WITH),
        lambda: reader.remove(picture.id),
        lambda: reader.restore(picture.id),
        lambda: reader.mark([picture.id], rating=1),
        lambda: reader.empty_trash(),
        lambda: reader.import_folder(data),
    ):
        with pytest.raises(StorageProblem, match="another Diffusion Studio has this library open"):
            refused()
    reader.care()
    reader.close()
    assert sorted(file.name for file in data.rglob("*")) == before
    writer.close()


def test_looking_at_a_library_without_index(data: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(8), recipe(), MADE_WITH)
    store.close()
    (data / "index.sqlite3").unlink()
    reader = GalleryStore(store.folders, read_only=True)
    assert reader.page(0, 9) == (picture,)
    reader.close()
    assert not (data / "index.sqlite3").exists()


def test_the_trash_is_emptied_on_request_only(data: Path) -> None:
    store = store_in(data)
    kept, thrown = (store.add(noise(8, seed), recipe(seed=seed), MADE_WITH) for seed in (1, 2))
    store.remove(thrown.id)
    store.care()
    assert [file.name for file in (data / "trash").rglob("*.png")] == [thrown.file.name]
    assert store.empty_trash() == 1
    assert store.get(thrown.id) is None
    assert list((data / "trash").rglob("*.png")) == []
    assert store.page(0, 9) == (kept,)
    assert len(store.listing(Query(text="is:trash")).keys) == 0
    assert store.empty_trash() == 0
    store.close()
    store = store_in(data)
    assert (store.page(0, 9), store.notices) == ((kept,), ())
    store.close()


def test_rows_of_the_first_version_keep_their_checksum() -> None:
    entry = row_of(store_picture(), "x.png")
    assert isinstance(entry.row, Row)
    import zlib

    row = entry.row
    fixed = (row.id, row.width, row.height, row.created, row.recipe, row.made_with)
    assert row.checksum == zlib.crc32(repr(fixed).encode())


def store_picture():  # type: ignore[no-untyped-def]
    from studio.core.picture import Picture

    return Picture(
        id="20261121-000000-000000-00000000",
        recipe=recipe(),
        made_with=MADE_WITH,
        file=Path("x.png"),
        width=8,
        height=8,
        created=datetime(2026, 11, 21, tzinfo=UTC),
    )
