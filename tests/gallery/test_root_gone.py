"""The library's folder goes while it is in use: nothing new is begun in its place, and all is saved once it is back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.core.errors import RootGone, StorageProblem, in_words
from studio.core.library import Query
from studio.core.paths import Folders
from studio.core.safe_files import write_whole
from studio.engine.journal import Journal
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, sketch, store_in

PICTURE = noise(32)


def gone(data: Path, away: Path) -> None:
    data.rename(away)


def another(data: Path, away: Path) -> None:
    """What a mount point is when its disk is gone: there, and something else."""
    data.rename(away)
    data.mkdir()


@pytest.mark.parametrize(
    ("go", "why"), [(gone, "library's folder is gone"), (another, "another folder lies where the library was")]
)
def test_nothing_is_written_until_it_is_back(
    data: Path, tmp_path: Path, go: Callable[[Path, Path], None], why: str
) -> None:
    away = tmp_path / "away"
    store = store_in(data)
    first = store.add(PICTURE, recipe(), MADE_WITH)
    go(data, away)
    before = sorted(tmp_path.iterdir()), list(data.iterdir()) if data.exists() else []
    with pytest.raises(StorageProblem, match=f"could not be saved because .*{why}; it is still in memory") as caught:
        store.add(PICTURE, recipe(), MADE_WITH)
    assert str(data) in caught.value.hint
    with pytest.raises(StorageProblem, match=why):
        store.remove(first.id)
    with pytest.raises(StorageProblem, match=why):
        store.mark([first.id], rating=3)
    with pytest.raises(StorageProblem, match=why):
        store.empty_trash()
    with pytest.raises(StorageProblem, match=why):
        store.inputs.add(sketch())
    with pytest.raises(StorageProblem, match=why):
        store.listing(Query())
    with pytest.raises(RootGone):
        write_whole(data / "draft.json", b"{}")
    store.care()
    assert (sorted(tmp_path.iterdir()), list(data.iterdir()) if data.exists() else []) == before
    if data.exists():
        data.rmdir()
    away.rename(data)
    second = store.add(PICTURE, recipe(), MADE_WITH)
    assert {picture.id for picture in store.page(0, 9)} == {first.id, second.id}
    assert not any("rebuilt" in notice for notice in store.notices)
    store.close()
    store = store_in(data)
    assert {picture.id for picture in store.page(0, 9)} == {first.id, second.id}
    store.close()


def test_a_stick_that_comes_back_with_other_numbers_is_known_again(data: Path, tmp_path: Path) -> None:
    store = store_in(data)
    store.add(PICTURE, recipe(), MADE_WITH)
    shutil.copytree(data, tmp_path / "copy")
    data.rename(tmp_path / "away")
    (tmp_path / "copy").rename(data)
    store.add(PICTURE, recipe(), MADE_WITH)
    assert len(list((data / "pictures").rglob("*.png"))) == 2
    assert store.count() == 2, "its index too, whose old connection leads to where it was"
    store.close()


def test_a_first_start_makes_the_folder_and_files_that_are_replaced_do_not_matter(data: Path) -> None:
    store = GalleryStore(Folders(root=data / "deep"))
    write_whole(data / "deep" / "draft.json", b"1")
    write_whole(data / "deep" / "draft.json", b"2")
    saved = store.add(PICTURE, recipe(), MADE_WITH)
    assert saved.file.is_relative_to(data / "deep")
    assert store.count() == 1
    store.close()


def test_the_queue_is_not_begun_anew_either(data: Path, tmp_path: Path) -> None:
    store = store_in(data)
    data.rename(tmp_path / "away")
    told, heard = list[str](), threading.Event()
    journal = Journal(store.folders.queue, lambda error: (told.append(error.headline), heard.set()))
    journal.order(["a"])
    assert heard.wait(10)
    assert journal.close()
    assert (told, data.exists()) == (["The queue cannot be kept for the next start."], False)
    store.close()


def test_what_any_thread_says_of_it(tmp_path: Path) -> None:
    said = in_words(RootGone(tmp_path, "the library's folder is gone"))
    assert said.headline == "The library's folder is gone."
    assert str(tmp_path) in said.hint
