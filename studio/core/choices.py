"""The small closed choices an artist makes, as enums whose values are what stands in files."""

from __future__ import annotations

from enum import StrEnum


class ControlKind(StrEnum):
    """What a control picture is, and so how it becomes the map that the ControlNet sees."""

    SCRIBBLE = "scribble"  # a line drawing, taken as it is: white lines on black
    CANNY = "canny"  # edges found in any picture (Canny 1986) through controlnet-aux


class ResizeMode(StrEnum):
    """How a control picture of another shape is brought to the size of the picture to be made."""

    CROP = "crop"  # fill the frame, cut what stands over (the default)
    PAD = "pad"  # show all of it, empty margins
    STRETCH = "stretch"  # fill the frame, change the proportions


class Tiling(StrEnum):
    """Along which sides a picture continues itself, so that copies laid side by side show no seam."""

    OFF = "off"
    BOTH = "both"
    X = "x"  # left and right
    Y = "y"  # top and bottom


class Spacing(StrEnum):
    """How the noise levels of the steps are spread between all noise and none."""

    NORMAL = "normal"  # as the model's own scheduler config says
    KARRAS = "karras"  # Karras et al. 2022, eq. 5, rho = 7
    EXPONENTIAL = "exponential"  # evenly in the logarithm of sigma
    BETA = "beta"  # Lee et al. 2024, beta distribution with alpha = beta = 0.6
    TRAILING = "trailing"  # evenly in time, ending at the noisiest step: Lin et al. 2024
