"""Consent is pinned to bytes (S9, S12): what was not allowed, to the byte, never runs unasked."""

from __future__ import annotations

import json
import os
import py_compile
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.core.errors import PluginProblem
from studio.core.plugins import PluginState
from studio.core.recipe import PluginRef
from studio.plugins.bundle import read_bundle
from studio.plugins.host import Host
from studio.plugins.importer import finder
from studio.plugins.shelf import PluginShelf
from tests.plugins.yard import Yard, allowed

TOOL = "def enable(registry):\n    registry.prompt_tool('tool', lambda prompt, seed, count, use: [{says!r}])\n"


def canary(file: Path, says: str = "old") -> str:
    """Code that leaves a trace when it runs."""
    return f"with open({str(file)!r}, 'a') as trace:\n    trace.write({says!r})\n" + TOOL.format(says=says)


def run(shelf: PluginShelf, id: str = "guest") -> str:
    tool = Host(shelf).part("prompt_tool", PluginRef(id=id), "tool")  # type: ignore[arg-type]
    return str(tool("", 0, 1, None)[0])


@pytest.fixture
def trusted(yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A guest that was allowed; the child process is left out, as these tests ask for the bytes alone."""
    monkeypatch.setattr("studio.plugins.host.probe", lambda bundle: None)
    folder = yard.write("guest", canary(tmp_path / "ran"))
    (folder / "data.json").write_text("{}", "utf-8")
    (folder / "part.py").write_text("x = 1", "utf-8")
    allowed(yard.shelf(), "guest")
    return yard


def test_it_runs_only_after_it_was_allowed(yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.plugins.host.probe", lambda bundle: None)
    yard.write("guest", canary(tmp_path / "ran"))
    shelf = yard.shelf()
    assert shelf.info("guest").state is PluginState.NEW
    with pytest.raises(PluginProblem, match="never allowed"):
        run(shelf)
    with pytest.raises(PluginProblem, match="not allowed yet"):
        shelf.enable("guest")
    assert shelf.disable("guest").state is PluginState.NEW  # switching off is no consent either
    assert not (tmp_path / "ran").exists()
    assert allowed(shelf, "guest").state is PluginState.ENABLED and run(shelf) == "old"
    assert yard.shelf().info("guest").state is PluginState.ENABLED  # and after a restart


def _replace_by_link(folder: Path) -> None:
    (folder / "part.py").rename(folder.parents[1] / "part.py")
    (folder / "part.py").symlink_to(folder.parents[1] / "part.py")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte of the code": lambda folder: (folder / "part.py").write_text("x = 2", "utf-8"),
    "a byte of a text": lambda folder: (folder / "data.json").write_text("[]", "utf-8"),
    "the manifest": lambda folder: (folder / "plugin.toml").write_bytes((folder / "plugin.toml").read_bytes() + b"\n"),
    "a file more": lambda folder: (folder / "more.py").write_text("", "utf-8"),
    "a file more, deep": lambda folder: ((folder / "sub").mkdir(), (folder / "sub" / "a.py").write_text("", "utf-8")),
    "a native library": lambda folder: (folder / "fast.so").write_bytes(b"evil"),
    "a hidden file": lambda folder: (folder / ".more.py").write_text("", "utf-8"),
    "capitals in its suffix": lambda folder: (folder / "more.PY").write_text("", "utf-8"),
    "a file less": lambda folder: (folder / "part.py").unlink(),
    "a renamed file": lambda folder: (folder / "part.py").rename(folder / "trap.py"),
    "two files swapped": lambda folder: (
        (folder / "a.py").write_bytes((folder / "part.py").read_bytes()),
        (folder / "part.py").unlink(),
    ),
    "a link": _replace_by_link,
    "a link to a folder": lambda folder: (folder / "more").symlink_to(folder.parent),
}  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize("rescanned", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_any_change_asks_again(change: str, rescanned: bool, trusted: Yard, tmp_path: Path) -> None:
    shelf = trusted.shelf()
    CHANGES[change](trusted.folders.plugins / "guest")
    if rescanned:
        shelf.rescan()
        assert shelf.info("guest").state in (PluginState.CHANGED, PluginState.BROKEN)
    with pytest.raises(PluginProblem):
        run(shelf)
    with pytest.raises(PluginProblem):
        shelf.enable("guest")
    assert not (tmp_path / "ran").exists()
    assert shelf.info("guest").state in (PluginState.CHANGED, PluginState.BROKEN)


def test_consent_to_bytes_that_changed_while_it_was_asked_is_none(trusted: Yard, tmp_path: Path) -> None:
    shelf = trusted.shelf()
    shown = shelf.info("guest").digest
    (trusted.folders.plugins / "guest" / "part.py").write_text("evil = 1", "utf-8")
    with pytest.raises(PluginProblem, match="changed since you were asked"):
        shelf.allow("guest", shown)
    assert shelf.info("guest").state is PluginState.CHANGED


def test_what_is_compiled_are_the_bytes_that_were_hashed(trusted: Yard, tmp_path: Path) -> None:
    """The files are swapped after hashing, before and during the import."""
    folder = trusted.folders.plugins / "guest"
    swap = f"with open({str(folder / 'part.py')!r}, 'w') as file:\n    file.write('x = 666')\n"
    (folder / "__init__.py").write_text(swap + "from . import part\n" + TOOL.format(says="old"), "utf-8")
    bundle = read_bundle(folder, "guest")
    (folder / "__init__.py").write_text("raise SystemExit('swapped')", "utf-8")
    module = finder().load(bundle)
    assert module.part.x == 1 and (folder / "part.py").read_text("utf-8") == "x = 666"


def test_cached_bytecode_is_neither_trusted_nor_written(trusted: Yard, tmp_path: Path) -> None:
    folder = trusted.folders.plugins / "guest"
    evil = tmp_path / "evil.py"
    evil.write_text(canary(tmp_path / "evil ran", "evil"), "utf-8")
    (folder / "__pycache__").mkdir()
    for name in ("__init__", "part"):
        target = folder / "__pycache__" / f"{name}.{sys.implementation.cache_tag}.pyc"
        py_compile.compile(str(evil), str(target), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    py_compile.compile(str(evil), str(folder / "hidden.pyc"))
    before = sorted(folder.rglob("*"))
    assert run(trusted.shelf()) == "old"
    with pytest.raises(ModuleNotFoundError):
        __import__("studio_guests.guest.hidden")
    assert not (tmp_path / "evil ran").exists() and sorted(folder.rglob("*")) == before


def test_running_code_goes_on_and_new_code_asks_first(trusted: Yard, tmp_path: Path) -> None:
    shelf = trusted.shelf()
    host = Host(shelf)
    tool = host.part("prompt_tool", PluginRef(id="guest"), "tool")  # type: ignore[arg-type]
    (trusted.folders.plugins / "guest" / "__init__.py").write_text(canary(tmp_path / "ran", "new"), "utf-8")
    shelf.rescan()
    assert tool("", 0, 1, None) == ["old"]
    with pytest.raises(PluginProblem, match="changed since"):
        host.part("prompt_tool", PluginRef(id="guest"), "tool")  # type: ignore[arg-type]
    assert "studio_guests.guest" not in sys.modules and (tmp_path / "ran").read_text("utf-8") == "old"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"version": 2, "plugins": {}}',
     b'{"version": 1, "plugins": {"guest": {"state": "enabled"}}}', b"\xff" * 99],
)  # fmt: skip
def test_a_damaged_file_of_consents_is_no_consent(damage: bytes, trusted: Yard) -> None:
    trusted.folders.consents.write_bytes(damage)
    assert trusted.shelf().info("guest").state is PluginState.NEW


def test_consents_lie_outside_the_plugin_and_say_which_bytes(trusted: Yard) -> None:
    kept = json.loads(trusted.folders.consents.read_text("utf-8"))
    folder = trusted.folders.plugins / "guest"
    assert kept["plugins"]["guest"]["digest"] == read_bundle(folder, "guest").digest
    assert not trusted.folders.consents.is_relative_to(trusted.folders.plugins)


def test_only_the_studios_own_folder_is_trusted(yard: Yard) -> None:
    yard.write("lora", TOOL.format(says="mine"))  # a name that ships, in the artist's folder
    yard.write("stranger", TOOL.format(says="x"), shipped=True)  # in the studio's folder, but not one that ships
    yard.write("invert", TOOL.format(says="x"), shipped=True)
    assert {info.id: (info.state, info.shipped) for info in yard.shelf().infos()} == {
        "invert": (PluginState.ENABLED, True),
        "lora": (PluginState.NEW, False),
        "stranger": (PluginState.NEW, False),
    }


def test_a_plugin_of_the_same_id_does_not_take_the_place_of_one_that_ships(yard: Yard) -> None:
    yard.write("invert", TOOL.format(says="mine"), shipped=True)
    yard.write("invert", TOOL.format(says="evil"))
    assert run(yard.shelf(), "invert") == "mine"
