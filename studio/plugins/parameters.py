"""Declared parameters: read from the manifest, and values checked against them. Knows nothing of files or windows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from studio.core.errors import PluginProblem
from studio.core.plugins import Parameter, ParameterType, Part, Value, is_finite
from studio.plugins.table import Table

PARAMETERS_MAX, CHOICES_MAX, SUFFIXES_MAX = 64, 256, 16
TEXT_MAX = 20_000
INPUTS = (ParameterType.PICTURE, ParameterType.FILE)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}")
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_FIELDS = (
    "name", "type", "title", "default", "minimum", "maximum", "step", "unit", "help", "choices", "lines", "required",
    "suffixes",
)  # fmt: skip


def read_parameters(part: Table) -> tuple[Parameter, ...]:
    """The [[adds.parameters]] of one part. Raises `PluginProblem`."""
    parameters = tuple(_parameter(table) for table in part.tables("parameters", _FIELDS, PARAMETERS_MAX))
    names = [parameter.name for parameter in parameters]
    if len(set(names)) < len(names):
        part.fail("parameters", "names one parameter twice")
    return parameters


def _parameter(table: Table) -> Parameter:
    type_ = ParameterType(table.choice("type", tuple(kind.value for kind in ParameterType)))
    lines = table.whole("lines", 1)
    if not 1 <= lines <= 40:
        table.fail("lines", "is not between 1 and 40")
    suffixes = table.texts("suffixes", SUFFIXES_MAX)
    if not all(_SUFFIX.fullmatch(suffix) for suffix in suffixes):
        table.fail("suffixes", "has one that is not like “.safetensors”")
    bare = Parameter(
        name=table.matching("name", _NAME, "lower-case letters, digits and underscores, at most 48"),
        type=type_,
        title=table.text("title", longest=80),
        minimum=float(table.number("minimum", 0.0)),
        maximum=float(table.number("maximum", 1.0)),
        step=float(table.number("step", 0.0)),
        unit=table.text("unit", longest=16, default=""),
        help=table.text("help", longest=600, default="", lines=True),
        choices=_choices(table, type_),
        lines=lines,
        required=table.yes_no("required", False),
        suffixes=suffixes,
    )
    _check_range(table, bare)
    return _with_default(table, bare)


def _choices(table: Table, type_: ParameterType) -> tuple[str, ...]:
    choices = table.texts("choices", CHOICES_MAX)
    if bool(choices) != (type_ is ParameterType.CHOICE):
        table.fail("choices", "is missing" if not choices else "is for parameters of the type choice only")
    return choices


def _check_range(table: Table, parameter: Parameter) -> None:
    if parameter.minimum > parameter.maximum:
        table.fail("minimum", f"is {parameter.minimum:g}, above the maximum {parameter.maximum:g}")
    if parameter.step < 0:
        table.fail("step", "is negative")


def _with_default(table: Table, bare: Parameter) -> Parameter:
    if bare.type in INPUTS:
        if "default" in table:
            table.fail("default", "is not for pictures and files")
        return bare
    value = table.raw("default", _natural(bare))
    if isinstance(value, str) != (bare.type in (ParameterType.TEXT, ParameterType.CHOICE)):
        table.fail("default", f"is not of the type {bare.type}")
    try:
        return replace(bare, default=checked(bare, value))
    except PluginProblem as problem:
        table.fail("default", f"does not fit: {problem.headline.rstrip('.')}")


def _natural(parameter: Parameter) -> Value:
    match parameter.type:
        case ParameterType.FLOAT:
            return parameter.minimum
        case ParameterType.INT:
            return math.ceil(parameter.minimum)
        case ParameterType.BOOL:
            return False
        case ParameterType.CHOICE:
            return parameter.choices[0]
        case _:
            return ""


def checked(parameter: Parameter, value: object) -> Value:
    """The value in the parameter's own type: float, int, bool or str. Text from a command line is converted.

    Raises `PluginProblem` with one sentence: wrong type, outside minimum ... maximum, not among the choices.
    """
    match parameter.type:
        case ParameterType.FLOAT | ParameterType.INT:
            return _number(parameter, value)
        case ParameterType.BOOL:
            return _yes_no(parameter, value)
        case ParameterType.TEXT | ParameterType.CHOICE:
            return _text(parameter, value)
        case _:
            raise _wrong(parameter, f"is a {parameter.type}, not a value")


def filled(part: Part, values: Mapping[str, object], plugin: str) -> dict[str, Value]:
    """All declared values of a part: those given, checked, and defaults for the rest. Unknown names are refused."""
    declared = {parameter.name: parameter for parameter in part.parameters if parameter.type not in INPUTS}
    for name in values:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise PluginProblem(f"“{part.title}” of {plugin} has no value named “{name}”.", f"It has: {known}.")
    return {name: checked(parameter, values.get(name, parameter.default)) for name, parameter in declared.items()}


def _number(parameter: Parameter, value: object) -> float | int:
    whole = parameter.type is ParameterType.INT
    if isinstance(value, str):
        shown = value[:40]
        try:
            value = int(value) if whole else float(value)
        except ValueError:
            raise _wrong(parameter, f"is {shown!r}, which is not a {'whole ' if whole else ''}number") from None
    if not is_finite(value):
        raise _wrong(parameter, f"is {value!r:.60}, which is not a number")
    if whole and value != int(value):
        raise _wrong(parameter, f"is {value:g}, but must be a whole number")
    if not parameter.minimum <= value <= parameter.maximum:
        raise _wrong(parameter, f"is {value:g}, but must lie between {parameter.minimum:g} and {parameter.maximum:g}")
    return int(value) if whole else float(value)


def _yes_no(parameter: Parameter, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _YES + _NO:
        return value.lower() in _YES
    raise _wrong(parameter, f"is {value!r}, but must be yes or no")


def _text(parameter: Parameter, value: object) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise _wrong(parameter, f"is not a text of at most {TEXT_MAX:,} characters")
    if parameter.type is ParameterType.CHOICE and value not in parameter.choices:
        raise _wrong(parameter, f"is “{value[:40]}”, but must be one of {', '.join(parameter.choices)}")
    return value


def _wrong(parameter: Parameter, why: str) -> PluginProblem:
    return PluginProblem(f"“{parameter.title}” ({parameter.name}) {why}.")
