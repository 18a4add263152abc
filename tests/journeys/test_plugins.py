"""Plugins through the real window: dropped, refused, allowed, at work, restored after a restart, broken, switched off."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.plugins import PluginState
from studio.engine import Engine
from studio.engine.fake import FakeEngine
from studio.engine.protocol import ReadImage
from studio.gallery.png import recipe_of
from studio.state.messages import Message
from studio.state.plugin_room import PluginRoom
from tests.journeys.conftest import Start, child, drop_file, generate, type_into

TOML = """
id = "{id}"
name = "{id} by a friend"
version = "1.2.3"
api = 1
author = "A friend"
description = "For a test."

[[adds]]
type = "picture_tool"
part = "fill"
title = "Fill"
description = "Fills the picture with one grey."

[[adds.parameters]]
name = "grey"
type = "int"
title = "Grey"
default = 40
minimum = 0
maximum = 255
"""
CODE = """
from pathlib import Path
from PIL import Image

(Path({mark!r})).write_text("ran")


class Fill:
    def __call__(self, picture, use):
        {body}


def enable(registry):
    registry.picture_tool("fill", Fill())
"""
GOOD = 'return Image.new("RGB", picture.size, (use.values["grey"],) * 3)'
BAD = 'raise ValueError("out of paint")'


def write_plugin(folder: Path, id: str, body: str, mark: Path) -> Path:
    """A plugin that leaves a mark when its code runs."""
    place = folder / id
    place.mkdir(parents=True)
    (place / "plugin.toml").write_text(TOML.format(id=id), "utf-8")
    (place / "__init__.py").write_text(CODE.format(mark=str(mark), body=body), "utf-8")
    return place


def with_plugins(room: PluginRoom, read_image: ReadImage) -> Engine:
    """The fake engine, which runs picture tools."""
    return FakeEngine(read_image=read_image, plugins=room)


def opened(start: Start, qtbot: QtBot) -> Studio:
    studio = start(engine=with_plugins)
    qtbot.waitUntil(lambda: studio.state.plugins.known, timeout=10_000)
    return studio


def answer(studio: Studio, qtbot: QtBot, button: str) -> None:
    """Wait for the question and press a button of it."""
    qtbot.waitUntil(lambda: studio.window.findChild(object, "consentDialog") is not None, timeout=10_000)
    QTest.mouseClick(child(studio, button), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: studio.window.findChild(object, "consentDialog") is None, timeout=10_000)


def allow(studio: Studio, qtbot: QtBot, source: Path, id: str) -> None:
    assert drop_file(studio.window, source)
    answer(studio, qtbot, "consentYes")
    qtbot.waitUntil(lambda: state_of(studio, id) is PluginState.ENABLED, timeout=20_000)


def state_of(studio: Studio, id: str) -> PluginState | None:
    info = studio.state.plugins.find(id)
    return info.state if info is not None else None


def add_layer(studio: Studio, title: str) -> None:
    panel = studio.window.plugin_panel
    panel.fill_menu()
    next(action for action in panel.menu.actions() if action.text().startswith(title)).trigger()


def colours(file: Path) -> set[tuple[int, ...]]:
    with Image.open(file) as image:
        return {color for _, color in image.convert("RGB").getcolors(1 << 16) or []}  # type: ignore[misc]


def test_dropped_refused_then_allowed_at_work_and_restored(
    start: Start, qtbot: QtBot, tmp_path: Path, data: Path
) -> None:
    mark = tmp_path / "it ran"
    source = write_plugin(tmp_path / "download", "grey_fill", GOOD, mark)
    studio = opened(start, qtbot)
    assert drop_file(child(studio, "controlPanel"), source)
    answer(studio, qtbot, "consentNo")
    assert state_of(studio, "grey_fill") is PluginState.NEW
    assert not mark.exists(), "shown, asked, refused: nothing of it ran"
    generate(studio, qtbot)
    assert not mark.exists()

    studio.state.plugins.enable("grey_fill")
    answer(studio, qtbot, "consentYes")
    qtbot.waitUntil(lambda: state_of(studio, "grey_fill") is PluginState.ENABLED, timeout=20_000)
    add_layer(studio, "Fill")
    type_into(studio, "promptEdit", "a grey wall")
    studio.window.plugin_panel.cards[0].fields["grey"].spin.setValue(90)  # type: ignore[attr-defined]
    picture = generate(studio, qtbot, seconds=30)
    assert mark.exists(), "it works without a restart"
    assert colours(picture.file) == {(90, 90, 90)}  # type: ignore[attr-defined]
    recipe, _, _ = recipe_of(picture.file)  # type: ignore[attr-defined]
    used = recipe.plugins[0]
    info = studio.state.plugins.find("grey_fill")
    assert info is not None
    assert (used.plugin.id, used.plugin.version, used.plugin.digest) == ("grey_fill", "1.2.3", info.digest)
    assert used.values == (("grey", 90),)

    studio = opened(start, qtbot)
    studio.draft.remove_plugin(0)
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        assert drop_file(child(studio, "pictureView"), picture.file)  # type: ignore[attr-defined]
    assert studio.draft.draft.plugins[0].use == used
    card = studio.window.plugin_panel.cards[0]
    assert card.title.text() == "Fill"
    assert card.problem.text() == ""
    again = generate(studio, qtbot, seconds=30)
    assert colours(again.file) == {(90, 90, 90)}  # type: ignore[attr-defined]


def test_a_zip_works_and_a_missing_plugin_is_named(start: Start, qtbot: QtBot, tmp_path: Path, data: Path) -> None:
    place = write_plugin(tmp_path / "made", "zipped", GOOD, tmp_path / "mark")
    archive = tmp_path / "zipped.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(place.iterdir()):
            packed.write(file, f"zipped/{file.name}")
    studio = opened(start, qtbot)
    allow(studio, qtbot, archive, "zipped")
    add_layer(studio, "Fill")
    generate(studio, qtbot, seconds=30)
    studio.close()
    shutil.rmtree(data / "plugins" / "zipped")
    studio = opened(start, qtbot)
    assert "zipped" in studio.window.plugin_panel.cards[0].problem.text()
    studio.window.wishes.generate()
    assert "zipped" in studio.state.messages.history()[-1].headline
    assert studio.queue.jobs == ()


def test_a_failing_plugin_is_named_and_takes_nothing_with_it(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    source = write_plugin(tmp_path / "download", "clumsy", BAD, tmp_path / "mark")
    studio = opened(start, qtbot)
    allow(studio, qtbot, source, "clumsy")
    add_layer(studio, "Fill")
    with qtbot.waitSignal(studio.queue.job_failed, timeout=30_000) as failed:
        studio.window.wishes.generate()
    assert "clumsy" in failed.args[0].error.headline
    assert "out of paint" in failed.args[0].error.headline + failed.args[0].error.detail
    studio.window.do.set_setting("plugin_fault", "go_on")
    picture = generate(studio, qtbot, seconds=30)
    assert picture.recipe.plugins == ()  # type: ignore[attr-defined]
    assert "clumsy" in " ".join(picture.made_with.notes)  # type: ignore[attr-defined]
    generate(studio, qtbot, seconds=30)
    qtbot.waitUntil(lambda: state_of(studio, "clumsy") is PluginState.FAULTY, timeout=10_000)
    assert any("switched off" in m.headline for m in studio.state.messages.history())
    studio.draft.remove_plugin(0)
    generate(studio, qtbot)
    QApplication.processEvents()
    assert studio.window.isVisible()


def test_switching_off_takes_its_parts_away_and_a_changed_byte_asks_again(
    start: Start, qtbot: QtBot, tmp_path: Path, data: Path
) -> None:
    source = write_plugin(tmp_path / "download", "guest", GOOD, tmp_path / "mark")
    studio = opened(start, qtbot)
    allow(studio, qtbot, source, "guest")
    studio.state.plugins.disable("guest")
    qtbot.waitUntil(lambda: state_of(studio, "guest") is PluginState.DISABLED, timeout=10_000)
    studio.window.plugin_panel.fill_menu()
    assert not any(action.text().startswith("Fill") for action in studio.window.plugin_panel.menu.actions())
    studio.state.plugins.enable("guest")
    qtbot.waitUntil(lambda: state_of(studio, "guest") is PluginState.ENABLED, timeout=10_000)
    code = data / "plugins" / "guest" / "__init__.py"
    code.write_text(code.read_text("utf-8") + "\n# one more line\n", "utf-8")
    studio.state.plugins.reload("guest")
    answer(studio, qtbot, "consentNo")
    assert state_of(studio, "guest") is PluginState.CHANGED


def test_what_is_no_plugin_is_refused_in_words(start: Start, qtbot: QtBot, tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "holiday pictures"
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    studio = opened(start, qtbot)
    before = len(studio.state.messages.history())
    assert drop_file(studio.window, folder)
    qtbot.waitUntil(lambda: len(studio.state.messages.history()) > before, timeout=10_000)
    assert "plugin.toml" in str(studio.state.messages.history()[-1].headline + studio.state.messages.history()[-1].hint)
    assert not list((data / "plugins").glob("*")) if (data / "plugins").exists() else True


@pytest.mark.parametrize("safe_mode", [True, False])
def test_safe_mode_runs_nothing(data: Path, qtbot: QtBot, tmp_path: Path, safe_mode: bool) -> None:
    from studio.app import build

    studio = build(data, with_plugins, safe_mode=safe_mode)
    try:
        studio.window.show()
        qtbot.waitUntil(lambda: studio.state.plugins.known, timeout=10_000)
        assert bool(studio.state.plugins.layer_parts()) is not safe_mode
        said = any("Safe mode" in message.headline for message in studio.state.messages.history())
        assert said is safe_mode
    finally:
        studio.close()


def test_a_plugin_that_hangs_is_told_and_given_up(
    start: Start, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.plugins.host.LIMIT_SECONDS", 0.3)
    mark = tmp_path / "it ran"
    hang = (
        'if use.values["grey"] == 66:\n            import time\n            while True: time.sleep(0.01)\n        '
        + GOOD
    )
    studio = opened(start, qtbot)
    allow(studio, qtbot, write_plugin(tmp_path / "download", "grey_fill", hang, mark), "grey_fill")
    add_layer(studio, "Fill")
    type_into(studio, "promptEdit", "a wall")
    studio.window.plugin_panel.cards[0].fields["grey"].spin.setValue(66)  # type: ignore[attr-defined]
    told: list[Message] = []
    studio.state.messages.posted.connect(told.append)
    QTest.mouseClick(child(studio, "generateButton"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any("has not answered" in message.headline for message in told), timeout=20_000)
    message = next(message for message in told if "has not answered" in message.headline)
    assert "grey_fill" in message.headline and "picture_tool" in message.headline
    assert message.on_action is not None
    type_into(studio, "promptEdit", "the window goes on")
    assert studio.draft.draft.prompt.endswith("the window goes on")
    with qtbot.waitSignal(studio.queue.job_failed, timeout=10_000) as failed:
        message.on_action()
    assert "given up" in failed.args[0].error.headline

    told.clear()
    QTest.mouseClick(child(studio, "generateButton"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any("has not answered" in message.headline for message in told), timeout=20_000)
    studio.queue.cancel_current()  # what the Cancel button does
    qtbot.waitUntil(lambda: studio.queue.running is None, timeout=10_000)

    studio.window.plugin_panel.cards[0].fields["grey"].spin.setValue(90)  # type: ignore[attr-defined]
    picture = generate(studio, qtbot, seconds=30)
    assert colours(picture.file) == {(90, 90, 90)}  # type: ignore[attr-defined]
