"""An index is read, searched and installed from; what it describes and what lies there must be the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import PluginProblem
from studio.core.plugins import PluginState
from studio.plugins.bundle import read_bundle
from studio.plugins.index import install, read_index, search
from tests.plugins.yard import DATA, Yard


@pytest.fixture
def stall(tmp_path: Path) -> Path:
    """A folder with an index, a zipped plugin and a plain one."""
    stall = tmp_path / "stall"
    stall.mkdir()
    shutil.make_archive(str(stall / "shout"), "zip", DATA, "shout")
    shutil.copytree(DATA / "raises", stall / "raises")
    (stall / "shout.png").write_bytes(b"a picture")
    rows = [
        row("shout", "Shout", "Says the prompt louder.", "shout.zip", digest=hashlib.sha256((stall / "shout.zip").read_bytes()).hexdigest(),
            picture="shout.png"),
        row("raises", "Bad luck", "Raises at import.", "raises", digest=read_bundle(stall / "raises", "").digest),
        row("future", "Later", "For another door.", "shout.zip", api=2),
    ]  # fmt: skip
    (stall / "index.json").write_text(json.dumps(rows), "utf-8")
    return stall


def row(
    id: str, name: str, description: str, path: str, api: int = 1, digest: str = "a" * 64, picture: str = ""
) -> dict[str, Any]:
    return {"id": id, "name": name, "version": "1.0.0", "api": api, "description": description, "picture": picture,
            "sha256": digest, "path": path}  # fmt: skip


def test_an_index_is_read_and_searched(stall: Path) -> None:
    entries = read_index(stall / "index.json")
    assert [entry.id for entry in entries] == ["raises", "future", "shout"] and read_index(stall) == entries
    assert entries[2].picture == stall / "shout.png" and entries[0].picture is None
    assert [entry.id for entry in search(entries, "PROMPT loud")] == ["shout"]
    assert search(entries, "  ") == entries and search(entries, "cat") == ()


@pytest.mark.parametrize(("id", "name"), [("shout", "Shout"), ("raises", "Bad: raises")])
def test_installing_from_it(id: str, name: str, stall: Path, yard: Yard) -> None:
    shelf = yard.shelf()
    entry = next(entry for entry in read_index(stall) if entry.id == id)
    info = install(entry, shelf)
    assert info.id == id and info.state is PluginState.NEW and info.manifest is not None and info.manifest.name == name


def test_other_bytes_than_described_are_not_installed(stall: Path, yard: Yard) -> None:
    shelf = yard.shelf()
    entries = {entry.id: entry for entry in read_index(stall)}
    with (stall / "shout.zip").open("ab") as archive:
        archive.write(b"x")
    (stall / "raises" / "__init__.py").write_text("evil = 1", "utf-8")
    for id, says in (
        ("shout", "digests differ"),
        ("raises", "digests differ"),
        ("future", "version 2 of the plugin door"),
    ):
        with pytest.raises(PluginProblem, match=says):
            install(entries[id], shelf)
    (stall / "shout.zip").unlink()
    with pytest.raises(PluginProblem, match="not there"):
        install(entries["shout"], shelf)
    assert shelf.infos() == () and not yard.folders.plugins.exists()


GOOD = row("shout", "Shout", "Louder.", "shout.zip")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "not a list"),
        ("[3]", "Entry 1"),
        (json.dumps([{**GOOD, "id": "../x"}]), "“id”"),
        (json.dumps([{**GOOD, "name": ""}]), "“name”"),
        (json.dumps([{**GOOD, "name": "a\u202eb"}]), "“name”"),
        (json.dumps([{**GOOD, "description": "x" * 601}]), "“description”"),
        (json.dumps([{**GOOD, "sha256": "A" * 64}]), "“sha256”"),
        (json.dumps([{**GOOD, "api": "1"}]), "“api”"),
        (json.dumps([{**GOOD, "path": "../shout.zip"}]), "does not lie beside"),
        (json.dumps([{**GOOD, "path": "/shout.zip"}]), "does not lie beside"),
        (json.dumps([{**GOOD, "path": "https://example.org/shout.zip"}]), "has to lie beside"),
        (json.dumps([{**GOOD, "picture": "..\\x.png"}]), "does not lie beside"),
        (json.dumps([GOOD, {key: GOOD[key] for key in GOOD if key != "version"}]), "Entry 2"),
    ],
)
def test_a_bad_index_is_refused_in_words(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(content, "utf-8")
    with pytest.raises(PluginProblem, match=says):
        read_index(tmp_path / "index.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PluginProblem, match="cannot be read"):
        read_index(tmp_path / "no.json")
