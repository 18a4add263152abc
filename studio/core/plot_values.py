"""The values of a plot's axis as an artist types them: lists and ranges of numbers, lists of words. Text in, values out."""

from __future__ import annotations

import csv
import re
from decimal import ROUND_HALF_EVEN, Decimal

from studio.core.errors import BadRecipe

VALUES_MAX = 200
_NUMBER = r"[-+]?\d{1,12}(?:\.\d{0,6})?|[-+]?\.\d{1,6}"
_SINGLE = re.compile(_NUMBER)
_RANGE = re.compile(
    rf"(?P<low>{_NUMBER})\s*[-–]\s*(?P<high>{_NUMBER})\s*(?:\(\s*(?P<step>[-+]?{_NUMBER})\s*\)|\[\s*(?P<count>\d{{1,6}})\s*\])?"
)
_SIZE = re.compile(r"(\d{1,5})\s*[xX×*]\s*(\d{1,5})")
HINT = "Write a list, 5, 10, 20, or a range: 1-5, 1-10 (+3) with a step, 1-9 [5] for five values."


class BadPlot(BadRecipe):
    """A plot that cannot be made; the sentence names the axis and the value."""


def numbers(title: str, text: str, whole: bool) -> tuple[int | float, ...]:
    """The numbers of "5, 10, 20", "1-5", "1-10 (+3)", "0.2-0.8 [4]", each once, in the order written.

    Ranges take both ends in; a step that misses the end stops before it. Counted in decimals, so that 0.1 stays 0.1.
    With `whole` the values of a counted range are rounded. Raises `BadPlot`.
    """
    found: dict[int | float, None] = {}
    for token in filter(None, (part.strip() for part in re.split(r"[,，、;；]", text))):
        for value in _token(title, token, whole):
            found[int(value) if whole else float(value)] = None
        if len(found) > VALUES_MAX:
            raise too_many(title)
    return tuple(found)


def sizes(title: str, text: str) -> tuple[tuple[int, int], ...]:
    """Widths and heights of "256x256, 384x256", each once. Raises `BadPlot`."""
    found: dict[tuple[int, int], None] = {}
    for token in filter(None, (part.strip() for part in re.split(r"[,，、;；]", text))):
        match = _SIZE.fullmatch(token)
        if match is None:
            raise BadPlot(f"{title}: “{token[:60]}” is not a size.", "Write width x height, as in 256x256, 384x256.")
        found[int(match[1]), int(match[2])] = None
    return tuple(found)


def words(title: str, text: str) -> tuple[str, ...]:
    """The texts of "red, blue, "green, dark"", each once: quotes keep a comma, "" is an empty text. Raises `BadPlot`."""
    if not text.strip():
        return ()
    try:
        rows = list(csv.reader([text.replace("\r", " ").replace("\n", " ")], skipinitialspace=True, strict=True))
    except csv.Error as error:
        hint = 'Write red, blue, "green, dark": quotes around a text keep its commas.'
        raise BadPlot(f"{title}: the quotes do not match.", hint, str(error)) from None
    quoted = '""' in text
    found = {item.strip(): None for item in rows[0] if item.strip() or quoted}
    return tuple(found)


def too_many(title: str) -> BadPlot:
    """The refusal of an axis with more values than can be looked at."""
    return BadPlot(f"{title}: these are more than {VALUES_MAX} values.", "Take a larger step or a shorter range.")


def _token(title: str, token: str, whole: bool) -> tuple[Decimal, ...]:
    if _SINGLE.fullmatch(token):
        return (_whole(title, token, Decimal(token)) if whole else Decimal(token),)
    match = _RANGE.fullmatch(token)
    if match is None:
        raise BadPlot(f"{title}: “{token[:60]}” is neither a number nor a range.", HINT)
    low, high = Decimal(match["low"]), Decimal(match["high"])
    if match["count"] is not None:
        return _counted(title, token, low, high, int(match["count"]), whole)
    return _stepped(title, token, low, high, match["step"], whole)


def _counted(title: str, token: str, low: Decimal, high: Decimal, count: int, whole: bool) -> tuple[Decimal, ...]:
    if count < 1:
        raise BadPlot(f"{title}: “{token}” asks for no value at all.", HINT)
    if count > VALUES_MAX:
        raise too_many(title)
    if count == 1:
        return (low,)
    exact = Decimal(1) if whole else Decimal("0.000001")
    return tuple((low + (high - low) * i / (count - 1)).quantize(exact, ROUND_HALF_EVEN) for i in range(count))


def _stepped(
    title: str, token: str, low: Decimal, high: Decimal, given: str | None, whole: bool
) -> tuple[Decimal, ...]:
    if whole:
        _whole(title, token, low), _whole(title, token, high)
    if given is None:
        if low % 1 or high % 1:
            hint = f"As in {token} (+0.1), or {token} [4] for four values."
            raise BadPlot(f"{title}: “{token}” does not say in which steps to go.", hint)
        step = Decimal(1 if high >= low else -1)
    else:
        step = Decimal(given.replace(" ", ""))
        if whole:
            _whole(title, token, step)
    if step == 0 or (high - low) * step < 0:
        raise BadPlot(f"{title}: with the step {step:f}, “{token}” never arrives.", HINT)
    count = int((high - low) / step) + 1
    if count > VALUES_MAX:
        raise too_many(title)
    return tuple(low + step * i for i in range(count))


def _whole(title: str, token: str, value: Decimal) -> Decimal:
    if value % 1:
        raise BadPlot(f"{title}: “{token}” holds {value.normalize():f}, but whole numbers are needed.", HINT)
    return value
