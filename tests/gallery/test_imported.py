"""Folders of the artist's are shown in the history; no file in them is moved, changed or deleted."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from studio.core.errors import StorageProblem, StudioError
from studio.core.library import Query
from studio.gallery import imported
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in

INFOTEXT = "{}\nNegative prompt: ugly\nSteps: 28, Sampler: Euler a, CFG scale: 7, Seed: {}, Size: 512x512, Model: sd15"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of another program, one of another studio, one without settings, and things that are none."""
    root = tmp_path / "my pictures"
    (root / "sub").mkdir(parents=True)
    foreign(root / "a castle.png", "a castle on a rock", 11)
    foreign(root / "sub" / "a ship.png", "a ship at sea", 12)
    other = store_in(tmp_path / "other machine")
    shutil.copy(other.add(noise(8), recipe("made elsewhere", seed=13), MADE_WITH).file, root / "sent.png")
    other.close()
    Image.new("RGB", (4, 4)).save(root / "holiday.png")
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    (root / "notes.txt").write_text("mine")
    (root / "link.png").symlink_to("a castle.png")
    return root


def foreign(file: Path, prompt: str, seed: int) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", INFOTEXT.format(prompt, seed))
    Image.new("RGB", (16, 8), (seed * 9, 80, 80)).save(file, pnginfo=texts)


def seeds(store: GalleryStore, text: str = "") -> set[int]:
    listing = store.listing(Query(text=text))
    return {picture.recipe.seed for picture in store.pictures(listing.keys) if picture is not None}


