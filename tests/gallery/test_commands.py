"""`main.py gallery`: what a shell and a script see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.cli import main
from studio.core.library_lock import LibraryLock
from studio.core.paths import Folders
from studio.core.picture import Picture
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in
from tests.gallery.test_imported import folder

__all__ = ["folder"]


@pytest.fixture
def made(data: Path) -> tuple[Picture, ...]:
    store = store_in(data)
    pictures = [store.add(noise(8, seed), recipe(f"a red house {seed}", seed=seed), MADE_WITH) for seed in range(4)]
    store.remove(pictures[3].id)
    (best,) = store.mark([pictures[1].id], rating=4, add_boards=["My board"], note="for print")
    store.close()
    return (pictures[0], best, pictures[2])


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_list_and_search(data: Path, made: tuple[Picture, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "gallery", "list", "--data", data)
    assert status == 0
    assert [line.split()[2] for line in out.splitlines()] == [picture.id for picture in reversed(made)]
    assert "a red house 1  ★★★★" in out
    _, out, _ = run(capsys, "gallery", "search", "red", "rating:>=4", "--json", "--data", data)
    (card,) = json.loads(out)
    assert (card["id"], card["rating"], card["boards"], card["note"]) == (made[1].id, 4, ["My board"], "for print")
    assert (card["recipe"]["seed"], Path(card["file"])) == (1, made[1].file)
    _, out, _ = run(capsys, "gallery", "search", "ho", "--data", data)
    assert out == "No picture is like that.\n", "a whole word, as nobody is typing"
    _, out, _ = run(capsys, "gallery", "list", "--sort", "oldest", "--limit", 1, "--json", "--data", data)
    assert [card["id"] for card in json.loads(out)] == [made[0].id]


def test_a_wrong_search_is_pointed_at(
    data: Path, made: tuple[Picture, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "gallery", "search", "red", "step:20", "--data", data)
    assert (status, out) == (2, "")
    assert err.splitlines() == ["red step:20", "    ^^^^^", "There is no field “step”. Did you mean “steps:”?"]


def test_looking_leaves_nothing_behind(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "gallery", "list", "--data", data)[:2] == (0, "There are no pictures yet.\n")
    assert not data.exists()


def test_check_says_what_does_not_fit(
    data: Path, made: tuple[Picture, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "gallery", "check", "--data", data)
    assert (status, out) == (0, "3 pictures, 1 in the trash, 0 of other folders.\nEverything fits.\n")
    store = store_in(data)
    store._opened().forget([made[2].id])
    store.close()
    made[0].file.unlink()
    made[1].file.write_bytes(made[1].file.read_bytes()[:-40])
    with (data / "marks.jsonl").open("a") as stream:
        stream.write(json.dumps({"picture": made[1].id, "rating": 5}) + "\n")
    before = (data / "index.sqlite3").read_bytes()
    status, out, _ = run(capsys, "gallery", "check", "--pixels", "--json", "--data", data)
    found = json.loads(out)
    assert status == 1
    assert [len(found[key]) for key in ("unlisted", "missing", "damaged")] == [1, 1, 1]
    assert (found["index"], found["well"], found["journal_behind"] > 0) == ("good", False, True)
    _, out, _ = run(capsys, "gallery", "check", "--data", data)
    assert "1 × in the index but not in the folder" in out
    assert (data / "index.sqlite3").read_bytes() == before
    (data / "index.sqlite3").write_bytes(b"rubbish" * 1000)
    status, out, _ = run(capsys, "gallery", "check", "--data", data)
    assert (status, "The index is damaged" in out) == (1, True)


def test_single_files_are_copied(data: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    castle, holiday = folder / "a castle.png", folder / "holiday.png"
    status, out, _ = run(capsys, "gallery", "import", castle, holiday, "--data", data)
    assert (status, out) == (
        1,
        "1 picture was copied into the history. “holiday.png” carries no settings that the studio can read.\n",
    )
    status, out, _ = run(capsys, "gallery", "import", castle, "--json", "--data", data)
    assert (status, json.loads(out)) == (0, {"copied": [], "there": 1, "in_trash": 0, "refused": []})
    status, out, err = run(capsys, "gallery", "import", folder / "nothing", "--data", data)
    assert (status, out) == (2, "") and "is not a folder" in err


def test_a_rebuild_that_the_folder_does_not_allow_is_told(
    data: Path, made: tuple[Picture, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.gallery.index_file.set_aside", lambda _: None)
    status, out, err = run(capsys, "gallery", "rebuild", "--data", data)
    assert (status, out) == (2, "") and "left as it is" in err
    store = store_in(data)
    assert store.get(made[0].id) == made[0]
    store.close()


def test_rebuild(data: Path, made: tuple[Picture, ...], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "gallery", "import", folder, "--data", data)[1].startswith(
        "From the folder “my pictures” 3 pictures came"
    )
    status, out, _ = run(capsys, "gallery", "rebuild", "--json", "--data", data)
    card = json.loads(out)
    assert (status, card["pictures"]) == (0, 6)
    assert (data / card["kept"]).exists()
    store = store_in(data)
    assert store.get(made[1].id) == made[1]
    store.close()
    lock = LibraryLock(Folders(root=data).lock)
    assert lock.take() is None
    status, out, err = run(capsys, "gallery", "rebuild", "--data", data)
    assert (status, out) == (2, "")
    assert err.startswith("The library is open elsewhere (")
    lock.release()
    status, out, err = run(capsys, "gallery", "forget", folder.with_name("my picturse"), "--data", data)
    assert (status, out) == (2, "") and "no pictures of a folder" in err
    assert run(capsys, "gallery", "forget", folder, "--data", data)[0] == 0
    assert len(json.loads(run(capsys, "gallery", "list", "--json", "--data", data)[1])) == 3
