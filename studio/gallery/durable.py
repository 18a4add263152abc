"""Files that are either whole or absent, also after a kill or a power cut. Knows nothing of pictures."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from studio.core.errors import RootGone, StorageProblem
from studio.core.own_root import check
from studio.core.safe_files import sync_names

if sys.platform != "win32":
    import fcntl

PART = ".part"
_PART_NAME = re.compile(r"(?P<final>.+)\.[0-9a-f]{8}\.part")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_YOUNG_SECONDS = 60.0


def write_new(file: Path, data: bytes) -> None:
    """Write a file that did not exist, so that its name appears only once every byte of it is on disk.

    The order is: exclusive `.part` in the target folder, write, fsync, rename without overwriting, fsync of the
    folder. Raises FileExistsError when the name is taken, OSError for anything the disk refuses; no `.part` is left.
    """
    make_folder(file.parent)
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}{PART}")
    try:
        with _locked_part(part) as descriptor:
            _write_all(descriptor, data)
            os.fsync(descriptor)
            if sys.platform != "win32":
                rename_new(part, file)
        if sys.platform == "win32":  # an open file cannot be renamed there
            rename_new(part, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    try:
        sync_names(file.parent)
    except OSError:  # the name may not outlive a power cut: then it must not be there at all, or it will be there twice
        with contextlib.suppress(OSError):
            os.unlink(file)
        raise


def move_new(source: Path, target: Path) -> None:
    """Move a file to a name that must be free, on disk when this returns. Raises OSError."""
    make_folder(target.parent)
    rename_new(source, target)
    sync_names(target.parent)
    sync_names(source.parent)


def move_once(source: Path, target: Path) -> None:
    """As `move_new`, but finishes a move that a kill interrupted and is content with one already done."""
    if not target.exists():
        move_new(source, target)
    elif source.exists():
        if not os.path.samefile(source, target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        os.unlink(source)  # the kill came between the two halves of a rename by link
        sync_names(source.parent)


def rename_new(source: Path, target: Path) -> None:
    """Rename without overwriting: on POSIX `os.rename` replaces silently, a link does not. Raises FileExistsError."""
    if sys.platform == "win32":
        os.rename(source, target)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):  # a file system without hard links: ids are unguessable, so looking first is enough
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.rename(source, target)
        return
    os.unlink(source)


def make_folder(folder: Path) -> None:
    """Create a folder with its parents; each new name is on disk when this returns. Raises OSError, `RootGone` too."""
    check(folder)
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    sync_names(folder.parent)


def leftover_parts(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Each `.part` below a folder that no living process is writing, with the final name it was meant for.

    It stays locked while the caller looks at it. A part in work is recognised by its lock, not by a process id,
    because locks end with the process and ids are used again.
    """
    for part in sorted(folder.rglob("*" + PART)):
        match = _PART_NAME.fullmatch(part.name)
        if match is None:
            continue
        with contextlib.suppress(OSError), _try_lock(part) as ours:
            if ours:
                yield part, part.with_name(match["final"])


def read_regular(file: Path, limit: int) -> bytes:
    """The bytes of a regular file; never waits on a pipe and never reads a device.

    Raises OSError; ValueError with a few words ("is a folder") for what is no regular file or is above `limit` bytes.
    """
    _check_regular(os.stat(file), limit)  # before opening: opening alone can wake a device
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_regular(os.fstat(descriptor), limit)  # and what was opened in the end
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise ValueError(f"grew above the limit of {limit / 1e6:.0f} MB")
    return data


def storage_problem(what: str, kept: str, folder: Path, error: BaseException) -> StorageProblem:
    """What the artist reads when the disk refuses: what failed and why, what was kept, what to do in which folder."""
    code = error.errno if isinstance(error, OSError) else None
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, RootGone):
        return StorageProblem(f"{what} because {error.why}; {kept}.", error.hint, detail)
    if code in _FULL:
        hint = f"Free some space for {folder}, then try again."
        return StorageProblem(f"{what} because the disk is full; {kept}.", hint, detail)
    if code in _FORBIDDEN:
        hint = f"Allow writing to {folder} or use another data folder, then try again."
        return StorageProblem(f"{what} because the folder does not allow it; {kept}.", hint, detail)
    reason = (os.strerror(code) if code else str(error) or type(error).__name__).lower()
    return StorageProblem(f"{what} ({reason}); {kept}.", f"Check the folder {folder}, then try again.", detail)


@contextlib.contextmanager
def _locked_part(part: Path) -> Iterator[int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(part, flags, 0o666)
    try:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # a share without locks: then age alone protects the part
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _try_lock(part: Path) -> Iterator[bool]:
    descriptor = os.open(part, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    try:
        status = os.fstat(descriptor)
        just_created = status.st_size == 0 and time.time() - status.st_mtime < _YOUNG_SECONDS  # perhaps not yet locked
        ours = stat.S_ISREG(status.st_mode) and not just_created
        if ours and sys.platform != "win32":
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                ours = False
        if sys.platform != "win32":
            yield ours
            return
    finally:
        os.close(descriptor)
    yield ours


def _check_regular(status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is a folder" if stat.S_ISDIR(status.st_mode) else "is not an ordinary file")
    if status.st_size > limit:
        raise ValueError(f"is {status.st_size / 1e6:.0f} MB large, above the limit of {limit / 1e6:.0f} MB")


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
