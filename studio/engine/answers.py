"""What plugins answer, checked: texts, pictures, maps, scores. Raised inside the fence, so that it counts as a fault.

`who` is how the plugin is called in a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from studio.core.errors import WrongAnswer
from studio.core.pixels import Pixels
from studio.core.recipe import PROMPT_MAX

SIDE_MAX = 4096  # pixels of a picture that a picture tool gives back


def wrong(who: str, what: str, detail: str = "") -> WrongAnswer:
    """A sentence about an answer that cannot be used."""
    hint = "Turn the plugin off, or tell its author."
    return WrongAnswer(f"{capital(who)} {what}; the recipe is kept.", hint, detail)


def capital(sentence: str) -> str:
    """The sentence with a capital letter in front."""
    return sentence[:1].upper() + sentence[1:]


def checked_texts(who: str, answer: Any, count: int) -> tuple[str, ...]:  # Any, here and below: what a plugin gave
    """1 ... `count` texts. Raises `WrongAnswer`."""
    if isinstance(answer, str) or not isinstance(answer, Sequence) or not 1 <= len(answer) <= count:
        raise wrong(who, f"did not give 1 to {count} texts")
    if not all(isinstance(text, str) and len(text) <= PROMPT_MAX for text in answer):
        raise wrong(who, f"gave something that is not a text of at most {PROMPT_MAX:,} characters")
    return tuple(answer)


def checked_map(who: str, answer: Any, size: tuple[int, int]) -> Image.Image:
    """A picture of this width and height, as RGB. Raises `WrongAnswer`."""
    if not isinstance(answer, Image.Image) or answer.size != size:
        raise wrong(who, f"did not give a picture of {size[0]}x{size[1]} pixels")
    return answer.convert("RGB")


def checked_pixels(who: str, answer: Any) -> Pixels:
    """A picture of 1 ... `SIDE_MAX` pixels a side. Raises `WrongAnswer`."""
    if not isinstance(answer, Image.Image) or not 1 <= min(answer.size) <= max(answer.size) <= SIDE_MAX:
        raise wrong(who, f"did not give a picture of 1 to {SIDE_MAX} pixels a side")
    return Pixels(width=answer.width, height=answer.height, data=answer.convert("RGB").tobytes())


def checked_score(who: str, answer: Any) -> float:
    """A finite number. Raises `WrongAnswer`."""
    if isinstance(answer, str | bool) or not hasattr(answer, "__float__") or not math.isfinite(float(answer)):
        raise wrong(who, "gave a score that is not a number")
    return float(answer)
