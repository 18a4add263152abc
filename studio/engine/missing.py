"""What is not here, said with what to fetch. No torch."""

from __future__ import annotations

from studio.core.choices import ControlKind
from studio.core.control_nets import net_starter
from studio.core.errors import ModelMissing
from studio.core.hub import Starter
from studio.core.model_files import Family
from studio.engine.checkpoints import in_words
from studio.engine.hub.starters import load_starters


def missing_net(family: Family, kind: ControlKind, model: str) -> ModelMissing:
    """No ControlNet here reads a kind for a model: which one to get, and how large it is."""
    headline = f"There is no ControlNet for {kind} layers with the model “{model}”."
    starter = starter_for(family, kind)
    if starter is not None:
        get = f"Get “{starter.title}” ({starter.size / 1e6:,.0f} MB) on the page Get models"
        return ModelMissing(headline, f"{get}, or switch the layer off.")
    if family is Family.MINI:
        return ModelMissing(
            headline,
            "Studio Mini's own reads lines alone. Choose another kind, or another model, or switch the layer off.",
        )
    return ModelMissing(
        headline, f"Put one for {in_words(family)} models into a models folder, or switch the layer off."
    )


def starter_for(family: Family, kind: ControlKind) -> Starter | None:
    """The ControlNet to fetch; None where none is known."""
    return net_starter(starters(), family, kind)


def starters() -> tuple[Starter, ...]:
    """All that can be fetched. A damaged list is none."""
    try:
        return load_starters()
    except (OSError, ValueError, KeyError, TypeError):
        return ()
