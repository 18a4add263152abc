"""Plugins on the command line, over the real plugin room and an engine without a model."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from studio.cli import main
from studio.commands.render_plugins import PluginWish, read_lora, read_plugin
from studio.core.choices import ControlMode
from studio.core.errors import BadRecipe
from studio.core.paths import Folders
from studio.core.recipe import FileRef, Recipe
from studio.engine.fake import FakeEngine
from studio.gallery.png import recipe_of

GUIDANCE = """
id = "guidance"
name = "Guidance"
version = "2.0.0"
api = 1
author = "test"
description = "Two guides, a kind of control layer, a scheduler."
[[adds]]
type = "guide"
part = "classifier"
title = "Classifier"
[[adds.parameters]]
name = "class"
type = "choice"
title = "Kind"
default = "house"
choices = ["house", "cat"]
[[adds.parameters]]
name = "scale"
type = "float"
title = "Strength"
default = 1.0
minimum = 0.0
maximum = 9.0
[[adds]]
type = "guide"
part = "clip"
title = "CLIP"
[[adds.parameters]]
name = "text"
type = "text"
title = "Text"
[[adds.parameters]]
name = "picture"
type = "picture"
title = "Picture"
[[adds]]
type = "adapter"
part = "sketch"
title = "Sketch"
control = "t2i-sketch"
preprocess = "grey"
[[adds]]
type = "sampler"
part = "mine"
title = "Mine"
[[adds]]
type = "prompt_tool"
part = "upper"
title = "Upper"
[[adds]]
type = "scorer"
part = "size"
title = "Size"
"""
GUIDANCE_CODE = """
class Both:
    def attach(self, denoiser, use): ...
    def prepare(self, denoiser, use): ...

def enable(registry):
    registry.guide("classifier", Both())
    registry.guide("clip", Both())
    registry.adapter("sketch", Both())
    registry.sampler("mine", lambda config: None)
    registry.prompt_tool("upper", lambda prompt, seed, count, use: [prompt.upper()])
    registry.scorer("size", lambda picture, recipe, use: picture.width / 4)
"""
LORA = """
id = "lora"
name = "LoRA"
version = "1.0.0"
api = 1
author = "test"
description = "A file and a weight."
[[adds]]
type = "adapter"
part = "lora"
title = "LoRA"
[[adds.parameters]]
name = "file"
type = "file"
title = "File"
required = true
suffixes = [".safetensors"]
[[adds.parameters]]
name = "weight"
type = "float"
title = "Weight"
default = 1.0
minimum = -4.0
maximum = 4.0
"""
LORA_CODE = """
class Both:
    def attach(self, denoiser, use): ...
    def prepare(self, denoiser, use): ...

def enable(registry):
    registry.adapter("lora", Both())
"""


def put(folder: Path, manifest: str, code: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(manifest, "utf-8")
    (folder / "__init__.py").write_text(code, "utf-8")
    return folder


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `render` over plugins of this file that count as shipped, with an engine that draws stripes."""
    from studio.plugins import shelf

    shipped = tmp_path / "shipped"
    put(shipped / "guidance", GUIDANCE, GUIDANCE_CODE)
    put(shipped / "lora", LORA, LORA_CODE)
    put(tmp_path / "data" / "plugins" / "stranger", GUIDANCE.replace('"guidance"', '"stranger"'), GUIDANCE_CODE)
    Image.new("RGB", (16, 16), "white").save(tmp_path / "a, b.png")
    (tmp_path / "data" / "models" / "loras" / "deep").mkdir(parents=True)
    for file in (tmp_path / "ink=1.safetensors", tmp_path / "data" / "models" / "loras" / "deep" / "wash.safetensors"):
        file.write_bytes(file.name.encode())
    (shipped / "lora" / "mini").mkdir()
    (shipped / "lora" / "mini" / "glow.safetensors").write_bytes(b"glow")
    monkeypatch.setattr(shelf, "PluginShelf", functools.partial(shelf.PluginShelf, shipped=shipped))
    monkeypatch.setattr("studio.engine.make_engine", _fake)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        try:
            return main(["--data", str(tmp_path / "data"), "render", "--prompt", "a house", "--steps", "1", *arguments])
        except SystemExit as stop:
            return int(stop.code or 0)

    return run


def _fake(_folders: Any, read_image: Any, _device: str, plugins: Any, **_more: Any) -> FakeEngine:
    return FakeEngine(read_image=read_image, plugins=plugins)


def made(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], Recipe]:
    facts = json.loads(capsys.readouterr().out)
    return facts, recipe_of(Path(facts["file"]))[0]


