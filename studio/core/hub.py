"""What can be fetched: starters, what a repository holds, and how far a download is. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from studio.core.errors import StudioError
from studio.core.model_files import Family, Kind

SAFE = (".safetensors", ".json", ".txt", ".model", ".md")  # nothing else is fetched: other formats can run code
PICKLES = (".pth", ".pt")
_STEMS = ("diffusion_pytorch_model.", "model.", "model-", "diffusion_pytorch_model-")
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")


class NetworkProblem(StudioError):
    """The hub cannot be reached, says no, or the line broke; nothing that was here before is changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """One well-known thing to get. `size` in bytes is as last known; `into` is the sub-folder of the models folder."""

    id: str
    title: str
    about: str
    kind: Kind
    family: Family
    repository: str
    files: tuple[str, ...]
    into: str
    size: int
    licence: str
    revision: str = "main"
    pickle: bool = False  # published only as one; made into .safetensors in a process of its own once it is here

    @property
    def last(self) -> str:
        """The name of its last file as it will lie here; "" where the files are not named."""
        name = PurePosixPath(self.files[-1]).name if self.files else ""
        return str(PurePosixPath(name).with_suffix(".safetensors")) if self.pickle and name else name


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a repository: path inside it, bytes, and SHA-256 where the hub knows it (large files)."""

    path: str
    size: int
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What the hub says of a repository. `gate`: "" open, else whom it asks ("auto", "manual")."""

    id: str
    revision: str  # the commit
    files: tuple[RemoteFile, ...]
    licence: str = ""
    gate: str = ""
    endpoint: str = ""  # the address that answered

    def choice(self, patterns: tuple[str, ...]) -> tuple[RemoteFile, ...]:
        """The files that the patterns name, in their order. Raises `NetworkProblem` if one names nothing."""
        found: dict[str, RemoteFile] = {}
        for pattern in patterns:
            fit = [file for file in self.files if fnmatchcase(file.path, pattern)]
            if not fit:
                raise NetworkProblem(f"“{self.id}” has no file named {pattern}.", "It may have been renamed since.")
            found.update({file.path: file for file in fit})
        return tuple(found.values())

    def whole_model(self) -> tuple[RemoteFile, ...]:
        """What it takes to use this repository, at half precision where it is offered. Empty: nothing that is safe.

        A folder in diffusers' layout if it has a model_index.json or one component; else its only file.
        """
        names = {file.path for file in self.files}
        inside = [file for file in self.files if is_safe_path(file.path)]
        if "model_index.json" in names:
            inside = [file for file in inside if "/" not in file.path or file.path.split("/")[0] in PARTS]
            inside = [file for file in inside if "/" in file.path or file.path == "model_index.json"]
        elif "config.json" in names:
            inside = [file for file in inside if "/" not in file.path]
            if any(file.path.startswith(_STEMS) for file in inside):  # others are the same weights in other names
                inside = [file for file in inside if file.path.startswith((*_STEMS, "config."))]
        else:
            inside = [file for file in inside if file.path.endswith(".safetensors")]
            inside = inside if len(inside) == 1 else []  # of several only the artist knows which
        inside = [file for file in inside if not file.path.endswith(".md")]
        picked = [file for file in inside if not _has_half(file.path, names)]
        return tuple(picked) if any(file.path.endswith(".safetensors") for file in picked) else ()


def _has_half(path: str, names: set[str]) -> bool:
    """Whether a weight file need not be fetched: the same weights are there at half precision, or it is another variant."""
    if not path.endswith(".safetensors"):
        return False
    stem = path.removesuffix(".safetensors")
    if ".non_ema" in stem or "ema_only" in stem:
        return True
    return not stem.endswith(".fp16") and f"{stem}.fp16.safetensors" in names


def clean_endpoint(text: str) -> str:
    """The address of a mirror as it was typed, with its scheme; "" for the hub itself. Raises `NetworkProblem`."""
    plain = text.strip().rstrip("/")
    if not plain:
        return ""
    address = plain if "://" in plain else f"https://{plain}"
    scheme, _, rest = address.partition("://")
    host = rest.partition("/")[0]
    if scheme not in ("http", "https") or not host or set(rest) & set(' \\@?#"<>'):
        raise NetworkProblem(f"“{plain[:80]}” is not the address of a mirror.", "It reads like “https://example.org”.")
    return address


def offline_problem() -> NetworkProblem:
    """What is said to whoever wishes something of the network while the studio stays offline."""
    return NetworkProblem("The studio is set to stay offline.", "Switch “Stay offline” off to get models.")


def is_safe_path(path: str, pickle: bool = False) -> bool:
    """Whether a file may be fetched: a plain relative path below the repository, of a format that runs no code.

    `pickle`: one that will be made into such a format in a process of its own may come too.
    """
    pure, formats = PurePosixPath(path), (*SAFE, *(PICKLES if pickle else ()))
    plain = not pure.is_absolute() and ".." not in pure.parts and not set(path) & set('\\:\0<>"|?*')
    hidden = any(part.startswith(".") for part in pure.parts)
    return plain and bool(path) and pure.suffix.lower() in formats and not hidden


class TransferState(StrEnum):
    """Where a download stands."""

    WAITING = "waiting"
    RUNNING = "running"
    CHECKING = "checking"  # its bytes are all there and are being compared
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One download: which files of which commit go where, and how far it is.

    `folder` is a path below the models folder, in "/" form. `done` and `total` in bytes; `file` is the one at work.
    """

    id: str
    title: str
    repository: str
    revision: str
    files: tuple[RemoteFile, ...]
    folder: str
    endpoint: str
    flat: bool = False  # files go into the folder by their last name
    pickle: bool = False  # see `Starter`
    state: TransferState = TransferState.WAITING
    file: str = ""
    file_done: int = 0
    done: int = 0
    bytes_per_second: float = 0.0
    headline: str = ""  # of the error
    hint: str = ""

    @property
    def total(self) -> int:
        return sum(file.size for file in self.files)
