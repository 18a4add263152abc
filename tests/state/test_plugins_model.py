"""The plugins model: wishes go to the shelf in the background, consent is asked first, problems are said in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from studio.core.draft import ControlLayer, Draft, PluginLayer
from studio.core.errors import PluginProblem
from studio.core.paths import Folders
from studio.core.plugins import PluginState
from studio.core.recipe import ControlUse, FileRef, ImageRef, PluginRef, PluginUse
from studio.plugins.bundle import read_bundle
from studio.plugins.shelf import PluginShelf
from studio.state.background import Background
from studio.state.plugin_uses import new_use, reference
from studio.state.plugins_model import PluginsModel
from tests.state.plugin_fakes import FRIEND, LORA, SHIPPED, MemoryShelf

Make = Callable[..., tuple[PluginsModel, MemoryShelf]]


@pytest.fixture
def make(background: Background, qtbot: QtBot) -> Make:
    """Models over a shelf in memory, read once."""

    def made(*infos: object) -> tuple[PluginsModel, MemoryShelf]:
        shelf = MemoryShelf(*(infos or SHIPPED))  # type: ignore[arg-type]
        model = PluginsModel(lambda: shelf, background, Path.read_bytes)
        with qtbot.waitSignal(model.changed):
            model.read()
        return model, shelf

    return made


def settle(qtbot: QtBot, model: PluginsModel) -> None:
    qtbot.waitUntil(lambda: not model.busy, timeout=8000)


def test_only_enabled_plugins_offer_layers_and_kinds(make: Make, qtbot: QtBot) -> None:
    model, _ = make()
    assert [kind for kind, _, _ in model.control_kinds()] == ["t2i-sketch"]
    offered = {part.part for _, parts in model.layer_parts() for part in parts}
    assert offered == {"clip", "lora", "wildcards", "continue", "invert"}  # never the part that is a control kind
    for plugin_id in ("t2i_adapter", "lora", "prompt_expander"):
        model.disable(plugin_id)
    settle(qtbot, model)
    assert model.control_kinds() == ()
    assert "lora" not in {part.part for _, parts in model.layer_parts() for part in parts}
    assert model.prompt_tool("continue") is None
    model.enable("prompt_expander")
    settle(qtbot, model)
    assert model.prompt_tool("continue") is not None


def test_a_new_plugin_is_asked_about_before_it_is_enabled(make: Make, qtbot: QtBot) -> None:
    model, shelf = make(*SHIPPED, FRIEND)
    with qtbot.waitSignal(model.consent_wished) as asked:
        model.enable("friend")
    assert asked.args[0] == FRIEND
    assert shelf.asked == []
    with qtbot.waitSignal(model.allowed) as allowed:
        model.allow(FRIEND)
    assert shelf.asked == [("allow", "friend", FRIEND.digest)]
    assert allowed.args[0].state is PluginState.ENABLED
    with qtbot.waitSignal(model.consent_wished):
        model.reload("friend")  # other bytes now


def test_what_is_installed_is_asked_about_once_it_is_there(make: Make, qtbot: QtBot) -> None:
    model, _ = make()
    with qtbot.waitSignal(model.consent_wished) as asked:
        model.install(Path("friend.zip"))
    assert asked.args[0].id == "friend"
    assert model.find("friend") is not None
    model.remove("friend")
    settle(qtbot, model)
    assert model.find("friend") is None


def test_a_refused_wish_is_said_and_forgotten(make: Make, qtbot: QtBot) -> None:
    model, shelf = make()
    shelf.refuse = PluginProblem("The archive holds an entry outside its folder.")
    with qtbot.waitSignal(model.failed) as failed:
        model.install(Path("evil.zip"))
    assert "outside" in failed.args[0].headline
    assert not model.busy
    assert model.infos == SHIPPED


def test_a_plugin_that_falls_is_told_once(make: Make, qtbot: QtBot) -> None:
    model, shelf = make()
    fallen: list[str] = []
    model.fell.connect(lambda info: fallen.append(info.id))
    shelf.kept["invert"] = replace(shelf.kept["invert"], state=PluginState.FAULTY)
    for _ in range(2):
        with qtbot.waitSignal(model.changed):
            model.tell()
    assert fallen == ["invert"]


def _problem(model: PluginsModel, *uses: PluginUse, enabled: bool = True) -> str:
    found = model.problem(Draft(plugins=tuple(PluginLayer(use=use, enabled=enabled) for use in uses)))
    return found.headline if found else ""


def test_generate_is_told_what_is_missing(make: Make, qtbot: QtBot) -> None:
    model, _ = make()
    gone = PluginUse(plugin=PluginRef(id="gone"), type="guide", part="x")
    assert "gone" in _problem(model, gone)
    assert _problem(model, gone, enabled=False) == ""
    info = SHIPPED[1]
    use = new_use(info, LORA)
    assert "File" in _problem(model, use), "a required file is asked for in words"
    given = replace(use, files=(("file", FileRef(name="a.safetensors", sha256="0" * 64)),))
    assert _problem(model, given) == ""
    assert "part" in _problem(model, replace(given, part="other"))
    model.disable("lora")
    settle(qtbot, model)
    assert "not switched on" in _problem(model, given)


def test_a_control_layer_of_a_missing_plugin_is_said(make: Make) -> None:
    model, _ = make()
    here = ControlUse(kind="t2i-sketch", image=ImageRef(digest="0" * 64), plugin=reference(SHIPPED[-1]))
    assert model.problem(Draft(controls=(ControlLayer(use=here),))) is None
    gone = replace(here, plugin=PluginRef(id="gone"))
    found = model.problem(Draft(controls=(ControlLayer(use=gone),)))
    assert found is not None
    assert "gone" in found.headline
    assert model.problem(Draft(controls=(ControlLayer(use=gone, enabled=False),))) is None


def test_nothing_is_called_missing_before_the_folders_were_read(background: Background) -> None:
    model = PluginsModel(lambda: MemoryShelf(), background, Path.read_bytes)
    assert _problem(model, PluginUse(plugin=PluginRef(id="gone"), type="guide", part="x")) == ""


def test_a_new_use_names_plugin_version_digest_and_all_defaults() -> None:
    use = new_use(SHIPPED[0], SHIPPED[0].manifest.parts[0])  # type: ignore[union-attr]
    assert use.plugin == PluginRef(id="guidance", version="1.0.0", digest=SHIPPED[0].digest)
    assert use.values == (("end", 1.0), ("exact", False), ("scale", 2.0), ("start", 0.0), ("text", ""))
    assert use.images == use.files == ()


def test_an_index_is_read_and_installed_from(background: Background, qtbot: QtBot, tmp_path: Path) -> None:
    """Over the real shelf: a folder that the index describes by digest is copied in and waits for consent."""
    source = tmp_path / "index" / "grain"
    source.mkdir(parents=True)
    (source / "plugin.toml").write_text(
        'id = "grain"\nname = "Grain"\nversion = "0.1.0"\napi = 1\nauthor = "A friend"\ndescription = "Grain."\n'
        '[[adds]]\ntype = "picture_tool"\npart = "grain"\ntitle = "Grain"\n',
        "utf-8",
    )
    (source / "__init__.py").write_text("raise RuntimeError('nothing of it runs')\n", "utf-8")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "index" / "grain.png")
    shelf = PluginShelf(Folders(root=tmp_path / "data"), shipped=tmp_path / "none")
    model = PluginsModel(lambda: shelf, background, Path.read_bytes)
    entry = {"id": "grain", "name": "Grain", "version": "0.1.0", "api": 1, "description": "Grain.", "path": "grain"}
    entry |= {"picture": "grain.png", "sha256": read_bundle(source, "grain").digest}
    index = tmp_path / "index" / "index.json"
    index.write_text(json.dumps([entry]), "utf-8")
    model.read_index(index)
    qtbot.waitUntil(lambda: len(model.offers) == 1)
    assert model.offers[0].picture is not None
    with qtbot.waitSignal(model.consent_wished, timeout=5000) as asked:
        model.install_offer(model.offers[0])
    assert (asked.args[0].id, asked.args[0].state) == ("grain", PluginState.NEW)
    (source / "__init__.py").write_text("# others\n", "utf-8")
    with qtbot.waitSignal(model.failed, timeout=5000) as failed:
        model.install_offer(model.offers[0])
    assert "digest" in failed.args[0].headline
