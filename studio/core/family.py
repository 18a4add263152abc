"""Who came from whom: the links that a new picture gets from the draft it was made of. Pure."""

from __future__ import annotations

import hashlib

from studio.core.differences import Difference, differences
from studio.core.draft import Draft, Origin
from studio.core.library import Link, LinkKind
from studio.core.recipe import Recipe
from studio.core.recipe_text import to_text

SOURCES_MAX = 64  # remembered in a draft; the oldest are forgotten


def origin_of(picture_id: str, recipe: Recipe) -> Origin:
    """What a draft remembers of the picture whose settings it took over."""
    return Origin(picture=picture_id, recipe=_mark(recipe))


def parents_of(draft: Draft, recipe: Recipe) -> tuple[Link, ...]:
    """The links of a picture made with `recipe`, one of the recipes of `draft`.

    Remade when it is the origin's recipe to the last field, varied when anything differs. Then one link for each
    library picture whose pixels it uses: branched from the one it begins with, control for those that
    steer.
    """
    links = []
    if draft.origin is not None:
        same = draft.origin.recipe == _mark(recipe)
        links.append(Link(kind=LinkKind.REMADE if same else LinkKind.VARIED, parent=draft.origin.picture))
    sources = dict(draft.sources)
    for ref in recipe.pictures:
        parent = sources.get(ref.digest)
        if parent:
            links.append(Link(kind=LinkKind.BRANCHED if ref == recipe.init else LinkKind.CONTROL, parent=parent))
    return tuple(dict.fromkeys(links))


def changes_along(link: Link, parent: Recipe, child: Recipe) -> tuple[Difference, ...]:
    """What differs between a picture and its parent, without what the link says already: that it begins with it."""
    found = differences(parent, child)
    if link.kind not in (LinkKind.UPSCALED, LinkKind.BRANCHED):
        return found
    return tuple(change for change in found if change.field != "init")


def with_source(
    draft_sources: tuple[tuple[str, str], ...], digest: str, picture_id: str
) -> tuple[tuple[str, str], ...]:
    """The sources of a draft with one more: the input picture of this digest was made of that library picture."""
    others = [pair for pair in draft_sources if pair[0] != digest]
    return (*others, (digest, picture_id))[-SOURCES_MAX:]


def begins_anew(before: str, after: str) -> bool:
    """Whether a prompt was replaced rather than edited: emptied, or without the first and last letter of the former.

    Then what is made has nothing to do with the picture whose settings once stood there.
    """
    if not after.strip():
        return True
    return bool(before) and before[0] != after[0] and before[-1] != after[-1]


def _mark(recipe: Recipe) -> str:
    return hashlib.sha256(to_text(recipe).encode()).hexdigest()
