"""One file over HTTP that goes on where it stopped: Range and If-Range (RFC 9110, 14.2 and 13.1.5), checked at the end.

While it comes it lies beside its place as NAME.part, with NAME.part.json saying of which file on the server it is a part.
It gets its name only when all bytes are there and have the digest that the hub promised.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from studio.core.errors import StorageProblem
from studio.core.hub import NetworkProblem, RemoteFile
from studio.core.own_root import make_folders
from studio.core.safe_files import PART, write_whole
from studio.engine.hub.resolve import refusal

PIECE = 256 * 1024
SECONDS = 20.0  # without a byte
TRIES = 5  # without progress
_AGENT = "diffusion-studio"

Told = Callable[[int], None]  # how many bytes of the file are there now
_LINE = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


class Paused(Exception):
    """The download was stopped; what came is kept. Carries nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a file comes from. `token` is sent to the host of `url` only, never on to where it redirects."""

    url: str
    repository: str
    token: str = ""


def fetch_file(
    source: Source,
    file: RemoteFile,
    target: Path,
    stop: Callable[[], bool],
    told: Told,
    checking: Callable[[], None] = lambda: None,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Bring `file` to `target`, from where an earlier call stopped. A whole one that is there already is kept.

    Raises `Paused`, `NetworkProblem` (the hub says no, the line is dead, the bytes are wrong) and `StorageProblem`.
    """
    if _is_whole(target, file):
        told(file.size)
        return
    part = target.with_name(target.name + PART)
    try:
        make_folders(target.parent)
        _bring(source, file, part, stop, told, wait)
        checking()
        _check(file, part, stop)
        os.replace(part, target)
        _note(part).unlink(missing_ok=True)
    except OSError as error:
        raise _no_room(target, error) from None


def forget_part(target: Path) -> None:
    """Take away what came of a file so far."""
    part = target.with_name(target.name + PART)
    for file in (part, _note(part)):
        file.unlink(missing_ok=True)


def part_size(target: Path) -> int:
    """How many bytes of a file came so far."""
    for file in (target, target.with_name(target.name + PART)):
        with contextlib.suppress(OSError):
            return file.stat().st_size
    return 0


def _bring(
    source: Source, file: RemoteFile, part: Path, stop: Callable[[], bool], told: Told, wait: Callable[[float], None]
) -> None:
    """Until all bytes are there; a broken line is taken up again, for as long as it brings anything."""
    tries = 0
    while True:
        have = _have(source, file, part)
        told(have)
        if file.size and have >= file.size:
            return
        try:
            if _stream(source, file, part, have, stop, told):
                return
            reason = "the line broke"
        except _LINE as error:
            reason = f"{type(error).__name__}: {error}"
        tries = 0 if _size(part) > have else tries + 1
        if tries >= TRIES:
            there, hint = _size(part), "What came is kept; press Continue when the network is back."
            raise NetworkProblem(f"The line broke after {there / 1e6:,.0f} of {file.size / 1e6:,.0f} MB.", hint, reason)
        for _ in range(10):
            if stop():
                raise Paused
            wait(min(0.05 * 2**tries, 1.0))


def _have(source: Source, file: RemoteFile, part: Path) -> int:
    """How much of this very file is there. A part of another file, or of another version of it, is taken away."""
    size = _size(part)
    if not size:
        return 0
    note = _read_note(part)
    if (
        note.get("path") != file.path
        or note.get("sha256") != file.sha256
        or note.get("repository") != source.repository
    ):
        part.unlink()
        return 0
    if file.size and size > file.size:
        part.unlink()
        return 0
    return size


