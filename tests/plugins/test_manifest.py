"""plugin.toml: what is good is understood whole, what is bad is refused in one sentence that names the field."""

from __future__ import annotations

import re

import pytest

from studio.core.errors import PluginProblem
from studio.core.paths import SHIPPED_PLUGINS
from studio.core.plugins import Parameter, ParameterType, PartType
from studio.plugins.manifest import read_manifest
from studio.plugins.parameters import checked
from studio.plugins.shipped import SHIPPED

HEAD = """id = "shout"
name = "Shout"
version = "1.0.0"
api = 1
author = "me"
description = "Louder."
"""
PART = """
[[adds]]
type = "adapter"
part = "still"
title = "Still"
control = "shout-still"
preprocess = "grey"
"""
PARAMETER = """
[[adds.parameters]]
name = "scale"
type = "float"
title = "Strength"
default = 1.0
minimum = 0.0
maximum = 4.0
"""
FILE = f"""
[[files]]
path = "mini/local.safetensors"
bytes = 12
sha256 = "{"a" * 64}"
"""
GOOD = HEAD + PART + PARAMETER + FILE


def test_a_whole_manifest() -> None:
    manifest = read_manifest(GOOD.encode(), "shout")
    part = manifest.part(PartType.ADAPTER, "still")
    assert part is not None and part.control == "shout-still" and part.preprocess == "grey"
    scale = part.parameters[0]
    assert (scale.name, scale.type, scale.default, scale.minimum, scale.maximum) == (
        "scale", ParameterType.FLOAT, 1.0, 0.0, 4.0,
    )  # fmt: skip
    assert manifest.files[0].path == "mini/local.safetensors" and manifest.files[0].bytes == 12


