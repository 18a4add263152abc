"""Settings: damaged files are set aside, never fatal, never lost."""

import os
from pathlib import Path

import pytest

from studio.core.safe_files import clear_parts, write_whole
from studio.core.settings import Settings, load_settings, write_text_safely


def test_round_trip(tmp_path: Path) -> None:
    settings = Settings()
    settings.set("theme", "light")
    write_text_safely(tmp_path / "settings.json", settings.text())
    loaded, notice = load_settings(tmp_path / "settings.json")
    assert loaded.get("theme") == "light"
    assert notice == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x00" * 50, b"\xff\xfe", b"[" * 100_000, b"x" * 1_100_000])
def test_damaged_files_are_kept_aside_and_said(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(content)
    settings, notice = load_settings(file)
    assert settings.get("theme") == "dark"
    assert "defaults" in notice
    assert (tmp_path / "settings.json.damaged").read_bytes() == content


def test_each_damaged_file_is_kept_beside_the_earlier_ones(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    notices = []
    for content in (b"{1", b"{2", b"{3"):
        file.write_bytes(content)
        notices.append(load_settings(file)[1])
    names = ["settings.json.damaged", "settings.json.damaged-2", "settings.json.damaged-3"]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"{1", b"{2", b"{3"]
    assert all(notice.endswith(f"is kept as {name}.") for notice, name in zip(notices, names, strict=True))


def test_single_wrong_values_take_their_default(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"theme": "neon", "thumbnail_px": 10000, "preview": 1, "unknown": 2, "welcomed": true}')
    settings, _ = load_settings(file)
    assert (settings.get("theme"), settings.get("thumbnail_px"), settings.get("preview")) == ("dark", 128, True)
    assert settings.get("welcomed") is True


def test_setting_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="neon"):
        Settings().set("theme", "neon")


def test_a_write_is_the_old_or_the_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "draft.json"
    write_whole(file, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, b"new")
    monkeypatch.undo()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    (tmp_path / "draft.json.12-abcdef.part").write_bytes(b"ne")  # killed in the middle
    clear_parts(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["draft.json"]
