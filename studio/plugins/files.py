"""Files by name and digest: found below a few folders, hashed once. Knows nothing of what is in them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from studio.core.errors import PluginProblem
from studio.core.plugins import Manifest
from studio.core.recipe import FileRef

_CHUNK = 1 << 20


class FileFinder:
    """Mutable state: digests already computed, by path, size and time of change. Thread-safe."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, int, int], str] = {}
        self._lock = threading.Lock()

    def digest(self, file: Path) -> str:
        """SHA-256 in hex of a file's bytes, computed once as long as its size and time stay. Raises OSError."""
        status = file.stat()
        key = (str(file), status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._digests.get(key)
        if known is None:
            known = digest_of(file)
            with self._lock:
                self._digests[key] = known
        return known

    def find(self, ref: FileRef, folders: Iterable[Path], plugin: str) -> Path:
        """The file of this name and digest below one of the folders. Raises `PluginProblem` if it is nowhere."""
        others = 0
        for file in _named(ref.name, folders):
            try:
                if self.digest(file) == ref.sha256:
                    return file
                others += 1
            except OSError:
                continue
        why = "other bytes lie under that name" if others else "it is not in the models folder or the plugin's"
        raise PluginProblem(
            f"The file “{ref.name}” for the plugin {plugin} was not found: {why}.",
            "Put it there, or choose the file again.",
            f"SHA-256 {ref.sha256}",
        )

    def check_own(self, manifest: Manifest, folder: Path) -> None:
        """The weights that a manifest names are there, to the byte. Raises `PluginProblem`."""
        for own in manifest.files:
            file = folder.joinpath(*own.path.split("/"))
            try:
                if file.stat().st_size != own.bytes or self.digest(file) != own.sha256:
                    raise _damaged(manifest.id, own.path, "is not the one it was published with")
            except OSError as error:
                raise _damaged(manifest.id, own.path, "cannot be read", str(error)) from None


def digest_of(file: Path) -> str:
    """SHA-256 in hex of a file's bytes. Raises OSError."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _named(name: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Compared by name, not as a pattern: a file may well be called “a[1].safetensors”."""
    for folder in folders:
        try:
            yield from (file for file in sorted(folder.rglob("*")) if file.name == name and file.is_file())
        except OSError:
            continue


def _damaged(id: str, path: str, why: str, detail: str = "") -> PluginProblem:
    return PluginProblem(f"The file “{path}” of the plugin {id} {why}.", "Install the plugin again.", detail)
