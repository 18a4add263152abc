"""An index on the network: fetched on a wish, from the host that was shown, checked by digest. Over a loopback server."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from studio.core.errors import PluginProblem
from studio.core.plugins import PluginState
from studio.plugins import index, network
from studio.plugins.index import install, read_index
from studio.state.plugin_index import read_offers
from tests.plugins.yard import DATA, Yard


@dataclass
class Shop:
    """A web server on this machine. `answers`: by path a body, or a function that writes the answer itself."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append((self.path, dict(self.headers)))
            answer = shop.answers.get(self.path)
            if callable(answer):
                answer(self)
            elif answer is None:
                self.send_error(404, "Not here")
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield shop
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    return Path(shutil.make_archive(str(tmp_path / "shout"), "zip", DATA, "shout")).read_bytes()


def rows(archive: bytes, **more: object) -> bytes:
    digest = hashlib.sha256(archive).hexdigest()
    row = {"id": "shout", "name": "Shout", "version": "1.0.0", "api": 1, "description": "Louder.",
           "picture": "pictures/shout 1.png", "sha256": digest, "path": "files/shout.zip"}  # fmt: skip
    return json.dumps([row | more]).encode()


def moved(where: str) -> Any:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", where)
        handler.end_headers()

    return answer


def test_read_and_installed_from(shop: Shop, archive: bytes, yard: Yard) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "PNG")
    shop.answers |= {
        "/list/index.json": rows(archive),
        "/list/files/shout.zip": archive,
        "/list/pictures/shout%201.png": picture.getvalue(),
    }
    (entry,) = read_index(f"{shop.address}/list/index.json")
    assert entry.source == f"{shop.address}/list/files/shout.zip"
    assert [path for path, _ in shop.asked] == ["/list/index.json"], "reading the list fetches no plugin"
    (offer,) = read_offers(f"{shop.address}/list/index.json", lambda data: data)  # type: ignore[arg-type,return-value]
    assert offer.picture is not None and offer.picture.width() > 0
    shelf = yard.shelf()
    info = install(entry, shelf)
    assert info.id == "shout" and info.state is PluginState.NEW, "and it is asked about before it runs"
    told = {name.lower() for _, headers in shop.asked for name in headers}
    assert told <= {"host", "user-agent", "accept-encoding", "connection"}, "nothing of the artist is sent"


def test_other_bytes_than_the_list_names_are_not_installed(shop: Shop, archive: bytes, yard: Yard) -> None:
    shop.answers |= {"/index.json": rows(archive), "/files/shout.zip": archive + b"x"}
    (entry,) = read_index(f"{shop.address}/index.json")
    with pytest.raises(PluginProblem, match="digests differ"):
        install(entry, yard.shelf())
    assert not yard.folders.plugins.exists()


@pytest.mark.parametrize(
    "where",
    ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,[]", "http://localhost.invalid/x", "https://example.org/"],
)
def test_it_is_not_sent_on_to_anywhere_else(where: str, shop: Shop, archive: bytes, yard: Yard) -> None:
    """And no other host is so much as looked up."""
    looked: list[str] = []
    listening = [True]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event in ("socket.connect", "socket.getaddrinfo"):
            looked.append(str(arguments[1] if event == "socket.connect" else arguments[0]))

    sys.addaudithook(hear)
    shop.answers |= {"/index.json": moved(where), "/list.json": rows(archive), "/files/shout.zip": moved(where)}
    with pytest.raises(PluginProblem, match="sends you on"):
        read_index(f"{shop.address}/index.json")
    (entry,) = read_index(f"{shop.address}/list.json")
    with pytest.raises(PluginProblem, match="sends you on"):
        install(entry, yard.shelf())
    listening.clear()
    assert looked and all("127.0.0.1" in place for place in looked), looked


def test_a_move_within_the_host_is_followed_but_not_for_ever(shop: Shop, archive: bytes) -> None:
    shop.answers |= {"/old.json": moved("/list/index.json"), "/list/index.json": rows(archive), "/ring": moved("/ring")}
    assert read_index(f"{shop.address}/old.json")[0].id == "shout"
    with pytest.raises(PluginProblem):
        read_index(f"{shop.address}/ring")
    assert len(shop.asked) < 20


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(10_000):
            handler.wfile.write(b"[" * 65536)
    except OSError:
        pass


def dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b"[" * 70_000)
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)


def half(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"[]")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (endless, "sends more than"),
        (b"[" * 3_000_000, "offers 3 MB"),
        (dripping, "too slow"),
        (silent, "in time"),
        (half, "broke off"),
        (None, "404"),
        (b"<html>", "not JSON"),
        (b"{}", "not a list"),
    ],
)
def test_what_goes_wrong_is_said_in_words(
    answer: Any, says: str, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(index, "INDEX_BYTES_MAX", 2 * 1024 * 1024)
    monkeypatch.setattr(index, "INDEX_SECONDS", 0.5)
    shop.answers["/index.json"] = answer
    with pytest.raises(PluginProblem, match=says) as caught:
        read_index(f"{shop.address}/index.json")
    assert "127.0.0.1" in caught.value.headline
    if says not in ("not JSON", "not a list"):
        with pytest.raises(PluginProblem):
            network.fetch_to(f"{shop.address}/index.json", tmp_path / "x.zip", 2 * 1024 * 1024, 0.5)
        assert not (tmp_path / "x.zip").exists(), "nothing half is left"


def test_nobody_there(shop: Shop) -> None:
    with pytest.raises(PluginProblem, match="could not be asked"):
        network.fetch("http://127.0.0.1:1/index.json", 1000, 2.0)
    assert shop.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "https:///x",
        "http://ann:secret@example.org/x",
        "http://a b/",
        "http://x:99999/",
        "http://[::1/",
        "http://a\nb/",
    ],
)
def test_odd_addresses_are_refused_before_anybody_is_asked(address: str) -> None:
    with pytest.raises(PluginProblem) as caught:
        network.host_of(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["../x.zip", "/x.zip", "//example.org/x.zip", "https://example.org/x.zip", "a:b", "a\\b"]
)
def test_what_is_offered_lies_beside_the_list(path: str, shop: Shop, archive: bytes) -> None:
    shop.answers["/list/index.json"] = rows(archive, path=path)
    with pytest.raises(PluginProblem, match="beside"):
        read_index(f"{shop.address}/list/index.json")


def test_a_path_is_never_a_wish_of_its_own(shop: Shop, archive: bytes) -> None:
    """Signs that mean something in an address mean nothing in the list."""
    shop.answers["/index.json"] = rows(archive, path="files/a?b#c%2e.zip")
    (entry,) = read_index(f"{shop.address}/index.json")
    assert entry.source == f"{shop.address}/files/a%3Fb%23c%252e.zip"
