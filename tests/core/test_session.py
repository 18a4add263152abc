"""Marks and logs of sessions: what a start finds after ends of every kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from studio.core.paths import PROJECT
from studio.core.session import LAST_LOG, MARK_BYTES, Before, Session


def die(session: Session) -> None:
    """Let go of everything as the end of the process does."""
    os.close(session._descriptor)
    session._descriptor = -1
    if session._log is not None:
        session._log.close()


def begun(folder: Path) -> tuple[Session, Before]:
    session = Session(folder, watch=False)
    return session, session.begin()


def found_in(folder: Path) -> Before:
    """What a start finds that ends well."""
    session, before = begun(folder)
    session.end()
    return before


def test_an_ordinary_end_leaves_nothing(data: Path) -> None:
    for _ in range(2):
        session, before = begun(data / "session")
        assert before == Before()
        session.at("decoding, mini")
        session.ready()
        session.end()
        session.end()
    assert list((data / "session").iterdir()) == []


def test_a_death_is_told_once_with_its_place_and_log(data: Path) -> None:
    session, _ = begun(data / "session")
    session.ready()
    session.at("decoding, mini")
    assert session._log is not None
    session._log.write(f"Fatal Python error\n{Path.home()}/x.py".encode())
    session._log.flush()
    die(session)
    session, before = begun(data / "session")
    assert before == Before(crashed=True, at="decoding, mini", log="Fatal Python error\n~/x.py", failed_starts=0)
    session.end()
    assert found_in(data / "session") == Before()
    assert (data / "session" / LAST_LOG).exists()


def test_failed_starts_are_counted_until_one_succeeds(data: Path) -> None:
    counts = []
    for _ in range(3):
        session, before = begun(data / "session")
        counts.append((before.failed_starts, before.safe_mode))
        die(session)
    session, before = begun(data / "session")
    counts.append((before.failed_starts, before.safe_mode))
    session.ready()
    die(session)
    counts.append((found_in(data / "session").failed_starts, False))
    assert counts == [(0, False), (1, False), (2, True), (3, True), (0, False)]


def test_a_living_studio_is_no_crash(data: Path) -> None:
    first, _ = begun(data / "session")
    assert found_in(data / "session") == Before()
    first.end()


@pytest.mark.parametrize("mark", [b"", b"{", b'{"ready": 3}', b"\xff" * 3000, json.dumps({"ready": False}).encode()])
def test_a_damaged_mark_is_still_a_crash(data: Path, mark: bytes) -> None:
    folder = data / "session"
    folder.mkdir(parents=True)
    (folder / "20260101-000000-000000-abcdef.mark").write_bytes(mark)
    session, before = begun(folder)
    assert before == Before(crashed=True)
    session.end()
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_stops_nothing(data: Path) -> None:
    data.write_text("in the way")
    session, before = begun(data / "session")
    session.at("x")
    session.ready()
    session.end()
    assert before == Before()


def test_a_mark_keeps_its_size_whatever_is_said(data: Path) -> None:
    session, _ = begun(data / "session")
    threads = [threading.Thread(target=session.at, args=("x" * n * 100,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (mark,) = (data / "session").glob("*.mark")
    assert mark.stat().st_size == MARK_BYTES
    assert set(json.loads(mark.read_bytes())["at"]) <= {"x"}
    session.end()


def test_native_crashes_are_written_down(data: Path) -> None:
    code = (
        "import ctypes, sys; from pathlib import Path; from studio.core.session import Session;"
        "s = Session(Path(sys.argv[1])); s.begin(); s.ready(); s.at('here'); ctypes.string_at(0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(data)], cwd=PROJECT, capture_output=True, timeout=240)
    assert done.returncode < 0
    session, before = begun(data)
    session.end()
    assert (before.crashed, before.at) == (True, "here")
    assert "string_at" in before.log
