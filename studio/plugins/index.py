"""An index: a JSON list of plugins that somebody keeps, to browse, search and install from. A file or an address.

Format: a list of {"id", "name", "version", "api", "description", "picture", "sha256", "path"}; `path` and `picture`
are relative to the index and lie beside or below it. `sha256` is that of the .zip's bytes, or for a folder the digest
of its code as the consent dialog shows it. An address (http, https) is fetched when it is read or installed from, each
time on the artist's wish; what it offers are .zip files.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from studio.core.errors import PluginProblem
from studio.core.plugins import PluginInfo
from studio.plugins import network
from studio.plugins.bundle import read_bundle
from studio.plugins.files import digest_of
from studio.plugins.manifest import API, is_id

INDEX_NAME = "index.json"
INDEX_BYTES_MAX, ENTRIES_MAX = 8 * 1024 * 1024, 10_000
ARCHIVE_BYTES_MAX, PICTURE_BYTES_MAX = 512 * 1024 * 1024, 2 * 1024 * 1024
INDEX_SECONDS, PICTURE_SECONDS, ARCHIVE_SECONDS = 20.0, 5.0, 600.0
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LENGTHS = {"id": 48, "name": 80, "version": 48, "description": 600, "path": 400, "sha256": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One plugin that an index offers. `picture` is None when there is none; `source` is a .zip or a folder.

    Both are paths for an index in a file, addresses for one on the network.
    """

    id: str
    name: str
    version: str
    api: int
    description: str
    picture: Path | str | None
    sha256: str
    source: Path | str


class Installer(Protocol):
    """The shelf, as far as installing goes."""

    def install(self, source: Path, /) -> PluginInfo: ...


def read_index(place: Path | str) -> tuple[IndexEntry, ...]:
    """What an index offers, by name: a file, a folder with an index.json, or an address, which is fetched now.

    Raises `PluginProblem` with a sentence that names the entry; one bad entry makes the list unusable.
    """
    if isinstance(place, str) and network.is_address(place):
        name, data = network.host_of(place), network.fetch(place, INDEX_BYTES_MAX, INDEX_SECONDS)
        base: Path | str = place.strip()
    else:
        file = Path(place)
        file = file / INDEX_NAME if file.is_dir() else file
        name, data, base = file.name, _bytes_of(file), file.parent
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PluginProblem(f"The index “{name}” is not JSON.", "Choose another one.", str(error)) from None
    if not isinstance(fields, list) or len(fields) > ENTRIES_MAX:
        raise PluginProblem(f"The index “{name}” is not a list of plugins.", "Choose another one.")
    entries = [_entry(entry, i + 1, base) for i, entry in enumerate(fields)]
    return tuple(sorted(entries, key=lambda entry: (entry.name.casefold(), entry.id)))


def fetch_picture(address: str) -> bytes:
    """The picture of an entry on the network. Raises `PluginProblem`."""
    return network.fetch(address, PICTURE_BYTES_MAX, PICTURE_SECONDS)


def _bytes_of(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(INDEX_BYTES_MAX + 1)
    except OSError as error:
        raise PluginProblem(f"The index “{file.name}” cannot be read.", "Choose another file.", str(error)) from None
    if len(data) > INDEX_BYTES_MAX:
        raise PluginProblem(f"The index “{file.name}” is too large.", "Choose another file.")
    return data


def search(entries: Iterable[IndexEntry], words: str) -> tuple[IndexEntry, ...]:
    """The entries in which every word occurs, in id, name or description; capitals do not matter."""
    wanted = words.casefold().split()
    return tuple(
        entry
        for entry in entries
        if all(word in f"{entry.id} {entry.name} {entry.description}".casefold() for word in wanted)
    )


def install(entry: Any, shelf: Installer) -> PluginInfo:  # Any: the window carries an entry without knowing it
    """Install what an entry offers, fetched now if it lies on the network, if its bytes are those that the index names.

    Raises `PluginProblem`, `StorageProblem`.
    """
    if not isinstance(entry, IndexEntry):
        raise PluginProblem("This is not an entry of an index.", "Nothing was installed.")
    if entry.api != API:
        raise PluginProblem(
            f"“{entry.name}” is made for version {entry.api} of the plugin door; this studio has {API}.",
            "Nothing was installed.",
        )
    if isinstance(entry.source, Path):
        _check_bytes(entry, entry.source)
        return shelf.install(entry.source)
    with tempfile.TemporaryDirectory(prefix="studio-plugin-") as folder:
        archive = Path(folder) / f"{entry.id}.zip"
        network.fetch_to(entry.source, archive, ARCHIVE_BYTES_MAX, ARCHIVE_SECONDS)
        _check_bytes(entry, archive)
        return shelf.install(archive)


def _check_bytes(entry: IndexEntry, source: Path) -> None:
    try:
        found = read_bundle(source, "").digest if source.is_dir() else digest_of(source)
    except OSError as error:
        raise PluginProblem(f"The file of “{entry.name}” is not there.", "Nothing was installed.", str(error)) from None
    if found != entry.sha256:
        raise PluginProblem(
            f"“{entry.name}” is not what its index describes: the digests differ.",
            "Nothing was installed. Fetch it again, or tell who keeps the index.",
            f"expected {entry.sha256}, found {found}",
        )


def _entry(fields: Any, number: int, base: Path | str) -> IndexEntry:  # Any: what json gave
    def bad(why: str) -> PluginProblem:
        return PluginProblem(f"Entry {number} of the index {why}.", "Tell who keeps the index.")

    if not isinstance(fields, dict):
        raise bad("is not an object")
    texts: dict[str, str] = {}
    for name, longest in _LENGTHS.items():
        value = fields.get(name)
        if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
            raise bad(f"has no usable “{name}”")
        texts[name] = value
    if not is_id(texts["id"]) or not _DIGEST.fullmatch(texts["sha256"]):
        raise bad("has no usable “id” or “sha256”")
    api, picture = fields.get("api"), fields.get("picture", "")
    if isinstance(api, bool) or not isinstance(api, int) or not isinstance(picture, str):
        raise bad("has no usable “api” or “picture”")
    return IndexEntry(
        id=texts["id"],
        name=texts["name"],
        version=texts["version"],
        api=api,
        description=texts["description"],
        picture=_below(base, picture, bad) if picture else None,
        sha256=texts["sha256"],
        source=_below(base, texts["path"], bad),
    )


def _below(base: Path | str, path: str, bad: Callable[[str], PluginProblem]) -> Path | str:
    if "://" in path:
        raise bad("names an address; what it offers has to lie beside it")
    if path.startswith("/") or "\\" in path or ":" in path or ".." in path.split("/"):
        raise bad(f"names the file “{path}”, which does not lie beside the index")
    return base.joinpath(*path.split("/")) if isinstance(base, Path) else network.below(base, path)
