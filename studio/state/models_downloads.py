"""Downloads for the window: looked up, carried out one after the other, paused, gone on with. Nothing unasked."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from studio.core.errors import StudioError
from studio.core.hub import NetworkProblem, RemoteFile, Repository, Starter, Transfer, TransferState, offline_problem
from studio.engine.hub.fetch import Fetcher, load_transfers, save_transfers
from studio.engine.hub.resolve import clean_name, list_repository
from studio.engine.hub.starters import load_starters
from studio.engine.hub.tokens import TokenSafe
from studio.state.background import Background

TICK_MS = 200
OPEN = (TransferState.WAITING, TransferState.RUNNING, TransferState.CHECKING)


class Downloads(QObject):
    """All methods belong to the UI thread and return at once.

    Mutable state: `transfers` in the order they were wished, `_running` (the id at work), `_stop` (for it),
    `_looking` (how many look-ups are out).

    Signals: `changed()`; `found(Repository)` - a look-up's answer; `arrived(Transfer)` - all its files are there;
    `failed(StudioError)` - a look-up or a token that could not be kept.
    """

    changed = Signal()
    found = Signal(object)
    arrived = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        root: Path,
        kept: Path,
        tokens: TokenSafe,
        offline: Callable[[], bool],
        endpoint: Callable[[], str],
        asks: Background,
        lines: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._fetcher, self._root = Fetcher(root, offline), root
        self._kept, self._tokens, self._offline, self._endpoint = kept, tokens, offline, endpoint
        self._asks, self._lines = asks, lines
        self._transfers: tuple[Transfer, ...] = ()
        self._running = ""
        self._stop = threading.Event()
        self._gone: set[str] = set()  # to be taken away once the line has let go of them
        self._looking = 0
        self._asked: set[str] = set()  # ids of starters that the hub is asked for
        self._has_token = False
        self._numbers = itertools.count(1)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    # What is known
    @property
    def transfers(self) -> tuple[Transfer, ...]:
        return self._transfers

    @property
    def looking(self) -> bool:
        """Whether the hub is being asked."""
        return self._looking > 0

    @property
    def has_token(self) -> bool:
        """Whether a token is kept (known after `read_kept`)."""
        return self._has_token

    @property
    def offline(self) -> bool:
        return self._offline()

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        return self._root

    def is_asked(self, starter: Starter) -> bool:
        """Whether the hub is being asked for this starter, so that it can be fetched."""
        return starter.id in self._asked

    def starters(self) -> tuple[Starter, ...]:
        """The well-known things. A damaged list is none."""
        try:
            return load_starters()
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def transfer_of(self, repository: str, folder: str) -> Transfer | None:
        """The download of this repository into this folder, if there is one."""
        same = (one for one in self._transfers if one.repository == repository and one.folder == folder)
        return next(same, None)

    # Wishes
    def read_kept(self) -> None:
        """Bring back the downloads of earlier sessions, paused; and learn whether there is a token."""
        self._asks.run(lambda: (load_transfers(self._kept), bool(self._tokens.read())), self._on_kept)

    def look_up(self, name: str) -> None:
        """Ask what a repository holds; `found` or `failed` answers."""
        self._ask(name, "", self.found.emit)

    def get(self, starter: Starter) -> None:
        """Look a starter up and fetch it. One that asks for consent first is only shown (`found`) while no token is kept."""

        def start(repository: Repository) -> None:
            self._asked.discard(starter.id)
            if repository.gate and not self._has_token:
                self.found.emit(repository)
                return
            try:
                files = repository.choice(starter.files) if starter.files else repository.whole_model()
                if not files:
                    raise _nothing_safe(repository.id)
            except NetworkProblem as error:
                self.failed.emit(error)
                return
            flat = bool(starter.files)
            self.start(repository, files, starter.into, starter.title, flat, starter.pickle)

        self._asked.add(starter.id)
        self._ask(starter.repository, starter.revision, start, partial(self._asked.discard, starter.id))

    def start(
        self,
        repository: Repository,
        files: tuple[RemoteFile, ...],
        folder: str,
        title: str,
        flat: bool = False,
        pickle: bool = False,
    ) -> None:
        """Fetch these files of a repository. The same wish twice goes on with the first."""
        same = (
            one for one in self._transfers if (one.repository, one.folder, one.files) == (repository.id, folder, files)
        )
        known = next((one for one in same if one.state is not TransferState.DONE), None)
        if known is not None:
            self.go_on(known.id)
            return
        made = Transfer(
            id=f"{next(self._numbers)}-{repository.id}",
            title=title,
            repository=repository.id,
            revision=repository.revision,
            files=files,
            folder=folder,
            endpoint=repository.endpoint,
            flat=flat,
            pickle=pickle,
        )
        self._transfers = (*self._transfers, made)
        self._keep()
        self._next()

    def pause(self, transfer_id: str) -> None:
        """Stop for now; what came is kept."""
        if transfer_id == self._running:
            self._stop.set()
        else:
            self._put(transfer_id, state=TransferState.PAUSED)

    def go_on(self, transfer_id: str) -> None:
        """Go on where it stopped."""
        self._put(transfer_id, state=TransferState.WAITING, headline="", hint="")
        self._next()

    def cancel(self, transfer_id: str) -> None:
        """Stop and take away what is not whole; one that is done is only taken off the list."""
        self._gone.add(transfer_id)
        if transfer_id == self._running:
            self._stop.set()
        else:
            self._clear_gone()

    def keep_token(self, token: str) -> None:
        """Keep the artist's token, or forget it if it is empty."""

        def kept(where: str) -> None:
            self._has_token = bool(where)
            self.changed.emit()

        self._asks.run(partial(self._tokens.keep, token.strip()), kept, self.failed.emit)

    def close(self) -> None:
        """Stop the line; the threads can be closed then. What is open goes on after the next start."""
        self._stop.set()
        self._timer.stop()

    def _ask(
        self, name: str, revision: str, done: Callable[[Repository], None], over: Callable[[], None] = lambda: None
    ) -> None:
        """`done(repository)`; or `over()`, and `failed`."""
        if self._offline():
            over()
            self.failed.emit(offline_problem())
            return
        try:
            repository = clean_name(name)
        except NetworkProblem as error:
            over()
            self.failed.emit(error)
            return
        self._looking += 1
        self.changed.emit()
        endpoint, tokens = self._endpoint(), self._tokens

        def answered(repository: Repository) -> None:
            self._looking -= 1
            done(repository)
            self.changed.emit()

        def refused(error: StudioError) -> None:
            self._looking -= 1
            over()
            self.changed.emit()
            self.failed.emit(error)

        self._asks.run(lambda: list_repository(repository, revision, endpoint, tokens.read()), answered, refused)

    def _on_kept(self, kept: tuple[tuple[Transfer, ...], bool]) -> None:
        known = {one.id for one in self._transfers}
        self._transfers = (*(one for one in kept[0] if one.id not in known), *self._transfers)
        self._has_token = kept[1]
        self._numbers = itertools.count(len(self._transfers) + 1000)
        self.changed.emit()

    def _next(self) -> None:
        waiting = next((one for one in self._transfers if one.state is TransferState.WAITING), None)
        if self._running or waiting is None:
            self.changed.emit()
            return
        self._running = waiting.id
        self._stop = threading.Event()
        self._put(waiting.id, state=TransferState.RUNNING)
        self._timer.start()
        stop, fetcher, tokens = self._stop.is_set, self._fetcher, self._tokens
        self._lines.run(lambda: fetcher.run(waiting, tokens.read(), stop), self._on_ended, self._on_broken)

    def _tick(self) -> None:
        now = self._fetcher.now
        if now is not None and now.id == self._running and now.state in OPEN:
            self._transfers = tuple(now if one.id == now.id else one for one in self._transfers)
            self.changed.emit()

    def _on_ended(self, ended: Transfer) -> None:
        self._running = ""
        self._timer.stop()
        self._transfers = tuple(ended if one.id == ended.id else one for one in self._transfers)
        self._clear_gone()
        self._keep()
        if ended.state is TransferState.DONE:
            self.arrived.emit(ended)
        self._next()

    def _on_broken(self, error: StudioError) -> None:
        broken = self._running
        self._running = ""
        self._timer.stop()
        self._put(broken, state=TransferState.FAILED, headline=error.headline, hint=error.hint)
        self._next()

    def _put(self, transfer_id: str, **changes: object) -> None:
        self._transfers = tuple(
            replace(one, **changes) if one.id == transfer_id else one  # type: ignore[arg-type]  # fields of Transfer
            for one in self._transfers
        )
        self._keep()
        self.changed.emit()

    def _clear_gone(self) -> None:
        for one in self._transfers:
            if one.id in self._gone and one.id != self._running and one.state is not TransferState.DONE:
                self._lines.run(partial(self._fetcher.forget, one), lambda _: None)
        self._transfers = tuple(one for one in self._transfers if one.id not in self._gone or one.id == self._running)
        self._gone &= {one.id for one in self._transfers}
        self._keep()
        self.changed.emit()

    def _keep(self) -> None:
        transfers, file = self._transfers, self._kept

        def save() -> None:
            with contextlib.suppress(OSError):  # a full disk: the parts on it are found again all the same
                save_transfers(file, transfers)

        self._asks.run(save, lambda _: None)


def _nothing_safe(repository: str) -> NetworkProblem:
    return NetworkProblem(
        f"“{repository}” offers nothing that is safe to open.",
        "Its weights are pickles (.bin, .ckpt, .pth), which can run programs. Look for one with .safetensors files.",
    )
