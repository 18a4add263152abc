"""Plugins from folders and .zip files into a staging folder: every entry is judged before the first byte is written.

One bad entry rejects the whole. Nothing is ever written outside the staging folder.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from studio.core.errors import PluginProblem, StorageProblem
from studio.core.own_root import make_folders
from studio.plugins.bundle import ENTRIES_MAX, SKIPPED_FOLDERS, Bundle, read_bundle, walk
from studio.plugins.manifest import MANIFEST

TOTAL_MAX = 2 * 2**30  # bytes of all files together
RATIO_MAX, RATIO_FREE = 200, 2**20  # a file above 1 MB that unpacks to more than 200 times its size is a bomb
NAME_MAX, DEPTH_MAX = 240, 12
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{name}{i}" for name in ("com", "lpt") for i in "0123456789¹²³"
}
_FORBIDDEN = set('<>:"|?*\\')
_SKIPPED = {*SKIPPED_FOLDERS, "__MACOSX", ".DS_Store"}
_HINT = "Nothing was installed."
_CHUNK = 1 << 20
_STAGING, _STALE_SECONDS = ".staging-", 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One file to be copied: its name below the plugin's folder, its size, and how to open it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


@contextlib.contextmanager
def staged(source: Path, plugins: Path) -> Iterator[tuple[Path, Bundle]]:
    """The plugin of a folder or .zip, copied into a fresh folder beside its future place, and read.

    To be renamed within the block; what is left of it is removed after. Raises `PluginProblem`, `StorageProblem`.
    """
    _sweep(plugins)
    staging = plugins / f"{_STAGING}{secrets.token_hex(6)}"
    try:
        with _entries(source) as entries:
            _copy(_below_root(entries), staging)
        yield staging, read_bundle(staging, "")
    except OSError as error:
        raise StorageProblem(f"“{source.name}” could not be read or copied.", _HINT, str(error)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sweep(plugins: Path) -> None:
    """Remove what an installation left that was killed on the way."""
    with contextlib.suppress(OSError):
        for left in plugins.glob(f"{_STAGING}*"):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def to_trash(folder: Path, place: Path) -> Path:
    """Move a plugin's folder away, to a name that says when, which is returned. Raises OSError."""
    make_folders(place)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    target = place / f"{folder.name}-{stamp}-{secrets.token_hex(3)}"
    shutil.move(folder, target)
    return target


@contextlib.contextmanager
def _entries(source: Path) -> Iterator[list[Entry]]:
    if source.is_dir():
        yield _of_folder(source)
    elif not source.is_file():
        raise PluginProblem(f"There is nothing at “{source.name}”.", _HINT)
    else:
        try:
            with zipfile.ZipFile(source) as packed:
                yield _of_zip(packed)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise _bad(f"“{source.name}” is no .zip file, or a damaged one", str(error)) from None
        except (RuntimeError, ValueError, UnicodeError) as error:  # what zipfile raises for the odder kinds of damage
            raise _bad(f"“{source.name}” cannot be unpacked", str(error)) from None


def _of_folder(folder: Path) -> list[Entry]:
    entries = [Entry(name, file.stat().st_size, _opener(file)) for file, name in walk(folder, folder)]
    _check_all([entry.name for entry in entries], sum(entry.size for entry in entries))
    return entries


def _opener(file: Path) -> Callable[[], IO[bytes]]:
    return lambda: os.fdopen(
        os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)), "rb"
    )


def _of_zip(packed: zipfile.ZipFile) -> list[Entry]:
    infos = packed.infolist()
    if len(infos) > ENTRIES_MAX:
        raise _bad(f"The archive has {len(infos):,} entries, more than {ENTRIES_MAX:,}")
    for info in infos:
        _check_info(info)
    _check_all([info.orig_filename for info in infos], sum(info.file_size for info in infos))
    files = [info for info in infos if not info.orig_filename.endswith("/")]
    return [Entry(info.filename, info.file_size, lambda info=info: packed.open(info)) for info in files]  # type: ignore[misc]


