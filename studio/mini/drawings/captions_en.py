"""English captions: the words and the grammar, varied but natural. Knows scenes, not pixels."""

from __future__ import annotations

import numpy as np

from studio.mini.drawings.compose import is_airborne
from studio.mini.drawings.scene import Scene, Thing

SYNONYMS: dict[str, tuple[str, ...]] = {
    "sailboat": ("sailboat", "sailboat", "sailboat", "sailing boat", "boat"),
    "cup": ("cup", "cup", "cup", "mug"),
    "rabbit": ("rabbit", "rabbit", "rabbit", "bunny"),
    "moon": ("moon", "moon", "moon", "crescent moon"),
    "cat": ("cat", "cat", "cat", "cat", "kitten"),
    "book": ("book",),
    "car": ("car",),
}
_PLURALS = {"fish": "fish", "butterfly": "butterflies", "cactus": "cacti", "snowman": "snowmen", "bunny": "bunnies"}
SPELLINGS: dict[str, tuple[str, ...]] = {"gray": ("gray", "grey")}
_NUMBERS = {2: ("two", "two", "2"), 3: ("three", "three", "3")}

_PLACES = {
    "hills": ("on green hills", "on green hills", "on rolling hills", "in the hills", "on a green hill"),
    "mountains": ("in the mountains", "in front of mountains", "in front of snowy mountains", "below the mountains"),
    "sea": ("on the sea", "on the sea", "at sea", "on the water"),
    "meadow": ("in a meadow", "in a meadow", "in a green meadow", "on a flower meadow"),
    "underwater": ("under water", "underwater", "under the sea", "in the deep sea"),
    "table": ("on a table", "on a table", "on a wooden table", "on the table"),
}
_ABOVE = {
    "hills": ("over green hills", "above the hills", "over the hills"),
    "mountains": ("over the mountains", "above the mountains", "over snowy mountains"),
    "sea": ("over the sea", "above the sea"),
    "meadow": ("over a meadow", "above a meadow", "over a green meadow"),
}
_TAGS = {"hills": "green hills", "mountains": "mountains", "sea": "sea", "meadow": "meadow", "underwater": "underwater",
         "table": "table"}  # fmt: skip
_HOURS = {
    "day": ("blue sky", "under a blue sky", "by day", "blue sky", "on a sunny day"),
    "sunset": ("at sunset", "at sunset", "orange sky", "in the evening", "sunset sky"),
    "night": ("at night", "at night", "night sky", "under the stars", "starry night"),
}
_ARTS = {
    "flat": ("flat illustration", "flat drawing"),
    "ink": ("ink drawing", "ink drawing", "ink sketch"),
    "watercolour": ("watercolour", "watercolor", "watercolour painting", "watercolor painting"),
}

_LINKS = frozenset({"on", "in", "at", "under", "over", "above", "against", "below", "by", "underwater"})


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def noun(thing: Thing, rng: np.random.Generator) -> str:
    """Colour, kind and number without article: "red house", "two black cats"."""
    kind = _pick(rng, SYNONYMS.get(thing.kind, (thing.kind,)))
    colour = _pick(rng, SPELLINGS.get(thing.colour, (thing.colour,)))
    if thing.count == 1:
        return f"{colour} {kind}"
    return f"{_pick(rng, _NUMBERS[thing.count])} {colour} {_PLURALS.get(kind, kind + 's')}"


def _phrase(thing: Thing, rng: np.random.Generator) -> str:
    words = noun(thing, rng)
    if thing.count > 1:
        return words
    return _article(words) if rng.random() < 0.9 or thing.kind not in ("sun", "moon") else f"the {words}"


def _subject(scene: Scene, rng: np.random.Generator) -> str:
    """All things with where they stand to each other."""
    first = _phrase(scene.things[0], rng)
    if len(scene.things) == 1:
        return first
    second = _phrase(scene.things[1], rng)
    if is_story(scene):
        forms = (f"{first} and {second} above", f"{first} under {second}", f"{first} and {second} in the sky",
                 f"{first} with {second} in the sky", f"{second} above {first}")  # fmt: skip
    else:
        forms = (f"{first} on the left and {second} on the right", f"{first} to the left of {second}",
                 f"{first} left and {second} right", f"{second} to the right of {first}",
                 f"{first} on the left, {second} on the right")  # fmt: skip
    return _pick(rng, forms)


