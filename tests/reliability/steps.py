"""Makes each step of a save say its name, so that it can be killed there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from studio.gallery import png
from studio.gallery.index import Index

PIECE = 16_384
REAL_WRITE = os.write


def announcing(pipe: int) -> None:
    """Make each step of a save say its name before it happens, and writing slow enough to be hit in the middle."""

    def say(step: str) -> None:
        REAL_WRITE(pipe, f"S {step}\n".encode())

    def wrapped(owner: object, name: str, step_of: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def call(*args: object, **kwargs: object) -> object:
            step = step_of(*args)
            if step:
                say(step)
            return real(*args, **kwargs)

        setattr(owner, name, call)

    wrapped(png, "encode", lambda *_: "encode")
    wrapped(os, "open", lambda _path, flags, *_: "create" if flags & os.O_EXCL else "")
    wrapped(os, "fsync", lambda fd: "folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "fsync")
    wrapped(os, "link", lambda *_: "rename")
    wrapped(Index, "insert", lambda _index, rows: "row" if rows else "")

    def slow_write(descriptor: int, data: bytes) -> int:
        say("write")
        return REAL_WRITE(descriptor, bytes(data[:PIECE]))

    os.write = slow_write
