"""Whether a folder lies on another machine, where SQLite's write-ahead log must not be used (sqlite.org/wal.html)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_REMOTE = (
    "nfs",
    "cifs",
    "smb",
    "ncp",
    "afs",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.rclone",
    "davfs",
)


def is_on_network(file: Path) -> bool:
    """Whether a file's folder is a network share, as far as the system tells; False where it does not."""
    path = os.path.abspath(file)
    if sys.platform == "win32":
        return _is_remote_drive(path)
    try:
        lines = _MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    return kind_of_mount(os.path.realpath(path), lines).startswith(_REMOTE)


def kind_of_mount(path: str, lines: list[str]) -> str:
    """The file system that a path lies on, by the lines of Linux's mountinfo (proc(5)); "" when none fits."""
    best, kind = "", ""
    for line in lines:
        head, dash, tail = line.partition(" - ")
        fields = head.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = fields[4].encode().decode("unicode_escape").encode("latin-1", "replace").decode("utf-8", "replace")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, tail.split(" ")[0]
    return kind


def _is_remote_drive(path: str) -> bool:
    if path.startswith("\\\\"):
        return True
    import ctypes

    drive = os.path.splitdrive(path)[0] + "\\"
    return int(ctypes.windll.kernel32.GetDriveTypeW(drive)) == 4  # type: ignore[attr-defined]  # DRIVE_REMOTE
