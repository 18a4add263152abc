"""The words a LoRA listens to, as its file's metadata tells them. Standard library only; nothing is loaded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from studio.api import BadRecipe, Use, read_weight_header

MOST = 8


def trigger_words(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """At most eight words or phrases, most telling first; () where the metadata say nothing.

    From `modelspec.trigger_phrase` (Stability's model metadata standard), else from kohya's `ss_tag_frequency`: the
    tags that stand in at least half as many captions as the most frequent one.
    """
    phrase = metadata.get("modelspec.trigger_phrase", "")
    words = dict.fromkeys(word.strip() for word in phrase.split(",") if word.strip())
    return tuple(words)[:MOST] or _frequent(metadata.get("ss_tag_frequency", ""))


def _frequent(text: str) -> tuple[str, ...]:
    """The most frequent tags of {data set: {tag: count}} as JSON."""
    counts: Counter[str] = Counter()
    try:
        for tags in json.loads(text).values():
            for tag, count in tags.items():
                counts[str(tag).strip()] += int(count)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()
    del counts[""]
    ranked = counts.most_common(MOST)
    return tuple(tag for tag, count in ranked if 2 * count >= ranked[0][1])


def add_trigger_words(prompt: str, seed: int, count: int, use: Use) -> Sequence[str]:
    """The prompt with those of the file's trigger words that it does not hold yet; obeys `studio.api.PromptTool`."""
    file = use.files.get("file")
    if file is None:
        raise BadRecipe("No LoRA is chosen whose trigger words could be added.", "Choose a file.")
    missing = [word for word in trigger_words(read_weight_header(file).metadata) if word.lower() not in prompt.lower()]
    return [", ".join([prompt, *missing] if prompt.strip() else missing)]
