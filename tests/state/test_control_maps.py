"""Control maps and token counts: the latest wish wins, known maps come at once, errors name their layer."""

from __future__ import annotations

import threading
from dataclasses import replace

from pytestqt.qtbot import QtBot

from studio.core.choices import ControlKind, ControlMode, Detector
from studio.core.errors import BadInputImage
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, ImageRef, ModelRef, Size
from studio.state.background import Background
from studio.state.control_maps import ControlMaps, Here
from studio.state.tokens import Tokens

SIZE = Size(width=64, height=64)
USE = ControlUse(kind=ControlKind.CANNY, image=ImageRef(digest="a" * 64))


class Mapper:
    """Makes maps whose grey is the lower threshold; 13 is unlucky."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, use: ControlUse, size: Size) -> Pixels:
        self.gate.wait(5)
        self.made.append(use.low)
        if use.low == 13:
            raise BadInputImage("The control picture is missing.")
        return Pixels(width=size.width, height=size.height, data=bytes([use.low]) * (size.width * size.height * 3))


def test_turning_a_threshold_makes_the_last_map(qtbot: QtBot, background: Background) -> None:
    mapper = Mapper()
    mapper.gate.clear()
    maps, told = ControlMaps(mapper, background), []
    maps.ready.connect(lambda *ready: told.append(ready))
    for low in range(50, 100):
        maps.request(replace(USE, low=low), SIZE, layer=0)
    maps.request(replace(USE, low=5), SIZE, layer=1)  # another layer of the same picture has its own wish
    mapper.gate.set()
    qtbot.waitUntil(lambda: len(told) == 2)
    assert {50, 99, 5} >= set(mapper.made)
    assert len(mapper.made) <= 3
    use, size, pixels = told[0]
    assert (use.low, size, pixels.data[0]) == (99, SIZE, 99)
    assert told[1][0].low == 5


def test_a_known_map_comes_at_once_and_neither_weight_nor_mode_matters(qtbot: QtBot, background: Background) -> None:
    mapper = Mapper()
    maps, told = ControlMaps(mapper, background), []
    maps.ready.connect(lambda *ready: told.append(ready))
    maps.request(USE, SIZE)
    qtbot.waitUntil(lambda: len(told) == 1)
    heavier = replace(USE, weight=2.0, start=0.2, end=0.5, mode=ControlMode.UNBALANCED)
    maps.request(heavier, SIZE)
    assert told[1][0] == heavier
    assert told[1][2] is told[0][2]
    maps.request(USE, Size(width=128, height=64))
    qtbot.waitUntil(lambda: len(told) == 3)
    assert told[2][2].width == 128
    assert mapper.made == [100, 100]


def test_a_known_map_silences_an_older_wish(qtbot: QtBot, background: Background) -> None:
    mapper = Mapper()
    maps, told = ControlMaps(mapper, background), []
    maps.ready.connect(lambda use, *_: told.append(use.low))
    maps.request(USE, SIZE)
    qtbot.waitUntil(lambda: told == [100])
    mapper.gate.clear()
    maps.request(replace(USE, low=7), SIZE)
    maps.request(USE, SIZE)
    mapper.gate.set()
    background.wait()
    qtbot.wait(10)
    assert told == [100, 100]


def test_an_error_names_its_layer(qtbot: QtBot, background: Background) -> None:
    maps = ControlMaps(Mapper(), background)
    with qtbot.waitSignal(maps.failed) as failed:
        maps.request(replace(USE, low=13), SIZE)
    assert failed.args[0] == replace(USE, low=13)
    assert failed.args[1].headline == "The control picture is missing."


def test_tokens_of_the_last_text_of_each_field(qtbot: QtBot, background: Background) -> None:
    gate, told = threading.Event(), []

    def count(model: str, text: str) -> object:
        gate.wait(5)
        return (model, len(text.split()))

    tokens = Tokens(count, background)  # type: ignore[arg-type]  # any object will do for a count
    tokens.counted.connect(lambda field, number: told.append((field, number)))
    for text in ("a", "a red", "a red house"):
        tokens.request("prompt", "mini", text)
        tokens.request("negative", "mini", "blurry")
    gate.set()
    qtbot.waitUntil(lambda: len(told) == 2)
    qtbot.wait(10)
    assert told == [("prompt", ("mini", 3)), ("negative", ("mini", 1))]


def test_a_count_that_fails_says_so_quietly(qtbot: QtBot, background: Background) -> None:
    tokens = Tokens(lambda _model, _text: 1 // 0, background)  # type: ignore[arg-type,return-value]
    with qtbot.waitSignal(tokens.failed) as failed:
        tokens.request("prompt", "gone", "a")
    assert failed.args[0] == "prompt"


def test_which_detectors_are_here_is_looked_up_in_the_background(qtbot: QtBot, background: Background) -> None:
    found = [Here(frozenset({Detector.HED})), Here(frozenset({Detector.HED})), Here()]
    maps, told = ControlMaps(Mapper(), background, lambda: found.pop(0)), []
    maps.looked.connect(lambda: told.append(maps.here))
    assert maps.here is None
    for _ in range(3):
        maps.look()
        background.wait()
        qtbot.wait(10)
    assert told == [Here(frozenset({Detector.HED})), Here()]  # what stays the same is not told again


def test_another_network_needs_no_other_map(qtbot: QtBot, background: Background) -> None:
    mapper = Mapper()
    maps, told = ControlMaps(mapper, background), []
    maps.ready.connect(lambda *ready: told.append(ready))
    maps.request(USE, SIZE)
    qtbot.waitUntil(lambda: len(told) == 1)
    maps.request(replace(USE, net=ModelRef(name="other")), SIZE)
    assert len(told) == 2
    assert mapper.made == [100]
