"""Carries out a download of several files: room checked before, bytes counted, all of it or a part that goes on later."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath

from studio.core.errors import StorageProblem, StudioError
from studio.core.hub import PICKLES, NetworkProblem, RemoteFile, Transfer, TransferState, is_safe_path
from studio.core.own_root import make_folders
from studio.core.safe_files import write_whole
from studio.engine.hub.download import Paused, Source, fetch_file, forget_part, part_size
from studio.engine.hub.make_safe import make_safe, safe_name

MARGIN = 256 * 1024 * 1024  # bytes to leave free for everything else


class Fetcher:
    """Carries out one transfer in the calling thread. `now` may be read from any thread while it runs.

    `root` is the models folder; `offline` is asked before and while anything is fetched, and is absolute.
    """

    def __init__(self, root: Path, offline: Callable[[], bool]) -> None:
        self._root, self._offline = root, offline
        self._lock = threading.Lock()
        self._now: Transfer | None = None
        self._begun, self._came = 0.0, 0

    @property
    def now(self) -> Transfer | None:
        """How far the transfer at work is."""
        with self._lock:
            return self._now

    def run(self, transfer: Transfer, token: str, stop: Callable[[], bool]) -> Transfer:
        """Bring all files. Returns the transfer as DONE, PAUSED or FAILED; raises nothing that an artist should read."""
        self._begun, self._came = time.monotonic(), 0
        self._tell(replace(transfer, state=TransferState.RUNNING, headline="", hint=""))
        try:
            self._check_before(transfer)
            for file in transfer.files:
                self._bring(transfer, file, token, stop)
            ended = replace(self._last(), state=TransferState.DONE, done=transfer.total, file="")
        except Paused:
            ended = replace(self._last(), state=TransferState.PAUSED)
        except StudioError as error:
            ended = replace(self._last(), state=TransferState.FAILED, headline=error.headline, hint=error.hint)
        ended = replace(ended, bytes_per_second=0.0)
        self._tell(ended)
        return ended

    def forget(self, transfer: Transfer) -> None:
        """Take away what came of files that are not whole. Those that are stay: they may be of use."""
        for file in transfer.files:
            with contextlib.suppress(OSError):
                forget_part(place_of(self._root, transfer, file))
        with contextlib.suppress(OSError):
            folder_of(self._root, transfer).rmdir()  # only if it is empty

    def missing_bytes(self, transfer: Transfer) -> int:
        """How much is still to come."""
        return transfer.total - sum(min(file.size, self._have(transfer, file)) for file in transfer.files)

    def _have(self, transfer: Transfer, file: RemoteFile) -> int:
        place = place_of(self._root, transfer, file)
        return file.size if _is_made_safe(transfer, place) else part_size(place)

    def _check_before(self, transfer: Transfer) -> None:
        if self._offline():
            raise NetworkProblem("The studio is set to stay offline.", "Switch “Stay offline” off to get models.")
        for file in transfer.files:
            if not is_safe_path(file.path, transfer.pickle):
                raise NetworkProblem(f"“{file.path[:80]}” is of a kind that is not fetched.", "Nothing was changed.")
        missing = self.missing_bytes(transfer)
        folder = folder_of(self._root, transfer)
        try:
            make_folders(folder)
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise StorageProblem("The models folder cannot be written.", "Check it and its disk.", str(error)) from None
        if missing and free < missing + MARGIN:
            raise StorageProblem(
                f"It needs {missing / 1e9:,.1f} GB, and the disk has {free / 1e9:,.1f} GB free.",
                "Make room, or let the models folder lie on another disk.",
            )

    def _bring(self, transfer: Transfer, file: RemoteFile, token: str, stop: Callable[[], bool]) -> None:
        if self._offline():
            raise NetworkProblem("The studio is set to stay offline.", "Switch “Stay offline” off to go on.")
        before = sum(one.size for one in transfer.files[: transfer.files.index(file)])
        path = urllib.parse.quote(file.path)
        url = f"{transfer.endpoint.rstrip('/')}/{transfer.repository}/resolve/{urllib.parse.quote(transfer.revision, safe='')}/{path}"
        first: list[int] = []

        place = place_of(self._root, transfer, file)
        if _is_made_safe(transfer, place):
            self._progress(transfer, file, before, file.size, 0)
            return

        def told(there: int) -> None:
            first.append(there) if not first else None
            self._progress(transfer, file, before, there, there - first[0])

        def checking() -> None:
            self._tell(replace(self._last(), state=TransferState.CHECKING))

        fetch_file(
            Source(url=url, repository=transfer.repository, token=token),
            file,
            place,
            lambda: stop() or self._offline(),
            told,
            checking,
        )
        if place.suffix.lower() in PICKLES:
            checking()
            make_safe(place, stop)
        self._came += max(0, file.size - (first[0] if first else 0))

    def _progress(self, transfer: Transfer, file: RemoteFile, before: int, there: int, came: int) -> None:
        seconds = max(time.monotonic() - self._begun, 0.001)
        speed = (self._came + came) / seconds if seconds > 0.2 else 0.0
        state = TransferState.RUNNING
        self._tell(
            replace(transfer, state=state, file=file.path, file_done=there, done=before + there, bytes_per_second=speed)
        )

    def _tell(self, transfer: Transfer) -> None:
        with self._lock:
            self._now = transfer

    def _last(self) -> Transfer:
        with self._lock:
            assert self._now is not None
            return self._now


def _is_made_safe(transfer: Transfer, place: Path) -> bool:
    """Whether a pickle was fetched and converted before."""
    return transfer.pickle and place.suffix.lower() in PICKLES and safe_name(place).is_file()


def folder_of(root: Path, transfer: Transfer) -> Path:
    """Where the files of a transfer go. Raises `StorageProblem` for a path that would leave the models folder."""
    pure = PurePosixPath(transfer.folder)
    if pure.is_absolute() or ".." in pure.parts or set(transfer.folder) & set("\\:\0"):
        raise StorageProblem("That folder is not below the models folder.", "Nothing was changed.", transfer.folder)
    return root.joinpath(*pure.parts)


def place_of(root: Path, transfer: Transfer, file: RemoteFile) -> Path:
    """Where one file goes."""
    parts = PurePosixPath(file.path).parts
    return folder_of(root, transfer).joinpath(*(parts[-1:] if transfer.flat else parts))


def save_transfers(file: Path, transfers: tuple[Transfer, ...]) -> None:
    """Remember downloads that are not done. Raises OSError."""
    open_ones = [asdict(one) for one in transfers if one.state is not TransferState.DONE]
    write_whole(file, json.dumps(open_ones).encode())


def load_transfers(file: Path) -> tuple[Transfer, ...]:
    """Downloads of an earlier session, all paused. A damaged file has none."""
    try:
        rows = json.loads(file.read_bytes())
        made = []
        for row in rows:
            files = tuple(RemoteFile(**one) for one in row.pop("files"))
            row |= {"state": TransferState.PAUSED, "bytes_per_second": 0.0}
            made.append(Transfer(files=files, **row))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return ()
    return tuple(made)
