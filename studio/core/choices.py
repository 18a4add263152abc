"""The small closed choices an artist makes, as enums whose values are what stands in files."""

from __future__ import annotations

from enum import StrEnum


class ControlKind(StrEnum):
    """What kind of map steers the picture, and so which ControlNet reads it. How it is found: `Detector`."""

    SCRIBBLE = "scribble"  # rough lines, white on black
    CANNY = "canny"  # hard, thin edges
    SOFTEDGE = "softedge"  # soft edges, the stronger the brighter
    LINEART = "lineart"  # clean lines, thick and thin
    LINEART_ANIME = "lineart-anime"
    MLSD = "mlsd"  # straight lines alone: rooms, houses
    DEPTH = "depth"  # the nearer the brighter
    NORMAL = "normal"  # which way each surface looks
    POSE = "pose"  # people as coloured stick figures
    SEGMENTATION = "segmentation"  # areas in ADE20K's colours
    SHUFFLE = "shuffle"  # the colours of a picture, out of their places
    TILE = "tile"  # the picture itself, whose details are made anew


class Detector(StrEnum):
    """What finds a map in a picture."""

    NONE = "none"  # nothing: the picture is a map already, or a drawing
    CANNY = "canny"  # Canny 1986
    HED = "hed"  # Xie and Tu 2015, as ControlNet's authors trained it anew
    PIDINET = "pidinet"  # Su et al. 2021
    TEED = "teed"  # Soria et al. 2023
    LINEART = "lineart"  # Chan et al. 2022
    LINEART_COARSE = "lineart-coarse"
    LINEART_STANDARD = "lineart-standard"  # differences of blurred pictures; needs no weights
    LINEART_ANIME = "lineart-anime"
    MLSD = "mlsd"  # Gu et al. 2022
    MIDAS = "midas"  # Ranftl et al. 2021 (DPT-Hybrid)
    DEPTH_ANYTHING = "depth-anything"  # Yang et al. 2024
    NORMAL_BAE = "normal-bae"  # Bae et al. 2021
    OPENPOSE = "openpose"  # Cao et al. 2019: bodies
    OPENPOSE_FULL = "openpose-full"  # and hands and faces
    UPERNET = "upernet"  # Xiao et al. 2018, on ADE20K's 150 classes
    SHUFFLE = "shuffle"  # Zhang et al. 2023: the picture bent by smooth noise
    DOWNSAMPLE = "downsample"  # made small and large again


class ResizeMode(StrEnum):
    """How a control picture of another shape is brought to the size of the picture to be made."""

    CROP = "crop"  # fill the frame, cut what stands over (the default)
    PAD = "pad"  # show all of it, empty margins
    STRETCH = "stretch"  # fill the frame, change the proportions


class ControlMode(StrEnum):
    """Whether a control layer or the prompt leads, by the names that InvokeAI gave the modes of Mikubill's extension.

    Guidance multiplies the difference between a guess with the prompt and one without. A layer that steers the guess
    with the prompt only is a part of that difference, and multiplied with it.
    """

    BALANCED = "balanced"  # both guesses, as ControlNet was published (the default)
    MORE_PROMPT = "more_prompt"  # both, weaker in the outer layers, which hold the details
    MORE_CONTROL = "more_control"  # the guess with the prompt only, weaker in the outer layers: "guess mode"
    UNBALANCED = "unbalanced"  # the guess with the prompt only

    @property
    def soft(self) -> bool:
        """Whether the outer layers are steered less than the inner ones."""
        return self in (ControlMode.MORE_PROMPT, ControlMode.MORE_CONTROL)

    @property
    def one_sided(self) -> bool:
        """Whether only the guess with the prompt is steered."""
        return self in (ControlMode.MORE_CONTROL, ControlMode.UNBALANCED)


MODE_NAMES = {
    ControlMode.BALANCED: "balanced",
    ControlMode.MORE_PROMPT: "more prompt",
    ControlMode.MORE_CONTROL: "more control",
    ControlMode.UNBALANCED: "most control",
}
"""What the modes are called in sentences."""


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
