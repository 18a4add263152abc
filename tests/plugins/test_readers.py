"""Metadata readers of plugins: asked where the studio finds nothing, fenced, and their answers held to their word."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from studio.cli import main
from studio.core.errors import BadRecipe
from studio.core.installed import Installed
from studio.core.plugins import PluginState
from studio.gallery.foreign.door import read_picture
from studio.gallery.foreign.reading import match_models
from studio.gallery.store import GalleryStore
from studio.plugins.host import Host
from studio.plugins.readers import Readers
from studio.plugins.shelf import PluginShelf
from tests.plugins.yard import Yard, allowed

ADDS = 'type = "metadata_reader"\npart = "sketchbook"'
GOOD = '''
"""Reads what a made-up program, Sketchbook, writes: a PNG text “sketchbook” with seed and prompt in JSON."""

import io, json

from PIL import Image

from studio.api import Reading, Recipe


def read(data: bytes, name: str) -> Reading | None:
    text = Image.open(io.BytesIO(data)).info.get("sketchbook")
    if text is None:
        return None
    found = json.loads(text)
    recipe = Recipe(prompt=found["words"], seed=found["seed"], steps=7) if "words" in found else None
    return Reading(recipe=recipe, source=found.get("by", ""), raw=text, not_understood=(f"paper of {name}",))


def enable(registry):
    registry.metadata_reader("sketchbook", read)
'''
NONE = "def enable(registry):\n    registry.metadata_reader('sketchbook', lambda data, name: {answer})\n"


def picture(**texts: str) -> bytes:
    info, out = PngImagePlugin.PngInfo(), io.BytesIO()
    for key, text in texts.items():
        info.add_text(key, text)
    Image.new("RGB", (64, 64)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def of_sketchbook(**found: object) -> bytes:
    return picture(sketchbook=json.dumps({"words": "a red boat", "seed": 9, **found}))


def readers(yard: Yard, safe_mode: bool = False) -> Readers:
    shelf = yard.shelf(safe_mode)
    return Readers(shelf, Host(shelf))


def test_a_plugin_reads_what_the_studio_cannot(yard: Yard, tmp_path: Path) -> None:
    yard.write("invert", GOOD, ADDS, shipped=True)
    file = tmp_path / "away" / "boat.png"
    file.parent.mkdir()
    file.write_bytes(of_sketchbook(by="Sketchbook 3"))
    found = read_picture(file, match_models([Installed(name="mini")]), readers(yard))
    assert found.source == "Sketchbook 3" and found.recipe is not None and "red boat" in found.raw
    assert (found.recipe.prompt, found.recipe.seed, found.recipe.steps) == ("a red boat", 9, 7)
    assert found.not_understood == ("paper of boat.png",), "the name comes without its folder"
    assert set(found.found) == {"prompt", "seed", "steps"}
    assert read_picture(of_sketchbook(), plugins=readers(yard)).source == "Tool", "else the part's title"
    store = GalleryStore(yard.folders, readers(yard))
    assert store.recipe_of(file) == found.recipe, "what a drop on the window gives"


def test_a_model_that_is_not_here_is_said_to_be_missing(yard: Yard) -> None:
    yard.write("invert", GOOD, ADDS, shipped=True)
    found = read_picture(of_sketchbook(), match_models([Installed(name="dreamy")]), readers(yard))
    assert found.recipe is not None and found.not_understood[-1] == "missing: model mini"


def test_what_the_studio_reads_itself_is_asked_of_nobody(yard: Yard) -> None:
    yard.write("invert", "raise RuntimeError('asked')", ADDS, shipped=True)
    theirs = picture(parameters="a cat\nSteps: 9, Sampler: Euler, Seed: 8, Size: 64x64")
    assert read_picture(theirs, plugins=readers(yard)).source != "Tool"


def friends(yard: Yard, **codes: str) -> PluginShelf:
    """A shelf with these plugins, all allowed."""
    for id, code in codes.items():
        yard.write(id, code, ADDS)
    shelf = yard.shelf()
    for id in codes:
        allowed(shelf, id)
    return shelf


def test_the_first_with_a_recipe_wins_and_faults_are_named(yard: Yard) -> None:
    shelf = friends(
        yard,
        bad="def read(data, name):\n    raise ValueError('paper jam')\n" + _registers("read"),
        blind=NONE.format(answer="None"),
        half=GOOD.replace('if "words" in found else None', "if False else None"),
        whole=GOOD,
    )
    asked = Readers(shelf, Host(shelf))
    found = asked(of_sketchbook(by="S"), "a.png")
    assert found.recipe is not None and found.source == "S"
    assert "bad" in found.not_understood[-1] and "paper jam" in found.not_understood[-1]
    with pytest.raises(BadRecipe, match="carries no") as caught:
        read_picture(picture(), plugins=asked)
    assert "paper jam" in caught.value.detail


@pytest.mark.parametrize("answer", ["7", "'text'", "Reading(recipe=8)", "Reading(recipe=None, raw=b'')", "(1, 2)"])
def test_an_answer_of_another_kind_is_a_fault(answer: str, yard: Yard) -> None:
    shelf = friends(yard, odd="from studio.api import Reading\n" + NONE.format(answer=answer))
    asked = Readers(shelf, Host(shelf))
    for _ in range(2):
        found = asked(picture(), "a.png")
        assert found.source == "" and "odd" in found.not_understood[0]
        assert shelf.info("odd").state is PluginState.ENABLED
    asked(picture(), "a.png")
    assert shelf.info("odd").state is PluginState.FAULTY, "three of them switch it off"
    assert asked(picture(), "a.png").not_understood == (), "and then it is left in peace"


def test_only_what_is_allowed_runs(yard: Yard) -> None:
    yard.write("friend", GOOD, ADDS)
    shelf = yard.shelf()
    asked = Readers(shelf, Host(shelf))
    assert asked(of_sketchbook(), "a.png").recipe is None, "not allowed yet"
    allowed(shelf, "friend")
    assert asked(of_sketchbook(), "a.png").recipe is not None
    assert readers(yard, safe_mode=True)(of_sketchbook(), "a.png").recipe is None
    shelf.disable("friend")
    assert asked(of_sketchbook(), "a.png").recipe is None


def test_the_recipe_command_asks_them(yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    yard.write("friend", GOOD, ADDS)
    allowed(yard.shelf(), "friend")
    file = tmp_path / "boat.png"
    file.write_bytes(of_sketchbook(by="Sketchbook 3"))
    assert main(["--data", str(yard.folders.root), "recipe", str(file), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["source"] == "Sketchbook 3" and card["recipe"]["prompt"] == "a red boat"
    assert main(["--data", str(yard.folders.root), "recipe", str(file)]) == 0
    assert "Made by Sketchbook 3." in capsys.readouterr().out


def _registers(name: str) -> str:
    return f"def enable(registry):\n    registry.metadata_reader('sketchbook', {name})\n"