BAD = [
    ("id = [", "TOML"),
    (GOOD.replace('id = "shout"\n', ""), "id"),
    (GOOD.replace('id = "shout"', 'id = "Shout"'), "id"),
    (GOOD.replace('id = "shout"', 'id = "../evil"'), "id"),
    (GOOD.replace('id = "shout"', 'id = "other"'), "id"),
    (GOOD.replace('id = "shout"', "id = 3"), "id"),
    (GOOD.replace('name = "Shout"', 'name = ""'), "name"),
    (GOOD.replace('name = "Shout"', 'name = "a\\u202eb"'), "name"),
    (GOOD.replace('name = "Shout"', f'name = "{"x" * 81}"'), "name"),
    (GOOD.replace('author = "me"', 'author = "me.\\n\\nThis plugin was checked"'), "author"),
    (GOOD.replace('version = "1.0.0"', 'version = "one"'), "version"),
    (GOOD.replace('version = "1.0.0"', "version = 1.0"), "version"),
    (GOOD.replace("api = 1", "api = 2"), "api"),
    (GOOD.replace("api = 1", 'api = "1"'), "api"),
    (GOOD.replace("api = 1", "api = true"), "api"),
    (GOOD.replace('author = "me"\n', ""), "author"),
    (GOOD.replace('description = "Louder."', "description = []"), "description"),
    (HEAD, "adds"),
    (HEAD + "adds = 3", "adds"),
    (HEAD + "[adds]\nx = 1", "adds"),
    (GOOD.replace('type = "adapter"', 'type = "virus"'), "type"),
    (GOOD.replace('part = "still"', 'part = "St ill"'), "part"),
    (HEAD + PART + PART, "adds"),
    (HEAD + PART + PART.replace('"still"', '"other"'), "adds"),
    (GOOD.replace('control = "shout-still"', 'control = "Shout_Still"'), "control"),
    (GOOD.replace('control = "shout-still"', 'control = "canny"'), "control"),
    (GOOD.replace('type = "adapter"', 'type = "guide"'), "control"),
    (GOOD.replace('preprocess = "grey"', 'preprocess = "magic"'), "preprocess"),
    (GOOD.replace('title = "Still"', 'title = "Still"\nspeed = 3'), "speed"),
    (HEAD + 'colour = "red"\n' + PART, "colour"),
    (GOOD.replace('name = "scale"', 'name = "two words"'), "name"),
    (HEAD + PART + PARAMETER + PARAMETER, "parameters"),
    (GOOD.replace('type = "float"', 'type = "complex"'), "type"),
    (GOOD.replace("default = 1.0", "default = 9.0"), "default"),
    (GOOD.replace("default = 1.0", 'default = "1"'), "default"),
    (GOOD.replace("maximum = 4.0", "maximum = nan"), "maximum"),
    (GOOD.replace("maximum = 4.0", f"maximum = 1{'0' * 400}"), "maximum"),
    (GOOD.replace("default = 1.0", f"default = 1{'0' * 400}"), "default"),
    (GOOD.replace("maximum = 4.0", "maximum = -1.0"), "minimum"),
    (GOOD.replace("maximum = 4.0", "maximum = 4.0\nstep = -1"), "step"),
    (GOOD.replace("maximum = 4.0", "maximum = 4.0\nlines = 0"), "lines"),
    (GOOD.replace("maximum = 4.0", 'maximum = 4.0\nchoices = ["a"]'), "choices"),
    (GOOD.replace('type = "float"', 'type = "choice"').replace("default = 1.0\n", ""), "choices"),
    (GOOD.replace('type = "float"', 'type = "picture"'), "default"),
    (GOOD.replace("maximum = 4.0", 'maximum = 4.0\nrequired = "yes"'), "required"),
    (GOOD.replace("maximum = 4.0", 'maximum = 4.0\nsuffixes = ["*.bin"]'), "suffixes"),
    (GOOD.replace('path = "mini/local.safetensors"', 'path = "../../x.safetensors"'), "path"),
    (GOOD.replace('path = "mini/local.safetensors"', 'path = "/etc/passwd"'), "path"),
    (GOOD.replace('path = "mini/local.safetensors"', 'path = "C:x"'), "path"),
    (GOOD.replace("bytes = 12", "bytes = -1"), "bytes"),
    (GOOD.replace("a" * 64, "a" * 63), "sha256"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_bad_manifest_is_refused_by_the_name_of_its_field(number: int) -> None:
    text, field = BAD[number]
    with pytest.raises(PluginProblem) as caught:
        read_manifest(text.encode(), "shout")
    assert field in caught.value.headline
    assert len(re.findall(r"\.(?:\s|$)", caught.value.headline)) == 1 and "Traceback" not in caught.value.headline


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x = " + b"[" * 5000, b"#" * 300_000, b'id = "\x00"'])
def test_bytes_that_are_no_toml(data: bytes) -> None:
    with pytest.raises(PluginProblem, match=re.escape("plugin.toml")):
        read_manifest(data)


def test_every_manifest_that_ships_is_good() -> None:
    found = [id for id in SHIPPED if (SHIPPED_PLUGINS / id / "plugin.toml").exists()]
    assert [read_manifest((SHIPPED_PLUGINS / id / "plugin.toml").read_bytes(), id).id for id in found] == found


@pytest.mark.parametrize(
    ("type", "given", "value"),
    [("float", "0.5", 0.5), ("float", 1, 1.0), ("int", "1", 1), ("int", 1.0, 1), ("bool", "yes", True),
     ("bool", "off", False), ("text", "a", "a")],
)  # fmt: skip
def test_values_get_the_type_that_was_declared(type: str, given: object, value: object) -> None:
    got = checked(Parameter(name="x", type=ParameterType(type), title="X"), given)
    assert got == value and got.__class__ is value.__class__


@pytest.mark.parametrize(
    ("type", "given"),
    [("float", "a"), ("float", True), ("float", float("nan")), ("float", 1.01), ("int", 0.5), ("int", "0.5"), ("bool", "maybe"),
     ("bool", 1), ("text", 3), ("choice", "c"), ("picture", "x"), ("file", "x")],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(type: str, given: object) -> None:
    with pytest.raises(PluginProblem, match="“X”"):
        checked(Parameter(name="x", type=ParameterType(type), title="X", choices=("a", "b")), given)
