"""What the artist says of a model's prediction is what the engine paints with, from a folder as from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.core.errors import ModelMissing
from studio.core.model_files import Family, Prediction, Traits
from studio.core.recipe import ModelRef, Recipe, Size
from studio.core.weights import WeightHeader
from studio.engine import checkpoints
from studio.engine.intake.library import Library
from studio.engine.intake.said import Said

PLAIN = Recipe(
    prompt="a red house", seed=5, steps=2, exact=True, size=Size(width=64, height=64), model=ModelRef(name="river")
)


def test_a_folder_paints_as_it_is_said_to_predict(tmp_path: Path) -> None:
    from studio.engine.diffusion.engine import DiffusionEngine
    from tests.engine.tiny_models import build_sd1

    build_sd1(tmp_path / "models" / "river", controlnet=False)
    library = Library((tmp_path / "models",), said=Said(tmp_path / "said.json"))
    engine = DiffusionEngine((tmp_path / "models",), lambda ref: b"", "cpu", library=library)
    try:
        noise = engine.render(PLAIN, lambda progress: True).pixels
        library.answer(library.installed()[0], prediction=Prediction.V, zero_snr=True)
        velocity = engine.render(PLAIN, lambda progress: True).pixels
        config = engine._made_ready().pool.get("river", True, lambda: None).scheduler_config
        assert (config["prediction_type"], config["rescale_betas_zero_snr"]) == ("v_prediction", True)
        assert velocity != noise
        library.answer(library.installed()[0], prediction=Prediction.EPSILON, zero_snr=False)
        assert engine.render(PLAIN, lambda progress: True).pixels == noise
    finally:
        engine.close()


def test_a_vae_is_refused_where_it_is_said_to_be_for_other_latents(tmp_path: Path) -> None:
    """All of them have four channels: nothing but what is said keeps an SD 1.x one from painting noise for SDXL."""
    from studio.engine.diffusion.engine import DiffusionEngine
    from tests.engine import tiny_models

    models = tmp_path / "models"
    tiny_models.build_sd2(models / "lake")
    tiny_models.build_sdxl(models / "river")
    tiny_models._vae().save_pretrained(models / "vae" / "clear")
    library = Library((models,), said=Said(tmp_path / "said.json"))
    engine = DiffusionEngine((models,), lambda ref: b"", "cpu", library=library)
    asked = replace(PLAIN, vae=ModelRef(name="clear"))
    try:
        engine.render(asked, lambda progress: True)  # nobody has said anything
        vae = next(file for file in library.installed() if file.name == "clear")
        library.answer(vae, family=Family.SD1)
        with pytest.raises(ModelMissing, match=r"made for SD 1\.x models; “river” is SDXL"):
            engine.render(asked, lambda progress: True)
        engine.render(replace(asked, model=ModelRef(name="lake")), lambda progress: True)  # SD 2.x has SD 1.x's latents
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("stem", "markers", "traits", "told"),
    [
        ("dreams", [], None, ("epsilon", None)),
        ("noob_vpred", [], Traits(prediction=Prediction.UNKNOWN), ("v_prediction", None)),  # until it is answered
        ("noob_vpred", [], Traits(prediction=Prediction.EPSILON, zero_snr=False), ("epsilon", None)),
        ("dreams", [], Traits(prediction=Prediction.V, zero_snr=True), ("v_prediction", True)),
        ("dreams", ["v_pred", "ztsnr"], Traits(prediction=Prediction.V, zero_snr=False), ("v_prediction", None)),
    ],
)
def test_a_file_paints_as_it_is_said_to_predict(
    stem: str, markers: list[str], traits: Traits | None, told: tuple[str, bool | None]
) -> None:
    from studio.engine.diffusion.single_file import _scheduler

    header = WeightHeader(shapes=dict.fromkeys(markers, ()), dtypes={}, metadata={})
    config = _scheduler(checkpoints.CONFIGS / "sdxl", "sdxl", stem, header, traits)
    assert (config["prediction_type"], config.get("rescale_betas_zero_snr")) == told
