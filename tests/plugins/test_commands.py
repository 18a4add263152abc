"""`main.py plugin ...`: the same shelf, in words or JSON; consent needs a terminal or --yes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from tests.plugins.yard import DATA


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*argv: str, typed: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO() if typed is None else Terminal(typed))
        status = main([*argv, "--data", str(tmp_path / "data")])
        return status, *capsys.readouterr()

    return run


def test_from_installing_to_switching_off(run: Any) -> None:
    status, out, error = run("plugin", "install", str(DATA / "shout"))
    assert status == 0 and "never allowed" in out and "plugin enable shout" in error
    status, out, _ = run("plugin", "enable", "shout", "--yes", "--json")
    assert status == 0 and json.loads(out)["state"] == "enabled"
    status, out, _ = run("plugin", "list", "--json")
    listed = {entry["id"]: entry for entry in json.loads(out)}
    assert listed["shout"]["state"] == "enabled" and listed["lora"]["shipped"] and listed["lora"]["state"] == "enabled"
    assert [part["control"] for part in listed["shout"]["adds"]] == ["", "", "shout-still"]
    assert run("plugin", "disable", "shout")[1].split("\n")[0].split() == ["shout", "1.0.0", "off"]
    assert run("plugin", "enable", "shout")[0] == 0  # allowed before: nothing to ask


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_enabling_a_new_one_asks_and_no_is_the_default(typed: str, status: int, run: Any) -> None:
    run("plugin", "install", str(DATA / "shout"))
    got, _, error = run("plugin", "enable", "shout", typed=typed)
    assert got == status and "everything that you can do on this machine" in error and "digest" in error
    state = next(entry["state"] for entry in json.loads(run("plugin", "list", "--json")[1]) if entry["id"] == "shout")
    assert state == ("enabled" if status == 0 else "new")


def test_without_a_terminal_nobody_consents(run: Any) -> None:
    run("plugin", "install", str(DATA / "shout"))
    status, _, error = run("plugin", "enable", "shout")
    assert status == 2 and "--yes" in error


def test_allow_prints_what_is_agreed_to(run: Any) -> None:
    run("plugin", "install", str(DATA / "shout"))
    status, out, error = run("plugin", "allow", "shout")
    assert status == 0 and "everything that you can do" in error and " on\n" in out


@pytest.mark.parametrize(
    "argv",
    [
        ("install", "nowhere.zip"),
        ("install", str(DATA / "wrong_api")),
        ("enable", "nobody"),
        ("disable", "nobody"),
        ("allow", "nobody"),
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(argv: tuple[str, ...], run: Any) -> None:
    status, out, error = run("plugin", *argv)
    assert status == 2 and out == "" and error.count("\n") == 1 and "Traceback" not in error
