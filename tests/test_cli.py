"""The command line: wrong input is one sentence on stderr and status 2, right input is JSON that a program can read."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from studio.cli import main
from studio.commands.render_control import read_control
from studio.core.choices import ControlKind, ControlMode
from studio.core.errors import BadRecipe
from studio.core.paths import Folders
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, ImageRef, Recipe
from studio.core.recipe_text import from_text
from studio.core.schedulers import SCHEDULERS
from studio.gallery.store import GalleryStore

RENDER = ["render", "--prompt", "x"]


def run(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:  # argparse leaves this way
        return int(stop.code or 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["render"],
        [*RENDER, "--steps", "0"],
        [*RENDER, "--steps", "many"],
        [*RENDER, "--seed", "4294967296"],
        [*RENDER, "--seed", "-1"],
        [*RENDER, "--guidance", "nan"],
        [*RENDER, "--size", "12"],
        [*RENDER, "--size", "250x256"],
        [*RENDER, "--scheduler", "magic"],
        [*RENDER, "--scheduler", "Euler a Karras"],
        [*RENDER, "--model", "nowhere"],
        [*RENDER, "--model", "no/such/folder"],
        [*RENDER, "--model", "x" * 5000],
        [*RENDER, "--control", "scribble"],
        [*RENDER, "--control", "magic=a.png"],
        [*RENDER, "--control", "scribble=missing.png"],
        [*RENDER, "--control", "scribble=LICENSE"],
        [*RENDER, "--control", "scribble=a.png,weight=heavy"],
        [*RENDER, "--out", "picture.jpg"],
        [*RENDER, "--out", "no/such/folder/a.png"],
        ["recipe", "LICENSE"],
        ["recipe", "missing.png"],
        ["recipe", "."],
        ["schedulers", "--data"],
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(
    arguments: list[str],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "LICENSE").write_text("not a picture")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    place = [] if arguments[-1] == "--data" else ["--data", str(data)]
    assert run([*arguments, *place]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert "Traceback" not in said.err


def test_schedulers_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schedulers", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == list(SCHEDULERS)
    assert all(row["good_for"] and row["spacings"] for row in rows)


def test_recipe_as_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Recipe(prompt="a “cat”, 猫\nNegative prompt: none", seed=4294967295)
    store = store_at(data)
    made_with = MadeWith(studio="0", device="cpu", dtype="float32", seconds=1.0)
    picture = store.add(Pixels(width=8, height=8, data=bytes(192)), recipe, made_with)
    store.close()
    assert run(["recipe", str(picture.file), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert from_text(json.dumps(card["recipe"])) == recipe
    assert (card["source"], card["not_understood"]) == ("Diffusion Studio", [])
    assert run(["--data", str(data), "recipe", str(picture.file)]) == 0
    assert "seed 4294967295" in capsys.readouterr().out


def test_a_recipe_says_how_each_control_layer_steers(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_at(data)
    made_with = MadeWith(studio="0", device="cpu", dtype="float32", seconds=1.0)
    drawn = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="ab" * 32), invert=True)
    uses = (drawn, replace(drawn, weight=0.5, end=0.8, invert=False, mode=ControlMode.UNBALANCED))
    recipe = Recipe(prompt="", seed=1, controls=uses)
    picture = store.add(Pixels(width=8, height=8, data=bytes(192)), recipe, made_with)
    store.close()
    assert run(["recipe", str(picture.file)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Control")]
    assert said == [
        "Control scribble: weight 1, 0% to 100%, inverted",
        "Control scribble: weight 0.5, 0% to 80%, most control",
    ]


def test_the_recipe_of_a_sheet_says_that_it_is_one(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_at(data)
    made_with = MadeWith(
        studio="0", device="cpu", dtype="", seconds=1.0, sheet="XY plot: Steps × Guidance\nSteps: 4, 5"
    )
    sheet = store.add(Pixels(width=8, height=8, data=bytes(192)), Recipe(prompt="a cat", seed=1), made_with)
    store.close()
    assert run(["recipe", str(sheet.file)]) == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said == "A sheet drawn from other pictures: XY plot: Steps × Guidance. What they have in common:"


def store_at(data: Path) -> GalleryStore:
    return GalleryStore(Folders(root=data))


def test_a_file_whose_name_is_no_text_can_be_named(data: Path, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff.png"
    with open(odd, "wb") as stream:
        stream.write(b"no picture")
    command = [sys.executable, "main.py", "verify", odd, "--data", str(data)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONUTF8": "1"}, check=False)
    assert b"Traceback" not in done.stderr
    assert done.stdout.decode().startswith(f"{tmp_path}/\\udcff.png  not verified: ")


def test_a_control_file_may_have_commas_and_equal_signs() -> None:
    wish = read_control("canny=a, b=c.png,weight=0.5,end=0.8")
    assert (wish.kind, wish.file.name, wish.options) == (
        ControlKind.CANNY,
        "a, b=c.png",
        {"weight": "0.5", "end": "0.8"},
    )


@pytest.mark.parametrize("text", ["", "=", "scribble=", "=a.png", "scribble", "SCRIBBLE=a.png"])
def test_a_control_without_kind_or_file_is_refused(text: str) -> None:
    with pytest.raises(BadRecipe):
        read_control(text)
