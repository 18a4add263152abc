"""Detectors are published as pickles: fetched when asked for, converted in a process of their own, never opened here."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.core.hub import RemoteFile, Transfer, TransferState, is_safe_path
from studio.engine.hub import make_safe as module
from studio.engine.hub.fetch import Fetcher, load_transfers, save_transfers
from studio.engine.hub.starters import load_starters
from tests.engine.hub.hub_emulator import COMMIT, Hub

NAME = "someone/Annotators"


def tensors() -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save({"state_dict": {"module.a.weight": torch.arange(6.0).reshape(2, 3)}}, stream)
    return stream.getvalue()


class Evil:
    """Opens a file as soon as it is unpickled by anything but a restricted unpickler."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "was-run"


@pytest.fixture
def hub(mark: Path) -> Iterator[Hub]:
    with Hub({NAME: {"good.pth": tensors(), "evil.pth": pickle.dumps(Evil(mark), 2)}}) as running:
        yield running


def wished(hub: Hub, name: str, **changes: object) -> Transfer:
    data = hub.repositories[NAME][name]
    file = RemoteFile(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    plain = {
        "id": "1", "title": "Detector", "repository": NAME, "revision": COMMIT, "files": (file,), "folder": "annotators",
        "endpoint": hub.url, "flat": True, "pickle": True,
    }  # fmt: skip
    return Transfer(**(plain | changes))  # type: ignore[arg-type]  # a table of its fields


def test_a_pickle_becomes_safetensors_and_is_gone(hub: Hub, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    fetcher = Fetcher(tmp_path, lambda: False)
    ended = fetcher.run(wished(hub, "good.pth"), "", lambda: False)
    assert (ended.state, ended.headline) == (TransferState.DONE, "")
    assert os.listdir(tmp_path / "annotators") == ["good.safetensors"]
    assert load_file(tmp_path / "annotators" / "good.safetensors")["module.a.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    asked = len(hub.requests)
    assert fetcher.missing_bytes(wished(hub, "good.pth")) == 0
    assert fetcher.run(wished(hub, "good.pth"), "", lambda: False).state is TransferState.DONE
    assert len(hub.requests) == asked  # what was made is not fetched again


def test_a_pickle_with_a_program_in_it_is_not_run_and_not_kept(hub: Hub, tmp_path: Path, mark: Path) -> None:
    ended = Fetcher(tmp_path, lambda: False).run(wished(hub, "evil.pth"), "", lambda: False)
    assert ended.state is TransferState.FAILED
    assert "asks for more than tensors" in ended.headline
    assert not mark.exists()
    assert os.listdir(tmp_path / "annotators") == []


def test_only_what_is_said_to_be_one_is_fetched(hub: Hub, tmp_path: Path) -> None:
    ended = Fetcher(tmp_path, lambda: False).run(wished(hub, "good.pth", pickle=False), "", lambda: False)
    assert "not fetched" in ended.headline
    assert hub.requests == []
    assert is_safe_path("a.pth", pickle=True)
    assert not is_safe_path("a.pth")
    assert not is_safe_path("a.ckpt", pickle=True)


def test_stopping_while_it_is_converted_keeps_it(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.01)
    begun: list[bool] = []

    def stop() -> bool:
        return bool(begun)

    whole = module.subprocess.Popen
    monkeypatch.setattr(module.subprocess, "Popen", lambda *a, **k: begun.append(True) or whole(*a, **k))
    ended = Fetcher(tmp_path, lambda: False).run(wished(hub, "good.pth"), "", stop)
    assert ended.state is TransferState.PAUSED
    assert os.listdir(tmp_path / "annotators") == ["good.pth"]
    save_transfers(tmp_path / "kept.json", (ended,))
    (kept,) = load_transfers(tmp_path / "kept.json")
    assert kept.pickle
    begun.clear()
    monkeypatch.setattr(module.subprocess, "Popen", whole)
    assert Fetcher(tmp_path, lambda: False).run(kept, "", lambda: False).state is TransferState.DONE
    assert os.listdir(tmp_path / "annotators") == ["good.safetensors"]


def test_what_detectors_want_is_what_is_fetched() -> None:
    from studio.core.detectors import DETECTORS

    starters = {one.id: one for one in load_starters()}
    for info in DETECTORS.values():
        if info.starter:
            starter = starters[info.starter]
            assert starter.pickle is not info.is_folder
            names = {starter.into.rpartition("/")[2]} if info.is_folder else {Path(file).stem for file in starter.files}
            assert set(info.files) <= names
            assert starter.into.split("/")[0] == "annotators"
            assert starter.last.endswith(".safetensors")
