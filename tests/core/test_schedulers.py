"""Scheduler names as artists write them."""

import pytest

from studio.core.choices import Spacing
from studio.core.schedulers import SCHEDULERS, find_scheduler, scheduler_name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("DPM++ 2M Karras", ("dpmpp_2m", Spacing.KARRAS)),
        ("dpmpp_2m", ("dpmpp_2m", Spacing.NORMAL)),
        ("euler a", ("euler_a", Spacing.NORMAL)),
        ("Euler", ("euler", Spacing.NORMAL)),
        ("DDIM trailing", ("ddim", Spacing.TRAILING)),
        ("UniPC", ("unipc", Spacing.NORMAL)),
        ("dpm_2_a", ("dpm_2_a", Spacing.NORMAL)),
        ("nonsense", None),
        ("", None),
    ],
)
def test_find(name: str, found: tuple[str, Spacing] | None) -> None:
    assert find_scheduler(name) == found


def test_every_name_finds_itself() -> None:
    for info in SCHEDULERS.values():
        assert info.good_for.endswith(".")
        for spacing in info.spacings:
            assert find_scheduler(scheduler_name(info.id, spacing)) == (info.id, spacing)
