"""A TOML table read field by field: the right type or one sentence that names the field. Knows nothing of plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from studio.core.errors import PluginProblem
from studio.core.plugins import is_finite

_ABSENT: Any = object()


class Table:
    """One table of the manifest; `where` names it in sentences. Unknown fields are refused: they are typing errors."""

    def __init__(self, fields: Mapping[str, Any], where: str, known: tuple[str, ...]) -> None:
        self._fields, self.where = fields, where
        for name in fields:
            if name not in known:
                self.fail(name[:48], "is not a field that is known here")

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def fail(self, name: str, why: str) -> NoReturn:
        """Raise the one sentence about a field."""
        raise PluginProblem(f"{self.where}: “{name}” {why}.")

    def text(self, name: str, *, longest: int, default: str = _ABSENT, lines: bool = False) -> str:
        """A text without control characters, of one line unless `lines`, not empty unless that is the default."""
        value = self._value(name, default)
        if not isinstance(value, str):
            self.fail(name, "is not a text")
        if len(value) > longest:
            self.fail(name, f"is longer than {longest} characters")
        if any(not sign.isprintable() and not (lines and sign == "\n") for sign in value):
            self.fail(name, "has characters that cannot be shown")
        if default is _ABSENT and not value.strip():
            self.fail(name, "is empty")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], what: str) -> str:
        """A text of a given form, which `what` says in words."""
        value = self.text(name, longest=256)
        if not pattern.fullmatch(value):
            self.fail(name, f"is “{value}”, but must be {what}")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of several words."""
        value = self.text(name, longest=256)
        if value not in choices:
            self.fail(name, f"is “{value}”, but must be one of {', '.join(choices)}")
        return value

    def whole(self, name: str, default: int = _ABSENT) -> int:
        """A whole number."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(name, "is not a whole number")
        return value

    def number(self, name: str, default: float = _ABSENT) -> float:
        """A finite number, whole or not."""
        value = self._value(name, default)
        if not is_finite(value):
            self.fail(name, "is not a number")
        return value

    def yes_no(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            self.fail(name, "is neither true nor false")
        return value

    def raw(self, name: str, default: object) -> object:
        """Whatever stands there."""
        return self._value(name, default)

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        """A list of texts, none empty, none twice; () where the field is absent."""
        value = self._value(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) and entry.strip() for entry in value):
            self.fail(name, "is not a list of texts")
        if len(value) > most or len(set(value)) < len(value):
            self.fail(name, f"has more than {most} entries, or one twice")
        return tuple(value)

    def tables(self, name: str, known: tuple[str, ...], most: int) -> tuple[Table, ...]:
        """The tables of an array ([[name]]); () where it is absent."""
        value = self._value(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            self.fail(name, f"must be written as [[{name}]]")
        if len(value) > most:
            self.fail(name, f"has more than {most} entries")
        return tuple(Table(entry, f"{self.where}, {name} {i + 1}", known) for i, entry in enumerate(value))

    def _value(self, name: str, default: Any) -> Any:
        value = self._fields.get(name, default)
        if value is _ABSENT:
            self.fail(name, "is missing")
        return value
