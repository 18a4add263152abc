"""Settings that a model was made for, and how a draft takes them on and off. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from studio.core.choices import Spacing
from studio.core.draft import Draft
from studio.core.model_files import Family, Prediction, Traits
from studio.core.recipe import FreeU, ModelRef, Size

GUIDED = 2.0  # classifier-free guidance above it burns what distilled models make


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a distilled model wants: its scheduler, a few steps, and no classifier-free guidance (scale 1)."""

    scheduler: str
    steps: int = 4
    guidance_scale: float = 1.0
    spacing: Spacing = Spacing.NORMAL

    def is_followed(self, draft: Draft) -> bool:
        """Whether a draft does it this way, give and take: a few steps more, a little guidance."""
        way = (draft.scheduler, draft.spacing) == (self.scheduler, self.spacing)
        return way and draft.guidance_scale <= GUIDED and draft.steps <= 3 * self.steps

    def onto(self, draft: Draft) -> Draft:
        """The draft with these settings."""
        return replace(
            draft,
            scheduler=self.scheduler,
            spacing=self.spacing,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
        )


_FEW_STEPS = {
    "lcm": Advice(scheduler="lcm"),  # Luo et al. 2023
    "tcd": Advice(scheduler="tcd"),  # Zheng et al. 2024
    "turbo": Advice(scheduler="euler_a", spacing=Spacing.TRAILING),  # Sauer et al. 2023
    "lightning": Advice(scheduler="euler", spacing=Spacing.TRAILING),  # Lin et al. 2024: the spacing matters
    "hyper": Advice(scheduler="tcd", steps=8),  # Ren et al. 2024
}


def few_step_advice(variant: str, name: str) -> Advice | None:
    """What a model trained for a few steps wants; how many is often in its name ("lightning_8step")."""
    advice = _FEW_STEPS.get(variant)
    told = re.search(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])", name.lower())
    return replace(advice, steps=max(1, int(told[1]))) if advice is not None and told else advice


_SIDES = {Family.MINI: 256, Family.SD1: 512, Family.SD2: 768, Family.SDXL: 1024, Family.REFINER: 1024}


def native_size(traits: Traits) -> Size | None:
    """The size that a base model was trained at, None if that is not known; far from it pictures fall apart."""
    side = _SIDES.get(traits.family)
    if side is None:
        return None
    small = (traits.family is Family.SD2 and traits.prediction is Prediction.EPSILON) or traits.variant == "turbo"
    side = min(side, 512) if small else side
    return Size(width=side, height=side)


_FREEU = {  # of the authors' repository, for each family
    Family.SD1: FreeU(s1=0.9, s2=0.2, b1=1.5, b2=1.6),
    Family.SD2: FreeU(s1=0.9, s2=0.2, b1=1.4, b2=1.6),
    Family.SDXL: FreeU(s1=0.9, s2=0.2, b1=1.3, b2=1.4),
    Family.MINI: FreeU(s1=0.9, s2=0.6, b1=1.1, b2=1.2),  # ours; it has no authors' values
}


def freeu_for(family: Family) -> FreeU:
    """The factors of FreeU (Si et al. 2023) to begin with in a model of this family."""
    return _FREEU.get(family, _FREEU[Family.SD1])


def with_model(
    draft: Draft,
    name: str,
    before: Advice | None,
    now: Advice | None,
    usual: Draft,
    sha256: str = "",
    sizes: tuple[Size | None, Size | None] = (None, None),
) -> Draft:
    """The draft with another model; `sha256` is the digest of its file, "" if it is not known.

    `sizes` are the native ones of the model before and of this one: a draft at the one goes over to the other.

    A model with advice brings its settings along; one without brings back those of `usual`, unless the artist has
    changed the `before` model's advice, which is then left as it is.
    """
    changed = replace(draft, model=ModelRef(name=name, sha256=sha256))
    if sizes[1] is not None and draft.size == sizes[0]:
        changed = replace(changed, size=sizes[1])
    if now is not None:
        return now.onto(changed)
    if before is not None and before.onto(draft) == draft:
        return replace(
            changed,
            scheduler=usual.scheduler,
            spacing=usual.spacing,
            steps=usual.steps,
            guidance_scale=usual.guidance_scale,
        )
    return changed
