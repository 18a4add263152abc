"""The downloader against a hub on loopback: it goes on where it stopped, and says what went wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path

import pytest

from studio.core.errors import StorageProblem
from studio.core.hub import NetworkProblem, RemoteFile, Transfer, TransferState
from studio.engine.hub import download, fetch
from studio.engine.hub.download import Paused, Source, fetch_file
from studio.engine.hub.fetch import Fetcher, load_transfers, save_transfers
from tests.engine.hub.hub_emulator import COMMIT, Hub

NAME, FILE = "someone/model", "unet/w.safetensors"
DATA = random.Random(1).randbytes(3_000_000)
WHOLE = RemoteFile(path=FILE, size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def hub():
    with Hub({NAME: {FILE: DATA, "config.json": b"{}"}}) as running:
        yield running


def bring(hub: Hub, target: Path, stop=lambda: False, token: str = "", file: RemoteFile = WHOLE) -> list[int]:
    told: list[int] = []
    url = f"{hub.url}/{NAME}/resolve/{COMMIT}/{file.path}"
    fetch_file(Source(url=url, repository=NAME, token=token), file, target, stop, told.append, wait=lambda _: None)
    return told


def ranges(hub: Hub) -> list[str]:
    return [request.range for request in hub.requests if "/resolve/" in request.path]


def test_a_whole_file_with_its_progress_in_bytes(hub: Hub, tmp_path: Path) -> None:
    told = bring(hub, tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").read_bytes() == DATA
    assert told[0] == 0 and told[-1] == len(DATA) and told == sorted(told) and len(told) > 10
    assert os.listdir(tmp_path) == ["w.safetensors"]
    bring(hub, tmp_path / "w.safetensors")
    assert len(ranges(hub)) == 1  # what is whole is not fetched again


def test_a_broken_line_goes_on_at_the_byte(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = [1_000_000, 500_000, 1]
    bring(hub, tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").read_bytes() == DATA
    asked = ranges(hub)
    assert asked[0] == "" and len(asked) == 4
    starts = [int(text.removeprefix("bytes=").rstrip("-")) for text in asked[1:]]
    assert starts == sorted(starts) and 0 < starts[0] <= 1_000_000


def test_a_pause_and_a_restart_go_on(hub: Hub, tmp_path: Path) -> None:
    target, seen = tmp_path / "w.safetensors", []

    def stop() -> bool:
        seen.append(1)
        return len(seen) > 4

    with pytest.raises(Paused):
        bring(hub, target, stop)
    part = tmp_path / "w.safetensors.part"
    have = part.stat().st_size
    assert 0 < have < len(DATA) and not target.exists()
    told = bring(hub, target)  # as in another process: nothing but the files is known
    assert told[0] == have and ranges(hub)[-1] == f"bytes={have}-"
    assert target.read_bytes() == DATA


def test_a_file_that_was_changed_on_the_server_begins_anew(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = [1_000_000] + [0] * 20
    with pytest.raises(NetworkProblem):
        bring(hub, tmp_path / "w.safetensors")
    hub.break_after, hub.etag = [], '"another"'
    bring(hub, tmp_path / "w.safetensors")  # If-Range: the server sends all of it
    assert (tmp_path / "w.safetensors").read_bytes() == DATA


def test_a_server_that_knows_no_ranges(hub: Hub, tmp_path: Path) -> None:
    hub.break_after, hub.ignore_range = [700_000], True
    bring(hub, tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").read_bytes() == DATA


def test_a_part_of_another_file_is_not_used(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors.part").write_bytes(b"x" * 1000)
    bring(hub, tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").read_bytes() == DATA


def test_a_dead_line_says_how_much_is_there_and_keeps_it(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = [1_200_000] + [0] * 20
    with pytest.raises(NetworkProblem, match=r"The line broke after 1 of 3 MB") as caught:
        bring(hub, tmp_path / "w.safetensors")
    assert "press Continue" in caught.value.hint
    assert (tmp_path / "w.safetensors.part").stat().st_size > 1_000_000


def test_a_wrong_checksum_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    file = RemoteFile(path=FILE, size=len(DATA), sha256="0" * 64)
    with pytest.raises(NetworkProblem, match="not what the hub promised"):
        bring(hub, tmp_path / "w.safetensors", file=file)
    assert os.listdir(tmp_path) == []


def test_a_file_of_another_size_is_not_begun(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(NetworkProblem, match="3,000,000 bytes on the server, not 5"):
        bring(hub, tmp_path / "w.safetensors", file=RemoteFile(path=FILE, size=5))


@pytest.mark.parametrize(
    ("status", "says"),
    [(404, "no longer has that file"), (401, "knows no"), (403, "accept its terms"), (500, "The line broke after 0")],
)
def test_refusals_in_words(hub: Hub, status: int, says: str, tmp_path: Path) -> None:
    hub.statuses[FILE] = status
    with pytest.raises(NetworkProblem, match=says):
        bring(hub, tmp_path / "w.safetensors")


def test_the_token_is_not_sent_on_to_another_host(hub: Hub, tmp_path: Path) -> None:
    with Hub({NAME: {FILE: DATA}}) as store:
        hub.redirect_to = store.url.replace("127.0.0.1", "localhost")
        bring(hub, tmp_path / "w.safetensors", token="hf_secret")
        assert [request.authorization for request in hub.requests] == ["Bearer hf_secret"]
        assert [request.authorization for request in store.requests] == [""]


def test_a_full_disk_keeps_what_came(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = download._copy

    def full(answer, stream, at, stop, told):
        stream.write(answer.read(100_000))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_copy", full)
    with pytest.raises(StorageProblem, match="The disk is full") as caught:
        bring(hub, tmp_path / "w.safetensors")
    assert "press Continue" in caught.value.hint
    monkeypatch.setattr(download, "_copy", real)
    told = bring(hub, tmp_path / "w.safetensors")
    assert told[0] == 100_000 and (tmp_path / "w.safetensors").read_bytes() == DATA


def transfer(hub: Hub, **changes: object) -> Transfer:
    files = (RemoteFile(path="config.json", size=2), WHOLE)
    plain = {
        "id": "1", "title": "Model", "repository": NAME, "revision": COMMIT, "files": files, "folder": "checkpoints/model",
        "endpoint": hub.url,
    }  # fmt: skip
    return Transfer(**(plain | changes))


def test_several_files_to_their_places(hub: Hub, tmp_path: Path) -> None:
    fetcher = Fetcher(tmp_path, lambda: False)
    wished = transfer(hub)
    done = fetcher.run(wished, "", lambda: False)
    assert (done.state, done.done, done.total) == (TransferState.DONE, wished.total, len(DATA) + 2)
    assert (tmp_path / "checkpoints" / "model" / "unet" / "w.safetensors").read_bytes() == DATA
    flat = fetcher.run(transfer(hub, folder="one", flat=True), "", lambda: False)
    assert flat.state is TransferState.DONE and sorted(os.listdir(tmp_path / "one")) == ["config.json", "w.safetensors"]


def test_offline_is_absolute(hub: Hub, tmp_path: Path) -> None:
    ended = Fetcher(tmp_path, lambda: True).run(transfer(hub), "", lambda: False)
    assert (ended.state, ended.headline) == (TransferState.FAILED, "The studio is set to stay offline.")
    assert hub.requests == []
    asked: list[int] = []

    def offline() -> bool:
        asked.append(1)
        return len(asked) > 8  # switched while a file comes

    stopped = Fetcher(tmp_path, offline).run(transfer(hub), "", lambda: False)
    assert stopped.state is TransferState.PAUSED


def test_room_is_looked_for_before(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: fetch.shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    ended = Fetcher(tmp_path, lambda: False).run(transfer(hub), "", lambda: False)
    assert "It needs 0.0 GB, and the disk has 0.0 GB free" in ended.headline and hub.requests == []


@pytest.mark.parametrize(
    "path", ["../x.safetensors", "/etc/x.json", "a/../../x.json", "weights.bin", "run.py", ".ssh/x.json", "C:\\x.json"]
)
def test_paths_and_formats_that_are_not_fetched(hub: Hub, path: str, tmp_path: Path) -> None:
    ended = Fetcher(tmp_path / "m", lambda: False).run(
        transfer(hub, files=(RemoteFile(path=path, size=3),)), "", lambda: False
    )
    assert ended.state is TransferState.FAILED and "not fetched" in ended.headline and hub.requests == []


def test_downloads_are_remembered_paused(hub: Hub, tmp_path: Path) -> None:
    kept = transfer(hub, state=TransferState.RUNNING, done=100)
    save_transfers(tmp_path / "downloads.json", (kept, transfer(hub, id="2", state=TransferState.DONE)))
    (loaded,) = load_transfers(tmp_path / "downloads.json")
    assert loaded == transfer(hub, state=TransferState.PAUSED, done=100)
    (tmp_path / "downloads.json").write_text("[{}]")
    assert load_transfers(tmp_path / "downloads.json") == ()


def test_forgetting_takes_the_parts_away(hub: Hub, tmp_path: Path) -> None:
    fetcher, wished = Fetcher(tmp_path, lambda: False), transfer(hub)
    seen: list[int] = []

    def stop() -> bool:
        seen.append(1)
        return len(seen) > 6

    assert fetcher.run(wished, "", stop).state is TransferState.PAUSED
    assert fetcher.missing_bytes(wished) < wished.total
    fetcher.forget(wished)
    assert not list(tmp_path.rglob("*.part*"))
