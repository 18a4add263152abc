"""The settings on disk: told once when they cannot be kept, until it works again."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from studio.core.own_root import watch_over
from studio.core.settings import Settings, load_settings
from studio.state.background import Background
from studio.state.settings_keeper import SettingsKeeper


def test_told_once_when_the_library_is_gone(qtbot: QtBot, background: Background, data: Path, tmp_path: Path) -> None:
    watch_over(data)
    settings = Settings()
    keeper = SettingsKeeper(settings, data / "settings.json", background)
    said: list[str] = []
    keeper.failed.connect(lambda error: said.append(str(error)))
    keeper.save()
    qtbot.waitUntil((data / "settings.json").exists)
    data.rename(tmp_path / "away")
    settings.set("theme", "light")
    keeper.save()
    qtbot.waitUntil(lambda: len(said) == 1)
    keeper.save()
    settled: list[bool] = []
    background.run(lambda: True, settled.append)
    qtbot.waitUntil(lambda: bool(settled))
    assert len(said) == 1
    assert said[0].startswith("The settings cannot be kept for the next start. The library's folder is gone.")
    assert not data.exists()
    (tmp_path / "away").rename(data)
    keeper.save()
    qtbot.waitUntil(lambda: load_settings(data / "settings.json")[0].get("theme") == "light")