def test_parts_are_chosen_by_the_keys_given(studio: Any, capsys: Any) -> None:
    arguments = ["--plugin", "guidance:class=cat,scale=3", "--plugin", "guidance:text=red, blue: x", "--json"]
    assert studio(*arguments, "--plugin", "guidance:picture=a, b.png", "--plugin", "guidance:part=size") == 0
    facts, recipe = made(capsys)
    assert [use.part for use in recipe.plugins] == ["classifier", "clip", "clip", "size"]
    first, second, third, _ = recipe.plugins
    assert first.values == (("class", "cat"), ("scale", 3.0))
    assert ("text", "red, blue: x") in second.values
    assert third.images[0][0] == "picture"
    assert {use.plugin.version for use in recipe.plugins} == {"2.0.0"}
    assert all(len(use.plugin.digest) == 64 for use in recipe.plugins)
    assert facts["scores"] == [{"name": "guidance:size", "score": 64.0}]
    assert facts["raw_prompt"] == ""


def test_the_resolved_prompt_is_told_and_stored(studio: Any, capsys: Any) -> None:
    assert studio("--plugin", "guidance:part=upper", "--json") == 0
    facts, recipe = made(capsys)
    assert (facts["prompt"], facts["raw_prompt"]) == ("A HOUSE", "a house")
    assert (recipe.prompt, recipe.raw_prompt) == ("A HOUSE", "a house")
    assert studio("--plugin", "guidance:part=upper", "--plugin", "guidance:part=size") == 0
    said = capsys.readouterr().out
    assert "prompt  A HOUSE" in said
    assert "score  guidance:size  64.0000" in said


@pytest.mark.parametrize(
    ("argument", "name", "weight"),
    [
        ("ink=1.safetensors", "ink=1.safetensors", 1.0),
        ("ink=1.safetensors=0.5", "ink=1.safetensors", 0.5),
        ("wash=-2", "wash.safetensors", -2.0),
        ("wash.safetensors", "wash.safetensors", 1.0),
        ("glow", "glow.safetensors", 1.0),
    ],
)
def test_loras_by_file_and_by_name(studio: Any, capsys: Any, argument: str, name: str, weight: float) -> None:
    assert studio("--lora", argument, "--plugin", "guidance", "--lora", "glow=2", "--json") == 0
    _, recipe = made(capsys)
    first, between, last = recipe.plugins
    assert [use.plugin.id for use in recipe.plugins] == ["lora", "guidance", "lora"]
    data = b"glow" if name.startswith("glow") else name.encode()
    assert first.files == (("file", FileRef(name=name, sha256=hashlib.sha256(data).hexdigest())),)
    assert first.values == (("weight", weight),)
    assert last.values == (("weight", 2.0),)
    assert between.part == "classifier"


