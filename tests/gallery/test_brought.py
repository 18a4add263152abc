"""Single files copied into the library: whole, as they are, each once; what is not taken is told with its reason."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

import pytest
from PIL import Image

from studio.core.errors import StorageProblem
from studio.core.library import Query
from studio.gallery import brought
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in
from tests.gallery.test_imported import foreign, seeds


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """A picture of another studio, as it came by mail."""
    other = store_in(tmp_path / "other machine")
    file = Path(shutil.copy(other.add(noise(8), recipe("made elsewhere", seed=13), MADE_WITH).file, tmp_path / "x.png"))
    other.close()
    return file


def test_pictures_of_the_studio_come_among_its_own(data: Path, sent: Path) -> None:
    store = store_in(data)
    found = store.bring([sent])
    assert len(found.added) == 1 and found.sentence() == "1 picture was copied into the history."
    (picture,) = store.page(0, 9)
    assert picture.recipe.seed == 13 and picture.file.is_relative_to(data / "pictures")
    assert picture.file.read_bytes() == sent.read_bytes() and sent.exists()
    again = store.bring([sent, picture.file])
    assert not again.added and again.sentence() == "2 pictures are in the history already."


def test_pictures_of_others_come_as_they_are_and_stay_after_a_rebuild(data: Path, tmp_path: Path) -> None:
    castle = tmp_path / "a castle.png"
    foreign(castle, "a castle on a rock", 11)
    os.utime(castle, (1_700_000_000, 1_700_000_000))
    store = store_in(data)
    (picture_id,) = store.bring([castle]).added
    store.mark([picture_id], rating=4)
    (picture,) = store.page(0, 9)
    assert picture.file == data / "imported" / "a castle.png"
    assert picture.file.read_bytes() == castle.read_bytes()
    assert picture.created.timestamp() == 1_700_000_000  # the day of the file, not of its copying
    assert store.bring([castle]).known == 1
    store.close()
    (data / "index.sqlite3").unlink()
    anew = GalleryStore(store.folders).open()
    anew.visit_folders(everything=True)
    (back,) = anew.page(0, 9)
    assert (back.id, back.marks.rating) == (picture_id, 4)
    (folder,) = anew.other_folders()
    assert folder.own and folder.count == 1


def test_the_longest_names_of_any_script_are_taken(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "renders"
    folder.mkdir()
    for number, letter in enumerate(("x" * 251, "一" * 83, "🎨" * 62), start=1):  # 255 bytes with their ending
        foreign(folder / f"{letter}.png", "a ship", number)
    store = store_in(data)
    found = store.bring(sorted(folder.iterdir()))
    assert (len(found.added), found.trouble) == (3, None)
    assert seeds(store) == {1, 2, 3}


def test_two_files_of_one_name_are_both_kept(data: Path, tmp_path: Path) -> None:
    store = store_in(data)
    for number in (11, 12):
        (tmp_path / str(number)).mkdir()
        foreign(tmp_path / str(number) / "out.png", "a ship", number)
    assert len(store.bring([tmp_path / "11" / "out.png", tmp_path / "12" / "out.png"]).added) == 2
    assert seeds(store) == {11, 12}


def test_what_is_not_taken_is_told_with_its_reason(data: Path, tmp_path: Path, sent: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "holiday.png")
    (tmp_path / "notes.png").write_text("mine")
    (tmp_path / "cut.png").write_bytes(sent.read_bytes()[:-40])
    (tmp_path / "folder.png").mkdir()
    store = store_in(data)
    found = store.bring([tmp_path / name for name in ("holiday.png", "notes.png", "cut.png", "folder.png", "gone.png")])
    assert found.sentence() == "Nothing was taken into the history." and not found.added
    reasons = dict(found.refused)
    assert reasons["holiday.png"] == "carries no settings that the studio can read"
    assert reasons["notes.png"] == "is no PNG, JPEG or WebP picture"
    assert reasons["cut.png"].startswith("is damaged: it breaks off")
    assert reasons["gone.png"] == "does not exist any more"
    assert found.not_taken().startswith("“holiday.png” carries no settings")
    assert found.not_taken().endswith("2 more were not taken either.")
    assert not list((data / "pictures").rglob("*.png")) and not (data / "imported").exists()


def test_a_picture_in_the_trash_is_not_copied_again(data: Path, sent: Path) -> None:
    store = store_in(data)
    (picture_id,) = store.bring([sent]).added
    store.remove(picture_id)
    found = store.bring([sent])
    assert (found.added, found.trashed) == ((), 1)
    assert "in its trash" in found.sentence()
    store.restore(picture_id)
    assert seeds(store) == {13}


def test_a_picture_comes_again_after_its_trash_was_emptied_by_other_means(
    data: Path, tmp_path: Path, sent: Path
) -> None:
    foreign(tmp_path / "castle.png", "a castle", 11)
    files = [sent, tmp_path / "castle.png"]
    store = store_in(data)
    for picture_id in store.bring(files).added:
        store.remove(picture_id)
    shutil.rmtree(data / "trash")
    (data / "imported" / "castle.png").unlink()
    assert len(store.bring(files).added) == 2, "nothing can bring them back from there any more"
    assert seeds(store) == {11, 13}
    store.close()
    store = store_in(data)
    store.care()
    assert seeds(store) == {11, 13}
    store.close()


def test_the_copy_of_another_programs_picture_goes_with_the_trash(data: Path, tmp_path: Path) -> None:
    castle = tmp_path / "a castle.png"
    foreign(castle, "a castle", 11)
    store = store_in(data)
    (picture_id,) = store.bring([castle]).added
    store.mark([picture_id], rating=4)
    store.remove(picture_id)
    assert seeds(store) == set() and seeds(store, "is:trash") == {11}
    store.restore(picture_id)
    assert seeds(store) == {11}
    store.thumbnail(store.restore(picture_id))
    store.remove(picture_id)
    assert list(data.rglob(f"{picture_id}.jpg"))
    assert store.empty_trash() == 1
    assert not list(data.rglob(f"{picture_id}.jpg")), "nor is it there small"
    assert not list((data / "imported").iterdir()) and castle.exists()
    assert seeds(store, "is:trash") == set()
    assert store.bring([castle]).added == (picture_id,)
    store.close()
    (data / "index.sqlite3").unlink()
    store = store_in(data)
    store.care()
    assert seeds(store) == {11}, "what was said of it before does not hide it"
    store.close()


def test_what_a_kill_left_of_a_copy_is_cleared_away(data: Path, tmp_path: Path) -> None:
    foreign(tmp_path / "castle.png", "a castle", 11)
    store = store_in(data)
    store.bring([tmp_path / "castle.png"])
    store.close()
    (data / "imported" / "ship.png.0a1b2c3d.part").write_bytes(b"half of it")
    store = store_in(data)
    assert [file.name for file in (data / "imported").iterdir()] == ["castle.png"]
    assert seeds(store) == {11}
    store.close()


def test_a_file_that_was_only_touched_is_no_other_picture(data: Path, tmp_path: Path) -> None:
    castle = tmp_path / "castle.png"
    foreign(castle, "a castle", 11)
    store = store_in(data)
    (picture_id,) = store.bring([castle]).added
    os.utime(castle, (1_600_000_000, 1_600_000_000))  # downloaded a second time
    again = store.bring([castle])
    assert (again.added, again.known) == ((), 1)
    store.remove(picture_id)
    assert store.bring([castle]).trashed == 1
    assert store.empty_trash() == 1 and not store.page(0, 9)


def test_a_picture_whose_file_was_lost_is_there_again(data: Path, sent: Path) -> None:
    store = store_in(data)
    (picture_id,) = store.bring([sent]).added
    store.mark([picture_id], rating=5)
    (picture,) = store.page(0, 9)
    picture.file.unlink()
    store.close()
    store = GalleryStore(store.folders).open()
    assert not store.page(0, 9)
    assert store.bring([sent]).added == (picture_id,)
    (back,) = store.page(0, 9)
    assert back.file.exists() and back.marks.rating == 5


def test_a_full_disk_ends_it_and_keeps_what_was_copied(
    data: Path, tmp_path: Path, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    castle = tmp_path / "castle.png"
    foreign(castle, "a castle", 11)
    store = store_in(data)
    write = brought.write_new

    def full(file: Path, content: bytes) -> None:
        if "imported" in file.parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, content)

    monkeypatch.setattr(brought, "write_new", full)
    found = store.bring([sent, castle])
    assert len(found.added) == 1 and isinstance(found.trouble, StorageProblem)
    assert seeds(store) == {13}


def test_pictures_of_a_folder_are_found_by_its_name(data: Path, tmp_path: Path) -> None:
    for name, seed in (("renders", 11), ("old renders", 12)):
        (tmp_path / name).mkdir()
        foreign(tmp_path / name / "a.png", "a ship", seed)
    store = store_in(data)
    store.add(noise(8), recipe("own", seed=1), MADE_WITH)
    for name in ("renders", "old renders"):
        store.import_folder(tmp_path / name)
    assert seeds(store, 'folder:"renders"') == {11}
    assert seeds(store, "folder:renders ") == {11, 12}
    assert seeds(store, "-folder:renders ") == {1}
    assert [offer.text for offer in store.complete("folder:ol", 9)] == ['"old renders"']
    assert [(folder.path.name, folder.count) for folder in store.other_folders()] == [
        ("old renders", 1),
        ("renders", 1),
    ]
    assert len(store.listing(Query(text="folder:nowhere ")).keys) == 0


def test_damaged_files_of_any_kind_are_refused_in_words(data: Path, tmp_path: Path, sent: Path) -> None:
    rng, store = random.Random(6), store_in(data)
    castle = tmp_path / "castle.png"
    foreign(castle, "a castle", 11)
    whole = [sent.read_bytes(), castle.read_bytes()]
    for number in range(300):
        mutant = bytearray(whole[number % 2])
        for _ in range(rng.randrange(1, 6)):
            mutant[rng.randrange(len(mutant))] ^= rng.randrange(1, 256)
        if number % 3 == 0:
            del mutant[rng.randrange(len(mutant)) :]
        file = tmp_path / f"mutant {number}.png"
        file.write_bytes(mutant)
        found = store.bring([file])
        assert len(found.refused) == 1 and not found.added, number
    assert store.count() == 0 and not list(data.rglob("*.part"))
