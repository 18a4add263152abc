"""CLIP guidance: every step is pulled towards a text, a reference picture, or both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, device
from torch.nn import functional as F

from studio.api import BadRecipe, Denoiser, Guess, Use, acts_at

from .likeness import Likeness, clip_folder, load, weights_of
from .steering import Colours, climb, pull, to_tensor

REACH = 0.15
"""Shift of v at strength 1 (see steering.pull) while the likeness is below a half; it fades as that nears 1."""

SHIFT = 16
"""Views are moved by up to a sixteenth of the side, so that no pattern pleases CLIP at one place only."""

Goals = tuple[tuple[float, Tensor], ...]  # weights and unit vectors (1, joint)


class ClipGuide:
    """Nichol et al. 2022 (GLIDE), section 3, without noised CLIP: the predicted clean picture is looked at instead.

    By text and by picture as in semantic diffusion guidance (Liu et al. 2023), both weighted.
    """

    def __init__(self) -> None:
        self._kept: tuple[tuple[Path, int, int, device], Likeness] | None = None

    def prepare(self, denoiser: Denoiser, use: Use) -> Callable[[Guess], Tensor | None]:
        """Raises `BadRecipe` without text and picture, `ModelMissing` without a CLIP for this model."""
        text, picture = str(use.values.get("text", "")).strip(), use.images.get("picture")
        if not text and picture is None:
            raise BadRecipe("CLIP guidance has neither a text nor a picture.", "Give it one of them, or both.")
        likeness, colours = self._likeness(denoiser, use), Colours(denoiser)
        goals: list[tuple[float, Tensor]] = []
        with torch.no_grad():
            if text:
                goals.append((float(use.values["text_weight"]), likeness.read(text)))
            if picture is not None:
                goals.append(
                    (float(use.values["picture_weight"]), likeness.look(to_tensor(picture).to(denoiser.device)))
                )
        return _guide(use, likeness, colours, tuple(goals))

    def _likeness(self, denoiser: Denoiser, use: Use) -> Likeness:
        """The CLIP for this model; the last one is kept, as a large one takes seconds to load."""
        folder = clip_folder(denoiser, use)
        file = weights_of(folder, denoiser)
        if not file.is_file():
            return load(folder, denoiser)  # says what is missing
        key = (file, (status := file.stat()).st_size, status.st_mtime_ns, denoiser.device)
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, load(folder, denoiser))
        use.reads(file)
        return self._kept[1]


def _guide(use: Use, likeness: Likeness, colours: Colours, goals: Goals) -> Callable[[Guess], Tensor | None]:
    scale, exact = float(use.values["scale"]), bool(use.values["exact"])
    total = sum(weight for weight, _ in goals)

    def guide(guess: Guess) -> Tensor | None:
        if not acts_at(guess.step, use.start, use.end) or not total or not scale:
            return None

        def goal(clean: Tensor) -> Tensor:
            return likeness_to(likeness.look(views(colours(clean, guess))), goals)

        gradient, value = climb(goal, guess, exact)
        return pull(gradient, guess, REACH * scale * min(1.0, 2 * (1 - value)))

    return guide


def likeness_to(seen: Tensor, goals: Goals) -> Tensor:
    """Weighted mean of the cosines between what is seen (n, joint) and the goals; -1 ... 1."""
    total = sum(weight for weight, _ in goals)
    return sum(
        (weight / total * (seen @ goal[0]).mean() for weight, goal in goals), torch.zeros((), device=seen.device)
    )


def views(pictures: Tensor) -> Tensor:
    """Four views (4, 3, height, width) of one picture, moved to its corners, the border repeated."""
    height, width = pictures.shape[2:]
    down, right = max(height // SHIFT, 1), max(width // SHIFT, 1)
    wide = F.pad(pictures, (right, right, down, down), mode="replicate")
    places = ((0, 0), (0, 2 * right), (2 * down, 0), (2 * down, 2 * right))
    return torch.cat([wide[:, :, top : top + height, left : left + width] for top, left in places])
