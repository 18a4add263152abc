"""The store as the window uses it: save, look, throw away, bring back, carry to another machine."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from studio.core.errors import BadInputImage, BadRecipe, StorageProblem
from studio.core.paths import Folders
from studio.core.pixels import Pixels
from studio.gallery import names
from studio.gallery import store as store_module
from studio.gallery.png import is_whole
from studio.gallery.rows import Row, checksum
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, control, encoded, noise, recipe, sketch, store_in


def files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_a_saved_picture_is_found_again_after_a_restart(data: Path) -> None:
    store = store_in(data)
    made = recipe("<b>a red house</b>\n日本 😀")
    picture = store.add(noise(), made, MADE_WITH)
    assert picture.recipe == made
    assert picture.file.is_relative_to(data / "pictures")
    with Image.open(picture.file) as image:
        assert Pixels(width=64, height=64, data=image.tobytes()) == noise()
    store.close()
    again = store_in(data)
    assert again.page(0, 10) == (picture,)
    assert again.get(picture.id) == picture
    assert again.count() == 1
    assert again.notices == ()
    again.close()


def test_names_come_from_time_and_chance_and_never_from_the_prompt(data: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(), recipe("../../secret prompt"), MADE_WITH)
    store.close()
    now = datetime.now(UTC)
    assert names.is_id(picture.id)
    assert abs(names.time_of(picture.id) - now) < timedelta(minutes=1)
    assert picture.file.name == f"{picture.id}.png"
    assert picture.file.parent.name == picture.created.strftime("%Y-%m-%d")
    assert "secret" not in str(picture.file)


def test_pages_are_newest_first_without_gaps(data: Path) -> None:
    store = store_in(data)
    made = [store.add(noise(8, i), recipe(seed=i), MADE_WITH) for i in range(25)]
    newest_first = tuple(reversed(made))
    assert store.page(0, 100) == newest_first
    assert sum((store.page(at, 7) for at in range(0, 25, 7)), ()) == newest_first
    assert store.page(25, 7) == ()
    assert store.page(0, 0) == ()
    assert store.count() == 25
    assert store.get("20260101-000000-000000-00000000") is None
    store.close()


def test_ids_grow_even_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    class Clock(datetime):
        moment = datetime(2026, 11, 21, 12, tzinfo=UTC)

        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return cls.moment

    monkeypatch.setattr(store_module, "datetime", Clock)
    store = store_in(data)
    made = [store.add(noise(8), recipe(seed=0), MADE_WITH)]
    made.append(store.add(noise(8), recipe(seed=1), MADE_WITH))  # the same microsecond
    Clock.moment -= timedelta(days=30)
    made.append(store.add(noise(8), recipe(seed=2), MADE_WITH))
    store.close()
    store = store_in(data)
    made.append(store.add(noise(8), recipe(seed=3), MADE_WITH))
    assert [picture.recipe.seed for picture in store.page(0, 9)] == [3, 2, 1, 0]
    assert made[2].created == Clock.moment, "the time told is the clock's"
    store.close()
    (data / "index.sqlite3").unlink()
    rebuilt = store_in(data)
    assert rebuilt.page(0, 9) == tuple(reversed(made)), "and a rebuilt index keeps the order"
    rebuilt.close()


def test_an_id_from_a_broken_clock_is_not_followed() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert names.new_id(now, "99991231-235959-999999-00000000").startswith("20261121-")
    assert names.new_id(now, "20270101-000000-000000-00000000").startswith("20270101-000000-000001")
    for nonsense in ("", "x", "20261341-000000-000000-00000000", "20261121-000000-000000-0000000G"):
        assert not names.is_id(nonsense)


def test_removed_pictures_lie_in_the_trash_and_come_back(data: Path) -> None:
    store = store_in(data)
    first, second = (store.add(noise(8, i), recipe(seed=i), MADE_WITH) for i in range(2))
    store.remove(first.id)
    store.remove(first.id)
    assert store.page(0, 9) == (second,)
    assert not first.file.exists()
    thrown = store.get(first.id)
    assert thrown is not None
    assert thrown.file.is_relative_to(data / "trash")
    assert is_whole(thrown.file.read_bytes())
    store.close()

    store = store_in(data)
    assert store.page(0, 9) == (second,), "also after a restart"
    assert store.restore(first.id) == first
    assert store.restore(first.id) == first
    assert store.page(0, 9) == (second, first)
    assert files_in(data / "trash") == []
    with pytest.raises(StorageProblem, match="not in the history"):
        store.remove("20260101-000000-000000-00000000")
    store.close()


def test_the_trash_survives_the_loss_of_the_index(data: Path) -> None:
    store = store_in(data)
    first, second = (store.add(noise(8, i), recipe(seed=i), MADE_WITH) for i in range(2))
    store.remove(first.id)
    store.close()
    (data / "index.sqlite3").unlink()
    store = store_in(data)
    assert store.page(0, 9) == (second,)
    assert store.restore(first.id) == first
    store.close()


def test_a_picture_whose_file_is_gone_can_still_be_removed(data: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(8), recipe(), MADE_WITH)
    picture.file.unlink()
    with pytest.raises(BadInputImage, match="no longer there"):
        store.thumbnail(picture)
    store.remove(picture.id)
    assert store.count() == 0
    with pytest.raises(StorageProblem, match="could not be brought back"):
        store.restore(picture.id)
    store.close()


def test_missing_files_are_told_and_come_back_with_their_files(data: Path) -> None:
    store = store_in(data)
    kept, lost = (store.add(noise(8, i), recipe(seed=i), MADE_WITH) for i in range(2))
    store.close()
    elsewhere = lost.file.rename(data / "elsewhere.png")
    for notices in (1, 0):  # told once
        store = store_in(data)
        assert store.page(0, 9) == (kept,)
        assert len(store.notices) == notices
        store.close()
    elsewhere.rename(lost.file)
    store = store_in(data)
    assert store.page(0, 9) == (lost, kept)
    store.close()


def test_files_the_artist_copies_or_moves(data: Path, tmp_path: Path) -> None:
    other = store_in(tmp_path / "other machine")
    foreign = other.add(noise(8), recipe("made elsewhere"), MADE_WITH)
    other.close()
    store = store_in(data)
    own = store.add(noise(8), recipe(), MADE_WITH)
    store.close()
    pictures = data / "pictures"
    shutil.copy(foreign.file, pictures / "holiday <1>.png")
    shutil.copy(own.file, pictures / "copy.png")
    (pictures / "sub").mkdir()
    (pictures / "plain.png").write_bytes(encoded(Image.new("RGB", (4, 4))))
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    (pictures / "notes.txt").write_text("mine")
    store = store_in(data)
    assert {picture.recipe.prompt for picture in store.page(0, 9)} == {"made elsewhere", own.recipe.prompt}
    assert store.notices == ("1 picture was found in the folder and added to the history.",)
    store.close()
    (pictures / "copy.png").unlink()
    own.file.rename(pictures / "sub" / "renamed.png")
    store = store_in(data)
    found = store.get(own.id)
    assert found is not None
    assert found.file == pictures / "sub" / "renamed.png"
    assert store.count() == 2
    assert len(files_in(pictures)) == 5, "nothing of the artist's was deleted"
    store.close()


def test_a_mailed_picture_restores_its_sketch_on_another_machine(data: Path, tmp_path: Path) -> None:
    home = store_in(data)
    ref = home.inputs.add(sketch())
    made = recipe(controls=(control(ref),))
    mailed = shutil.copy(home.add(noise(8), made, MADE_WITH).file, tmp_path / "mailed.png")
    stored = home.inputs.read(ref)
    home.close()
    away = GalleryStore(Folders(root=tmp_path / "away"))
    assert away.recipe_of(Path(mailed)) == made
    assert away.inputs.read(ref) == stored
    assert away.recipe_of(Path(mailed)) == made, "twice is fine"


def test_a_missing_sketch_costs_neither_the_picture_nor_the_recipe(data: Path) -> None:
    store = store_in(data)
    ref = store.inputs.add(sketch())
    shutil.rmtree(data / "inputs")
    made = recipe(controls=(control(ref),))
    picture = store.add(noise(8), made, MADE_WITH)
    assert store.recipe_of(picture.file) == made
    assert any("control picture was missing" in notice for notice in store.notices)
    store.close()


def test_recipe_of_a_foreign_file_is_refused_in_words(data: Path, tmp_path: Path) -> None:
    store = GalleryStore(Folders(root=data))
    file = tmp_path / "plain.png"
    file.write_bytes(encoded(Image.new("RGB", (4, 4))))
    with pytest.raises(BadRecipe, match=r"“plain\.png” carries no settings"):
        store.recipe_of(file)
    assert not data.exists(), "asking leaves nothing behind"


def test_saving_and_reading_in_several_threads(data: Path) -> None:
    store = GalleryStore(Folders(root=data))  # opened by whichever thread comes first
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(10):
                picture = store.add(noise(8, i), recipe(seed=number * 100 + i), MADE_WITH)
                assert store.get(picture.id) == picture
                if i % 3 == 0:
                    store.remove(picture.id)
                    store.restore(picture.id)
                assert len(store.page(0, 5)) >= 1
                store.count()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert store.count() == 40
    assert len({picture.recipe.seed for picture in store.page(0, 99)}) == 40
    store.close()


def test_two_studios_on_one_folder(data: Path) -> None:
    window, command = store_in(data), store_in(data)
    pictures = {window.add(noise(8), recipe(seed=1), MADE_WITH), command.add(noise(8), recipe(seed=2), MADE_WITH)}
    assert set(window.page(0, 9)) == set(command.page(0, 9)) == pictures
    third = store_in(data)
    assert (third.count(), third.notices) == (2, ())
    for store in (window, command, third):
        store.close()


def test_it_can_be_used_after_close(data: Path) -> None:
    store = store_in(data)
    picture = store.add(noise(8), recipe(), MADE_WITH)
    store.close()
    assert store.page(0, 9) == (picture,)
    store.close()
    store.close()


def test_a_row_of_a_newer_studio_is_shown_as_far_as_it_is_understood(data: Path) -> None:
    """One such recipe kept the whole page from being shown."""
    store = store_in(data)
    _old, newer, odd = (store.add(noise(8, n), recipe(f"house {n}", seed=n), MADE_WITH) for n in range(3))
    store.close()
    with closing(sqlite3.connect(data / "index.sqlite3")) as index, index:
        for picture, extra in ((newer, {"shape": "round"}), (odd, {"steps": "many"})):
            query = f"SELECT {', '.join(Row._fields)} FROM pictures WHERE id = ?"
            row = Row(*index.execute(query, (picture.id,)).fetchone())
            text = json.dumps({**json.loads(row.recipe), "studio_recipe": 99, **extra})
            row = row._replace(recipe=text, checksum=checksum(row._replace(recipe=text)))
            index.execute("UPDATE pictures SET recipe = ?, checksum = ? WHERE id = ?", (text, row.checksum, picture.id))
    store = store_in(data)
    store.care()
    assert [(p.recipe.prompt, p.partly) for p in store.page(0, 9)] == [
        ("house 2", True),
        ("house 1", True),
        ("house 0", False),
    ]
    assert store.page(0, 9)[1].recipe.steps == newer.recipe.steps
    store.remove(newer.id)
    assert store.restore(newer.id).file.exists()
    store.close()
