"""Files of the artist's: named by digest, copied once, never overwritten by another of the same name."""

import hashlib
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.core.errors import StorageProblem
from studio.core.recipe import FileRef
from studio.state.background import Background
from studio.state.own_files import OwnFiles, keep_file


def test_a_file_from_elsewhere_is_copied_once(tmp_path: Path) -> None:
    source, folder = tmp_path / "style.safetensors", tmp_path / "files"
    source.write_bytes(b"weights")
    ref = keep_file(source, folder, ())
    assert ref == FileRef(name="style.safetensors", sha256=hashlib.sha256(b"weights").hexdigest())
    assert keep_file(source, folder, ()) == ref
    assert [file.name for file in folder.rglob("*") if file.is_file()] == ["style.safetensors"]


def test_another_file_of_the_same_name_stands_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    for place, data in (("a", b"one"), ("b", b"two")):
        source = tmp_path / place / "words.txt"
        source.parent.mkdir()
        source.write_bytes(data)
        keep_file(source, folder, ())
    assert sorted(file.read_bytes() for file in folder.rglob("words.txt")) == [b"one", b"two"]


def test_a_file_in_a_known_folder_stays_where_it_is(tmp_path: Path) -> None:
    known = tmp_path / "models" / "loras"
    known.mkdir(parents=True)
    (known / "x.safetensors").write_bytes(b"x")
    keep_file(known / "x.safetensors", tmp_path / "files", (tmp_path / "models",))
    assert not (tmp_path / "files").exists()


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, background: Background, qtbot: QtBot) -> None:
    with pytest.raises(StorageProblem, match="gone"):
        keep_file(tmp_path / "gone.txt", tmp_path, ())
    told: list[object] = []
    OwnFiles(tmp_path, (), background).take(tmp_path / "gone.txt", "", told.append, told.append)
    qtbot.waitUntil(lambda: len(told) == 1)
    assert isinstance(told[0], StorageProblem)


def test_files_at_hand_are_offered_and_those_of_the_plugin_stay_there(
    tmp_path: Path, background: Background, qtbot: QtBot
) -> None:
    plugin, loras = tmp_path / "plugins" / "lora", tmp_path / "loras"
    for file in (plugin / "mini" / "ink.safetensors", loras / "own.SAFETENSORS", loras / "notes.txt"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    files = OwnFiles(tmp_path / "files", (loras,), background)
    told: list[tuple[Path, ...]] = []
    files.offered(str(plugin), (".safetensors",), told.append)
    qtbot.waitUntil(lambda: len(told) == 1)
    assert [file.name for file in told[0]] == ["ink.safetensors", "own.SAFETENSORS"]
    taken: list[object] = []
    files.take(told[0][0], str(plugin), taken.append, taken.append)
    qtbot.waitUntil(lambda: len(taken) == 1)
    assert not (tmp_path / "files").exists()