def _check_info(info: zipfile.ZipInfo) -> None:
    name = _shown(info.orig_filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _bad(f"“{name}” in it is a link or no plain file")
    if kind == stat.S_IFDIR and not info.orig_filename.endswith("/"):
        raise _bad(f"“{name}” in it says that it is a folder, but is written as a file")
    if info.flag_bits & 0x1:
        raise _bad("It is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _bad(f"“{name}” in it is packed in a way that is not used for plugins")
    if info.orig_filename.endswith("/") and info.file_size:
        raise _bad(f"“{name}” in it is a folder with content")
    if info.file_size > RATIO_FREE and info.file_size > RATIO_MAX * max(info.compress_size, 1):
        raise _bad(f"“{name}” in it unpacks to {info.file_size // 2**20:,} MB out of almost nothing")


def _check_all(names: list[str], total: int) -> None:
    """Names are judged on every system by the strictest one's rules: an archive is good everywhere or nowhere."""
    if total > TOTAL_MAX:
        raise _bad(f"It unpacks to {total / 2**30:.1f} GB, more than {TOTAL_MAX // 2**30} GB")
    seen: set[str] = set()
    folders: set[str] = set()
    for name in names:
        why = _wrong_name(name)
        if why:
            raise _bad(f"“{_shown(name)}” in it {why}")
        key = _key(name.rstrip("/"))
        if key in seen:
            raise _bad(f"“{_shown(name)}” is in it twice, or only capitals differ")
        seen.add(key)
        if not name.endswith("/"):
            folders |= {f"f:{key}"}
    for key in seen:
        parents = key.split("/")[:-1]
        for i in range(len(parents)):
            if f"f:{'/'.join(parents[: i + 1])}" in folders:
                raise _bad(f"“{_shown(key)}” in it lies below something that is a file")
    _check_twin_folders(names)


def _check_twin_folders(names: list[str]) -> None:
    spelled: dict[str, str] = {}
    for name in names:
        parts = name.rstrip("/").split("/")
        for i in range(1, len(parts)):
            place = "/".join(parts[:i])
            if spelled.setdefault(_key(place), place) != place:
                raise _bad(f"“{_shown(place)}” is in it twice, and only capitals differ")


def _wrong_name(name: str) -> str:
    if name.startswith("/"):
        return "has an absolute path"
    if not name or len(name) > NAME_MAX:
        return "has no name, or too long a one"
    parts = name.removesuffix("/").split("/")
    if len(parts) > DEPTH_MAX:
        return "lies too deep"
    if any(not sign.isprintable() or sign in _FORBIDDEN for sign in name):
        return "has characters in its name that are not safe on every system"
    if any(part in ("", ".", "..") for part in parts):
        return "leads out of the plugin's folder"
    if any(part.endswith((".", " ")) or part.startswith(" ") for part in parts):
        return "has a name that begins or ends in a blank or a dot"
    if any(part.split(".")[0].rstrip().lower() in _DEVICES for part in parts):
        return "is named like a device"
    return ""


def _below_root(entries: list[Entry]) -> list[Entry]:
    """The files of the plugin, by their names below the folder that holds plugin.toml: the top one, or the only one."""
    kept = [entry for entry in entries if not _SKIPPED & set(entry.name.split("/"))]
    if any(entry.name == MANIFEST for entry in kept):
        return kept
    roots = {entry.name.split("/")[0] for entry in kept}
    if len(roots) != 1 or not any(entry.name == f"{min(roots)}/{MANIFEST}" for entry in kept):
        raise _bad(f"There is no {MANIFEST} in it, so it is no plugin")
    return [Entry(entry.name.split("/", 1)[1], entry.size, entry.open) for entry in kept]


def _copy(entries: list[Entry], staging: Path) -> None:
    for entry in entries:
        target = staging.joinpath(*entry.name.split("/"))
        make_folders(target.parent)
        with entry.open() as source, target.open("xb") as copy:
            left = entry.size
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise _bad(f"“{_shown(entry.name)}” in it is larger than it says")
                copy.write(chunk)
        if left:
            raise _bad(f"“{_shown(entry.name)}” in it is shorter than it says")


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def _shown(name: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name[:80])


def _bad(why: str, detail: str = "") -> PluginProblem:
    return PluginProblem(f"{why}.", _HINT, detail)
