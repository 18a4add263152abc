"""What finds a control map in a picture: which detectors fit a kind of control layer, and what each needs. Plain values."""

from __future__ import annotations

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
    Detector.MLSD: DetectorInfo(title="M-LSD", files=("mlsd_large_512_fp32",), starter="annotator-mlsd"),
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


def named(kind: ControlKind, detector: Detector) -> str:
    """How a recipe names a detector: not at all where it is the usual one."""
    return "" if FITTING[kind][0] is detector else detector.value


def thresholds(kind: ControlKind | str) -> tuple[int, int]:
    """The usual `low` and `high` of a kind: of Canny 0 ... 255; of M-LSD `low` is the least score of a line in hundredths."""
    return (10, 200) if kind is ControlKind.MLSD else (100, 200)


def takes_drawing(kind: ControlKind, detector: Detector) -> bool:
    """Whether the picture is read as lines, for which light and dark may have to change places."""
    return detector is Detector.CANNY or (detector is Detector.NONE and kind in LINES)


_NETS: tuple[tuple[ControlKind, tuple[str, ...]], ...] = (
    (ControlKind.SCRIBBLE, ("scribble", "sketch")),
    (ControlKind.CANNY, ("canny",)),
    (ControlKind.LINEART_ANIME, ("lineartanime", "animelineart", "s2lineartanime", "anime")),
    (ControlKind.LINEART, ("lineart",)),
    (ControlKind.SOFTEDGE, ("softedge", "hed", "pidinet")),
    (ControlKind.MLSD, ("mlsd",)),
    (ControlKind.DEPTH, ("depth", "midas")),
    (ControlKind.NORMAL, ("normal",)),
    (ControlKind.POSE, ("openpose", "dwpose", "pose")),
    (ControlKind.SEGMENTATION, ("segmentation", "seg")),
    (ControlKind.SHUFFLE, ("shuffle",)),
    (ControlKind.TILE, ("tile",)),
)  # in what the names of published ControlNets say, the more telling first


def kind_of_net(name: str) -> ControlKind | None:
    """Which kind of map a ControlNet reads, as far as its name tells."""
    plain = "".join(sign for sign in name.casefold() if sign.isalnum())
    return next((kind for kind, words in _NETS if any(word in plain for word in words)), None)


UNION_TYPES: dict[ControlKind, int] = {
    ControlKind.POSE: 0,
    ControlKind.DEPTH: 1,
    ControlKind.SCRIBBLE: 2,
    ControlKind.SOFTEDGE: 2,
    ControlKind.CANNY: 3,
    ControlKind.LINEART: 3,
    ControlKind.LINEART_ANIME: 3,
    ControlKind.MLSD: 3,
    ControlKind.NORMAL: 4,
    ControlKind.SEGMENTATION: 5,
    ControlKind.TILE: 6,
}  # which input of a union ControlNet reads which kind, as xinsir's ControlNet++ numbers them (tile only in "promax")


def reads(net: str, variant: str, kind: ControlKind) -> bool:
    """Whether a ControlNet of this name and variant was made for maps of this kind, as far as it is known."""
    return kind in UNION_TYPES if variant == "union" else kind_of_net(net) is kind
