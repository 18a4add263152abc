"""Files dropped for copying when the studio closes, or dies, before all are copied: it goes on at the next start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.gallery import brought
from tests.gallery.makers import store_in
from tests.gallery.test_imported import foreign, seeds


@pytest.fixture
def ships(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"ship {seed}.png" for seed in (1, 2, 3)]
    for seed, file in enumerate(files, 1):
        foreign(file, f"a ship {seed}", seed)
    return files


def test_what_was_not_copied_goes_on_at_the_next_start(data: Path, ships: list[Path]) -> None:
    store = store_in(data)
    looks = iter([False, True])
    assert len(store.bring(ships, stopped=lambda: next(looks, True)).added) == 1
    store.close()
    ships[2].unlink()
    store = store_in(data)
    changes: list[int] = []
    store.care(lambda: changes.append(1))
    assert (seeds(store), bool(changes)) == ({1, 2}, True)
    assert store.notices == (
        "What was to be copied into the history when the studio closed: 1 picture was copied into the history. "
        "“ship 3.png” does not exist any more.",
    )
    store.close()
    store = store_in(data)
    store.care()
    assert store.notices == ()
    store.close()


def test_one_that_is_stopped_before_it_begins_is_kept_whole_and_so_is_a_second(data: Path, ships: list[Path]) -> None:
    store = store_in(data)
    store.bring(ships[:1], stopped=lambda: True)
    store.bring(ships[1:], stopped=lambda: True)
    store.care(stopped=lambda: True)
    assert seeds(store) == set()
    store.care()
    assert seeds(store) == {1, 2, 3}
    store.close()


def test_a_kill_in_the_middle(data: Path, ships: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    lists: list[bytes] = []
    take = brought._take

    def spy(shelf: object, file: Path, tally: object) -> None:
        lists.extend(kept.read_bytes() for kept in (data / "to-copy").iterdir())
        take(shelf, file, tally)

    monkeypatch.setattr(brought, "_take", spy)
    store = store_in(data)
    store.bring(ships[:2])
    assert json.loads(lists[0]) == [str(file) for file in ships[:2]]
    assert list((data / "to-copy").iterdir()) == [], "and nothing is left of what ended by itself"
    (data / "to-copy" / "left.json").write_text(json.dumps([str(file) for file in ships]))
    (data / "to-copy" / "torn.json").write_text('["')
    store.care()
    assert seeds(store) == {1, 2, 3}
    assert list((data / "to-copy").iterdir()) == []
    store.close()
