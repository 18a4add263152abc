"""The four-step UNet and the tiny decoder: what they are taught, a few steps of training, and stock loading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, LCMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file

from studio.mini import config, export, stages
from studio.mini.few_step import PATH_STEPS, Consistency, FewStepStage, Paths, fast_folder, make_scheduler
from studio.mini.text_to_image import fill_store
from studio.mini.tiny_decoder import distance_db, load_tiny_vae, make_tiny_vae, start_from_mean_colours
from studio.mini.tokenizer import sample_captions, train_tokenizer
from studio.mini.training import Budget
from studio.mini.vae import encode_scenes, start_from_principal_components
from studio.mini.workshop import Workshop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A tiny model whose UNet stands, as it does when these stages begin."""
    folder = tmp_path_factory.mktemp("mini")
    made = Workshop(
        folder / "state", folder / "model", config.choose_compute("cpu"), config.TINY, scenes=(4, 4, 4), batch=4
    )
    stages.train_vae(made, Budget())
    torch.manual_seed(0)
    train_tokenizer(sample_captions(60), made.state / "tokenizer", merges=100, max_tokens=made.arch.max_tokens)
    export.copy_folder(made.state / "tokenizer", made.output / "tokenizer")
    made.keep("text_encoder", config.make_text_encoder(made.arch, len(made.tokenizer())))
    made.keep("unet", config.make_unet(made.arch))
    fill_store(made.store(), made.vae(), made.arch, made.compute)
    return made


def _paths(shop: Workshop) -> Paths:
    return Paths(shop.unet(), shop.tower(), shop.tokenizer(), shop.scheduler(), shop.compute, batch=3)


def test_a_path_is_the_stock_pipelines_picture(shop: Workshop) -> None:
    paths = _paths(shop)
    points, states = paths[0]
    assert points.shape == (PATH_STEPS + 1, 3, 16, 4, 4) and states.shape[0] == 3
    stages.export_missing(shop)
    pipe = StableDiffusionPipeline.from_pretrained(shop.output, dtype=torch.float32, safety_checker=None)
    pipe.unet = shop.unet()
    pipe.set_progress_bar_config(disable=True)
    pipe.vae_scale_factor = 16
    empty = shop.tower()(pipe.tokenizer([""], padding="max_length", return_tensors="pt").input_ids).last_hidden_state
    drawn = pipe(
        prompt_embeds=states, negative_prompt_embeds=empty.expand_as(states), latents=points[0], guidance_scale=4.0,
        num_inference_steps=PATH_STEPS, output_type="latent",
    ).images  # fmt: skip
    assert torch.allclose(drawn, points[-1], atol=1e-3)
    assert torch.equal(paths[0][0], _paths(shop)[0][0]) and not torch.equal(paths[0][0], paths[1][0])


def test_the_stock_sampler_uses_the_function_that_is_trained(shop: Workshop) -> None:
    scheduler = make_scheduler()
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [999, 749, 499, 249]
    consistency = Consistency(torch.device("cpu"))
    torch.manual_seed(0)
    noisy, velocity = torch.randn(2, 16, 4, 4), torch.randn(2, 16, 4, 4)
    for timestep in scheduler.timesteps:
        ours = consistency.clean(noisy, velocity, timestep.repeat(2))
        theirs = scheduler.step(velocity, timestep, noisy).denoised
        assert torch.allclose(ours, theirs, atol=1e-5)
    at_zero = consistency.clean(noisy, velocity, torch.zeros(2, dtype=torch.int64))
    assert torch.equal(at_zero, noisy), "the boundary condition"


def test_the_four_step_student_comes_nearer_to_the_ends_of_the_paths(shop: Workshop) -> None:
    student = shop.unet()
    stage = FewStepStage(student, _paths(shop))
    optimiser = torch.optim.AdamW(student.parameters(), lr=3e-3)
    losses = []
    for step in range(19):
        loss, figures = stage.loss(np.random.default_rng(step), 0.0)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation is missing
        optimiser.step()
        losses.append(figures["mse"])
    assert np.mean(losses[-6:]) < 0.9 * np.mean(losses[:6])


def test_the_four_step_model_is_a_whole_model(shop: Workshop) -> None:
    stages.export_missing(shop)
    stages.TRAIN["few_step"](shop, Budget(steps=2))
    pipe = StableDiffusionPipeline.from_pretrained(fast_folder(shop.output), dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    assert isinstance(pipe.scheduler, LCMScheduler)
    picture = pipe("a red house", num_inference_steps=4, guidance_scale=1.0, output_type="np").images[0]
    assert picture.shape == (64, 64, 3)
    base = load_unet_weights(shop.output / "unet")
    fast = load_unet_weights(fast_folder(shop.output) / "unet")
    assert base.keys() == fast.keys() and any(not torch.equal(base[name], fast[name]) for name in base)


def load_unet_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of an exported UNet."""
    tensors: dict[str, torch.Tensor] = load_file(folder / "diffusion_pytorch_model.safetensors")
    return tensors


def test_the_tiny_decoder_starts_at_the_mean_colours() -> None:
    vae = config.make_vae(config.MINI).requires_grad_(False)
    start_from_principal_components(vae, config.MINI, count=24)
    codes, pictures = encode_scenes(vae, config.MINI, config.choose_compute("cpu"), 100, 8)
    torch.manual_seed(0)
    tiny = make_tiny_vae(config.MINI)
    from_nothing = _picture_db(tiny, codes[:2], pictures[:2])
    start_from_mean_colours(tiny, codes, pictures)
    assert tiny.decode(codes[:1]).sample.shape == (1, 3, 256, 256)
    assert _picture_db(tiny, codes[:2], pictures[:2]) > max(12.0, from_nothing + 3)


@torch.no_grad()
def _picture_db(tiny: AutoencoderTiny, codes: torch.Tensor, pictures: torch.Tensor) -> float:
    return float(10 * torch.log10(4 / (tiny.decode(codes).sample - pictures).square().mean()))


def test_the_tiny_decoder_learns_and_is_exported(shop: Workshop) -> None:
    stages.TRAIN["tiny_decoder"](shop, Budget(steps=2))
    early = load_tiny_vae(shop.output / "tiny_vae")
    codes, _ = encode_scenes(shop.vae(), shop.arch, shop.compute, 500, 4)
    before = distance_db(early, shop.vae(), codes)
    stages.TRAIN["tiny_decoder"](shop, Budget(steps=40))
    after = distance_db(load_tiny_vae(shop.output / "tiny_vae"), shop.vae(), codes)
    assert after > before + 0.5
