"""What the engine thread tells: frozen, picklable values, so that the engine may live in another process one day."""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.errors import StudioError
from studio.core.picture import MadeWith, Picture
from studio.core.pixels import Pixels
from studio.core.recipe import PluginUse, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReady:
    """The libraries are loaded and a device is chosen."""

    device: str
    dtype: str
    memory_bytes: int  # of the device, or of the machine when it is the CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The job has left the queue."""

    job_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """`step` of `steps` is done; step 0 with a `phase` says what happens before the first ("loading mini")."""

    job_id: int
    step: int
    steps: int
    seconds: float  # since the first step began
    phase: str = ""
    preview: Pixels | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """The picture is made and handed to the saver; the engine goes on with the next job."""

    job_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The picture is safely on disk."""

    job_id: int
    picture: Picture
    reused: bool = False  # an unchanged job: the engine gave the picture it had


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The job ended without a saved picture."""

    job_id: int
    error: StudioError
    unsaved: Pixels | None = None  # a picture that was made but could not be saved: still in memory, not lost
    made_with: MadeWith | None = None  # belongs to `unsaved`
    recipe: Recipe | None = None  # of `unsaved`: what it was really made with, where that differs from the job's
    undecoded: bool = False  # its latents are kept on disk: it can be decoded again, also after a restart


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The job was stopped on request; nothing was decoded or saved."""

    job_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggest:
    """An errand for the engine thread: ask a prompt tool for 1 ... `count` texts. `id` is the asker's own number.

    `use` is the prompt tool's part with its values; the same prompt, seed and count give the same texts.
    """

    id: int
    use: PluginUse
    prompt: str
    seed: int
    count: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """What a prompt tool answered to the `Suggest` of this id."""

    id: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrandFailed:
    """The errand of this id came to nothing; jobs are not touched by it."""

    id: int
    error: StudioError


Errand = Suggest
ErrandEvent = Suggested | ErrandFailed
JobEvent = Started | Stepped | Saving | Finished | Failed | Cancelled
EngineEvent = EngineReady | JobEvent | ErrandEvent
