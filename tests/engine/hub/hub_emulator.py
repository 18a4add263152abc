"""A model hub on loopback: what the real client and our downloader ask of the real one, and everything that can go wrong."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


@dataclass
class Request:
    method: str
    path: str
    range: str
    authorization: str


@dataclass
class Hub:
    """Repositories by name to files by path. Trouble is asked for by setting the fields; each request is noted."""

    repositories: dict[str, dict[str, bytes]]
    break_after: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    seconds_per_piece: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)  # path inside a repository to a status
    gated: str = ""
    token: str = ""
    lie_about: str = ""  # a file whose digest in the list is wrong
    etag: str = ""
    ignore_range: bool = False
    redirect_to: str = ""  # base address of another hub that holds the bytes
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> Hub:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: object) -> None: ...

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # What a hub answers
    def answer(self, to: BaseHTTPRequestHandler, body: bool) -> None:
        path = unquote(urlsplit(to.path).path)
        said = to.headers.get("Authorization", "")
        self.requests.append(Request(to.command, path, to.headers.get("Range", ""), said))
        if self.token and said != f"Bearer {self.token}":
            return self._refuse(to, 401, "RepoNotFound" if not said else "")
        if path.startswith("/api/models/"):
            return self._list(to, path)
        name, _, rest = path.lstrip("/").partition("/resolve/")
        file = rest.partition("/")[2]
        if self.gated:
            return self._refuse(to, 403, "GatedRepo")
        if file in self.statuses:
            return self._refuse(to, self.statuses[file], "")
        data = self.repositories.get(name, {}).get(file)
        if data is None:
            return self._refuse(to, 404, "EntryNotFound")
        if self.redirect_to:
            to.send_response(302)
            to.send_header("Location", f"{self.redirect_to}{to.path}")
            to.send_header("Content-Length", "0")
            to.end_headers()
            return None
        return self._send(to, data, body)

    def _list(self, to: BaseHTTPRequestHandler, path: str) -> None:
        name = path.removeprefix("/api/models/").partition("/revision/")[0]
        if name not in self.repositories:
            return self._refuse(to, 401 if not self.token else 404, "RepoNotFound")
        siblings = [self._sibling(file, data) for file, data in self.repositories[name].items()]
        about = {
            "id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "private": False, "gated": self.gated or False,
            "downloads": 1, "tags": [], "cardData": {"license": "openrail++"},
        }  # fmt: skip
        text = json.dumps(about).encode()
        to.send_response(200)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", str(len(text)))
        to.end_headers()
        to.wfile.write(text)
        return None

    def _sibling(self, file: str, data: bytes) -> dict[str, object]:
        sha256 = hashlib.sha256(b"another" if file == self.lie_about else data).hexdigest()
        made: dict[str, object] = {"rfilename": file, "size": len(data), "blobId": "b" * 40}
        if file.endswith(".safetensors"):
            made["lfs"] = {"size": len(data), "sha256": sha256, "pointerSize": 134}
        return made

    def _send(self, to: BaseHTTPRequestHandler, data: bytes, body: bool) -> None:
        etag = self.etag or f'"{hashlib.sha256(data).hexdigest()}"'
        begin, asked = 0, to.headers.get("Range", "")
        may = not self.ignore_range and to.headers.get("If-Range", etag) == etag
        if asked and may:
            begin = int(asked.removeprefix("bytes=").partition("-")[0])
            if begin >= len(data):
                return self._refuse(to, 416, "")
            to.send_response(206)
            to.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        else:
            to.send_response(200)
        to.send_header("ETag", etag)
        to.send_header("X-Repo-Commit", COMMIT)
        to.send_header("Accept-Ranges", "bytes")
        to.send_header("Content-Length", str(len(data) - begin))
        to.end_headers()
        if body:
            self._pour(to, data[begin:])
        return None

    def _pour(self, to: BaseHTTPRequestHandler, data: bytes) -> None:
        stop = self.break_after.pop(0) if self.break_after else len(data)
        for at in range(0, min(stop, len(data)), 65536):
            to.wfile.write(data[at : min(at + 65536, stop)])
            if self.seconds_per_piece:
                time.sleep(self.seconds_per_piece)
        if stop < len(data):
            to.close_connection = True
            to.wfile.flush()
            to.connection.close()

    def _refuse(self, to: BaseHTTPRequestHandler, status: int, code: str) -> None:
        to.send_response(status)
        if code:
            to.send_header("X-Error-Code", code)
            to.send_header("X-Error-Message", "no")
        to.send_header("Content-Length", "0")
        to.end_headers()
