"""Buttons that write into the search: a colour, a tag, stars become the very words that an artist would type."""

from __future__ import annotations

from collections.abc import Callable

from studio.core.query import field_of, tokens


def term_of(text: str, name: str) -> str:
    """The value that a field has in a search, "" if it is not in it (or only as a “not”)."""
    found = (token.value for token in tokens(text) if token.name and field_of(token.name) == name and not token.negated)
    return next(found, "")


def has_term(text: str, name: str, value: str) -> bool:
    """Whether a search asks for this."""
    wanted = value.casefold()
    return any(
        token.name and field_of(token.name) == name and not token.negated and token.value.casefold() == wanted
        for token in tokens(text)
    )


def with_term(text: str, name: str, value: str) -> str:
    """The search with this field at a value, in place of the one it had; "" takes the field out."""
    kept = _without(text, lambda token_name, _value: field_of(token_name) == name)
    return f"{kept} {name}:{_quoted(value)}".strip() if value else kept


def toggled(text: str, name: str, value: str) -> str:
    """The search with this asked for as well, or no longer."""
    if not has_term(text, name, value):
        return f"{text.rstrip()} {name}:{_quoted(value)}".strip()
    return _without(text, lambda n, v: field_of(n) == name and v.casefold() == value.casefold())


def _without(text: str, unwanted: Callable[[str, str], bool]) -> str:
    kept, at = "", 0
    for token in tokens(text):
        if token.name and not token.negated and unwanted(token.name, token.value):
            kept += text[at : token.start]
            at = token.end
    return " ".join((kept + text[at:]).split(" ")).strip() if at else text.strip()


def _quoted(value: str) -> str:
    return f'"{value}"' if any(c.isspace() or c == ":" for c in value) else value
