"""Seamless tiling: the opposite sides of a picture meet without a seam, and models are as they were afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from studio.core.choices import Tiling  # noqa: E402
from studio.core.paths import RESOURCES  # noqa: E402
from studio.core.pixels import Pixels  # noqa: E402
from studio.core.recipe import ModelRef, Recipe, Size  # noqa: E402
from studio.engine.diffusion.latents import decode, latents_of  # noqa: E402
from studio.engine.diffusion.seamless import seamless  # noqa: E402
from studio.engine.protocol import RenderCancelled  # noqa: E402
from tests.engine.conftest import FIRST  # noqa: E402

MINI = pytest.mark.skipif(
    not (RESOURCES / "mini" / "model_index.json").is_file(), reason="Studio Mini is not there yet"
)
SMALL = Size(width=64, height=64)
HILLS = "a red house on green hills, blue sky"


def recipe(model: str, **parts: Any) -> Recipe:
    base = Recipe(prompt=HILLS, seed=7, steps=4, exact=True, size=SMALL)
    return replace(base, model=ModelRef(name=model), **parts)


@pytest.fixture(scope="module")
def engine(make_engine: Any) -> Any:
    return make_engine()


def array(pixels: Pixels) -> Any:
    return np.frombuffer(pixels.data, np.uint8).reshape(pixels.height, pixels.width, 3).astype(float)


def seams(pixels: Pixels) -> tuple[float, float]:
    """The step over the sides (x, y), relative to the steps inside that only one of twenty neighbours exceeds."""
    image = array(pixels)
    across, down = np.abs(np.diff(image, axis=1)).mean((0, 2)), np.abs(np.diff(image, axis=0)).mean((1, 2))
    return (
        float(np.abs(image[:, 0] - image[:, -1]).mean() / np.percentile(across, 95)),
        float(np.abs(image[0] - image[-1]).mean() / np.percentile(down, 95)),
    )


@MINI
def test_a_picture_of_mini_really_tiles(engine: Any) -> None:
    """Counted over a few seeds: the wrap is a step like any other, where it was none before."""
    size = Size(width=256, height=256)

    def mean_seams(tiling: Tiling) -> tuple[float, float]:
        made = (recipe("mini", tiling=tiling, size=size, steps=8, seed=seed) for seed in (1, 2))
        across, down = zip(*(seams(engine.render(one, bool).pixels) for one in made), strict=True)
        return sum(across) / 2, sum(down) / 2

    assert min(mean_seams(Tiling.OFF)) > 2, "else the test sees nothing"
    assert max(mean_seams(Tiling.BOTH)) < 1
    across, down = mean_seams(Tiling.X)
    assert across < 1 < 2 < down
    across, down = mean_seams(Tiling.Y)
    assert down < 1 < 2 < across


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("model", ["sd1", "sdxl"])
def test_off_is_as_before_and_nothing_stays_behind(engine: Any, model: str, cancelled: bool) -> None:
    plain = engine.render(recipe(model), bool).pixels
    parts = next(one for one in engine._ready.pool._kept.values() if one.name == model)
    before = [set(vars(module)) for part in parts.modules for module in part.modules()]
    if cancelled:
        with pytest.raises(RenderCancelled):
            engine.render(recipe(model, tiling=Tiling.BOTH), lambda progress: progress.step < 1)
    else:
        assert engine.render(recipe(model, tiling=Tiling.BOTH), bool).pixels != plain
    assert [set(vars(module)) for part in parts.modules for module in part.modules()] == before
    assert engine.render(recipe(model), bool).pixels == plain


def test_a_shifted_world_gives_the_shifted_picture(engine: Any, tiny_folder: Path) -> None:
    """The strict truth behind “no seam”: rolling the latents rolls the picture, in the UNet and in the decoder."""
    engine.render(recipe("sd1"), bool)
    model = next(one for one in engine._ready.pool._kept.values() if one.name == "sd1")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    text = torch.randn(1, 5, model.unet.config.cross_attention_dim, generator=torch.Generator().manual_seed(1))
    rolled = torch.roll(latents, (4, 4), (-2, -1))
    with torch.no_grad(), seamless((model.unet, model.vae), Tiling.BOTH):
        one, other = (model.unet(x, 500, text, return_dict=False)[0] for x in (latents, rolled))
        assert torch.allclose(torch.roll(one, (4, 4), (-2, -1)), other, atol=1e-4)
        shift = 4 * model.vae_factor
        one, other = (model.vae.decode(x, return_dict=False)[0] for x in (latents, rolled))
        assert torch.allclose(torch.roll(one, (shift, shift), (-2, -1)), other, atol=1e-4)
        image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
        one, other = (
            model.vae.encode(x).latent_dist.mean for x in (image, torch.roll(image, (shift, shift), (-2, -1)))
        )
        assert torch.allclose(torch.roll(one, (4, 4), (-2, -1)), other, atol=1e-4)
    with torch.no_grad():
        one, other = (model.unet(x, 500, text, return_dict=False)[0] for x in (latents, rolled))
        assert not torch.allclose(torch.roll(one, (4, 4), (-2, -1)), other, atol=1e-4), "zeros at the edges are seen"


@MINI
def test_decoded_in_tiles_it_still_closes(engine: Any) -> None:
    """Tiles do not wrap round themselves: the picture goes on beyond its sides, is decoded so, and fades over."""
    made = recipe("mini", tiling=Tiling.BOTH, size=Size(width=256, height=256), steps=8)
    whole = engine.render(made, bool).pixels
    vae = next(one for one in engine._ready.pool._kept.values() if one.name == "mini").vae
    latents = _latents(engine, made)
    sizes = vae.tile_sample_min_size, vae.tile_latent_min_size
    vae.use_tiling, vae.tile_sample_min_size, vae.tile_latent_min_size = True, 192, 12
    try:
        tiled, torn = decode(vae, latents, Tiling.BOTH), decode(vae, latents)
    finally:
        vae.use_tiling, (vae.tile_sample_min_size, vae.tile_latent_min_size) = False, sizes
    assert max(seams(tiled)) < 1 < max(seams(torn))
    assert np.abs(array(tiled) - array(whole)).mean() < 12


def _latents(engine: Any, made: Recipe) -> Any:
    kept: list[Any] = []
    engine.forget()
    engine.render(made, lambda progress: kept.append(progress.undecoded) or True)
    return latents_of(next(one for one in kept if one is not None))


def test_a_picture_to_begin_with_and_a_refiner_tile_too(engine: Any) -> None:
    made = recipe("sdxl", tiling=Tiling.X, init=FIRST, refiner=ModelRef(name="refiner"), refine_at=0.5)
    assert engine.render(made, bool).pixels != engine.render(replace(made, tiling=Tiling.OFF), bool).pixels


def test_decoded_again_it_tiles_as_before(engine: Any) -> None:
    """The latents of a picture whose studio ended before it was decoded."""
    made = recipe("sd1", tiling=Tiling.BOTH)
    kept: list[Any] = []
    engine.forget()
    pixels = engine.render(made, lambda progress: kept.append(progress.undecoded) or True).pixels
    told = next(one for one in kept if one is not None)
    assert engine.decode(told, bool).pixels == pixels
