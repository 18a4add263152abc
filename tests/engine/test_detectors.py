"""All detectors with random weights: the maps that controlnet-aux's own loading gives, without opening a pickle."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from studio.core.choices import ControlKind, Detector
from studio.core.detectors import DETECTORS, FITTING, choose
from studio.core.errors import ModelMissing
from studio.core.paths import PROJECT
from studio.core.recipe import ControlUse, ImageRef, Size
from studio.engine.annotators import KEPT_FILES, Annotators, grid_size, prune, starter_of
from studio.engine.control_maps import control_map

SEED = bytes(range(32))
NETWORKS = [one for one, info in DETECTORS.items() if info.files and not info.is_folder]
CLASSES = {
    Detector.HED: ("hed", "HEDdetector"),
    Detector.PIDINET: ("pidi", "PidiNetDetector"),
    Detector.TEED: ("teed", "TEEDdetector"),
    Detector.LINEART: ("lineart", "LineartDetector"),
    Detector.LINEART_COARSE: ("lineart", "LineartDetector"),
    Detector.LINEART_ANIME: ("lineart_anime", "LineartAnimeDetector"),
    Detector.MLSD: ("mlsd", "MLSDdetector"),
    Detector.MIDAS: ("midas", "MidasDetector"),
    Detector.NORMAL_BAE: ("normalbae", "NormalBaeDetector"),
    Detector.OPENPOSE: ("open_pose", "OpenposeDetector"),
    Detector.OPENPOSE_FULL: ("open_pose", "OpenposeDetector"),
}


def aux(name: str) -> Any:
    from studio.engine.light_aux import aux_module

    return aux_module(name)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks look at small pictures here."""
    monkeypatch.setattr("studio.engine.annotators.grid_size", lambda size, _low, _high: grid_size(size, 64, 1024))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    image = Image.new("RGB", (128, 64), "#dfe8f0")
    draw = ImageDraw.Draw(image)
    draw.rectangle((12, 20, 60, 60), fill="firebrick", outline="black", width=2)
    draw.ellipse((70, 10, 110, 50), fill="olive")
    return image


@pytest.fixture(scope="module")
def states() -> Callable[[str], Any]:
    """The random weights of a published file, made once."""
    import functools

    from tests.engine import random_detectors

    return functools.lru_cache(maxsize=3)(lambda file: random_detectors.network(file, aux).state_dict())


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, states: Callable[[str], Any], tmp_path: Path) -> Iterator[None]:
    """Every file is there, as far as anyone can tell: as converted for the studio, as published for controlnet-aux."""
    for info in DETECTORS.values():
        for stem in () if info.is_folder else info.files:
            for end in (".safetensors", ".pth", ".pt"):
                (tmp_path / f"{stem}{end}").touch()
    import torch

    from studio.engine.diffusion import convert, detector_networks
    from tests.engine import random_detectors

    def read(file: Path) -> dict[str, Any]:
        loaded = random_detectors.published(file.stem, states(file.stem))
        tensors = dict(convert._tensors(convert._inside(loaded), ""))
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}

    monkeypatch.setattr(detector_networks, "read", read)
    load = torch.load
    torch.load = lambda path, **_: random_detectors.published(Path(path).stem, states(Path(path).stem))
    yield
    torch.load = load


def theirs(detector: Detector, folder: Path) -> Any:
    """As controlnet-aux loads it from a local folder."""
    module, name = CLASSES[detector]
    options = {"filename": "5_model.pth"} if detector is Detector.TEED else {}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return getattr(aux(module), name).from_pretrained(str(folder), **options)


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize("detector", NETWORKS)
def test_a_map_is_the_one_that_controlnet_aux_finds(detector: Detector, picture: Image.Image, tmp_path: Path) -> None:
    import torch

    from studio.engine.diffusion.detectors import Detectors

    files = tuple(tmp_path / f"{stem}.safetensors" for stem in DETECTORS[detector].files)
    ours = Detectors("cpu")
    made = ours.find(detector, files, picture, 1, 10)
    assert (made.size, made.mode) == (picture.size, "RGB")
    reference = theirs(detector, tmp_path)
    options: dict[str, Any] = {"detect_resolution": 64, "image_resolution": 64, "output_type": "np"}
    if detector is Detector.LINEART_COARSE:
        options["coarse"] = True
    if detector is Detector.TEED:
        del options["image_resolution"]
    if detector is Detector.MLSD:
        options["thr_v"] = 0.1
    with torch.no_grad():
        expected = reference(np.asarray(picture), **options)
    assert np.array_equal(np.asarray(made), expected)
    if detector not in (Detector.OPENPOSE, Detector.OPENPOSE_FULL, Detector.MLSD):  # random ones see no body, no line
        assert len(np.unique(np.asarray(made))) > 2