def print_of(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_pictures_are_shown_where_they_are(data: Path, folder: Path) -> None:
    before = print_of(folder)
    store = store_in(data)
    own = store.add(noise(8), recipe("own", seed=1), MADE_WITH)
    found = store.import_folder(folder)
    assert (found.added, found.without, found.missing, found.gone) == (3, 2, 0, False)
    assert found.sentence(str(folder)) == (
        "From the folder “my pictures” 3 pictures came into the history; the files stay where they are; "
        "2 without settings that the studio can read."
    )
    assert seeds(store) == {1, 11, 12, 13}
    assert seeds(store, "castle steps:28") == {11}
    assert seeds(store, "is:imported") == {11, 12, 13}
    (castle,) = (picture for picture in store.page(0, 9) if picture.recipe.seed == 11)
    assert castle.file == folder / "a castle.png"
    assert (castle.width, castle.height) == (16, 8)
    assert store.thumbnail(castle).width == 16
    assert store.import_folder(folder).added == 0, "once is enough"
    assert store.look_at_new() == 4
    store.mark([castle.id], rating=5)
    store.close()
    store = store_in(data)
    assert [(folder_.folder, folder_.watched) for folder_ in store.imported_folders()] == [(str(folder), 0)]
    assert seeds(store, "rating:5") == {11}
    assert store.get(own.id) == own
    store.close()
    assert print_of(folder) == before


@pytest.mark.parametrize("watched", [True, False])
def test_imports_and_marks_survive_the_loss_of_the_index(data: Path, folder: Path, watched: bool) -> None:
    store = store_in(data)
    store.import_folder(folder, watched)
    castle, ship = (next(picture for picture in store.page(0, 9) if picture.recipe.seed == seed) for seed in (11, 12))
    store.mark([castle.id], rating=5)
    store.remove(ship.id)
    store.close()
    (data / "index.sqlite3").unlink()
    store = store_in(data)
    store.care()
    assert store.get(castle.id) is not None
    assert seeds(store, "rating:5") == {11}
    assert seeds(store) == {11, 13}
    assert seeds(store, "is:trash") == {12}
    store.close()


def test_deleting_takes_out_of_the_history_only(data: Path, folder: Path) -> None:
    before = print_of(folder)
    store = store_in(data)
    store.import_folder(folder)
    (castle,) = (picture for picture in store.page(0, 9) if picture.recipe.seed == 11)
    store.remove(castle.id)
    assert seeds(store) == {12, 13}
    assert store.empty_trash() == 0
    assert print_of(folder) == before
    store.import_folder(folder)
    assert seeds(store) == {12, 13}, "it does not come back by itself"
    assert store.restore(castle.id).file == castle.file
    assert seeds(store) == {11, 12, 13}
    store.close()


def test_a_watched_folder_is_followed(data: Path, folder: Path) -> None:
    store = store_in(data)
    store.import_folder(folder, watched=True)
    (castle,) = store.mark([next(p.id for p in store.page(0, 9) if p.recipe.seed == 11)], rating=4)
    castle.file.rename(folder / "sub" / "renamed.png")
    foreign(folder / "new.png", "a new one", 14)
    (folder / "sub" / "a ship.png").unlink()
    store.visit_folders()
    assert seeds(store) == {11, 13, 14}
    moved = store.get(castle.id)
    assert moved is not None
    assert (moved.file, moved.marks.rating) == (folder / "sub" / "renamed.png", 4)
    assert seeds(store, "is:missing") == {12}
    (folder / "new.png").unlink()
    store.visit_folders()
    assert store.notices[-1] == "1 picture is no longer in the folder “my pictures”; the history shows what is there."
    store.close()


def test_a_picture_that_is_being_written_is_named_by_all_of_it(data: Path, folder: Path) -> None:
    """By half of it, its stars would be lost with the index: known by its content, it would be another one then."""
    store = store_in(data)
    store.import_folder(folder, watched=True)
    foreign(folder / "fresh.png", "a fresh one", 14)
    whole = (folder / "fresh.png").read_bytes()
    (folder / "fresh.png").write_bytes(whole[:-30])
    store.visit_folders()
    assert seeds(store) == {11, 12, 13}
    (folder / "fresh.png").write_bytes(whole)
    store.visit_folders()
    (fresh,) = store.pictures(store.listing(Query(text="fresh")).keys)
    assert fresh is not None
    assert fresh.id.endswith(hashlib.sha256(whole).hexdigest()[:8])
    (folder / "old.png").write_bytes(whole[:-31])
    os.utime(folder / "old.png", (1_700_000_000, 1_700_000_000))
    store.visit_folders()
    assert len(store.listing(Query(text="fresh")).keys) == 2, "what is damaged for good is shown as it is"
    store.close()


def test_a_vanished_folder_keeps_its_rows(data: Path, folder: Path) -> None:
    store = store_in(data)
    store.import_folder(folder)
    away = folder.rename(folder.with_name("unplugged"))
    store.care()
    assert seeds(store) == set()
    assert seeds(store, "is:missing") == {11, 12, 13}
    assert store.notices[-1] == (
        "The folder “my pictures” cannot be reached; its pictures stay in the history and come back with it."
    )
    away.rename(folder)
    store.care()
    assert seeds(store) == {11, 12, 13}
    store.close()


def test_a_folder_leaves_the_history_again(data: Path, folder: Path) -> None:
    before = print_of(folder)
    store = store_in(data)
    store.add(noise(8), recipe(seed=1), MADE_WITH)
    store.import_folder(folder)
    (castle,) = (picture for picture in store.page(0, 9) if picture.recipe.seed == 11)
    store.mark([castle.id], rating=3)
    store.forget_folder(folder)
    assert seeds(store) == seeds(store, "-is:trash") == {1}
    assert store.imported_folders() == ()
    store.import_folder(folder)
    assert seeds(store, "rating:3") == {11}, "its marks were kept"
    assert print_of(folder) == before
    store.close()


def test_folders_that_cannot_be_imported(data: Path, folder: Path) -> None:
    store = store_in(data)
    for wrong in (folder / "nothing", folder / "notes.txt", data, data / "pictures", data.parent):
        with pytest.raises(StudioError, match=r"not a folder|the studio's own library"):
            store.import_folder(wrong)
    assert not (data / "marks.jsonl").exists()
    assert store.imported_folders() == ()
    store.close()


# Joined emoji, Persian with its joiners, the narrow space in macOS' times, no-break space, a line break, bytes that are no letters
NAMES = ["\U0001f469\u200d\U0001f3a8.png", "می\u200cخواهم.png", "10.00\u202fAM.png", "a\u00a0b.png", "a\nb.png"]


def test_an_import_that_was_cut_off_goes_on_at_the_next_start(
    data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported, "PORTION", 1)
    store = store_in(data)
    looks = iter([False, False, True])
    store.import_folder(folder, stopped=lambda: next(looks, True))
    here = seeds(store)
    assert 0 < len(here) < 3
    assert not store.other_folders()[0].gone
    store.close()
    store = store_in(data)
    store.care()
    assert seeds(store) == {11, 12, 13}
    assert [found.gone for found in store.imported_folders()] == [0]
    store.close()


def test_a_picture_that_lies_in_two_folders_stays_when_one_is_taken_out(
    data: Path, folder: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    foreign(second / "other.png", "another", 15)
    shutil.copy2(folder / "a castle.png", second)
    store = store_in(data)
    store.import_folder(folder)
    store.import_folder(second)
    store.forget_folder(folder)
    assert seeds(store) == {15}
    store.close()
    store = store_in(data)
    store.care()
    assert seeds(store) == {11, 15}
    store.close()


def test_names_that_hold_invisible_letters(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "renders"
    root.mkdir()
    for number, name in enumerate(NAMES, start=1):
        foreign(root / name, "a ship", number)
    shutil.copy(root / NAMES[0], os.fsencode(root) + b"/\xff.png")
    store = store_in(data)
    own = store.add(noise(8), recipe(seed=9), MADE_WITH)
    assert store.import_folder(root).added == len(NAMES)
    store.close()
    own.file.rename(own.file.with_name(NAMES[0]))  # the artist's own name for it
    store = store_in(data)
    assert seeds(store) == {1, 2, 3, 4, 5, 9}
    assert store.notices == ()
    store.close()


@pytest.mark.parametrize("side", [10_000, 60_000])  # Pillow warns of the one and refuses the other
def test_a_file_that_claims_to_be_huge_does_not_end_it(data: Path, folder: Path, side: int) -> None:
    bomb = bytearray((folder / "a castle.png").read_bytes())
    bomb[16:24] = struct.pack(">II", side, side)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    (folder / "z huge.png").write_bytes(bomb)
    store = store_in(data)
    found = store.import_folder(folder, watched=True)
    assert (found.added, found.without) == (3, 3)
    store.close()
    (data / "index.sqlite3").unlink()
    store = store_in(data)
    store.care()
    assert seeds(store) == {11, 12, 13}
    store.close()


def test_a_folder_whose_name_is_no_text_is_refused_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    odd.mkdir()
    foreign(odd / "a.png", "a ship", 11)
    store = store_in(data)
    with pytest.raises(StudioError, match="bytes that are no letters"):
        store.import_folder(odd, watched=True)
    assert store.imported_folders() == ()
    store.close()
    (data / "marks.jsonl").write_text('{"folder": "\\ud800", "watched": true}\n')  # what a journal is made to say
    store = store_in(data)
    assert store.imported_folders() == () and store.notices == ()
    store.close()


def test_a_library_that_takes_no_folder_is_named_as_what_refuses(data: Path, folder: Path) -> None:
    (data / "marks.jsonl").mkdir(parents=True)
    store = store_in(data)
    for wish in (store.import_folder, store.forget_folder):
        with pytest.raises(StorageProblem) as caught:
            wish(folder)
        assert str(data) in caught.value.hint and str(folder) not in caught.value.hint
    store.close()


def test_an_import_can_be_stopped(data: Path, folder: Path) -> None:
    store = store_in(data)
    assert store.import_folder(folder, stopped=lambda: True).added == 0
    assert store.import_folder(folder).added == 3
    os.utime(folder / "a castle.png", (0, 0))
    assert store.import_folder(folder).added == 0, "a touched file is the same picture"
    store.close()
