"""Sampler and schedule names of other programs to our schedulers and spacings. Data and two functions; knows no file."""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.choices import Spacing
from studio.core.schedulers import SCHEDULERS, find_scheduler, scheduler_name

# Folded names (lower case, letters and digits, "++" as "pp") that are the same method under another name.
_SAME = {
    "eulera": "euler_a",
    "eulerancestral": "euler_a",
    "dpm2": "dpm_2",
    "kdpm2": "dpm_2",
    "dpm2a": "dpm_2_a",
    "kdpm2a": "dpm_2_a",
    "dpm2ancestral": "dpm_2_a",
    "dpmpp2msdegpu": "dpmpp_2m_sde",
    "dpmppsdegpu": "dpmpp_sde",
    "dpmpp2": "dpmpp_2s",
    "plms": "pndm",  # Liu et al. 2022: PLMS is PNDM without the Runge-Kutta start
    "unipcbh2": "unipc",
    "ddimv3": "ddim",
}
# Nearest relatives: another method, so another picture. The artist is told.
_NEAR = {
    "dpmpp2sa": "dpmpp_2s",
    "dpmpp2a": "dpmpp_2s",
    "dpmpp2sancestral": "dpmpp_2s",
    "dpmpp3msde": "dpmpp_3m",
    "dpmpp3msdegpu": "dpmpp_3m",
    "dpmpp2msdeheun": "dpmpp_2m_sde",
    "dpmpp2msdeheungpu": "dpmpp_2m_sde",
    "dpmfast": "dpmpp_2s",
    "dpmadaptive": "dpmpp_2m",
    "heunpp2": "heun",
    "heunpp": "heun",
    "eulercfgpp": "euler",
    "eulerancestralcfgpp": "euler_a",
    "dpmpp2mcfgpp": "dpmpp_2m",
    "ddimcfgpp": "ddim",
    "ipndm": "pndm",
    "ipndmv": "pndm",
    "restart": "heun",
    "resmultistep": "dpmpp_2m",
}
_SPACINGS = {
    "": Spacing.NORMAL,
    "normal": Spacing.NORMAL,
    "uniform": Spacing.NORMAL,
    "discrete": Spacing.NORMAL,
    "native": Spacing.NORMAL,
    "karras": Spacing.KARRAS,
    "exponential": Spacing.EXPONENTIAL,
    "polyexponential": Spacing.EXPONENTIAL,  # with rho = 1, its default, it is the exponential one
    "beta": Spacing.BETA,
    "sgmuniform": Spacing.TRAILING,
    "trailing": Spacing.TRAILING,
}
_NEAR_SPACINGS = {
    "simple": Spacing.TRAILING,
    "ddimuniform": Spacing.NORMAL,
    "ddim": Spacing.NORMAL,
    "kloptimal": Spacing.KARRAS,
    "linearquadratic": Spacing.NORMAL,
    "alignyoursteps": Spacing.KARRAS,
    "sdturbo": Spacing.TRAILING,
    "turbo": Spacing.TRAILING,
}
_AUTOMATIC = {  # what A1111 since 1.9 takes for "Automatic"
    "dpm_2": Spacing.KARRAS,
    "dpm_2_a": Spacing.KARRAS,
    "dpmpp_2s": Spacing.KARRAS,
    "dpmpp_2m": Spacing.KARRAS,
    "dpmpp_sde": Spacing.KARRAS,
    "dpmpp_2m_sde": Spacing.EXPONENTIAL,
    "dpmpp_3m": Spacing.EXPONENTIAL,
}
_SUFFIXES = ("karras", "exponential", "beta", "sgmuniform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Our scheduler and spacing for a foreign name; `note` is "" where they are the same thing."""

    scheduler: str
    spacing: Spacing
    note: str = ""


def sampler_of(name: str, schedule: str = "") -> Found | None:
    """Our scheduler for a sampler's and a schedule's name as A1111, ComfyUI, InvokeAI, Fooocus or NovelAI write them.

    None when there is nothing like it here.
    """
    bare, inside = _split(_fold(name.strip()))
    known = _SAME.get(bare) or _known(bare)
    scheduler = known or _NEAR.get(bare)
    if scheduler is None:
        return None
    wanted = _fold(schedule) or inside
    spacing = _AUTOMATIC.get(scheduler, Spacing.NORMAL) if wanted == "automatic" else _SPACINGS.get(wanted)
    exact = known is not None and spacing is not None
    spacing = spacing or _NEAR_SPACINGS.get(wanted, Spacing.NORMAL)
    if spacing not in SCHEDULERS[scheduler].spacings:
        spacing, exact = Spacing.NORMAL, False
    return Found(scheduler=scheduler, spacing=spacing, note="" if exact else scheduler_name(scheduler, spacing))


def _known(folded: str) -> str | None:
    found = find_scheduler(folded)
    return found[0] if found is not None and found[1] is Spacing.NORMAL else None


def _split(folded: str) -> tuple[str, str]:
    """A folded name without its schedule ("dpmpp2mkarras", "k_euler" of NovelAI), and that schedule."""
    if folded.startswith("k") and folded[1:] != "" and not folded.startswith("kdpm2"):
        return folded[1:], ""
    for suffix in _SUFFIXES:
        if folded.endswith(suffix) and folded != suffix:
            return folded.removesuffix(suffix), suffix
    return folded, ""


def _fold(name: str) -> str:
    return "".join(c for c in name[:100].lower().replace("++", "pp") if c.isalnum())
