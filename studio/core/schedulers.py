"""The schedulers an artist can choose: names, what each is good for, what it costs. Data only; the engine maps ids to classes."""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.choices import Spacing

_SIGMA = (Spacing.NORMAL, Spacing.KARRAS, Spacing.EXPONENTIAL, Spacing.BETA, Spacing.TRAILING)
_TIME = (Spacing.NORMAL, Spacing.TRAILING)
_PLAIN = (Spacing.NORMAL,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerInfo:
    """One scheduler: `id` stands in recipes, `title` is what artists know; `calls_per_step` counts denoiser calls."""

    id: str
    title: str
    good_for: str
    calls_per_step: float = 1.0
    random: bool = False  # adds fresh noise at each step
    spacings: tuple[Spacing, ...] = _SIGMA
    source: str = ""


_TABLE: tuple[SchedulerInfo, ...] = (
    SchedulerInfo(
        id="dpmpp_2m",
        title="DPM++ 2M",
        good_for="The all-round choice: clean pictures in 15 to 30 steps.",
        source="Lu et al. 2022, arXiv 2211.01095",
    ),
    SchedulerInfo(
        id="dpmpp_2m_sde",
        title="DPM++ 2M SDE",
        good_for="Rich detail; fresh noise hides small errors. 20 to 40 steps.",
        random=True,
        source="Lu et al. 2022, arXiv 2211.01095",
    ),
    SchedulerInfo(
        id="dpmpp_3m",
        title="DPM++ 3M",
        good_for="A third-order look-back; pays from 25 steps on.",
        source="Lu et al. 2022, arXiv 2211.01095",
    ),
    SchedulerInfo(
        id="dpmpp_sde",
        title="DPM++ SDE",
        good_for="Few steps with much detail; twice the time per step.",
        calls_per_step=2.0,
        random=True,
        source="Karras et al. 2022 / Lu et al. 2022",
    ),
    SchedulerInfo(
        id="dpmpp_2s",
        title="DPM++ 2S",
        good_for="Single-step solver, steady at strong guidance.",
        spacings=(Spacing.NORMAL, Spacing.KARRAS, Spacing.EXPONENTIAL, Spacing.BETA),
        source="Lu et al. 2022, arXiv 2211.01095",
    ),
    SchedulerInfo(
        id="dpm_2",
        title="DPM2",
        good_for="Second order, careful; twice the time per step.",
        calls_per_step=2.0,
        source="Karras et al. 2022, arXiv 2206.00364",
    ),
    SchedulerInfo(
        id="dpm_2_a",
        title="DPM2 a",
        good_for="As DPM2 with fresh noise: livelier texture.",
        calls_per_step=2.0,
        random=True,
        source="Karras et al. 2022, arXiv 2206.00364",
    ),
    SchedulerInfo(
        id="euler",
        title="Euler",
        good_for="Simple, predictable, fast; soft pictures at few steps.",
        source="Karras et al. 2022, arXiv 2206.00364, alg. 2",
    ),
    SchedulerInfo(
        id="euler_a",
        title="Euler a",
        good_for="Playful: keeps changing with more steps; a classic for ideas.",
        random=True,
        spacings=_TIME,
        source="k-diffusion, ancestral sampling",
    ),
    SchedulerInfo(
        id="heun",
        title="Heun",
        good_for="Accurate second order; twice the time per step.",
        calls_per_step=2.0,
        source="Karras et al. 2022, arXiv 2206.00364, alg. 1",
    ),
    SchedulerInfo(
        id="lms",
        title="LMS",
        good_for="Linear multistep: an old favourite for 30 and more steps.",
        source="Katherine Crowson, k-diffusion",
    ),
    SchedulerInfo(
        id="ddim",
        title="DDIM",
        good_for="Deterministic and honest: the reference for comparing and for few steps.",
        spacings=_TIME,
        source="Song et al. 2020, arXiv 2010.02502",
    ),
    SchedulerInfo(
        id="ddpm",
        title="DDPM",
        good_for="The original random walk; wants hundreds of steps.",
        random=True,
        spacings=_TIME,
        source="Ho et al. 2020, arXiv 2006.11239",
    ),
    SchedulerInfo(
        id="pndm",
        title="PNDM",
        good_for="The scheduler SD 1.x was released with; 50 steps.",
        spacings=_TIME,
        source="Liu et al. 2022, arXiv 2202.09778",
    ),
    SchedulerInfo(
        id="deis",
        title="DEIS",
        good_for="Exponential integrator, strong at 10 to 20 steps.",
        source="Zhang & Chen 2022, arXiv 2204.13902",
    ),
    SchedulerInfo(
        id="unipc",
        title="UniPC",
        good_for="Predictor and corrector in one: good pictures from 8 steps.",
        source="Zhao et al. 2023, arXiv 2302.04867",
    ),
    SchedulerInfo(
        id="sa_solver",
        title="SA-Solver",
        good_for="Stochastic Adams: fine detail from 20 steps on.",
        random=True,
        spacings=(Spacing.NORMAL, Spacing.KARRAS, Spacing.EXPONENTIAL, Spacing.TRAILING),
        source="Xue et al. 2023, arXiv 2309.05019",
    ),
    SchedulerInfo(
        id="lcm",
        title="LCM",
        good_for="Only for models or LoRAs distilled for it: 2 to 8 steps, guidance 1.",
        random=True,
        spacings=_TIME,
        source="Luo et al. 2023, arXiv 2310.04378",
    ),
    SchedulerInfo(
        id="tcd",
        title="TCD",
        good_for="Only for models or LoRAs distilled for it: sharper than LCM at 4 steps.",
        spacings=_TIME,
        source="Zheng et al. 2024, arXiv 2402.19159",
    ),
)

SCHEDULERS: dict[str, SchedulerInfo] = {info.id: info for info in _TABLE}


def scheduler_name(scheduler: str, spacing: Spacing) -> str:
    """The artists' name, for example "DPM++ 2M Karras"; of a plugin's scheduler its id, "plugin_id:part"."""
    title = SCHEDULERS[scheduler].title if scheduler in SCHEDULERS else scheduler
    return title if spacing is Spacing.NORMAL else f"{title} {spacing.value.capitalize()}"


def find_scheduler(name: str) -> tuple[str, Spacing] | None:
    """Id and spacing for a name as artists or recipes write it ("DPM++ 2M Karras", "euler_a", "UniPC"), or None."""
    wanted = _fold(name)
    for info in _TABLE:
        for spacing in info.spacings:
            if wanted in (
                _fold(scheduler_name(info.id, spacing)),
                _fold(info.id + spacing),
                _fold(info.id + ":" + spacing),
            ):
                return info.id, spacing
        if wanted == _fold(info.id):
            return info.id, Spacing.NORMAL
    return None


def _fold(name: str) -> str:
    return "".join(c for c in name.lower().replace("++", "pp") if c.isalnum())
