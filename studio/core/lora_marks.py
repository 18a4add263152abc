"""`<lora:name:weight>` in a prompt, as A1111 and its family ask for a LoRA. Here a LoRA is a layer; as text it means nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

MARK = re.compile(r"(?:[ ,]{0,4})<(lora|lyco|hypernet):([^<>:]{1,200})((?::[^<>:]{0,60}){0,4})>")
"""Groups: the kind, the name, and the weights with their colons. Commas and spaces before a mark belong to it."""
_NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+")
_READ_MAX = 20_000


@dataclass(frozen=True, slots=True)
class LoraMark:
    """One mark: as it stands in the prompt, which kind it is of, what it names, and how strong (None: not said)."""

    text: str
    kind: str
    name: str
    weight: float | None = None


def first_mark(prompt: str) -> LoraMark | None:
    """The first mark of a prompt, if there is one."""
    found = MARK.search(prompt[:_READ_MAX]) if "<" in prompt else None
    if found is None:
        return None
    number = _NUMBER.search(found[3])
    return LoraMark(found[0], found[1], found[2].strip(), float(number[0]) if number is not None else None)


def without_mark(prompt: str, mark: LoraMark) -> str:
    """The prompt without this mark, and without a comma that would now begin it."""
    before, found, after = prompt.partition(mark.text)
    return (before + after).strip(" ,\n") if found else prompt
