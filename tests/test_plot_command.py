"""`main.py plot`: plan, sheet, refusals in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest

from studio.cli import main
from studio.core.errors import OutOfMemory
from studio.core.recipe import Recipe
from studio.engine.fake import FakeEngine
from studio.gallery.png import read_imprint
from tests.gallery.makers import MADE_WITH, noise, store_in


class Picky(FakeEngine):
    def render(self, recipe, on_progress):
        if recipe.steps == 3:
            raise OutOfMemory("The device has not enough memory.")
        return super().render(recipe, on_progress)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "studio.engine.make_engine", lambda _folders, read_image, *_, **__: Picky(read_image=read_image)
    )


def plot(tmp_path: Path, *options: str) -> int:
    return main(["plot", "--data", str(tmp_path / "data"), *options])


@pytest.mark.usefixtures("fake")
def test_a_sheet_with_a_failed_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = plot(
        tmp_path,
        "--prompt",
        "a red house",
        "--seed",
        "5",
        "--columns",
        "steps=2-3",
        "--rows",
        "replace=red, blue",
        "--json",
    )
    card = json.loads(capsys.readouterr().out)
    assert status == 1 and [cell["file"] is None for cell in card["cells"]] == [False, True, False, True]
    assert "memory" in card["cells"][1]["problem"]
    imprint = read_imprint(Path(card["sheet"]))
    assert imprint.made_with is not None and imprint.made_with.sheet.startswith("XY plot: Steps ×")
    assert len(imprint.parents) == 2 and imprint.recipe.prompt == "a red house" and imprint.recipe.seed == 5


@pytest.mark.usefixtures("fake")
def test_like_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = store_in(tmp_path / "data").add(noise(), Recipe(prompt="a cat", seed=9, guidance_scale=3.0), MADE_WITH).file
    assert plot(tmp_path, "--like", str(file), "--columns", "guidance=1, 2", "--blocks", "seed=1-2") == 0
    assert read_imprint(Path(capsys.readouterr().out.strip())).recipe.guidance_scale == 3.0


def test_the_plan_alone_says_the_order_of_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot(tmp_path, "--prompt", "x", "--columns", "size=64x64, 128x64", "--rows", "steps=1, 2", "--plan") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"Size {size}, Steps {n}" for size in ("64 × 64", "128 × 64") for n in (1, 2)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--columns", "steps=0"], "Steps 0: The number of steps is 0"),
        (["--columns", "stepps=1"], "“stepps” is nothing that an axis can vary. There are: seed, steps"),
        (["--columns", "steps"], "nothing that an axis can vary"),
        (["--columns", "replace=cat, dog"], "“cat” stands neither"),
    ],
)
def test_wrong_input_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert plot(tmp_path, "--prompt", "a house", *options) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", [["plot", "--columns", "steps=1-2"], ["render"]])
def test_nothing_is_made_that_could_not_be_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr("studio.engine.make_engine", lambda *_, **__: pytest.fail("an engine was made"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pictures").write_text("in the way")
    assert main([*command, "--prompt", "x", "--data", str(tmp_path / "data")]) == 2
    assert "nothing was made" in capsys.readouterr().err


class Killed(Picky):
    """Ends the process, as it were, with the second picture; `made` are the steps of the pictures it began."""

    made: ClassVar[list[int]] = []

    def render(self, recipe, on_progress):
        self.made.append(recipe.steps)
        if len(self.made) == 2:
            raise KeyboardInterrupt
        return super().render(recipe, on_progress)


def test_what_was_cut_off_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Killed.made.clear()
    monkeypatch.setattr("studio.engine.make_engine", lambda _folders, read, *_, **__: Killed(read_image=read))
    options = ["--prompt", "a red house", "--columns", "steps=1, 2, 4", "--rows", "guidance=5, 6"]
    assert plot(tmp_path, *options) == 1 and "--go-on” makes the rest" in capsys.readouterr().err
    assert plot(tmp_path, "--go-on", "--plan") == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert plot(tmp_path, "--go-on", "--json") == 0
    card = json.loads(capsys.readouterr().out)
    assert all(cell["file"] for cell in card["cells"]) and len(Killed.made) == 7  # the one that was cut off twice
    made_with = read_imprint(Path(card["sheet"])).made_with
    assert made_with is not None and made_with.sheet.startswith("XY plot: Steps ×")
    seeds = {read_imprint(Path(cell["file"])).recipe.seed for cell in card["cells"]}
    assert len(seeds) == 1, "the open seed is that of the first run"
    assert plot(tmp_path, "--go-on") == 2 and "No plot was cut off" in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_a_cell_that_failed_has_another_try(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plot(tmp_path, "--prompt", "a cat", "--columns", "steps=2-4") == 1
    capsys.readouterr()
    monkeypatch.setattr("studio.engine.make_engine", lambda _folders, read, *_, **__: FakeEngine(read_image=read))
    assert plot(tmp_path, "--go-on", "--plan") == 0 and capsys.readouterr().out == "Steps 3\n"
    assert plot(tmp_path, "--go-on", "--json") == 0
    assert all(cell["file"] for cell in json.loads(capsys.readouterr().out)["cells"])


def test_going_on_changes_nothing_of_the_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot(tmp_path, "--go-on", "--columns", "steps=1") == 2 and "as it was" in capsys.readouterr().err
    assert plot(tmp_path, "--prompt", "x") == 2 and "--columns" in capsys.readouterr().err


def test_it_needs_something_to_begin_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot(tmp_path, "--columns", "steps=1") == 2 and "--like FILE" in capsys.readouterr().err
