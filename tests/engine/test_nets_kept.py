"""ControlNets between pictures: kept while there is room, let go where there is none, read again when replaced."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.core.choices import ControlKind
from studio.core.recipe import ControlUse, ModelRef
from studio.engine.diffusion.models import bytes_of
from studio.engine.diffusion.placement import Level
from tests.engine.by_hand import RECIPE, go_on, model_of
from tests.engine.conftest import DRAWINGS, FIRST

Nets = Callable[[str, int], None]


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_folder / "sd1", tmp_path / "sd1", ignore=shutil.ignore_patterns("controlnet"))
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Nets:
    """Writes a ControlNet with random weights under a name."""
    from diffusers import UNet2DConditionModel

    from tests.engine import tiny_models

    def write_net(name: str, seed: int) -> None:
        net = tiny_models._controlnet(UNet2DConditionModel.from_pretrained(folder / "sd1" / "unet"))
        torch.manual_seed(seed)
        torch.nn.init.normal_(net.controlnet_mid_block.weight, std=0.3)
        net.save_pretrained(folder / "controlnet" / name)

    return write_net


@pytest.fixture
def make(folder: Path) -> Iterator[Callable[[], Any]]:
    from studio.engine.diffusion.engine import DiffusionEngine

    made: list[DiffusionEngine] = []

    def make_engine() -> DiffusionEngine:
        made.append(DiffusionEngine((folder,), lambda ref: DRAWINGS[ref.digest], "cpu"))
        return made[-1]

    yield make_engine
    for engine in made:
        engine.close()


def under(*nets: str, seed: int = 7) -> Any:
    uses = (ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST, net=ModelRef(name=net)) for net in nets)
    return replace(RECIPE, controls=tuple(uses), seed=seed)


def kept(engine: Any) -> list[str]:
    return [place.name for place, _ in model_of(engine).controlnets]


def test_a_net_whose_file_was_replaced_is_read_again(make: Callable[[], Any], write: Nets) -> None:
    write("one", 1)
    engine = make()
    before = engine.render(under("one"), go_on)
    write("one", 2)
    after = engine.render(under("one"), go_on)
    assert after.recipe.controls[0].net.sha256 != before.recipe.controls[0].net.sha256
    assert after.pixels == make().render(under("one"), go_on).pixels != before.pixels
    assert kept(engine) == ["one"]


def test_nets_that_a_picture_does_not_need_make_room(make: Callable[[], Any], write: Nets) -> None:
    for number, name in enumerate(("one", "two", "three")):
        write(name, number)
    engine = make()
    engine.render(under("one", "two"), go_on)
    assert kept(engine) == ["one", "two"]
    model, pool = model_of(engine), engine._made_ready().pool
    pool.budget = model.nbytes + bytes_of(next(iter(model.controlnets.values()))) // 2
    engine.render(under("two", seed=8), go_on)
    assert kept(engine) == ["one", "two"], "there is room for both"
    engine.render(under("three"), go_on)
    assert kept(engine) == ["two", "three"], "the one used longest ago has gone"
    pool.budget = 0
    both = under("one", "three")
    assert engine.render(both, go_on).pixels == make().render(both, go_on).pixels
    assert kept(engine) == ["one", "three"], "what is needed stays, whatever the budget"


def test_where_memory_was_short_no_idle_net_stays(
    make: Callable[[], Any], write: Nets, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("one", 1)
    write("two", 2)
    engine = make()
    engine.render(under("one"), go_on)
    monkeypatch.setattr(engine, "_foresee", lambda *_: Level.TILES)
    engine.render(under("two"), go_on)
    assert kept(engine) == ["two"]
