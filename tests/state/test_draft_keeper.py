"""The draft on disk: soon after a change, whole after a restart, told once when the disk refuses."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.core.choices import ControlKind
from studio.core.draft import Draft
from studio.core.errors import StorageProblem
from studio.core.own_root import watch_over
from studio.core.recipe import SEED_MAX, ImageRef
from studio.state.background import Background
from studio.state.draft_keeper import DraftKeeper, load_draft
from studio.state.draft_model import DraftModel


@pytest.fixture
def model(qtbot: QtBot) -> DraftModel:
    return DraftModel()


def test_kept_soon_after_a_change_and_whole(
    qtbot: QtBot, model: DraftModel, background: Background, data: Path
) -> None:
    file = data / "draft.json"
    keeper = DraftKeeper(model, file, background, delay_seconds=0.02)
    model.set_prompt("雪山 and a “house”")
    model.set_seed(SEED_MAX)
    model.set_count(4)
    model.add_control(ImageRef(digest="a" * 64), ControlKind.CANNY, invert=True)
    model.set_control(0, replace(model.draft.controls[0], enabled=False))
    qtbot.waitUntil(file.exists)
    assert keeper.flush()
    assert load_draft(file) == (model.draft, "")
    assert [path.name for path in data.iterdir()] == ["draft.json"]


def test_typing_without_a_pause_is_kept_too(
    qtbot: QtBot, model: DraftModel, background: Background, data: Path
) -> None:
    keeper = DraftKeeper(model, data / "draft.json", background, delay_seconds=0.1)
    typed = itertools.count(1)

    def type_on_and_look() -> bool:
        model.set_prompt("x" * next(typed))
        return (data / "draft.json").exists()

    qtbot.waitUntil(type_on_and_look)
    assert load_draft(data / "draft.json")[0].prompt != ""
    assert keeper.flush()


def test_closing_loses_nothing(model: DraftModel, background: Background, data: Path) -> None:
    keeper = DraftKeeper(model, data / "draft.json", background)
    model.set_prompt("the last word")
    assert keeper.flush()
    assert load_draft(data / "draft.json")[0].prompt == "the last word"


def test_nothing_is_written_without_a_change(model: DraftModel, background: Background, data: Path) -> None:
    keeper = DraftKeeper(model, data / "draft.json", background)
    assert keeper.flush()
    assert not data.exists()


def test_a_disk_that_refuses_is_told_once(qtbot: QtBot, model: DraftModel, background: Background, data: Path) -> None:
    data.write_text("a file where the folder should be")
    keeper, told = DraftKeeper(model, data / "draft.json", background, delay_seconds=0.0), []
    keeper.failed.connect(told.append)
    for i in range(3):
        model.set_prompt("x" * (i + 1))
        qtbot.wait(20)
    qtbot.waitUntil(lambda: bool(told))
    assert len(told) == 1
    assert isinstance(told[0], StorageProblem)
    data.unlink()
    model.set_prompt("room again")
    qtbot.waitUntil(lambda: load_draft(data / "draft.json")[0].prompt == "room again")
    assert keeper.flush()


def test_a_fresh_machine_has_an_empty_draft(data: Path) -> None:
    assert load_draft(data / "draft.json") == (Draft(), "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"studio_draft": 1, "steps": "many"',
        b'{"studio_draft": 1, "count": {}}',
        b'{"studio_draft": 1, "count": 1.5}',
        b'{"studio_draft": 1, "scheduler": [1]}',
        b"[1]",
        b"0" * 9_000_000,
    ],
)
def test_a_damaged_draft_is_set_aside(data: Path, content: bytes) -> None:
    data.mkdir()
    file = data / "draft.json"
    file.write_bytes(content)
    draft, sentence = load_draft(file)
    assert draft == Draft()
    assert "damaged" in sentence
    assert not file.exists()
    assert (data / "draft.json.damaged").read_bytes() == content


def test_the_library_goes_and_comes_back(
    qtbot: QtBot, model: DraftModel, background: Background, data: Path, tmp_path: Path
) -> None:
    watch_over(data)
    keeper = DraftKeeper(model, data / "draft.json", background, delay_seconds=0.02)
    said: list[str] = []
    keeper.failed.connect(lambda error: said.append(str(error)))
    model.set_prompt("before")
    qtbot.waitUntil((data / "draft.json").exists)
    data.rename(tmp_path / "away")
    model.set_prompt("meanwhile")
    qtbot.waitUntil(lambda: bool(said))
    assert said[0].startswith("What you type cannot be kept for the next start. The library's folder is gone.")
    assert not data.exists()
    (tmp_path / "away").rename(data)
    assert keeper.flush()
    assert load_draft(data / "draft.json")[0].prompt == "meanwhile"
    assert len(said) == 1
