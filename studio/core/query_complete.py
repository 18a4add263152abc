"""What the search field offers while one types: names of fields, then values that are known. Pure; knows no storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from studio.core.library import Completion
from studio.core.query import COLOURS, FIELDS, Token, field_of, tokens
from studio.core.query_values import NAMED_DAYS

COUNT_MAX = 12
_RATINGS = (">=4", "5", ">=3", "0")

Values = Callable[[str], Iterable[tuple[str, int]]]  # of a field: each known value and how many pictures have it


def complete(text: str, cursor: int, values: Values) -> tuple[Completion, ...]:
    """At most twelve ways to finish the piece of `text` at `cursor`, the likeliest first."""
    at_cursor = next((token for token in tokens(text) if token.start < cursor <= token.end), None)
    if at_cursor is None:
        return ()
    if not at_cursor.name:
        return () if at_cursor.quoted else _names(at_cursor, cursor)
    name = field_of(at_cursor.name)
    return _values(name, at_cursor, values)[:COUNT_MAX] if name and cursor >= at_cursor.value_start else ()


def _names(token: Token, cursor: int) -> tuple[Completion, ...]:
    start = token.start + int(token.negated)
    typed = token.value.lower()
    if cursor < start or not typed:
        return ()
    begun = [name for name in FIELDS if name.startswith(typed)]
    return tuple(Completion(text=f"{name}:", start=start, end=token.end, hint=FIELDS[name].meaning) for name in begun)


def _values(name: str, token: Token, values: Values) -> tuple[Completion, ...]:
    known, typed = _known(name, values), token.value.casefold()
    begun = [(value, count) for value, count in known if value.casefold().startswith(typed)]
    inside = [
        pair for pair in known if FIELDS[name].kind == "text" and typed in pair[0].casefold() and pair not in begun
    ]
    return tuple(
        Completion(text=_quoted(value), start=token.value_start, end=token.end, hint=f"{count:,}" if count else "")
        for value, count in begun + inside
        if token.quoted or value.casefold() != typed
    )


def _known(name: str, values: Values) -> list[tuple[str, int]]:
    field = FIELDS[name]
    fixed = {"date": NAMED_DAYS, "rating": _RATINGS, "colour": COLOURS}.get(name, field.choices)
    if fixed:
        return [(value, 0) for value in fixed]
    if field.kind != "text" or name in ("note", "negative"):
        return []
    return sorted(values(name), key=lambda pair: (-pair[1], pair[0].casefold()))


def _quoted(value: str) -> str:
    plain = value.replace('"', "")
    return f'"{plain}"' if not plain or any(c.isspace() for c in plain) else plain
