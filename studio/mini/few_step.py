"""Stage `few_step`: the frozen UNet distilled into a second one that draws in four steps without guidance.

Consistency distillation (Song et al. 2023; on latents with guidance inside, LCM: Luo et al. 2023, arXiv 2310.04378,
eq. 9 and 17): f(x_t, c, t) = c_skip x_t + c_out (alpha x_t - sigma v) gives the end of the guided teacher's DDIM path
from every point of it. LCM hops once along the path and asks the student's own average for the rest, which carries the
truth down 20 to 50 levels one after another; with minutes of training instead of days the solver goes to the end, and
every point of a path teaches. Scaling and grid are LCMScheduler's, so the stock scheduler draws with the result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import DDIMScheduler, LCMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from studio.mini import config, export
from studio.mini.data import HELD_OUT, LANGUAGES, mixture, scene_number
from studio.mini.drawings import caption
from studio.mini.sheet import GUIDANCE
from studio.mini.text_encoder import text_states
from studio.mini.text_to_image import Diffusion
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze, tensor_noise

if TYPE_CHECKING:
    from studio.mini.workshop import Workshop

STEPS = 4
"""Steps the result is meant for; 2 to 8 work too."""
PATH_STEPS = 20
"""Points of a teacher's path: the table's 20 steps, so that its figures are what can be reached."""
STEPS_PER_BATCH = 20
"""Optimiser steps after which a new batch of paths is made: its points are then seen about once."""
KEPT = 40
"""Batches of paths kept in memory (16 paths: 5.5 MB)."""
TEACHER = "few_step_teacher"
"""Folder in the state: the UNet that the kept four-step one was distilled from."""
ROUNDNESS = 0.1
"""Where the pseudo-Huber loss turns from square to absolute, in standard deviations of a latent."""
SHARED_PARTS = ("text_encoder", "tokenizer", "vae")


def make_scheduler() -> LCMScheduler:
    """Mini's noise schedule under LCM's sampler: with 4 steps it visits timesteps 999, 749, 499, 249."""
    schedule = config.make_scheduler().config
    names = (
        "num_train_timesteps",
        "beta_start",
        "beta_end",
        "beta_schedule",
        "prediction_type",
        "clip_sample",
        "timestep_spacing",
        "steps_offset",
    )
    values = {name: schedule[name] for name in names}
    return LCMScheduler(**values, original_inference_steps=PATH_STEPS, rescale_betas_zero_snr=True)


class Paths:
    """The teacher's guided DDIM paths from pure noise, made when first wanted; batch n is always the same."""

    def __init__(
        self,
        teacher: UNet2DConditionModel,
        tower: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        scheduler: DDIMScheduler,
        compute: config.Compute,
        batch: int,
        seed: int = 0,
    ) -> None:
        self.teacher, self.tower, self.tokenizer, self.compute = teacher, tower, tokenizer, compute
        self.scheduler, self.batch, self.seed = scheduler, batch, seed
        scheduler.set_timesteps(PATH_STEPS)
        self.timesteps = scheduler.timesteps.clone()
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Points (PATH_STEPS + 1, batch, channels, cells, cells), the last one clean, and text states."""
        if number not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.pop(min(self._kept))
            self._kept[number] = self._make(np.random.default_rng((11, self.seed, number)))
        return self._kept[number]

    @torch.no_grad()
    def _make(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        states = text_states(self.tower, self.tokenizer, _captions(rng, self.batch), self.compute)
        empty = text_states(self.tower, self.tokenizer, [""], self.compute).expand_as(states)
        both = torch.cat([empty, states])
        unet = self.teacher.config
        shape = (self.batch, unet.in_channels, unet.sample_size, unet.sample_size)
        point = tensor_noise(rng, shape, self.compute.device).contiguous(memory_format=self.compute.layout)
        points = [point]
        for timestep in self.timesteps:
            with self.compute.precision():
                plain, told = self.teacher(torch.cat([point, point]), timestep, both).sample.float().chunk(2)
            point = self.scheduler.step(torch.lerp(plain, told, GUIDANCE), timestep, point).prev_sample
            points.append(point)
        return torch.stack(points), states


def _captions(rng: np.random.Generator, count: int) -> list[str]:
    """New captions of scenes of all levels, half English and half Chinese."""
    texts = []
    for level in rng.choice(3, size=count, p=mixture(1.0)):
        scene = scene_number(int(rng.integers(HELD_OUT)), int(level))
        texts.append(caption(scene, rng, LANGUAGES[int(rng.integers(2))]))
    return texts


class Consistency:
    """c_skip, c_out (LCMScheduler's) and the schedule: turns a predicted v into the consistency function's value."""

    def __init__(self, device: torch.device) -> None:
        self.diffusion = Diffusion(config.make_scheduler(), device)
        lcm = make_scheduler()
        pairs = [lcm.get_scalings_for_boundary_condition_discrete(t) for t in range(lcm.config.num_train_timesteps)]
        self.skip, self.out = torch.tensor(pairs, device=device).float().unbind(1)

    def clean(self, noisy: Tensor, velocity: Tensor, timesteps: Tensor) -> Tensor:
        """f(x_t, t) for `noisy` and `velocity` (batch, channels, cells, cells), int64 timesteps (batch,)."""
        alpha, sigma, skip, out = (
            values[timesteps][:, None, None, None]
            for values in (self.diffusion.alpha, self.diffusion.sigma, self.skip, self.out)
        )
        return skip * noisy + out * (alpha * noisy - sigma * velocity)


class FewStepStage:
    """Trains the second UNet on points of the paths; their ends are what it must say."""

    name = "few_step"

    def __init__(self, student: UNet2DConditionModel, paths: Paths) -> None:
        self.paths = paths
        self.consistency = Consistency(paths.compute.device)
        self.network: nn.Module = student.to(paths.compute.device).requires_grad_(True).train()
        self._steps = 0

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """Pseudo-Huber distance (Song & Dhariwal 2024) to the path's end; half of the points are those of four steps."""
        newest = self._steps // STEPS_PER_BATCH
        self._steps += 1
        points, states = self.paths[int(rng.integers(max(0, newest - KEPT + 1), newest + 1))]
        count = points.shape[1]
        places = rng.integers(PATH_STEPS, size=count)
        visited = PATH_STEPS // STEPS * rng.integers(STEPS, size=count)
        places = np.where(rng.random(count) < 0.5, visited, places)
        noisy = points[torch.from_numpy(places), torch.arange(count)]
        noisy = noisy.contiguous(memory_format=self.paths.compute.layout)
        timesteps = self.paths.timesteps[torch.from_numpy(places)].to(noisy.device)
        with self.paths.compute.precision():
            velocity = self.network(noisy, timesteps, states).sample
        error = self.consistency.clean(noisy, velocity.float(), timesteps) - points[-1]
        loss = ((error.square() + ROUNDNESS**2).sqrt() - ROUNDNESS).mean()
        squares = error.detach().square().mean(dim=(1, 2, 3)).cpu()
        first = squares[torch.from_numpy(places == 0)]
        figures = {"loss": float(loss.detach()), "mse": float(squares.mean())}
        return loss, figures | ({"mse_first": float(first.mean())} if len(first) else {"mse_first": float("nan")})


def train_few_step(shop: Workshop, budget: Budget) -> None:
    """Trains the second UNet, keeps it as `few_step` in the state folder and exports a model of its own beside Mini."""
    torch.manual_seed(shop.seed)
    teacher, student = shop.unet(), shop.unet()
    head_start(student, shop.state)
    paths = Paths(
        teacher, shop.tower(), shop.tokenizer(), shop.scheduler(), shop.compute, batch=shop.batch, seed=shop.seed
    )
    stage = FewStepStage(student, paths)
    rates = Rates(rate=4e-4, warmup_steps=30, flat=0.5, ema=0.99)
    Trainer(stage, shop.state, budget, rates, shop.seed).run()
    freeze([student])
    export.keep_part(student, shop.state / "few_step")
    export.keep_part(teacher, shop.state / TEACHER)
    folder = fast_folder(shop.output)
    export_fast(student, shop.output, folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder.name}: {size:,} bytes", file=sys.stderr, flush=True)


def adopt_few_step(state: Path, model: Path) -> None:
    """Keeps an exported four-step UNet and the one it was distilled from, for `head_start`."""
    for name, folder in (("few_step", fast_folder(model)), (TEACHER, model)):
        if (folder / "unet").is_dir() and not (state / name).exists():
            export.copy_folder(folder / "unet", state / name)


@torch.no_grad()
def head_start(student: UNet2DConditionModel, state: Path) -> bool:
    """Adds to a student what an earlier distillation changed in its teacher (task arithmetic, Ilharco et al. 2023).

    The new teacher is the old one trained further, so most of what "four steps" means is still that difference.
    """
    if not all((state / name / "config.json").exists() for name in ("few_step", TEACHER)):
        return False
    after, before = (
        UNet2DConditionModel.from_pretrained(state / name, dtype=torch.float32, low_cpu_mem_usage=False).state_dict()
        for name in ("few_step", TEACHER)
    )
    for name, value in student.state_dict().items():
        value.add_((after[name] - before[name]).to(value.device))
    return True


def fast_folder(model: Path) -> Path:
    """Where the four-step model of a model lies: resources/mini-fast beside resources/mini."""
    return model.with_name(model.name + "-fast")


def export_fast(student: nn.Module, model: Path, folder: Path) -> None:
    """Writes a whole diffusers model: its own UNet and LCM schedule, copies of Mini's other parts.

    The copies are 10 MB, and nothing once more in a git repository, which keeps equal files once; for them the studio
    and every other program open it as a model like any other.
    """
    export.export_part(student, folder / "unet")
    export.keep_part(make_scheduler(), folder / "scheduler")
    for name in SHARED_PARTS:
        export.copy_folder(model / name, folder / name)
    export.write_text(folder / "preview.json", (model / "preview.json").read_text(encoding="utf-8"))
    export.write_text(folder / "companions.json", json.dumps({"of": model.name}) + "\n")
    index = export.MODEL_INDEX | {"scheduler": ["diffusers", "LCMScheduler"]}
    export.write_text(folder / "model_index.json", json.dumps(index, indent=2) + "\n")