def is_story(scene: Scene) -> bool:
    """Whether the second thing floats above the first (rather than beside it)."""
    if len(scene.things) < 2 or scene.setting in ("plain", "table", "underwater"):
        return False
    low, high = scene.things
    return is_airborne(high.kind, scene.setting) and not is_airborne(low.kind, scene.setting)


def _place(scene: Scene, rng: np.random.Generator) -> str:
    """Where it is, in words that follow the subject; "" if it goes unsaid."""
    if scene.setting == "plain" or rng.random() > 0.87:
        return ""
    if is_airborne(scene.things[0].kind, scene.setting) and scene.setting in _ABOVE:
        return _pick(rng, _ABOVE[scene.setting])
    return _pick(rng, _PLACES[scene.setting])


def _ground(scene: Scene, rng: np.random.Generator) -> str:
    """The background's colour; "" if it goes unsaid."""
    if not scene.background or rng.random() > 0.87:
        return ""
    colour = _pick(rng, SPELLINGS.get(scene.background, (scene.background,)))
    if scene.setting == "table":
        return _pick(rng, (f"{colour} background", f"{colour} wall", f"in front of {_article(colour)} wall"))
    words = f"{colour} background"
    ground = _article(words)
    return _pick(rng, (f"on {ground}", f"on {ground}", f"against {ground}", words, f"on plain {colour}"))


def _hour(scene: Scene, rng: np.random.Generator) -> str:
    if scene.setting in ("plain", "table", "underwater"):
        return ""
    chance = 0.5 if scene.time == "day" else 0.88
    return _pick(rng, _HOURS[scene.time]) if rng.random() < chance else ""


def _art(scene: Scene, rng: np.random.Generator) -> str:
    return _pick(rng, _ARTS[scene.style]) if rng.random() < (0.12 if scene.style == "flat" else 0.87) else ""


def _join(head: str, *rest: str) -> str:
    """Prepositional phrases follow with a space, bare noun phrases with a comma."""
    text = head
    for words in rest:
        if words:
            text += (" " if words.split()[0] in _LINKS else ", ") + words
    return text


def _tags(scene: Scene, rng: np.random.Generator) -> str:
    parts = [noun(thing, rng) for thing in scene.things]
    if len(parts) == 2:
        spots = ("below", "above") if is_story(scene) else ("left", "right")
        parts = [f"{part} {spot}" for part, spot in zip(parts, spots, strict=True)]
    if scene.setting != "plain" and rng.random() < 0.87:
        parts.append(_TAGS[scene.setting])
    if scene.background and rng.random() < 0.87:
        parts.append(f"{scene.background} background")
    hour = {"day": "blue sky", "sunset": "sunset", "night": "night"}[scene.time] if _hour(scene, rng) else ""
    return ", ".join(part for part in (*parts, hour, _art(scene, rng)) if part)


def caption_en(scene: Scene, rng: np.random.Generator) -> str:
    """One English caption of the scene, at most about 30 words."""
    style = rng.random()
    if style < 0.2:
        return _tags(scene, rng)
    head, place, ground, hour, art = (
        _subject(scene, rng), _place(scene, rng), _ground(scene, rng), _hour(scene, rng), _art(scene, rng),
    )  # fmt: skip
    if art and style < 0.65:
        text = _join(f"{_article(art)} of {head}", place, ground, hour)
    elif hour.startswith(("at ", "in ")) and style > 0.9:
        text = _join(f"{hour}, {head}", place, ground) + (f", {art}" if art else "")
    else:
        text = _join(head, place, ground, hour) + (f", {art}" if art else "")
    if rng.random() < 0.2:
        text = text[0].upper() + text[1:]
    return text
