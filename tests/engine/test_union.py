"""Union ControlNets: told which kind of map they are given; every bit as the stock pipeline gives it, or refused in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.core.choices import ControlKind, ControlMode
from studio.core.errors import ModelMissing
from studio.core.recipe import ControlUse, ModelRef, Recipe, Size
from tests.engine.conftest import DRAWINGS, FIRST
from tests.engine.stock import Stock, assert_same

KINDS = 6
NET = ModelRef(name="union")
USE = ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST, weight=0.7, start=0.2, end=0.8, net=NET)
RECIPE = Recipe(
    prompt="a red house", seed=7, steps=4, exact=True, size=Size(width=64, height=64), model=ModelRef(name="sdxl")
)
_SAME = (
    "in_channels", "down_block_types", "block_out_channels", "layers_per_block", "norm_num_groups", "cross_attention_dim",
    "transformer_layers_per_block", "attention_head_dim", "use_linear_projection", "addition_embed_type",
    "addition_time_embed_dim", "projection_class_embeddings_input_dim",
)  # fmt: skip


class UnionStock(Stock):
    """The stock pipeline with the union."""

    union: Any = None

    def _pipeline(self, base: Any, recipe: Recipe) -> Any:
        import diffusers

        parts = dict(base.components) | {"scheduler": self._scheduler(base, recipe), "controlnet": self.union}
        pipeline = diffusers.StableDiffusionXLControlNetUnionPipeline(
            **parts, force_zeros_for_empty_prompt=base.config.force_zeros_for_empty_prompt
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _controls(self, recipe: Recipe, begins: bool) -> dict[str, Any]:
        plain = super()._controls(recipe, begins)
        mode = {"scribble": 2, "canny": 3}[str(recipe.controls[0].kind)]
        return plain | {"control_image": [plain.pop("image")], "control_mode": [mode]}


@pytest.fixture(scope="module")
def union(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with a tiny union for the tiny SDXL."""
    import torch
    from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    from studio.engine.diffusion.parts import ready

    config = UNet2DConditionModel.from_pretrained(str(tiny_folder / "sdxl" / "unet"), local_files_only=True).config
    torch.manual_seed(5)
    width = config.block_out_channels[0]
    net = ControlNetUnionModel(
        **{name: config[name] for name in _SAME}, conditioning_embedding_out_channels=(4, 8, 8, 16),
        num_control_type=KINDS, num_trans_channel=width, num_proj_channel=width, num_trans_head=2,
    )  # fmt: skip
    zeros = (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out)
    for module in (*zeros, net.spatial_ch_projs):
        torch.nn.init.normal_(module.weight, std=0.3)
    torch.nn.init.normal_(net.task_embedding)
    folder = tmp_path_factory.mktemp("nets")
    net.save_pretrained(folder / "union")
    return folder, ready(net)


@pytest.fixture(scope="module")
def engine(tiny_folder: Path, union: tuple[Path, Any]) -> Any:
    from studio.engine.diffusion.engine import DiffusionEngine

    return DiffusionEngine((tiny_folder, union[0]), lambda ref: DRAWINGS[ref.digest], "cpu")


@pytest.mark.parametrize("kind", [ControlKind.SCRIBBLE, ControlKind.CANNY])
def test_a_union_as_the_stock_pipeline(
    engine: Any, union: tuple[Path, Any], tiny_folder: Path, kind: ControlKind, monkeypatch: Any
) -> None:
    stock = UnionStock((tiny_folder,))
    stock.union = union[1]
    assert_same(engine, stock, replace(RECIPE, controls=(replace(USE, kind=kind),)), monkeypatch)


def test_a_union_in_guess_mode(
    engine: Any, union: tuple[Path, Any], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stock pipeline forgets to halve `control_type`: here it is halved for it."""
    stock = UnionStock((tiny_folder,))
    stock.union = union[1]
    forward = stock.union.forward

    def halved(sample: Any, *rest: Any, control_type: Any, **more: Any) -> Any:
        return forward(sample, *rest, control_type=control_type[-sample.shape[0] :], **more)

    monkeypatch.setattr(stock.union, "forward", halved)
    asked = replace(RECIPE, controls=(replace(USE, mode=ControlMode.MORE_CONTROL),))
    assert_same(engine, stock, asked, monkeypatch, guess_mode=True)


def test_the_kind_counts(engine: Any) -> None:
    made = [
        engine.render(replace(RECIPE, controls=(replace(USE, kind=kind, detector="none"),)), lambda _: True).pixels
        for kind in (ControlKind.DEPTH, ControlKind.NORMAL)
    ]
    assert made[0] != made[1]  # the same map, read as something else


@pytest.mark.parametrize("kind", [ControlKind.SHUFFLE, ControlKind.TILE])
def test_a_kind_that_it_does_not_read_is_refused_in_words(engine: Any, kind: ControlKind) -> None:
    use = replace(USE, kind=kind, detector="none" if kind is ControlKind.SHUFFLE else "")
    with pytest.raises(ModelMissing, match=f"The union “union” does not read {kind} layers"):
        engine.render(replace(RECIPE, controls=(use,)), lambda _: True)
