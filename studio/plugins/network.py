"""The one door of the plugin room to the network: an address that the artist gave is fetched, then and not otherwise.

Nothing of the artist is sent: no cookies, no credentials, no name. One host is asked, the one that stands in the
address; how much and how long is limited, and what comes is bytes to be checked, never code to be run.
"""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from studio.core.errors import PluginProblem, StorageProblem

REDIRECTS_MAX = 3
ANSWER_SECONDS = 10.0  # for each answer of the other side
_CHUNK = 1 << 16
_NOTHING = "Nothing was installed or changed."


def is_address(text: str) -> bool:
    """Whether a text is meant as an address on the network, not as a file."""
    return text.strip().lower().startswith(("http://", "https://"))


def host_of(address: str) -> str:
    """The host (and port) of an address, to be shown before it is asked. Raises `PluginProblem`."""
    return _parts(address).netloc


def below(base: str, path: str) -> str:
    """The address of a file that lies beside or below another one; `path` was checked to lead nowhere else."""
    return urllib.parse.urljoin(base, urllib.parse.quote(path))


def fetch(address: str, bytes_max: int, seconds: float) -> bytes:
    """What lies at an address. Raises `PluginProblem` in words: no answer, refused, too large, too slow, sent elsewhere."""
    parts: list[bytes] = []
    _fetch(address, bytes_max, seconds, parts.append)
    return b"".join(parts)


def fetch_to(address: str, file: Path, bytes_max: int, seconds: float) -> None:
    """The same into a file that is not there yet. Raises `PluginProblem`, `StorageProblem`; then there is no file."""
    try:
        with file.open("xb") as stream:
            _fetch(address, bytes_max, seconds, stream.write)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise StorageProblem(f"“{file.name}” could not be kept.", _NOTHING, str(error)) from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _fetch(address: str, bytes_max: int, seconds: float, keep: Callable[[bytes], object]) -> None:
    parts = _parts(address)
    deadline = time.monotonic() + seconds
    headers = {"User-Agent": "Diffusion-Studio", "Accept-Encoding": "identity"}
    request = urllib.request.Request(urllib.parse.urlunsplit(parts), headers=headers)
    try:
        with contextlib.closing(_opener(parts).open(request, timeout=min(ANSWER_SECONDS, seconds))) as answer:
            _read(answer, parts.netloc, bytes_max, deadline, keep)
    except PluginProblem:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        elsewhere = "sends you on to where nobody asked, or round and round"  # the standard library refused it already
        why = elsewhere if 300 <= error.code < 400 else f"answered {error.code} {error.reason}"
        raise _failed(parts.netloc, why) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        slow = isinstance(reason, TimeoutError)
        raise _failed(parts.netloc, "did not answer in time" if slow else "could not be asked", str(reason)) from None


def _read(answer: IO[bytes], host: str, bytes_max: int, deadline: float, keep: Callable[[bytes], object]) -> None:
    total, told = 0, getattr(answer, "length", None)  # what the other side says; None if it does not
    if told is not None and told > bytes_max:
        raise _failed(host, f"offers {told / 2**20:.0f} MB, more than {bytes_max / 2**20:.0f} MB")
    while chunk := answer.read(_CHUNK):
        total += len(chunk)
        if total > bytes_max:
            raise _failed(host, f"sends more than {bytes_max / 2**20:.0f} MB")
        if time.monotonic() > deadline:
            raise _failed(host, "was too slow")
        keep(chunk)
    if told is not None and total < told:
        raise _failed(host, f"broke off after {total:,} of {told:,} bytes")


def _parts(address: str) -> urllib.parse.SplitResult:
    text = address.strip()
    try:
        parts = urllib.parse.urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(text) > 2000 or not text.isprintable() or " " in text:
        raise PluginProblem(f"“{text[:120]}” is not an address that can be asked.", "Write https://… to an index file.")
    if parts.username is not None or parts.password is not None:
        raise PluginProblem("An address with a name or a password in it is not asked.", "Give it without them.")
    return parts._replace(scheme=parts.scheme.lower(), fragment="")


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to the host that was shown, and from https never to http."""

    max_redirections = REDIRECTS_MAX

    def __init__(self, asked: urllib.parse.SplitResult) -> None:
        self._asked = asked

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:  # Any: the standard library's own
        target = urllib.parse.urlsplit(newurl)
        down = self._asked.scheme == "https" and target.scheme != "https"
        if target.scheme not in ("http", "https") or down or target.hostname != self._asked.hostname:
            where = f"{target.scheme}://{target.netloc}"[:120]
            raise _failed(self._asked.netloc, f"sends you on to {where}, which was not asked for")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(asked: urllib.parse.SplitResult) -> urllib.request.OpenerDirector:
    """Knows http and https only: no files, no ftp, no data in the address, no passwords."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _SameHost(asked),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _failed(host: str, why: str, detail: str = "") -> PluginProblem:
    return PluginProblem(f"{host} {why}.", f"{_NOTHING} Check the address, or save the file and open it.", detail)
