"""The errors an artist may see: what happened, what to do, and details to copy. Never a traceback in a sentence."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path


class StudioError(Exception):
    """Something the artist should read.

    `headline` says in one sentence what did not work and what was kept, `hint` what to do now,
    `detail` is technical text to copy. All three are plain text (never interpreted as HTML).
    """

    def __init__(self, headline: str, hint: str = "", detail: str = "") -> None:
        super().__init__(headline, hint, detail)  # all three as args, so that the error survives pickling
        self.headline = headline
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.headline} {self.hint}".strip()


class BadRecipe(StudioError):
    """A draft or recipe says something that cannot be made into a picture."""


class NewerRecipe(BadRecipe):
    """A recipe that a newer studio wrote: nothing is wrong with it."""


class ModelMissing(StudioError):
    """A model named in a recipe cannot be found or is not complete."""


class OutOfMemory(StudioError):
    """The device has not enough memory for this picture."""


class BadPicture(StudioError):
    """The model gave numbers that are not a picture (NaN or infinite)."""


class BadInputImage(StudioError):
    """A dropped, pasted or opened picture cannot be used."""


class PluginProblem(StudioError):
    """A plugin is missing, not allowed, or did something wrong; the sentence names it."""


class WrongAnswer(PluginProblem):
    """A plugin answered with something that cannot be used; counts towards switching it off, a refusal does not."""


class StorageProblem(StudioError):
    """A folder or disk refuses to keep something; the picture itself is still in memory."""


class RootGone(OSError):
    """The library's own folder is not there, or is not the one it was; `why` as a part of a sentence. Nothing is written."""

    def __init__(self, root: Path, why: str) -> None:
        super().__init__(errno.ENOENT, why, str(root))
        self.why = why
        self.hint = f"Bring {root} back, then try again; nothing was written in its place."


def in_words(
    error: BaseException,
    headline: str = "Something in the studio went wrong",
    hint: str = "Your work is kept; copy the details to report it.",
) -> StudioError:
    """The error itself if it is written for the artist; otherwise a sentence with the technical part as detail."""
    if isinstance(error, StudioError):
        return error
    if isinstance(error, RootGone):
        return StorageProblem(f"{error.why[:1].upper()}{error.why[1:]}.", error.hint, str(error))
    detail = "".join(traceback.format_exception(error))[-8000:]
    return StudioError(f"{headline}: {type(error).__name__}.", hint, detail)
