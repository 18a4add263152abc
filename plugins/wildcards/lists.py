"""Lists of words in text files: the artist's own first, then those that come along. One entry a line, # for comments."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from studio.api import BadRecipe

from .grammar import Option, read_option

BYTES_MAX = 8 * 1024 * 1024
FILES_MAX = 2_000


class Lists:
    """The lists in two folders as they are now; each is read once."""

    def __init__(self, own: Path, shipped: Path) -> None:
        self._own, self._shipped = own, shipped
        self._known: dict[str, Path] | None = None
        self._read: dict[str, tuple[Option, ...]] = {}

    def options(self, name: str) -> tuple[Option, ...]:
        """All lines of the list, or of all lists that a name with * or ? matches; at least one can be chosen.

        An own list hides one of the same name that came along. Raises `BadRecipe` that names the list.
        """
        if name not in self._read:
            options = tuple(option for file in self._files(name) for option in _entries(file))
            if not any(option.weight > 0 for option in options):
                raise BadRecipe(f"The wildcard list __{name}__ has no entries.", "Write one on each line.")
            self._read[name] = options
        return self._read[name]

    def _files(self, name: str) -> list[Path]:
        known = self._all()
        if any(sign in name for sign in "*?"):
            found = [known[key] for key in sorted(known) if _matches(key, name)]
        else:
            found = [known[name]] if name in known else []
        if not found:
            self._own.mkdir(parents=True, exist_ok=True)  # so that the artist finds where it belongs
            close = [f"__{key}__" for key in get_close_matches(name, known, 3, 0.5)] or [f"__{key}__" for key in known]
            raise BadRecipe(
                f"There is no wildcard list __{name}__ ({name}.txt).",
                f"There are: {', '.join(close[:12])}. Put the file into {self._own}, or write \\_\\_ for plain underscores.",
            )
        return found

    def _all(self) -> dict[str, Path]:
        """Files by name: "animals/cats" for animals/cats.txt."""
        if self._known is None:
            shipped, own = _below(self._shipped), _below(self._own)
            self._known = dict(sorted((shipped | own).items()))
        return self._known


def _below(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for file in folder.rglob("*.txt") if folder.is_dir() else ():
        if file.is_file():
            files[file.relative_to(folder).with_suffix("").as_posix()] = file
        if len(files) > FILES_MAX:
            raise BadRecipe(f"There are more than {FILES_MAX:,} wildcard lists.", f"Move some out of {folder}.")
    return files


def _matches(key: str, pattern: str) -> bool:
    """Whether a name fits part by part, so that * stays within one folder."""
    parts, wanted = PurePosixPath(key).parts, PurePosixPath(pattern).parts
    return len(parts) == len(wanted) and all(fnmatchcase(part, glob) for part, glob in zip(parts, wanted, strict=True))


def _entries(file: Path) -> list[Option]:
    """The options on the lines of a file. Raises `BadRecipe`."""
    try:
        data = file.read_bytes()
        if len(data) > BYTES_MAX:
            raise BadRecipe(f"The wildcard list {file.name} is larger than {BYTES_MAX // 2**20} MB.", "Split it.")
        lines = data.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRecipe(f"The wildcard list {file.name} cannot be read.", "Save it as UTF-8.", str(error)) from None
    options = []
    for number, line in enumerate((line.strip() for line in lines), 1):
        if not line or line.startswith("#"):
            continue
        try:
            options.append(read_option(line))
        except BadRecipe as problem:
            raise BadRecipe(
                f"Line {number} of the wildcard list {file.name}: {problem.headline}", problem.hint
            ) from None
    return options
