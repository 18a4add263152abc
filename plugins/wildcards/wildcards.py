"""The prompt tool: reads the prompt into a tree, then lets a seed choose. Knows no files itself (see lists.py)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from studio.api import BadRecipe, Use

from .grammar import Choice, ListName, Node, Option, Text, read
from .lists import Lists

LISTS_MAX = 32
"""Lists that lead from one into the next."""
DEPTH_MAX = 100
"""Braces and lists within each other."""
CHOICES_MAX = 5_000
LENGTH_MAX = 20_000
TRIES = 8
"""Seeds tried for each text asked for, before fewer are handed back."""


class Wildcards:
    """Replaces wildcards in prompts. Text n is the text of `seed` + n, repetitions left out."""

    def __call__(self, prompt: str, seed: int, count: int, use: Use) -> Sequence[str]:
        """1 ... `count` different texts. Raises `BadRecipe`: unbalanced braces, a list that is missing, a circle."""
        tree = read(prompt)
        if all(isinstance(node, Text) for node in tree):
            return ["".join(node.text for node in tree if isinstance(node, Text))]
        lists = Lists(use.data, use.folder / "lists")
        texts: dict[str, None] = {}
        for turn in range(TRIES * count):
            texts[_Draw(Random(seed + turn), lists).whole(tree)] = None
            if len(texts) == count:
                break
        return list(texts)


class _Draw:
    """One text from a tree. All chance comes from `Random.random`, which Python promises never to change."""

    def __init__(self, random: Random, lists: Lists) -> None:
        self._random, self._lists = random, lists
        self._choices = self._depth = 0

    def whole(self, tree: Sequence[Node]) -> str:
        """The text, without the double spaces that an empty option leaves behind."""
        return re.sub(r" {2,}", " ", self._text(tree, ())).strip()

    def _text(self, tree: Sequence[Node], path: tuple[str, ...]) -> str:
        """`path`: the lists that led here."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise BadRecipe(f"Braces and lists lie within each other more than {DEPTH_MAX} deep.", _LESS)
        parts: list[str] = []
        length = 0
        for node in tree:
            part = node.text if isinstance(node, Text) else self._chosen(node, path)
            length += len(part)
            if length > LENGTH_MAX:
                raise BadRecipe(f"The wildcards make a text of more than {LENGTH_MAX:,} characters.", _LESS)
            parts.append(part)
        self._depth -= 1
        return "".join(parts)

    def _chosen(self, node: Choice | ListName, path: tuple[str, ...]) -> str:
        self._choices += 1
        if self._choices > CHOICES_MAX:
            raise BadRecipe(f"The wildcards lead to more than {CHOICES_MAX:,} choices.", _LESS)
        if isinstance(node, ListName):
            options, path = self._lists.options(node.name), self._deeper(path, node.name)
            return self._text(options[self._pick(options)].tree, path)
        options = node.options
        only = options[0].tree if len(options) == 1 else ()
        if len(only) == 1 and isinstance(only[0], ListName):  # {2$$__colours__}: two different lines of the list
            options, path = self._lists.options(only[0].name), self._deeper(path, only[0].name)
        return self._several(node, options, path)

    def _deeper(self, path: tuple[str, ...], name: str) -> tuple[str, ...]:
        if len(path) < LISTS_MAX:
            return (*path, name)
        circle = path[len(path) - 1 - path[::-1].index(name) :] if name in path else path[:3]
        chain = " → ".join(f"__{step}__" for step in (*circle, name))
        raise BadRecipe(f"The wildcard lists lead into each other without end: {chain}.", "Break the circle in one.")

    def _several(self, node: Choice, options: Sequence[Option], path: tuple[str, ...]) -> str:
        """So many of the options as the choice asks for, each at most once, in the order in which they were drawn."""
        spread = node.most - node.least
        many = node.least + (int(self._random.random() * (spread + 1)) if spread else 0)
        left = [option for option in options if option.weight > 0]
        if many > len(left):
            raise BadRecipe(f"“{node.source}” asks for {many} of {len(left)} options.", "Ask for fewer, or add some.")
        drawn = [left.pop(self._pick(left)) for _ in range(many)]
        return node.joint.join(self._text(option.tree, path) for option in drawn)

    def _pick(self, options: Sequence[Option]) -> int:
        """An index by weight."""
        point = self._random.random() * sum(option.weight for option in options)
        for index, option in enumerate(options):
            point -= option.weight
            if point < 0:
                return index
        return max(index for index, option in enumerate(options) if option.weight > 0)


_LESS = "Shorten the prompt, or the lists that name other lists."
