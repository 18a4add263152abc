"""The arithmetic of guides, checked against closed forms: x_t = alpha x_0 + sigma eps, v = alpha eps - sigma x_0."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from studio.api import StepContext, UNetResiduals
from studio.core.choices import Spacing
from studio.core.plugins import PartType
from studio.engine.diffusion.denoise import GuidedGuess
from studio.engine.diffusion.guides import ALPHA_MIN, GuidePull, Source, clean_of, noise_level, shifted
from studio.engine.diffusion.schedulers import make_scheduler
from studio.engine.guests import Guests
from tests.engine.by_hand import RECIPE
from tests.engine.guest_host import Guiding, ToyHost
from tests.engine.tiny_models import SD1, SD2

KINDS = ("epsilon", "v_prediction", "sample")


def drawn(seed: int) -> Tensor:
    return torch.randn(1, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def guess_for(kind: str, clean: Tensor, noise: Tensor, alpha: float, sigma: float) -> Tensor:
    return {"epsilon": noise, "v_prediction": alpha * noise - sigma * clean, "sample": clean}[kind]


@pytest.mark.parametrize("alpha", [0.02, 0.3, 0.7071, 0.999])
@pytest.mark.parametrize("kind", KINDS)
def test_all_predictions_shift_to_the_same_noise(kind: str, alpha: float) -> None:
    """Dhariwal & Nichol 2021, algorithm 2: eps - sigma * gradient; x_t stays."""
    sigma = math.sqrt(1 - alpha**2)
    clean, noise, gradient = drawn(1), drawn(2), drawn(3)
    x = alpha * clean + sigma * noise
    moved = noise - sigma * gradient
    wanted_clean = (x - sigma * moved) / alpha
    guess = guess_for(kind, clean, noise, alpha, sigma)
    torch.testing.assert_close(clean_of(x, guess, alpha, sigma, kind), clean)
    after = shifted(guess, gradient, alpha, sigma, kind)
    torch.testing.assert_close(after, guess_for(kind, wanted_clean, moved, alpha, sigma))
    torch.testing.assert_close(clean_of(x, after, alpha, sigma, kind), wanted_clean)


def test_a_gaussian_goal_moves_the_prediction_to_the_posterior() -> None:
    """Data N(0, 1), goal N(x_0; m, s^2): then p(x_t | goal) is known, and with it the exact noise prediction.

    log p(goal | x_t) is a Gaussian in x_t: x_0 | x_t ~ N(alpha x_t, sigma^2), so goal | x_t ~ N(alpha x_t,
    sigma^2 + s^2), whose gradient is alpha (m - alpha x_t) / (sigma^2 + s^2).
    """
    alpha, mean, spread = 0.6, 1.7, 0.5
    sigma = 0.8
    x = drawn(4)
    gradient = alpha * (mean - alpha * x) / (sigma**2 + spread**2)
    prior = 1 / (1 + 1 / spread**2)  # variance of x_0 given the goal; its mean is prior * m / s^2
    centre = prior * mean / spread**2
    variance = alpha**2 * prior + sigma**2
    wanted = sigma * (x - alpha * centre) / variance  # -sigma * score of N(alpha centre, variance)
    torch.testing.assert_close(shifted(sigma * x, gradient, alpha, sigma, "epsilon"), wanted)
    v = shifted(alpha * sigma * x - sigma * alpha * x, gradient, alpha, sigma, "v_prediction")
    torch.testing.assert_close(clean_of(x, v, alpha, sigma, "v_prediction"), (x - sigma * wanted) / alpha)


@pytest.mark.filterwarnings("ignore:__array__")  # diffusers on numpy 2
@pytest.mark.parametrize("id", ["euler", "dpmpp_2m", "heun", "ddim", "lms", "unipc"])
@pytest.mark.parametrize("spacing", [Spacing.NORMAL, Spacing.KARRAS])
def test_the_noise_level_is_the_solvers(id: str, spacing: Spacing) -> None:
    """x_t as the UNet sees it has the parts alpha and sigma that `noise_level` says, whatever the solver counts in."""
    if id == "ddim" and spacing is Spacing.KARRAS:
        pytest.skip("DDIM has no such spacing")
    scheduler = make_scheduler(SD1, id, spacing)
    scheduler.set_timesteps(12)
    clean, noise = drawn(1).float(), drawn(2).float()
    start = torch.stack([scheduler.timesteps[5]])
    x = scheduler.add_noise(clean, noise, start)
    scheduler._step_index = None
    seen = scheduler.scale_model_input(x, scheduler.timesteps[5])
    alpha, sigma = noise_level(float(scheduler.timesteps[5]), scheduler.alphas_cumprod)
    rounded = spacing is Spacing.KARRAS and id in ("dpmpp_2m", "unipc")  # they round to whole timesteps
    torch.testing.assert_close(seen, alpha * clean + sigma * noise, atol=3e-3 if rounded else 2e-5, rtol=1e-3)


def test_noise_level_at_the_ends() -> None:
    alphas = make_scheduler(SD2, "ddim", Spacing.NORMAL).alphas_cumprod
    assert noise_level(999, alphas) == (0.0, 1.0)
    assert 0 < noise_level(998.5, alphas)[0] < noise_level(998, alphas)[0]
    assert noise_level(2000, alphas) == (0.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_at_pure_noise_no_guide_is_asked(kind: str) -> None:
    alphas = make_scheduler(SD2, "ddim", Spacing.NORMAL).alphas_cumprod
    asked: list[object] = []
    guest = ToyHost()
    use = guest.add(PartType.GUIDE, "g", Guiding(lambda denoiser, use: asked.append))
    guests = Guests(guest, lambda ref: b"", replace(RECIPE, plugins=(use,)))
    guests.look_up()
    source = Source(unet=None, vae=None, prediction_type=kind, alphas_cumprod=alphas)
    pull = GuidePull(guests, [(guests.of(PartType.GUIDE)[0], asked.append)], source)
    x = torch.randn(1, 4, 3, 3)
    for timestep, count in ((999, 0), (500, 1)):
        step = StepContext(index=0, count=1, timestep=torch.tensor(timestep), model_input=x, text=x)
        at = GuidedGuess(context=step, latents=x, guess=x, added=UNetResiduals())
        assert torch.equal(pull(at), x)
        assert len(asked) == count
    assert noise_level(500, alphas)[0] > ALPHA_MIN


def test_a_learned_variance_is_left_alone() -> None:
    host = ToyHost()
    use = host.add(PartType.GUIDE, "g", Guiding(lambda denoiser, use: None))
    guests = Guests(host, lambda ref: b"", replace(RECIPE, plugins=(use,)))
    guests.look_up()
    alphas = make_scheduler(SD1, "ddim", Spacing.NORMAL).alphas_cumprod
    source = Source(unet=None, vae=None, prediction_type="epsilon", alphas_cumprod=alphas)
    pull = GuidePull(guests, [(guests.of(PartType.GUIDE)[0], lambda guess: torch.ones(1, 4, 3, 3))], source)
    x, guess = torch.randn(1, 4, 3, 3), torch.randn(1, 8, 3, 3)
    step = StepContext(index=0, count=1, timestep=torch.tensor(400), model_input=x, text=x)
    pulled = pull(GuidedGuess(context=step, latents=x, guess=guess, added=UNetResiduals()))
    sigma = noise_level(400, alphas)[1]
    torch.testing.assert_close(pulled[:, :4], guess[:, :4] - sigma)
    assert torch.equal(pulled[:, 4:], guess[:, 4:])
