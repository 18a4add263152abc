"""The bytes of a plugin's code, read once: what is hashed here is what is compiled. Runs nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import PluginProblem
from studio.core.plugins import Manifest
from studio.plugins.manifest import MANIFEST, read_manifest

HASHED = (".py", ".toml", ".json", ".txt", ".so", ".pyd", ".dll", ".dylib")  # texts, and libraries that it may load
SKIPPED_FOLDERS = ("__pycache__", ".git")  # caches are never read, and a checkout's own store is no code
ENTRIES_MAX = 4000
CODE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A plugin's folder at one moment.

    `code`: the bytes of every file of a `HASHED` kind by name below the folder ("sub/part.py"); `digest`: SHA-256
    in hex over those names and bytes; `listing`: (name, size) of every file, weights too.
    """

    folder: Path
    manifest: Manifest
    code: dict[str, bytes]
    digest: str
    listing: tuple[tuple[str, int], ...]


def read_bundle(folder: Path, id: str) -> Bundle:
    """Read a plugin's folder; its manifest must bear this id ("" for any).

    Raises `PluginProblem` in one sentence: no manifest, a bad one, a link among the files, too much, unreadable.
    """
    try:
        if folder.is_symlink():
            raise PluginProblem("Its folder is a link; the plugin itself must lie there.")
        code, listing = _read(folder)
    except OSError as error:
        raise PluginProblem("Its files cannot be read.", "Check the permissions of its folder.", str(error)) from None
    if MANIFEST not in code:
        raise PluginProblem(f"There is no {MANIFEST} in it, so it is no plugin.")
    manifest = read_manifest(code[MANIFEST], id)
    if "__init__.py" not in code:
        raise PluginProblem("There is no __init__.py in it, so nothing could run.")
    return Bundle(folder=folder, manifest=manifest, code=code, digest=digest_of(code), listing=listing)


def digest_of(code: dict[str, bytes]) -> str:
    """SHA-256 over sorted (name, SHA-256 of the bytes): lengths first, so that no two listings look the same."""
    whole = hashlib.sha256(b"studio plugin 1\n")
    for name in sorted(code):
        encoded = name.encode("utf-8", "surrogateescape")
        whole.update(len(encoded).to_bytes(8, "big") + encoded + hashlib.sha256(code[name]).digest())
    return whole.hexdigest()


def _read(folder: Path) -> tuple[dict[str, bytes], tuple[tuple[str, int], ...]]:
    code: dict[str, bytes] = {}
    listing: list[tuple[str, int]] = []
    total = 0
    for entry, name in walk(folder, folder):
        if name.lower().endswith(HASHED):
            code[name] = _bytes_of(entry, CODE_BYTES_MAX - total)
            total += len(code[name])
        listing.append((name, entry.stat().st_size))
    return code, tuple(sorted(listing))


def walk(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Every regular file below a folder with its name below `root`; caches are left out.

    Raises `PluginProblem` at a link, a device or more than 4000 entries; OSError.
    """
    for count, entry in enumerate(_entries(folder)):
        name = entry.relative_to(root).as_posix()
        mode = entry.lstat().st_mode
        if stat.S_ISLNK(mode) or not stat.S_ISREG(mode):
            raise PluginProblem(f"“{name[:80]}” in it is a link or no plain file.", "Put the file itself there.")
        if count >= ENTRIES_MAX:
            raise PluginProblem(f"It has more than {ENTRIES_MAX:,} files.")
        yield entry, name


def _entries(folder: Path) -> Iterator[Path]:
    """Everything below that is not a folder; links to folders count as entries and are not followed."""
    for place, folders, files in os.walk(folder, onerror=_raise, followlinks=False):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS and name not in links)
        yield from (Path(place) / name for name in sorted(files + links))


def _raise(error: OSError) -> None:
    raise error


def _bytes_of(file: Path, most: int) -> bytes:
    """The bytes of a plain file; a link put there since is not followed."""
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise PluginProblem(f"Its code and texts are larger than {CODE_BYTES_MAX // 2**20} MB.")
    return data