def _stream(source: Source, file: RemoteFile, part: Path, have: int, stop: Callable[[], bool], told: Told) -> bool:
    """One request. True when the answer came to its end, False if it broke off. Raises `Paused`, `NetworkProblem`."""
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    etag = str(_read_note(part).get("etag", ""))
    if have and etag:
        headers |= {"Range": f"bytes={have}-", "If-Range": etag}
    request = urllib.request.Request(source.url, headers=headers)
    if source.token:
        request.add_unredirected_header("Authorization", f"Bearer {source.token}")
    try:
        answer = urllib.request.urlopen(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # the part does not fit what lies there now
                part.unlink(missing_ok=True)
                return False
            if error.code in (429, 500, 502, 503, 504):
                raise ConnectionError(f"status {error.code}") from None
            raise _said_no(source, error) from None
    with answer:
        start = _start(answer, have)
        whole = _whole_size(answer, start)
        if file.size and whole and whole != file.size:
            raise NetworkProblem(
                f"“{file.path}” has {whole:,} bytes on the server, not {file.size:,} as its list says.",
                "It was changed meanwhile. Look it up again.",
            )
        _write_note(part, source, file, answer.headers.get("ETag") or "")
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            at = _copy(answer, stream, start, stop, told)
    return at >= (whole or at)


def _copy(answer: Any, stream: IO[bytes], at: int, stop: Callable[[], bool], told: Told) -> int:  # Any: an open answer
    while True:
        if stop():
            raise Paused
        piece = answer.read1(PIECE)
        if not piece:
            return at
        stream.write(piece)
        at += len(piece)
        told(at)


def _start(answer: Any, have: int) -> int:  # Any: an open answer
    """Where the answer begins: 206 goes on, anything else begins anew."""
    if answer.status != 206:
        return 0
    unit, _, rest = (answer.headers.get("Content-Range") or "").partition(" ")
    begin = rest.partition("-")[0]
    if unit != "bytes" or not begin.isdigit() or int(begin) != have:
        raise ConnectionError("the server went on in another place")
    return have


def _whole_size(answer: Any, start: int) -> int:  # Any: an open answer
    length = answer.headers.get("Content-Length") or ""
    return start + int(length) if length.isdigit() else 0


def _check(file: RemoteFile, part: Path, stop: Callable[[], bool]) -> None:
    size = _size(part)
    if file.size and size != file.size:
        forget_part(part.with_name(part.name.removesuffix(PART)))
        raise NetworkProblem(f"“{file.path}” came with {size:,} bytes instead of {file.size:,}.", "Get it again.")
    if not file.sha256:
        return
    total = hashlib.sha256()
    with part.open("rb") as stream:
        while piece := stream.read(4 * 1024 * 1024):
            if stop():
                raise Paused
            total.update(piece)
    if total.hexdigest() != file.sha256:
        forget_part(part.with_name(part.name.removesuffix(PART)))
        detail = f"SHA-256 {total.hexdigest()} instead of {file.sha256}"
        raise NetworkProblem(
            f"“{file.path}” is not what the hub promised: its checksum is another one.",
            "It was thrown away. Get it again; if that happens twice, do not trust this source.",
            detail,
        )


def _is_whole(target: Path, file: RemoteFile) -> bool:
    return target.is_file() and bool(file.size) and target.stat().st_size == file.size


def _said_no(source: Source, error: urllib.error.HTTPError) -> NetworkProblem:
    code = str(error.headers.get("X-Error-Code") or "")
    if error.code == 403 or code == "GatedRepo":
        return refusal(source.repository, "gated", f"status {error.code} {code}")
    if error.code == 401:
        return refusal(source.repository, "token" if source.token else "missing", f"status 401 {code}")
    if error.code == 404:
        return NetworkProblem(
            f"“{source.repository}” no longer has that file.", "Look it up again.", f"status 404 {code}"
        )
    return refusal(source.repository, f"status {error.code}")


def _no_room(target: Path, error: OSError) -> StorageProblem:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageProblem(
            f"The disk is full: “{target.name}” is not whole yet.",
            "What came is kept. Make room, then press Continue.",
            str(error),
        )
    return StorageProblem(f"“{target.name}” cannot be written.", "Check the models folder and its disk.", str(error))


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path) -> dict[str, Any]:  # Any: JSON
    try:
        note = json.loads(_note(part).read_bytes()[:10_000])
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(part: Path, source: Source, file: RemoteFile, etag: str) -> None:
    strong = "" if etag.startswith("W/") else etag  # If-Range wants a strong one
    note = {"path": file.path, "repository": source.repository, "sha256": file.sha256, "etag": strong}
    if note != _read_note(part):
        write_whole(_note(part), json.dumps(note).encode(), sync=False)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