@pytest.mark.parametrize("name", ["word.pt", "style.CKPT", "old.bin"])
def test_pickled_files_are_refused_with_the_reason(studio: Any, capsys: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    assert studio("--lora", name) == 2
    said = capsys.readouterr().err
    assert name in said and ".safetensors" in said and "can run code" in said


def test_kinds_of_control_layers_that_plugins_add(studio: Any, capsys: Any) -> None:
    assert studio("--control", "t2i-sketch=a, b.png,weight=0.5,end=0.7", "--control", "canny=a, b.png", "--json") == 0
    _, recipe = made(capsys)
    theirs, own = recipe.controls
    assert (theirs.kind, theirs.weight, theirs.end) == ("t2i-sketch", 0.5, 0.7)
    assert theirs.plugin is not None
    assert theirs.plugin.id == "guidance"
    assert own.plugin is None


def test_a_plugins_scheduler(studio: Any, capsys: Any) -> None:
    assert studio("--scheduler", "guidance:mine", "--json") == 0
    assert made(capsys)[1].scheduler == "guidance:mine"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--plugin", "nowhere"], "no plugin named “nowhere”"),
        (["--plugin", "Bad Id"], "not a plugin with its parameters"),
        (["--plugin", "guidance:class"], "not a plugin with its parameters"),
        (["--plugin", "guidance:scale=1,scale=2"], "not a plugin with its parameters"),
        (["--plugin", "guidance:class=dog"], "dog"),
        (["--plugin", "guidance:scale=10"], "10"),
        (["--plugin", "guidance:class=cat,text=x"], "class, text together"),
        (["--plugin", "guidance:part=sketch"], "no part named “sketch”"),
        (["--plugin", "guidance:picture=missing.png"], "missing.png"),
        (["--plugin", "stranger:class=cat"], "was never allowed"),
        (["--lora", "missing"], "no file “missing”"),
        (["--lora", "glow=heavy"], "“heavy” is not the weight"),
        (["--lora", "glow=9"], "9"),
        (["--lora", "a, b.png"], "not a file of the kind"),
        (["--lora", "=1"], "names no LoRA"),
        (["--control", "t2i-depth=a, b.png"], "not a kind of control layer"),
        (["--scheduler", "guidance:other"], "no scheduler named “other”"),
        (["--scheduler", "nowhere:x"], "no plugin named “nowhere”"),
    ],
)
def test_wrong_input_is_one_sentence_and_nothing_is_made(
    studio: Any, arguments: list[str], sentence: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.engine.make_engine", lambda *_: pytest.fail("an engine was made"))
    assert studio(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert sentence in said.err
    assert not list(Folders(root=tmp_path / "data").pictures.rglob("*.png"))


def test_a_note_is_said_on_the_side(studio: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(folders: Any, read_image: Any, device: str, plugins: Any, **_more: Any) -> FakeEngine:
        return FakeEngine(read_image=read_image, plugins=plugins, on_fault="go_on")

    monkeypatch.setattr("studio.engine.make_engine", make)
    assert studio("--plugin", "lora:weight=1", "--json") == 0  # the file is missing: the layer is left out
    said = capsys.readouterr()
    assert "Made without the plugin “lora”" in said.err
    assert json.loads(said.out)["notes"][0] in said.err


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("invert", PluginWish("invert")),
        ("a:x=1,y=b=c", PluginWish("a", {"x": "1", "y": "b=c"})),
        ("a:text=one, two,part=p", PluginWish("a", {"text": "one, two"}, "p")),
        ("a:file=C:\\x, y.txt", PluginWish("a", {"file": "C:\\x, y.txt"})),
        ("a:x=", PluginWish("a", {"x": ""})),
    ],
)
def test_reading_a_plugin_argument(text: str, wish: PluginWish) -> None:
    assert read_plugin(text) == wish


@pytest.mark.parametrize("text", ["", ":x=1", "a:", "a:x", "A", "a:=1", "a:X=1"])
def test_a_plugin_argument_that_is_none(text: str) -> None:
    with pytest.raises(BadRecipe):
        read_plugin(text)


def test_reading_a_lora_argument(tmp_path: Path) -> None:
    file = tmp_path / "a=2"
    file.touch()
    assert read_lora(str(file)).values == {"file": str(file), "weight": "1"}
    assert read_lora("b=2").values == {"file": "b", "weight": "2"}


def test_control_layers_find_their_detector_and_their_network(studio: Any, capsys: Any, tmp_path: Path) -> None:
    layers = [
        "--control",
        "lineart=a, b.png",
        "--control",
        "canny=a, b.png",
        "--control",
        "depth=a, b.png,detector=none,mode=Most control",
    ]
    assert studio(*layers, "--control", "tile=a, b.png,net=my_tiles,mode=more-control,weight=0.5", "--json") == 0
    lineart, canny, depth, tile = made(capsys)[1].controls
    assert (lineart.detector, canny.detector, depth.detector, tile.detector) == ("lineart-standard", "", "none", "")
    assert (canny.mode, depth.mode) == (ControlMode.BALANCED, ControlMode.UNBALANCED)
    assert tile.net is not None
    assert (tile.net.name, tile.weight, tile.mode) == ("my_tiles", 0.5, ControlMode.MORE_CONTROL)
    weights = tmp_path / "data" / "models" / "annotators" / "sk_model.safetensors"
    weights.parent.mkdir()
    weights.touch()
    mlsd = weights.with_name("mlsd_large_512_fp32.safetensors")
    mlsd.touch()
    assert studio("--control", "lineart=a, b.png", "--control", "mlsd=a, b.png", "--json") == 0
    lineart, lines = made(capsys)[1].controls
    assert (lineart.detector, lines.low) == ("", 10)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("normal=a, b.png", "The detector NormalBae is not here. Get it on the page Get models (291 MB)."),
        (
            "depth=a, b.png,detector=canny",
            "'canny' is not a detector of depth layers. Choose one of depth-anything, midas, none.",
        ),
        ("deep=a, b.png", "“deep” is not a kind of control layer."),
        (
            "canny=a, b.png,mode=more-or-less",
            "There is no mode “more-or-less”. Choose one of balanced, more_prompt, more_control, unbalanced.",
        ),
    ],
)
def test_a_detector_that_lacks_or_does_not_fit_is_said_before_anything_is_loaded(
    studio: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch, layer: str, says: str
) -> None:
    monkeypatch.setattr("studio.engine.make_engine", lambda *_, **__: pytest.fail("an engine was made"))
    assert studio("--control", layer) == 2
    assert says in capsys.readouterr().err
