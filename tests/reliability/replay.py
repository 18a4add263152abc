"""Power cuts, played from a recording: what a save did to the disk, operation by operation, and what is left of it.

`Recorder` notes every file operation while pictures are saved. `folder_after` builds what a disk may hold when the
power goes after the first n of them: nothing that was not synced need be there, and names may come before bytes.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Cut = Literal["kept", "lost", "names first", "chance"]
CUTS: tuple[Cut, ...] = ("kept", "lost", "names first", "chance")


@dataclass(frozen=True, slots=True)
class Op:
    """One operation: "mkdir a", "create a", "write a data", "sync a", "sync names a", "link a b", "unlink a", "row a",
    "said a" (the picture of this id was reported saved)."""

    kind: str
    a: str
    b: str = ""
    data: bytes = b""


@dataclass
class Recorder:
    """The operations below `root`, in order. `rows` holds the index file after each "row", by its number."""

    root: Path
    ops: list[Op] = field(default_factory=list)
    rows: list[dict[str, bytes]] = field(default_factory=list)
    _open: dict[int, str] = field(default_factory=dict)

    def spy(self, patch: Callable[[Any, str, Any], None]) -> None:
        """Listen in on the calls of `os` that a save uses; `patch(owner, name, value)` puts a wrapper in place."""
        real = {name: getattr(os, name) for name in ("open", "write", "fsync", "link", "unlink", "mkdir", "close")}

        def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            descriptor: int = real["open"](path, flags, *rest, **named)
            self._open[descriptor] = self._name(path)
            if flags & os.O_EXCL and flags & os.O_CREAT:
                self._note("create", self._name(path))
            return descriptor

        def wrote(descriptor: int, data: Any) -> int:
            count: int = real["write"](descriptor, data)
            self._note("write", self._open.get(descriptor, ""), data=bytes(data[:count]))
            return count

        def synced(descriptor: int) -> None:
            real["fsync"](descriptor)
            name = self._open.get(descriptor, "")
            self._note("sync names" if (self.root / name).is_dir() else "sync", name)

        def closed(descriptor: int) -> None:
            self._open.pop(descriptor, None)
            real["close"](descriptor)

        def linked(source: Any, target: Any, **named: Any) -> None:
            real["link"](source, target, **named)
            self._note("link", self._name(source), self._name(target))

        def unlinked(path: Any, **named: Any) -> None:
            real["unlink"](path, **named)
            self._note("unlink", self._name(path))

        def made(path: Any, *rest: Any, **named: Any) -> None:
            real["mkdir"](path, *rest, **named)
            self._note("mkdir", self._name(path))

        calls = {"open": opened, "write": wrote, "fsync": synced, "link": linked, "unlink": unlinked, "mkdir": made}
        for name, call in {**calls, "close": closed}.items():
            patch(os, name, call)

    def note_row(self) -> None:
        """The index has committed: from here on its files are what they are now (synchronous=FULL)."""
        files = {name: (self.root / name).read_bytes() for name in _index_files(self.root)}
        self.rows.append(files)
        self._note("row", str(len(self.rows) - 1))

    def note_said(self, picture_id: str) -> None:
        """This picture was reported saved."""
        self._note("said", picture_id)

    def _name(self, path: Any) -> str:
        try:
            return Path(os.fsdecode(path)).relative_to(self.root).as_posix()
        except ValueError:
            return ""

    def _note(self, kind: str, a: str, b: str = "", data: bytes = b"") -> None:
        if a and not a.startswith("index."):
            self.ops.append(Op(kind, a, b, data))


@dataclass
class _File:
    data: bytes = b""
    synced: bytes = b""


@dataclass
class _Disk:
    """What the system knows (`names`, `data`) and what is surely on the disk (`sure`, `synced`); "" is the root."""

    names: dict[str, _File | None] = field(default_factory=lambda: {"": None})
    sure: dict[str, _File | None] = field(default_factory=lambda: {"": None})
    row: int = -1

    def do(self, op: Op) -> None:
        match op.kind:
            case "mkdir":
                self.names[op.a] = None
            case "create":
                self.names[op.a] = _File()
            case "write" if (file := self.names.get(op.a)) is not None:
                file.data += op.data
            case "sync" if (file := self.names.get(op.a)) is not None:
                file.synced = file.data
            case "sync names":
                folder = "" if op.a == "." else op.a
                inside = {name for name in {*self.names, *self.sure} if name and name.rpartition("/")[0] == folder}
                for name in inside:
                    if name in self.names:
                        self.sure[name] = self.names[name]
                    else:
                        self.sure.pop(name, None)
            case "link":
                self.names[op.b] = self.names[op.a]
            case "unlink":
                self.names.pop(op.a, None)
            case "row":
                self.row = int(op.a)


def folder_after(recorder: Recorder, start: Path, count: int, cut: Cut, rng: random.Random, folder: Path) -> list[str]:
    """Build in `folder` what may lie there after `count` operations upon a copy of `start`; the ids said to be saved."""
    disk, said = _Disk(), []
    known = [path.relative_to(start).as_posix() for path in start.rglob("*")]
    for name in known:
        entry = None if (start / name).is_dir() else _File((start / name).read_bytes(), (start / name).read_bytes())
        disk.names[name] = disk.sure[name] = entry
    for op in recorder.ops[:count]:
        disk.do(op)
        if op.kind == "said":
            said.append(op.a)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in sorted(_left(disk, cut, rng).items()):
        if data is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
        elif (folder / name).parent.is_dir():  # a file whose folder's name was lost is lost with it
            (folder / name).write_bytes(data)
    for name in _index_files(folder):
        (folder / name).unlink()
    rows = (
        recorder.rows[disk.row]
        if disk.row >= 0
        else {name: (start / name).read_bytes() for name in _index_files(start)}
    )
    for name, data in rows.items():
        (folder / name).write_bytes(data)
    return said


def _left(disk: _Disk, cut: Cut, rng: random.Random) -> dict[str, bytes | None]:
    """Names and bytes after the cut; None is a folder."""
    if cut == "kept":
        return {name: None if file is None else file.data for name, file in disk.names.items()}
    names = disk.names if cut == "names first" else disk.sure
    if cut == "chance":
        changed = {name for name in {*disk.names, *disk.sure} if disk.names.get(name, 0) is not disk.sure.get(name, 0)}
        names = dict(disk.sure)
        for name in sorted(changed):
            if rng.random() < 0.5:
                if name in disk.names:
                    names[name] = disk.names[name]
                else:
                    names.pop(name, None)
    left: dict[str, bytes | None] = {}
    for name, file in names.items():
        if file is None or file.data == file.synced:
            left[name] = None if file is None else file.data
        else:
            more = rng.randrange(len(file.data) - len(file.synced) + 1) if cut == "chance" else 0
            left[name] = file.data[: len(file.synced) + more]
    return left


def _index_files(root: Path) -> list[str]:
    return [name for name in ("index.sqlite3", "index.sqlite3-wal") if (root / name).is_file()]
