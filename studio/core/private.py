"""Texts that leave this machine: no folder of it and no user's name goes with them. Pure."""

from __future__ import annotations

import re

_USER = r"[^/\\\"'<>|\r\n,;:*?]{1,64}"  # a user's name may hold spaces, so it ends only at the next separator
_HOMES = re.compile(
    rf"(?:file:///?)?(?<![\w.])(?:[A-Za-z]:)?[\\/]{{1,2}}(?:home|Users|Documents and Settings)[\\/]{{1,2}}{_USER}"
    r"(?P<below>[\\/]{1,2}[^\"'<>|\r\n,;:*?]*)?",
    re.IGNORECASE,
)
_NAME = r"[^\s/\\\"'<>|,;:*?]{1,255}"
_PATHS = re.compile(
    rf"(?:file://[^\s/]*)?(?:(?<![\w/:.])/|(?<=file://)/|(?<![\w])[A-Za-z]:[\\/]{{1,2}}|(?<![\w\\:])\\\\){_NAME}(?:[\\/]{{1,2}}{_NAME})+[\\/]?"
    rf"|(?<![\w])[A-Za-z]:[\\/]{{1,2}}{_NAME}|(?<![\w~])~[\w.-]{{0,64}}[\\/]{_NAME}(?:[\\/]{_NAME})*"
)
HOME = "~"


def without_paths(text: str) -> str:
    """The text with every absolute path cut to its last name; a home folder itself becomes "~".

    Knows POSIX, Windows and UNC paths, `file://` and `~user/`. Web addresses, "and/or" and "/imagine" stay.
    """
    return _PATHS.sub(lambda found: _last(found[0]), _HOMES.sub(_of_home, text))


def _of_home(found: re.Match[str]) -> str:
    below = found["below"] or ""
    path, space, rest = _path_and_rest(below)
    last = _last(path)
    return (last or HOME) + space + rest


def _path_and_rest(below: str) -> tuple[str, str, str]:
    """A path may hold spaces, and words may follow it: it ends behind its last separator's name at the first space."""
    cut = max(below.rfind("/"), below.rfind("\\")) + 1
    name, space, rest = below[cut:].partition(" ")
    return below[:cut] + name, space, rest


def _last(path: str) -> str:
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]
