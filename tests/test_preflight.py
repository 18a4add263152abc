"""A machine that lacks something gets one sentence that says what, before Qt can abort."""

from pathlib import Path

import pytest

from studio import preflight
from studio.core.errors import StudioError


def test_missing_libraries_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    monkeypatch.setattr(preflight.sys, "platform", "linux")
    monkeypatch.setattr(preflight, "missing_libraries", lambda platform: ("libxcb-cursor.so.0", "libEGL.so.1"))
    with pytest.raises(StudioError) as error:
        preflight.check_window_system()
    assert error.value.hint.endswith("sudo apt-get install libegl1 libxcb-cursor0")


def test_no_screen_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(preflight.sys, "platform", "linux")
    with pytest.raises(StudioError, match="no screen"):
        preflight.check_window_system()


def test_a_library_that_cannot_be_loaded_is_found_out(tmp_path: Path) -> None:
    file = tmp_path / "libbroken.so"
    file.write_bytes(b"not a library")
    assert preflight._not_found(file) != []


def test_all_is_well_here() -> None:
    assert preflight.missing_libraries("offscreen") == ()
