"""Downloads for the window, against a hub on loopback and the hub's real client."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.core.hub import RemoteFile, Repository, Starter, TransferState
from studio.core.model_files import Family, Kind
from studio.engine.hub.tokens import TokenSafe
from studio.state.background import Background
from studio.state.models_downloads import Downloads
from tests.engine.hub.hub_emulator import COMMIT, Hub

NAME, DATA = "someone/model", random.Random(2).randbytes(2_000_000)
STARTER = Starter(
    id="s", title="Small", about=".", kind=Kind.LORA, family=Family.SD1, repository=NAME, files=("w.safetensors",), into="loras/small",
    size=1, licence="MIT",
)  # fmt: skip


class Desk:
    """Downloads with what they stand on; another one over the same folder is the next start of the studio."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.off = False
        self.threads = Background("hub"), Background("downloads")
        self.downloads = Downloads(
            folder / "models", folder / "downloads.json", TokenSafe(folder / "token"), lambda: self.off, lambda: hub.url, *self.threads
        )  # fmt: skip

    def close(self) -> None:
        self.downloads.close()
        for thread in self.threads:
            thread.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({NAME: {"w.safetensors": DATA, "config.json": b"{}", "w.bin": b"x"}}) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, hub: Hub) -> Iterator[Desk]:
    made = Desk(tmp_path, hub)
    yield made
    made.close()


def repository(hub: Hub) -> Repository:
    return Repository(id=NAME, revision=COMMIT, files=(FILE,), endpoint=hub.url)


FILE = RemoteFile(path="w.safetensors", size=len(DATA))


def state_of(desk: Desk) -> TransferState:
    return desk.downloads.transfers[0].state


def test_a_starter_is_looked_up_and_fetched(desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(desk.downloads.arrived, timeout=30_000):
        desk.downloads.get(STARTER)
        assert desk.downloads.looking
    assert (tmp_path / "models" / "loras" / "small" / "w.safetensors").read_bytes() == DATA
    assert state_of(desk) is TransferState.DONE and desk.downloads.transfers[0].title == "Small"


def test_pause_continue_and_the_next_start(desk: Desk, hub: Hub, tmp_path: Path, qtbot: QtBot) -> None:
    hub.seconds_per_piece = 0.05
    desk.downloads.start(repository(hub), (FILE,), "loras", "Small")
    qtbot.waitUntil(lambda: desk.downloads.transfers[0].done > 200_000, timeout=5000)
    desk.downloads.pause(desk.downloads.transfers[0].id)
    qtbot.waitUntil(lambda: state_of(desk) is TransferState.PAUSED, timeout=5000)
    desk.close()
    hub.seconds_per_piece = 0.0
    later = Desk(tmp_path, hub)
    later.downloads.read_kept()
    qtbot.waitUntil(lambda: len(later.downloads.transfers) == 1, timeout=5000)
    assert state_of(later) is TransferState.PAUSED
    with qtbot.waitSignal(later.downloads.arrived, timeout=5000):
        later.downloads.go_on(later.downloads.transfers[0].id)
    assert (tmp_path / "models" / "loras" / "w.safetensors").read_bytes() == DATA
    assert hub.requests[-1].range.startswith("bytes=")
    later.close()


def test_cancel_takes_away_what_came(desk: Desk, hub: Hub, tmp_path: Path, qtbot: QtBot) -> None:
    hub.seconds_per_piece = 0.05
    desk.downloads.start(repository(hub), (FILE,), "loras", "Small")
    qtbot.waitUntil(lambda: desk.downloads.transfers[0].done > 100_000, timeout=5000)
    desk.downloads.cancel(desk.downloads.transfers[0].id)
    qtbot.waitUntil(lambda: desk.downloads.transfers == (), timeout=5000)
    qtbot.waitUntil(lambda: not list((tmp_path / "models").rglob("*.part*")), timeout=5000)


def test_offline_asks_nobody(desk: Desk, hub: Hub, qtbot: QtBot) -> None:
    desk.off = True
    for wish in (lambda: desk.downloads.get(STARTER), lambda: desk.downloads.look_up(NAME)):
        with qtbot.waitSignal(desk.downloads.failed, timeout=8000) as caught:
            wish()
        assert caught.args[0].headline == "The studio is set to stay offline."
    assert hub.requests == [] and not desk.downloads.looking


def test_nothing_is_asked_unasked(desk: Desk, hub: Hub, qtbot: QtBot) -> None:
    desk.downloads.read_kept()
    desk.downloads.keep_token("hf_secret")
    qtbot.waitUntil(lambda: desk.downloads.has_token, timeout=8000)
    assert hub.requests == []


def test_the_token_is_used_and_written_nowhere_else(desk: Desk, hub: Hub, tmp_path: Path, qtbot: QtBot) -> None:
    hub.token = "hf_secret"
    desk.downloads.keep_token(" hf_secret ")
    with qtbot.waitSignal(desk.downloads.arrived, timeout=30_000):
        desk.downloads.get(STARTER)
    texts = [file for file in tmp_path.rglob("*") if file.is_file() and b"hf_secret" in file.read_bytes()]
    assert texts == [tmp_path / "token"]


def test_pickles_only_are_refused_in_words(desk: Desk, hub: Hub, qtbot: QtBot) -> None:
    hub.repositories[NAME] = {"config.json": b"{}", "pytorch_model.bin": b"x"}
    plain = Starter(**{**{name: getattr(STARTER, name) for name in STARTER.__slots__}, "files": ()})
    with qtbot.waitSignal(desk.downloads.failed, timeout=30_000) as caught:
        desk.downloads.get(plain)
    assert "offers nothing that is safe to open" in caught.args[0].headline


def test_a_starter_behind_a_gate_is_shown_instead_of_refused_halfway(desk: Desk, hub: Hub, qtbot: QtBot) -> None:
    hub.gated = "manual"
    with qtbot.waitSignal(desk.downloads.found, timeout=30_000) as found:
        desk.downloads.get(STARTER)
        assert desk.downloads.is_asked(STARTER)
    assert found.args[0].gate == "manual" and desk.downloads.transfers == ()
    assert not desk.downloads.is_asked(STARTER)