def test_a_detector_whose_file_was_replaced_is_read_again(
    picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the old one's maps would be kept on the disk as the new one's."""
    from studio.engine.diffusion import detectors as module

    read: list[bytes] = []
    file = tmp_path / "sk_model.safetensors"

    def build(_detector: Detector, files: tuple[Path, ...]) -> Any:
        read.append(files[0].read_bytes())
        shade = len(read)
        return lambda array, **_options: np.full_like(array, shade)

    monkeypatch.setattr(module, "build", build)
    ours, seen = module.Detectors("cpu"), []
    for content in (b"old", b"old", b"newer"):
        if not file.is_file() or file.read_bytes() != content:
            file.write_bytes(content)
        seen.append(int(np.asarray(ours.find(Detector.LINEART, (file,), picture, 1, 0)).max()))
    assert (seen, read) == ([1, 1, 2], [b"old", b"newer"])


@pytest.mark.usefixtures("given")
def test_lines_are_drawn_where_the_score_suffices(picture: Image.Image, tmp_path: Path) -> None:
    from studio.engine.diffusion.detectors import Detectors

    ours = Detectors("cpu")
    files = (tmp_path / "mlsd_large_512_fp32.safetensors",)
    few, none = (np.asarray(ours.find(Detector.MLSD, files, picture, 1, low)) for low in (0, 100))
    assert few.any()
    assert not none.any()


@pytest.mark.usefixtures("given")
def test_a_body_gets_its_hands_and_face(picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.engine.diffusion.detectors import Detectors

    body = aux("open_pose.body")
    points = [[60 + 4 * (n % 5), 6 + 3 * n, 0.9, n] for n in range(18)]
    subset = np.array([[*range(18), 15.0, 18]], float)
    monkeypatch.setattr(body.Body, "__call__", lambda _self, _image: (np.array(points, float), subset))
    ran: list[str] = []
    for module, kind in (("open_pose.hand", "Hand"), ("open_pose.face", "Face")):
        whole = getattr(aux(module), kind)
        before = whole.__call__

        def noting(self: Any, image: Any, *, kind: str = kind, before: Any = before) -> Any:
            ran.append(kind)
            return before(self, image)

        monkeypatch.setattr(whole, "__call__", noting)
    pose = Detectors("cpu")
    stems = DETECTORS[Detector.OPENPOSE_FULL].files
    files = tuple(tmp_path / f"{stem}.safetensors" for stem in stems)
    alone = np.asarray(pose.find(Detector.OPENPOSE, files[:1], picture, 1, 0))
    assert len(np.unique(alone.reshape(-1, 3), axis=0)) > 10  # each limb in its colour
    assert ran == []
    pose.find(Detector.OPENPOSE_FULL, files, picture, 1, 0)
    assert "Face" in ran


def test_a_hand_has_five_fingers_in_the_colours_of_the_rainbow() -> None:
    from types import SimpleNamespace

    from studio.engine.diffusion.hand_drawing import bones, draw_hand

    assert len(bones()) == 20
    assert sorted({joint for pair in bones() for joint in pair}) == list(range(21))
    assert [pair for pair in bones() if pair[0] == 0] == [(0, 1), (0, 5), (0, 9), (0, 13), (0, 17)]
    joints = [SimpleNamespace(x=0.5, y=0.9)]
    joints += [SimpleNamespace(x=0.1 + 0.2 * finger, y=0.7 - 0.15 * joint) for finger in range(5) for joint in range(4)]
    joints[8] = SimpleNamespace(x=-0.01, y=-0.01)  # was not found
    drawn = draw_hand(np.zeros((200, 200, 3), np.uint8), joints)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 19 + 2  # bones but one, joints and the ground
    assert draw_hand(drawn.copy(), None).tobytes() == drawn.tobytes()


def test_a_converted_file_gives_the_map_of_the_pickle(picture: Image.Image, tmp_path: Path) -> None:
    import torch

    from studio.engine.diffusion.convert import convert
    from tests.engine import random_detectors

    folder = tmp_path / "annotators"
    folder.mkdir()
    pickle = folder / "ControlNetHED.pth"
    torch.save(random_detectors.network("ControlNetHED", aux).state_dict(), pickle)
    annotators = Annotators(lambda: (tmp_path,), device="cpu")
    with pytest.raises(ModelMissing, match=r"HED is here only as “ControlNetHED\.pth”, a pickle") as told:
        annotators.detect(Detector.HED, picture, SEED)
    assert "29 MB" in told.value.hint
    assert "main.py convert" in told.value.hint
    convert(pickle, folder / "ControlNetHED.safetensors")
    made = annotators.detect(Detector.HED, picture, SEED)
    with torch.no_grad():
        expected = theirs(Detector.HED, folder)(np.asarray(picture), 64, 64, output_type="np")
    assert np.array_equal(np.asarray(made), expected)


def test_depth_and_areas_come_from_transformers(picture: Image.Image, tmp_path: Path) -> None:
    from tests.engine import random_detectors

    random_detectors.depth_anything(tmp_path / "annotators" / "depth-anything-v2-small")
    random_detectors.upernet(tmp_path / "annotators" / "upernet-convnext-small")
    annotators = Annotators(lambda: (tmp_path,), device="cpu")
    depth = np.asarray(annotators.detect(Detector.DEPTH_ANYTHING, picture, SEED))
    assert depth.shape == (64, 128, 3)
    assert (depth.min(), depth.max()) == (0, 255)
    assert (depth[..., 0] == depth[..., 1]).all()
    areas = np.asarray(annotators.detect(Detector.UPERNET, picture, SEED))
    palette = {tuple(colour) for colour in aux("util").ade_palette()}
    colours = {tuple(int(v) for v in colour) for colour in np.unique(areas.reshape(-1, 3), axis=0)}
    assert colours <= palette
    assert len(colours) > 1
    random_detectors.upernet(tmp_path / "annotators" / "upernet-convnext-small", classes=7)
    with pytest.raises(ModelMissing, match="knows 7 classes"):
        Annotators(lambda: (tmp_path,), device="cpu").detect(Detector.UPERNET, picture, SEED)


def test_shuffle_is_the_same_each_time_and_leaves_the_dice_alone(picture: Image.Image) -> None:
    annotators = Annotators(tuple, device="cpu")
    before = np.random.get_state()[1].tolist()
    first, again, other = (annotators.detect(Detector.SHUFFLE, picture, s) for s in (SEED, SEED, b"\7" * 32))
    assert np.random.get_state()[1].tolist() == before
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert first.tobytes() != picture.tobytes()


def test_what_needs_no_weights_needs_nothing(picture: Image.Image) -> None:
    annotators = Annotators(tuple, device="cpu")
    lines = np.asarray(annotators.detect(Detector.LINEART_STANDARD, picture, SEED))
    assert lines.max() > 100
    blurred = annotators.detect(Detector.DOWNSAMPLE, picture, SEED)
    assert len(blurred.getcolors(9999) or []) > len(picture.getcolors(9999) or [])
    assert not np.asarray(annotators.detect(Detector.LINEART_STANDARD, Image.new("RGB", (64, 64)), SEED)).any()


def test_the_detector_that_is_here_is_chosen(tmp_path: Path) -> None:
    annotators = Annotators(lambda: (tmp_path,))
    here = annotators.here()
    assert not any(DETECTORS[one].files for one in here)
    assert choose(ControlKind.SCRIBBLE, here) is Detector.NONE
    assert choose(ControlKind.DEPTH, here) is Detector.DEPTH_ANYTHING
    assert choose(ControlKind.LINEART, here) is Detector.LINEART_STANDARD
    (tmp_path / "annotators").mkdir()
    (tmp_path / "annotators" / "dpt_hybrid-midas-501f0c75.safetensors").touch()
    (tmp_path / "annotators" / "sk_model2.safetensors").touch()
    assert choose(ControlKind.DEPTH, annotators.here()) is Detector.MIDAS
    assert choose(ControlKind.LINEART, annotators.here()) is Detector.LINEART_COARSE


@pytest.mark.parametrize("detector", [one for one in Detector if DETECTORS[one].files])
def test_a_missing_one_says_what_to_fetch(detector: Detector, picture: Image.Image) -> None:
    starter = starter_of(detector)
    assert starter is not None
    with pytest.raises(ModelMissing, match="is not here") as told:
        Annotators(tuple).detect(detector, picture, SEED)
    assert "page Get models" in told.value.hint
    assert starter.size < 1e6 or f"{starter.size / 1e6:,.0f} MB" in told.value.hint


@pytest.mark.parametrize("damage", ["other", "torn"])
def test_weights_that_are_not_its_own_are_refused_in_words(damage: str, picture: Image.Image, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    (tmp_path / "annotators").mkdir()
    file = tmp_path / "annotators" / "5_model.safetensors"
    save_file({"weight": torch.zeros(3)}, file)
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ModelMissing, match=r"5_model\.safetensors” (does not hold|is damaged)"):
        Annotators(lambda: (tmp_path,), device="cpu").detect(Detector.TEED, picture, SEED)


def test_maps_are_kept_by_content(picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "maps"
    annotators = Annotators(tuple, cache, device="cpu")
    made = annotators.detect(Detector.LINEART_STANDARD, picture, SEED)
    kept = list(cache.glob("*.png"))
    assert len(kept) == 1
    asked: list[Detector] = []
    whole = type(annotators._made()).find
    monkeypatch.setattr(
        type(annotators._made()), "find", lambda self, one, *more: asked.append(one) or whole(self, one, *more)
    )
    other = Annotators(tuple, cache, device="cpu")  # the next start
    assert other.detect(Detector.LINEART_STANDARD, picture, SEED).tobytes() == made.tobytes()
    assert asked == []
    kept[0].write_bytes(b"torn")
    assert other.detect(Detector.LINEART_STANDARD, picture, SEED).tobytes() == made.tobytes()
    assert asked == [Detector.LINEART_STANDARD]
    other.detect(Detector.LINEART_STANDARD, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), SEED)
    other.detect(Detector.DOWNSAMPLE, picture, SEED)
    assert len(asked) == 3
    assert len(list(cache.glob("*.png"))) == 3


def test_the_cache_stays_small(tmp_path: Path) -> None:
    for number in range(12):
        file = tmp_path / f"{number}.png"
        file.write_bytes(b"x" * 100)
        os.utime(file, (number, number))
    prune(tmp_path, KEPT_FILES, 10_000)
    assert len(list(tmp_path.iterdir())) == 12
    prune(tmp_path, 10, 500)
    assert sorted(int(file.stem) for file in tmp_path.iterdir()) == [7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("size", "seen"),
    [((256, 256), (512, 512)), ((512, 768), (512, 768)), ((72, 200), (512, 1408)), ((2048, 2048), (1024, 1024))],
)
def test_networks_look_at_multiples_of_64(size: tuple[int, int], seen: tuple[int, int]) -> None:
    assert grid_size(size, 512, 1024) == seen


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def test_every_kind_takes_a_finished_map_as_it_is(picture: Image.Image) -> None:
    source = png(picture)
    for kind in ControlKind:
        said = "" if FITTING[kind][0] is Detector.NONE else "none"
        use = ControlUse(kind=kind, image=ImageRef(digest=SEED.hex()), detector=said)
        made = control_map(use, Size(width=128, height=64), source)
        grey = made.data[0::3] == made.data[1::3]
        assert grey is (kind in {"scribble", "canny", "softedge", "lineart", "lineart-anime", "mlsd"})
        assert grey or made.data == picture.tobytes()


def test_a_map_of_a_layer_has_the_size_of_the_picture_to_be_made(picture: Image.Image) -> None:
    use = ControlUse(kind=ControlKind.LINEART, image=ImageRef(digest=SEED.hex()), detector="lineart-standard")
    made = control_map(use, Size(width=200, height=72), png(picture), Annotators(tuple, device="cpu"))
    assert (made.width, made.height) == (200, 72)
    assert any(made.data)


def test_detectors_come_without_the_package_and_without_torch_until_they_are_asked() -> None:
    code = (
        "import sys; from studio.engine.annotators import Annotators; import studio.engine.control_maps;"
        "a = Annotators(tuple); a.is_here('hed'); print('torch' in sys.modules);"
        "from studio.core.choices import Detector; from PIL import Image;"
        "a.detect(Detector.SHUFFLE, Image.new('RGB', (64, 64)), b'1234');"
        "print([m for m in ('controlnet_aux', 'timm', 'mediapipe') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=300
    )
    assert ran.stdout.split("\n")[:2] == ["False", "[]"]
    assert ran.stderr == ""
