"""A damaged picture dropped onto the window is said to be damaged, with what could be read of it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from pytestqt.qtbot import QtBot

from studio.app import Studio
from tests.ui.conftest import drop, file_mime, paint


def last(studio: Studio) -> tuple[str, str]:
    history = studio.state.messages.history()
    return (history[-1].headline, history[-1].hint) if history else ("", "")


def test_a_damaged_picture_without_settings(qtbot: QtBot, studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "holiday.png"
    Image.effect_noise((64, 48), 90).convert("RGB").save(file)
    file.write_bytes(file.read_bytes()[:-900])
    before = studio.draft.draft
    assert drop(studio.window.centre.view, file_mime(file))
    qtbot.waitUntil(lambda: "holiday" in last(studio)[0])
    assert last(studio)[0] == (
        "“holiday.png” is damaged: it breaks off in the middle of its pixels. "
        "Only its size could be read (64 x 48 pixels), no settings."
    )
    assert studio.draft.draft == before


def test_a_damaged_picture_whose_settings_are_whole(qtbot: QtBot, studio: Studio, tmp_path: Path) -> None:
    paint(qtbot, studio, "a red house", 11)
    picture = studio.window.centre.picture
    assert picture is not None
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture.file.read_bytes()[:-200])
    studio.draft.set_prompt("something else")
    assert drop(studio.window.centre.view, file_mime(cut))
    qtbot.waitUntil(lambda: studio.draft.draft.prompt == "a red house")
    headline, hint = last(studio)
    assert headline.startswith("Restored from the picture")
    assert "The file is damaged (it breaks off in the middle of its pixels); what it says of its making" in hint
