"""plugins/README.md followed to the letter: its files written, its commands run, its sketches and table checked."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from studio import api, cli, engine
from studio.core.paths import SHIPPED_PLUGINS, Folders
from studio.core.pixels import Pixels
from studio.core.plugins import PartType, PluginState
from studio.engine import fake
from studio.engine.fake import FakeEngine
from studio.plugins import manifest, parameters
from studio.plugins.shelf import PluginShelf

PAGE = (SHIPPED_PLUGINS / "README.md").read_text("utf-8")
FENCE = re.compile(r"(?:^`([\w./]+)`\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PAINTED = Pixels(width=256, height=256, data=bytes(range(256)) * 768)


def blocks(language: str) -> list[tuple[str, str]]:
    """(file name said above it or "", text) of the page's blocks in a language."""
    return [(name, text) for name, kind, text in FENCE.findall(PAGE) if kind == language]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside the studio's, with the page's files in it, in which a newcomer types; an engine without a model."""
    for name, text in blocks("toml") + blocks("python"):
        if name:
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
    (tmp_path / "studio").mkdir()
    monkeypatch.chdir(tmp_path / "studio")
    monkeypatch.setattr(
        engine, "make_engine", lambda folders, read, device, host, **_: FakeEngine(read_image=read, plugins=host)
    )
    monkeypatch.setattr(fake, "_stripes", lambda recipe, width, height: PAINTED)
    return tmp_path


def typed(line: str, data: Path) -> int:
    words = shlex.split(line)
    assert words[:3] == ["uv", "run", "main.py"], line
    return cli.main([*words[3:], "--data", str(data)])


def test_the_first_plugin_works_as_written(desk: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install, allow, render = blocks("sh")[0][1].strip().splitlines()
    assert typed(render, data) == 2, "not installed yet"
    assert typed(install, data) == 0
    assert typed(render, data) == 2, "not allowed yet"
    assert "plugin" in capsys.readouterr().err
    assert not Path("house.png").exists()
    assert typed(allow, data) == 0
    assert "read, change and delete your files" in capsys.readouterr().err
    assert typed(render, data) == 0, capsys.readouterr().err
    with Image.open("house.png") as made:
        wanted = [round(0.1 * value + 0.9 * (255 - value)) for value in PAINTED.data]
        assert max(abs(a - b) for a, b in zip(made.convert("RGB").tobytes(), wanted, strict=True)) <= 1

    file = data / "plugins" / "my_invert" / "__init__.py"
    file.write_text(file.read_text("utf-8") + "\n# edited\n", "utf-8")
    assert typed(render, data) == 2, "a changed byte asks again"


def test_the_oops_of_the_page_names_the_plugin(desk: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = desk / "my_invert" / "__init__.py"
    raising = re.search(r"Write `(raise [^`]+)`", PAGE)
    assert raising
    file.write_text(re.sub(r"return Image\.blend.*", raising[1], file.read_text("utf-8")), "utf-8")
    install, allow, render = blocks("sh")[0][1].strip().splitlines()
    assert typed(install, data) == typed(allow, data) == 0
    capsys.readouterr()
    assert typed(render, data) != 0
    said = capsys.readouterr().err
    assert "my_invert" in said and "oops" in said and "Traceback" not in said


def test_the_archive_installs(desk: Path, data: Path) -> None:
    file = shutil.make_archive(str(desk / "my_invert"), "zip", desk, "my_invert")
    shelf = PluginShelf(Folders(root=data))
    shelf.rescan()
    info = shelf.install(Path(file))
    assert info.id == "my_invert" and info.state is PluginState.NEW
    assert shelf.allow(info.id, info.digest).state is PluginState.ENABLED


def test_the_one_that_ships_is_the_same(desk: Path) -> None:
    toml = tomllib.loads((desk / "my_invert" / "plugin.toml").read_text("utf-8"))
    shipped = tomllib.loads((SHIPPED_PLUGINS / "invert" / "plugin.toml").read_text("utf-8"))
    own, theirs = toml["adds"][0], shipped["adds"][0]
    assert (own["type"], own["part"], own["parameters"]) == (theirs["type"], theirs["part"], theirs["parameters"])
    bodies = [
        ast.unparse(
            next(node for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)).body[-1]
        )
        for file in (desk / "my_invert" / "__init__.py", SHIPPED_PLUGINS / "invert" / "__init__.py")
    ]
    assert bodies[0] == bodies[1]


def test_every_field_and_every_protocol_is_on_the_page() -> None:
    table = set(re.findall(r"`(?:\[\[)?([a-z0-9_.]+)(?:\]\])?`", PAGE.split("field by field")[1].split("## ")[0]))
    fields = {
        "adds",
        "files",
        "path",
        "bytes",
        "sha256",
        "type",
        "part",
        "title",
        "description",
        "control",
        "preprocess",
    }
    fields |= {*manifest._FIELDS, *parameters._FIELDS}
    assert fields <= table | {"adds"}, fields - table
    headings = re.findall(r"^### (\w+): `registry\.(\w+)\(", PAGE, re.MULTILINE)
    assert {hook for _, hook in headings} == {type.value for type in PartType}
    for protocol, hook in headings:
        assert hasattr(api, protocol) and hasattr(api.Registry, hook)


def test_sketches_are_python_and_use_only_what_the_door_offers() -> None:
    doors = {"Denoiser", "Guess", "Reading", "Recipe", "Registry", "Steering", "StepContext", "UNetResiduals", "Use"}
    sketches = [text for name, text in blocks("python") if not name]
    assert len(sketches) == len(PartType)
    for text in sketches:
        tree = ast.parse(text)
        assert len(text.strip().splitlines()) <= 6
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert all(hasattr(api, name) for name in named & doors)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in ("use", "guess")
            ):
                thing = {"use": api.Use, "guess": api.Guess}[node.value.id]
                assert node.attr in thing.__dataclass_fields__, text


def test_the_index_on_the_page_is_one(tmp_path: Path) -> None:
    from studio.plugins.index import read_index

    (text,) = (text for name, text in blocks("json") if not name)
    (tmp_path / "index.json").write_text(text, "utf-8")
    (entry,) = read_index(tmp_path / "index.json")
    assert (entry.id, entry.source, entry.api) == ("my_invert", tmp_path / "my_invert.zip", api.API)


def test_the_package_snippet_names_the_group_that_is_read() -> None:
    from studio.plugins.sources import GROUP

    snippet = next(text for name, text in blocks("toml") if "entry-points" in text)
    assert tomllib.loads(snippet)["project"]["entry-points"] == {GROUP: {"my_invert": "my_invert"}}
