"""Small files that are either the old or the new one, whatever happens in between. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from pathlib import Path

from studio.core.own_root import make_folders

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PART = ".part"
_LOCKED_BYTE = 1 << 30  # on Windows, far behind anything that is written: a locked byte cannot be read there
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF, errno.EACCES}


def write_whole(file: Path, data: bytes, sync: bool = True) -> None:
    """Write a file so that a crash or a power cut leaves the old one or the new one, never a mixture.

    `sync=False` leaves out waiting for the disk: safe against the end of the process, not against a power cut.
    Raises OSError, `RootGone` too; then the old file is as it was and no part is left.
    """
    make_folders(file.parent)
    part = file.with_name(f"{file.name}.{os.getpid()}-{secrets.token_hex(3)}{PART}")
    try:
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        os.replace(part, file)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    if sync:
        sync_names(file.parent)


def clear_parts(folder: Path) -> None:
    """Remove what kills left of `write_whole` in a folder that nobody else writes to. Raises nothing."""
    with contextlib.suppress(OSError):
        for part in folder.glob(f"*.json.*{PART}"):
            with contextlib.suppress(OSError):
                part.unlink()


def sync_names(folder: Path) -> None:
    """Make the names in a folder durable where the system knows how. Raises OSError for a real disk error."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in _NO_FOLDER_SYNC:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def hold(descriptor: int) -> bool:
    """Lock an open file until it is closed or the process ends, however it ends. False: somebody else holds it.

    Where a file system knows no locks this says True.
    """
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def is_held(file: Path) -> bool:
    """Whether a living process holds this file."""
    try:
        descriptor = os.open(file, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return not hold(descriptor)
    finally:
        os.close(descriptor)
