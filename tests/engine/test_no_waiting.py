"""What the loop, the guidance and the solvers do at each step needs no number from the device: nobody waits for it.

Run on torch's "meta" device, whose tensors have no numbers: asking for one, which on a graphics card would make the
host wait, is an error there.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch

from studio.api import StepContext, UNetResiduals
from studio.core.choices import Spacing
from studio.core.schedulers import SCHEDULERS
from studio.engine.diffusion.adapters import ResidualShapes
from studio.engine.diffusion.denoise import ClassifierFree, StepResult, denoise
from studio.engine.diffusion.latents import seeded
from studio.engine.diffusion.pacing import Behind, looking
from studio.engine.diffusion.schedulers import make_sampler, make_scheduler
from tests.engine import tiny_models

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # numpy says it of diffusers' schedulers
META, HOST = torch.device("meta"), torch.device("cpu")
NOISE_OF_ITS_OWN = "dpmpp_sde"  # torchsde draws on the host and sends it over


@pytest.fixture(scope="module")
def unet() -> Any:
    network = tiny_models._unet(out_channels=4, attention_head_dim=2, act_fn="silu")
    return network.eval().requires_grad_(False).to(META)


@pytest.mark.parametrize("id", sorted(SCHEDULERS.keys() - {NOISE_OF_ITS_OWN}))
def test_no_step_asks_the_device_for_a_number(id: str, unet: Any) -> None:
    sampler = make_sampler(make_scheduler(tiny_models.SD1, id, Spacing.NORMAL), id, Spacing.NORMAL, 4, HOST, seeded(1))
    shapes = ResidualShapes.of(unet, 8, 8)

    def residuals(step: StepContext) -> UNetResiduals:
        return UNetResiduals(
            down=tuple(step.model_input.new_zeros((2, *shape)) for shape in shapes.down),
            mid=step.model_input.new_zeros((2, *shapes.mid)),
        )

    seen: list[StepResult] = []

    def look(result: StepResult) -> torch.Tensor:
        seen.append(result)
        return result.latents

    latents = denoise(
        unet,
        sampler,
        torch.empty((1, 4, 8, 8), device=META),
        torch.empty((2, 77, 16), device=META),
        guidance=ClassifierFree(5.0, rescale=0.7),
        residuals=[residuals, residuals],
        after_step=[look],
    )
    assert latents.device.type == "meta"
    assert len(seen) == len(sampler.timesteps) >= 4
    assert all(result.context.timestep.device.type == "meta" for result in seen)


def test_the_device_would_be_asked_by_a_solver_that_keeps_its_timesteps_there(unet: Any) -> None:
    scheduler = make_scheduler(tiny_models.SD1, "ddim", Spacing.NORMAL)
    sampler = make_sampler(scheduler, "ddim", Spacing.NORMAL, 4, HOST, seeded(1))
    scheduler.timesteps = scheduler.timesteps.to(META)
    with pytest.raises((RuntimeError, NotImplementedError)):
        denoise(
            unet,
            sampler,
            torch.empty((1, 4, 8, 8), device=META),
            torch.empty((2, 77, 16), device=META),
            guidance=ClassifierFree(5.0),
        )


class _Mark:
    def __init__(self, told: list[str], name: str) -> None:
        self._told, self._name = told, name

    def record(self) -> None:
        self._told.append(f"record {self._name}")

    def synchronize(self) -> None:
        self._told.append(f"wait {self._name}")


def test_each_step_is_seen_while_the_next_one_is_queued_and_the_last_at_once() -> None:
    told: list[str] = []
    latents = torch.zeros(1)

    def look(result: StepResult) -> torch.Tensor:
        told.append(f"see {result.context.index}")
        return result.latents

    numbers = iter("0123")

    def beside() -> AbstractContextManager[object]:
        return nullcontext()

    behind = Behind(look, lambda: _Mark(told, next(numbers)), beside)
    for index in range(3):
        told.append(f"queue {index}")
        context = StepContext(index=index, count=3, timestep=latents[0], model_input=latents, text=latents)
        assert behind(StepResult(context=context, guess=latents, latents=latents)) is latents
    expected = "queue 0,record 0,queue 1,record 1,wait 0,see 0,queue 2,record 2,wait 1,see 1,wait 2,see 2"
    assert told == expected.split(",")
    assert looking(look, HOST) is look
