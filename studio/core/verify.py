"""Is it the same picture again? Two pictures and their circumstances in, a verdict out. Pure; standard library only."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from studio.core.installed import How, Installed, bases, match_installed
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import PluginRef, Recipe

CLOSE_PSNR = 30.0  # dB; on Studio Mini 16-bit and 32-bit floats stay at 51, another seed comes to 16
_PIECE = 16_384  # bytes compared without letting the interpreter go: about 1 ms
COMPILED = "compiled"  # among the versions: the picture was made by a compiled model, and by which compiler
_SHORT = 12  # hex digits of a digest that are shown


class Verdict(StrEnum):
    """What making a picture again has shown."""

    IDENTICAL = "identical"  # every pixel
    CLOSE = "close"  # the eye needs help to tell them apart
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far two pictures of one size are apart.

    `psnr` is the peak signal-to-noise ratio over all channels in dB (infinite for equal pictures), `largest` the
    greatest difference of one channel of one pixel (0 ... 255), `share` the share of pixel channels that differ.
    """

    psnr: float
    largest: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A circumstance that is not as it was. `name` is a word for people: "torch", "device", "plugin lora"."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome. `distance` is None where the sizes differ.

    `changes` are the recorded circumstances that are others now, whatever the verdict. `retouched`: the file's pixels
    are no longer those that were saved, so somebody edited it; then the verdict is about what was saved wherever its
    digest says enough, and the distance about the file.
    """

    verdict: Verdict
    distance: Distance | None = None
    changes: tuple[Change, ...] = ()
    retouched: bool = False

    @property
    def holds(self) -> bool:
        """Whether the picture could be made again."""
        return self.verdict is not Verdict.DIFFERENT


def distance(first: Pixels, second: Pixels) -> Distance | None:
    """How far two pictures are apart, None where their sizes differ. 1 million pixels take about a quarter second."""
    if (first.width, first.height) != (second.width, second.height):
        return None
    if first.data == second.data:
        return Distance(psnr=math.inf, largest=0, share=0.0)
    total = len(first.data)
    steps: Counter[int] = Counter()
    for at in range(0, total, _PIECE):  # in pieces, between which another thread has its turn
        steps.update(map(operator.sub, first.data[at : at + _PIECE], second.data[at : at + _PIECE]))
    mean_square = sum(count * step * step for step, count in steps.items()) / total
    return Distance(
        psnr=10 * math.log10(255**2 / mean_square),
        largest=max(abs(step) for step in steps),
        share=1 - steps[0] / total,
    )


def verify(
    stored: Pixels,
    recipe: Recipe,
    made_with: MadeWith | None,
    again: Pixels,
    again_recipe: Recipe,
    again_with: MadeWith,
) -> Verification:
    """Compare a stored picture, its recipe and circumstances with what making it again gave.

    Without a recorded digest (`made_with` None) the pixels of the file count.
    """
    recorded = made_with.pixel_sha256 if made_with is not None else ""
    retouched = bool(recorded) and stored.sha256 != recorded
    apart = distance(stored, again)
    if (recorded or stored.sha256) == again.sha256:
        verdict = Verdict.IDENTICAL
    elif apart is not None and apart.psnr >= CLOSE_PSNR:
        verdict = Verdict.CLOSE
    else:
        verdict = Verdict.DIFFERENT
    changes = (*circumstances(made_with, again_with), *_plugin_changes(recipe, again_recipe))
    return Verification(verdict=verdict, distance=apart, changes=changes, retouched=retouched)


def with_model_here(recipe: Recipe, made_with: MadeWith | None, models: Iterable[Installed]) -> Recipe:
    """The recipe with the model under the name that it has here, if its weights are found by their digest."""
    hashes = (recipe.model.sha256, made_with.model_digest if made_with is not None else "")
    match = match_installed(recipe.model.name, hashes, bases(models))
    if match is None or match.how is not How.HASH or match.found.name == recipe.model.name:
        return recipe
    return replace(recipe, model=replace(recipe.model, name=match.found.name))


def circumstances(before: MadeWith | None, after: MadeWith) -> tuple[Change, ...]:
    """Which recorded circumstances are others now; what was not recorded is not compared."""
    if before is None:
        return ()
    pairs = [
        ("studio", before.studio, after.studio),
        ("device", before.device, after.device),
        ("number format", before.dtype, after.dtype),
        ("model’s weights", before.model_digest[:_SHORT], after.model_digest[:_SHORT]),
    ]
    now = dict(after.versions)
    pairs += [(name, version, now.get(name, "not here")) for name, version in before.versions]
    if COMPILED in now and COMPILED not in dict(before.versions):  # other kernels, other last bits
        pairs.append((COMPILED, "not", now[COMPILED]))
    return tuple(Change(name=name, before=was, after=now) for name, was, now in pairs if was and was != now)


def plugins_of(recipe: Recipe) -> dict[str, PluginRef]:
    """The plugins that a recipe names, by id."""
    refs = [use.plugin for use in recipe.controls if use.plugin is not None] + [use.plugin for use in recipe.plugins]
    return {ref.id: ref for ref in refs}


def _plugin_changes(before: Recipe, after: Recipe) -> list[Change]:
    now = plugins_of(after)
    changes = []
    for id, was in plugins_of(before).items():
        here = now.get(id)
        if here is None:
            changes.append(Change(name=f"plugin {id}", before=_plugin_words(was), after="left out"))
        elif was.digest and (was.version, was.digest) != (here.version, here.digest):
            changes.append(Change(name=f"plugin {id}", before=_plugin_words(was), after=_plugin_words(here)))
    return changes


def _plugin_words(ref: PluginRef) -> str:
    return f"{ref.version} {ref.digest[:_SHORT]}".strip()
