"""What finds a control map in a picture: which detectors fit a kind of control layer, and what each needs. Plain values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from studio.core.choices import ControlKind, Detector

LINES = frozenset(
    {
        ControlKind.SCRIBBLE,
        ControlKind.CANNY,
        ControlKind.SOFTEDGE,
        ControlKind.LINEART,
        ControlKind.LINEART_ANIME,
        ControlKind.MLSD,
    }
)  # their maps are white lines on black, and one network may read several of them

# The first of each row is the usual one: a recipe that names no detector means it, so it never changes.
FITTING: dict[ControlKind, tuple[Detector, ...]] = {
    ControlKind.SCRIBBLE: (Detector.NONE, Detector.HED, Detector.PIDINET, Detector.TEED),
    ControlKind.CANNY: (Detector.CANNY, Detector.NONE),
    ControlKind.SOFTEDGE: (Detector.HED, Detector.PIDINET, Detector.TEED, Detector.NONE),
    ControlKind.LINEART: (Detector.LINEART, Detector.LINEART_COARSE, Detector.LINEART_STANDARD, Detector.NONE),
    ControlKind.LINEART_ANIME: (Detector.LINEART_ANIME, Detector.NONE),
    ControlKind.MLSD: (Detector.MLSD, Detector.NONE),
    ControlKind.DEPTH: (Detector.DEPTH_ANYTHING, Detector.MIDAS, Detector.NONE),
    ControlKind.NORMAL: (Detector.NORMAL_BAE, Detector.NONE),
    ControlKind.POSE: (Detector.OPENPOSE, Detector.OPENPOSE_FULL, Detector.NONE),
    ControlKind.SEGMENTATION: (Detector.UPERNET, Detector.NONE),
    ControlKind.SHUFFLE: (Detector.SHUFFLE, Detector.NONE),
    ControlKind.TILE: (Detector.NONE, Detector.DOWNSAMPLE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorInfo:
    """What a detector needs. `files`: the stems of its weight files, or one folder; `starter`: its entry in models.json.

    `sides`: the least and the greatest length in pixels of the shorter side that it looks at.
    """

    title: str
    files: tuple[str, ...] = ()
    starter: str = ""
    is_folder: bool = False  # in transformers' layout: config.json beside model.safetensors
    sides: tuple[int, int] = (512, 1024)


DETECTORS: dict[Detector, DetectorInfo] = {
    Detector.NONE: DetectorInfo(title="as it is"),
    Detector.CANNY: DetectorInfo(title="Canny"),
    Detector.HED: DetectorInfo(title="HED", files=("ControlNetHED",), starter="annotator-hed"),
    Detector.PIDINET: DetectorInfo(title="PiDiNet", files=("table5_pidinet",), starter="annotator-pidinet"),
    Detector.TEED: DetectorInfo(title="TEED", files=("5_model",), starter="annotator-teed"),
    Detector.LINEART: DetectorInfo(title="Line art", files=("sk_model",), starter="annotator-lineart"),
    Detector.LINEART_COARSE: DetectorInfo(title="Coarse", files=("sk_model2",), starter="annotator-lineart"),
    Detector.LINEART_STANDARD: DetectorInfo(title="Plain"),
    Detector.LINEART_ANIME: DetectorInfo(title="Anime", files=("netG",), starter="annotator-anime"),
    Detector.MLSD: DetectorInfo(title="MLSD", files=("mlsd_large_512_fp32",), starter="annotator-mlsd"),
    Detector.MIDAS: DetectorInfo(
        title="MiDaS", files=("dpt_hybrid-midas-501f0c75",), starter="annotator-midas", sides=(384, 512)
    ),
    Detector.DEPTH_ANYTHING: DetectorInfo(
        title="Depth Anything", files=("depth-anything-v2-small",), starter="depth-anything", is_folder=True
    ),
    Detector.NORMAL_BAE: DetectorInfo(
        title="NormalBae", files=("scannet",), starter="annotator-normal", sides=(512, 768)
    ),
    Detector.OPENPOSE: DetectorInfo(title="OpenPose", files=("body_pose_model",), starter="annotator-openpose"),
    Detector.OPENPOSE_FULL: DetectorInfo(
        title="With hands, face",
        files=("body_pose_model", "hand_pose_model", "facenet"),
        starter="annotator-openpose",
    ),
    Detector.UPERNET: DetectorInfo(
        title="UPerNet",
        files=("upernet-convnext-small",),
        starter="annotator-upernet",
        is_folder=True,
        sides=(512, 512),
    ),
    Detector.SHUFFLE: DetectorInfo(title="Shuffle"),
    Detector.DOWNSAMPLE: DetectorInfo(title="Blurred"),
}


def detector_of(kind: ControlKind, said: str = "") -> Detector:
    """The detector of a layer: the one it names, else the usual one of its kind."""
    return Detector(said) if said else FITTING[kind][0]


def choose(kind: ControlKind, here: Collection[Detector]) -> Detector:
    """The detector that fits a kind best of those whose weights are here; the usual one where none is."""
    fitting = FITTING[kind]
    return next((one for one in fitting if one in here and (one is not Detector.NONE or fitting[0] is one)), fitting[0])


def named(kind: ControlKind, detector: Detector) -> str:
    """How a recipe names a detector: not at all where it is the usual one."""
    return "" if FITTING[kind][0] is detector else detector.value


def thresholds(kind: ControlKind | str) -> tuple[int, int]:
    """The usual `low` and `high` of a kind: of Canny 0 ... 255; of M-LSD `low` is the least score of a line in hundredths."""
    return (10, 200) if kind is ControlKind.MLSD else (100, 200)


def takes_drawing(kind: ControlKind, detector: Detector) -> bool:
    """Whether the picture is read as lines, for which light and dark may have to change places."""
    return detector is Detector.CANNY or (detector is Detector.NONE and kind in LINES)
