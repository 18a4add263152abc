"""An index: a JSON list of plugins that somebody keeps, to browse, search and install from. Local files only.

Format: a list of {"id", "name", "version", "api", "description", "picture", "sha256", "path"}; `path` and `picture`
are relative to the index file and lie beside or below it. `sha256` is that of the .zip's bytes, or for a folder the
digest of its code as the consent dialog shows it. Addresses (http, https) are not fetched: this version has no network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from studio.core.errors import PluginProblem
from studio.core.plugins import PluginInfo
from studio.plugins.bundle import read_bundle
from studio.plugins.files import digest_of
from studio.plugins.manifest import API, is_id

INDEX_NAME = "index.json"
INDEX_BYTES_MAX, ENTRIES_MAX = 8 * 1024 * 1024, 10_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LENGTHS = {"id": 48, "name": 80, "version": 48, "description": 600, "path": 400, "sha256": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One plugin that an index offers. `picture` is None when there is none; `source` is a .zip or a folder."""

    id: str
    name: str
    version: str
    api: int
    description: str
    picture: Path | None
    sha256: str
    source: Path


class Installer(Protocol):
    """The shelf, as far as installing goes."""

    def install(self, source: Path, /) -> PluginInfo: ...


def read_index(file: Path) -> tuple[IndexEntry, ...]:
    """What an index file (or a folder with an index.json) offers, by name.

    Raises `PluginProblem` with a sentence that names the entry; one bad entry makes the list unusable.
    """
    if str(file).lower().startswith(("http:", "https:")):
        raise PluginProblem(
            "The studio does not fetch anything from the network.", "Save the index, then open the file."
        )
    file = file / INDEX_NAME if file.is_dir() else file
    try:
        with file.open("rb") as stream:
            data = stream.read(INDEX_BYTES_MAX + 1)
        if len(data) > INDEX_BYTES_MAX:
            raise PluginProblem(f"The index “{file.name}” is too large.", "Choose another file.")
        fields = json.loads(data)
    except OSError as error:
        raise PluginProblem(f"The index “{file.name}” cannot be read.", "Choose another file.", str(error)) from None
    except (ValueError, RecursionError) as error:
        raise PluginProblem(f"The index “{file.name}” is not JSON.", "Choose another file.", str(error)) from None
    if not isinstance(fields, list) or len(fields) > ENTRIES_MAX:
        raise PluginProblem(f"The index “{file.name}” is not a list of plugins.", "Choose another file.")
    entries = [_entry(entry, i + 1, file.parent) for i, entry in enumerate(fields)]
    return tuple(sorted(entries, key=lambda entry: (entry.name.casefold(), entry.id)))


def search(entries: Iterable[IndexEntry], words: str) -> tuple[IndexEntry, ...]:
    """The entries in which every word occurs, in id, name or description; capitals do not matter."""
    wanted = words.casefold().split()
    return tuple(
        entry
        for entry in entries
        if all(word in f"{entry.id} {entry.name} {entry.description}".casefold() for word in wanted)
    )


def install(entry: Any, shelf: Installer) -> PluginInfo:  # Any: the window carries an entry without knowing it
    """Install what an entry offers, if its bytes are those that the index names. Raises `PluginProblem`."""
    if not isinstance(entry, IndexEntry):
        raise PluginProblem("This is not an entry of an index.", "Nothing was installed.")
    if entry.api != API:
        raise PluginProblem(
            f"“{entry.name}” is made for version {entry.api} of the plugin door; this studio has {API}.",
            "Nothing was installed.",
        )
    _check_bytes(entry)
    return shelf.install(entry.source)


def _check_bytes(entry: IndexEntry) -> None:
    try:
        found = read_bundle(entry.source, "").digest if entry.source.is_dir() else digest_of(entry.source)
    except OSError as error:
        raise PluginProblem(f"The file of “{entry.name}” is not there.", "Nothing was installed.", str(error)) from None
    if found != entry.sha256:
        raise PluginProblem(
            f"“{entry.name}” is not what its index describes: the digests differ.",
            "Nothing was installed. Fetch it again, or tell who keeps the index.",
            f"expected {entry.sha256}, found {found}",
        )


def _entry(fields: Any, number: int, base: Path) -> IndexEntry:  # Any: what json gave
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


def _below(base: Path, path: str, bad: Callable[[str], PluginProblem]) -> Path:
    if "://" in path:
        raise bad("names an address; this studio fetches nothing from the network")
    if path.startswith("/") or "\\" in path or ":" in path or ".." in path.split("/"):
        raise bad(f"names the file “{path}”, which does not lie beside the index")
    return base.joinpath(*path.split("/"))
