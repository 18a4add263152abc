"""Ratings, tags, boards and notes survive the loss of the index, kills between journal and row, and full disks."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.errors import StorageProblem
from studio.core.library import Marks, Query
from studio.core.picture import Picture
from studio.gallery.index import Index
from studio.gallery.journal import Journal
from studio.gallery.marks import marks_from_text, marks_text
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in

ALL = Marks(rating=4, tags=("blue", "sky 红"), boards=("My board",), note="for the\nexhibition")


def marked(store: GalleryStore) -> tuple[Picture, Picture]:
    first, second = (store.add(noise(8, seed), recipe(seed=seed), MADE_WITH) for seed in (1, 2))
    (changed,) = store.mark(
        [first.id], rating=4, note="for the\nexhibition", add_tags=["sky 红", " blue "], add_boards=["My  board"]
    )
    assert changed.marks == ALL
    return changed, second


def test_marks_are_there_at_once_and_after_a_restart(data: Path) -> None:
    store = store_in(data)
    first, second = marked(store)
    assert store.get(first.id) == first
    assert store.page(0, 9) == (second, first)
    store.close()
    store = store_in(data)
    assert store.get(first.id) == first
    (less,) = store.mark([first.id], remove_tags=["blue"], remove_boards=["My board"], note="")
    assert less.marks == Marks(rating=4, tags=("sky 红",))
    both = store.mark([second.id, first.id], rating=2)
    assert [picture.id for picture in both] == [second.id, first.id]
    assert {picture.marks.rating for picture in store.page(0, 9)} == {2}
    assert store.boards() == ()
    store.close()


@pytest.mark.parametrize("damage", ["gone", "rubbish", "zero bytes"])
def test_marks_survive_the_loss_of_the_index(data: Path, damage: str) -> None:
    store = store_in(data)
    first, second = marked(store)
    store.remove(second.id)
    store.mark([second.id], rating=1)  # also in the trash
    store.close()
    file = data / "index.sqlite3"
    file.unlink() if damage == "gone" else file.write_bytes(b"" if damage == "zero bytes" else b"rubbish" * 999)
    store = store_in(data)
    assert store.get(first.id) == first
    assert store.restore(second.id).marks == Marks(rating=1)
    assert len(store.listing(Query(text='board:"My board" exhibition blue')).keys) == 1
    store.close()


def test_a_picture_that_comes_back_has_its_marks(data: Path) -> None:
    store = store_in(data)
    first, _ = marked(store)
    store.close()
    (data / "index.sqlite3").unlink()
    elsewhere = first.file.rename(data / "elsewhere.png")
    store = store_in(data)
    assert store.get(first.id) is None
    store.close()
    elsewhere.rename(first.file)
    store = store_in(data)
    assert store.get(first.id) == first
    store.close()


def test_a_kill_between_journal_and_row(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(data)
    _, second = marked(store)

    def killed(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Index, "set_marks", killed)
    store.mark([second.id], rating=5)
    assert any("could not be written" in notice for notice in store.notices)
    monkeypatch.undo()
    store.close()
    store = store_in(data)
    assert [picture.marks.rating for picture in store.page(0, 9)] == [5, 4]
    assert store.notices == ()
    store.close()


def test_a_mark_that_cannot_be_kept_changes_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(data)
    first, _ = marked(store)
    before = (data / "marks.jsonl").read_bytes()
    real = os.write

    def full(descriptor: int, bytes_: bytes) -> int:
        if len(bytes_) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, bytes(bytes_[: len(bytes_) // 2]))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageProblem, match="could not be kept because the disk is full; everything is as it was"):
        store.mark([first.id], rating=1)
    monkeypatch.undo()
    assert (data / "marks.jsonl").read_bytes() == before
    assert store.get(first.id) == first
    store.close()


def test_every_prefix_of_the_journal_is_a_state_of_it(tmp_path: Path) -> None:
    """A power cut leaves any prefix: whole lines count, the half one does not, and the next one is whole again."""
    journal = Journal(tmp_path / "marks.jsonl")
    ids = [f"20261121-00000{n}-000000-00000000" for n in range(3)]
    ends = []
    for number, picture_id in enumerate(ids):
        journal.mark({picture_id: Marks(rating=number + 1, note="红\n" * number)})
        ends.append(journal.size())
    whole = journal.file.read_bytes()
    late = "20261121-000009-000000-00000000"
    for cut in range(len(whole) + 1):
        journal.file.write_bytes(whole[:cut])
        expected = {ids[n]: n + 1 for n in range(3) if ends[n] <= cut}
        assert {key: marks.rating for key, marks in journal.read().marks.items()} == expected
        journal.mark({late: Marks(rating=5)})
        after = {key: marks.rating for key, marks in journal.read().marks.items()}
        complete = {ids[n]: n + 1 for n in range(3) if ends[n] - 1 <= cut}  # all but the line's end was there
        assert after in (expected | {late: 5}, complete | {late: 5})


def test_the_journal_passes_over_what_it_does_not_know(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "marks.jsonl")
    good = "20261121-000000-000000-00000000"
    lines = [
        "rubbish",
        "[1]",
        json.dumps({"picture": "../../x", "rating": 5}),
        json.dumps({"picture": good, "rating": 99, "tags": ["a", 7, "x" * 999], "boards": "b", "note": None}),
        json.dumps({"of": "a newer studio"}),
        "{" * 100_000,
    ]
    journal.file.write_text("\n".join(lines) + "\n")
    assert journal.read().marks == {good: Marks(tags=("a",))}


_names = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=9), max_size=3)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 5), _names, _names, st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50))
def test_marks_as_text_come_back(rating: int, tags: list[str], boards: list[str], note: str) -> None:
    marks = Marks(rating=rating, tags=tuple(dict.fromkeys(tags)), boards=tuple(dict.fromkeys(boards)), note=note)
    assert marks_from_text(marks_text(marks)) == marks


def test_two_studios_mark_the_same_library(data: Path) -> None:
    window, command = store_in(data), store_in(data)
    _, second = marked(window)
    command.mark([second.id], rating=3)
    window.mark([second.id], add_tags=["both"])
    assert command.get(second.id) == window.get(second.id)
    found = window.get(second.id)
    assert found is not None
    assert found.marks == Marks(rating=3, tags=("both",))
    for store in (window, command):
        store.close()
