"""plugin.toml, version 1, to a Manifest: read with tomllib, checked to the last field, never running anything."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath
from typing import Any

from studio.core.choices import ControlKind
from studio.core.errors import PluginProblem
from studio.core.plugins import Manifest, ModelFile, Part, PartType
from studio.plugins.parameters import read_parameters
from studio.plugins.table import Table

API = 1
MANIFEST = "plugin.toml"
MANIFEST_BYTES_MAX = 256 * 1024
PARTS_MAX, FILES_MAX = 64, 256
_ID = re.compile(r"[a-z][a-z0-9_]{0,47}")
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}([-+.]?[0-9A-Za-z][0-9A-Za-z.+-]{0,23})?")
_CONTROL = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = ("id", "name", "version", "api", "author", "description", "adds", "files")


def read_manifest(data: bytes, folder: str = "") -> Manifest:
    """The manifest in the bytes of a plugin.toml. `folder`: the name its id has to equal, where that matters.

    Raises `PluginProblem` with one sentence that names the field.
    """
    if len(data) > MANIFEST_BYTES_MAX:
        raise PluginProblem(f"{MANIFEST} is larger than {MANIFEST_BYTES_MAX // 1024} kB.")
    try:
        fields = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise PluginProblem(f"{MANIFEST} is not written in UTF-8.") from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise PluginProblem(f"{MANIFEST} is not valid TOML: {_short(error)}.") from None
    return _manifest(Table(fields, MANIFEST, _FIELDS), folder)


def is_id(text: str) -> bool:
    """Whether a text may be the id of a plugin: lower-case letters, digits, underscores, at most 48."""
    return _ID.fullmatch(text) is not None


def _manifest(table: Table, folder: str) -> Manifest:
    api = table.whole("api")
    if api != API:
        table.fail("api", f"is {api}, but this studio has the plugin door {API}")
    id = table.matching("id", _ID, "lower-case letters, digits and underscores, at most 48")
    if folder and folder != id:
        table.fail("id", f"is “{id}”, but its folder is named “{folder}”")
    version = table.matching("version", _VERSION, "a version such as 1.0.0")
    parts = _parts(table)
    return Manifest(
        id=id,
        name=table.text("name", longest=80),
        version=version,
        api=api,
        author=table.text("author", longest=200),
        description=table.text("description", longest=600, lines=True),
        parts=parts,
        files=tuple(_file(entry) for entry in table.tables("files", ("path", "bytes", "sha256"), FILES_MAX)),
    )


def _parts(table: Table) -> tuple[Part, ...]:
    fields = ("type", "part", "title", "description", "control", "preprocess", "parameters")
    parts = tuple(_part(entry) for entry in table.tables("adds", fields, PARTS_MAX))
    if not parts:
        table.fail("adds", "is missing: a plugin adds at least one part")
    names = [(part.type, part.part) for part in parts]
    kinds = [part.control for part in parts if part.control]
    if len(set(names)) < len(names):
        table.fail("adds", "names a part of the same type twice")
    if len(set(kinds)) < len(kinds):
        table.fail("adds", "declares a kind of control layer twice")
    own = {part.part for part in parts if part.type is PartType.PREPROCESSOR}
    for part in parts:
        if part.preprocess not in {"", "grey", "canny"} | own:
            table.fail(
                "adds.preprocess", f"“{part.preprocess}” is neither grey, canny nor a preprocessor of this plugin"
            )
    return parts


def _part(table: Table) -> Part:
    type_ = PartType(table.choice("type", tuple(kind.value for kind in PartType)))
    control = table.text("control", longest=32, default="")
    if control and type_ is not PartType.ADAPTER:
        table.fail("control", "is for adapters only")
    if control and not _CONTROL.fullmatch(control):
        table.fail("control", f"is “{control}”, but must be lower-case letters, digits and hyphens")
    if control in {kind.value for kind in ControlKind}:
        table.fail("control", f"“{control}” comes with the studio already")
    if not control and "preprocess" in table:
        table.fail("preprocess", "needs a control")
    return Part(
        type=type_,
        part=table.matching("part", _ID, "lower-case letters, digits and underscores, at most 48"),
        title=table.text("title", longest=80),
        description=table.text("description", longest=600, default="", lines=True),
        control=control,
        preprocess=table.text("preprocess", longest=48, default=""),
        parameters=read_parameters(table),
    )


def _file(table: Table) -> ModelFile:
    path = table.text("path", longest=240)
    parts = PurePosixPath(path).parts
    if "\\" in path or ":" in path or path.startswith("/") or ".." in parts or str(PurePosixPath(path)) != path:
        table.fail("path", f"“{path}” does not lie below the plugin's folder")
    size = table.whole("bytes")
    if size < 0:
        table.fail("bytes", "is negative")
    return ModelFile(path=path, bytes=size, sha256=table.matching("sha256", _DIGEST, "64 digits in hex, lower case"))


def _short(error: BaseException) -> str:
    return str(error).rstrip(".").splitlines()[0][:200] if str(error) else type(error).__name__


def describe(manifest: Manifest) -> dict[str, Any]:
    """The manifest in words that JSON can carry, for `plugin list --json`."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "api": manifest.api,
        "author": manifest.author,
        "description": manifest.description,
        "adds": [
            {
                "type": part.type.value,
                "part": part.part,
                "title": part.title,
                "control": part.control,
                "parameters": [parameter.name for parameter in part.parameters],
            }
            for part in manifest.parts
        ],
    }
