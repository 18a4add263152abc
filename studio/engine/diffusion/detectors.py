"""The networks that find control maps: controlnet-aux's, and two of transformers', built here and filled from
safetensors. controlnet-aux's own way of loading opens pickles, which happens nowhere in this process.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from studio.core.choices import Detector
from studio.core.errors import ModelMissing, StudioError
from studio.engine.diffusion.devices import choose_device
from studio.engine.diffusion.hand_drawing import draw_hand
from studio.engine.diffusion.memory import is_lack
from studio.engine.diffusion.parts import own_copy
from studio.engine.light_aux import aux_module

Weights = Mapping[str, torch.Tensor]
KEPT = 2  # detectors that stay loaded
_ADE_CLASSES = 150
_DOWNSAMPLE = 4


class Detectors:
    """Detectors, loaded at first use; the last two stay. One thread at a time.

    `device` as in `choose_device`; where its memory does not suffice the CPU does the work.
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = choose_device(device).torch_device
        self._loaded: OrderedDict[tuple[Detector, tuple[Path, ...]], Any] = OrderedDict()

    def find(
        self, detector: Detector, files: tuple[Path, ...], picture: Image.Image, seed: int, low: int
    ) -> Image.Image:
        """The map of a picture (RGB, sides multiples of 64), of the same size. Raises `ModelMissing`."""
        network = self._network(detector, files)
        ask = _ASK.get(detector, _usual)
        side = min(picture.size)
        options = {"detect_resolution": side, "image_resolution": side}
        try:
            with torch.no_grad(), _quiet():
                found = ask(network, picture, options, SimpleNamespace(seed=seed, low=low))
        except RuntimeError as error:
            if self._device.type == "cpu" or not is_lack(error):
                raise
            self._device = torch.device("cpu")
            self._loaded.clear()
            return self.find(detector, files, picture, seed, low)
        image = found if isinstance(found, Image.Image) else Image.fromarray(found)
        return image.convert("RGB")

    def _network(self, detector: Detector, files: tuple[Path, ...]) -> Any:
        key = detector, files
        if key not in self._loaded:
            while len(self._loaded) >= KEPT:
                self._loaded.popitem(last=False)
            with _quiet():
                made = build(detector, files)
            self._loaded[key] = made.to(self._device) if hasattr(made, "to") else made
        self._loaded.move_to_end(key)
        return self._loaded[key]


def build(detector: Detector, files: tuple[Path, ...]) -> Any:
    """A detector ready to be asked, on the CPU, with the weights of these files. Raises `ModelMissing`."""
    try:
        made = _BUILD[detector]([read(file) for file in files if file.is_file()] or list(files))
    except StudioError:
        raise
    except (RuntimeError, KeyError, ValueError, OSError, TypeError, AttributeError) as error:
        if is_lack(error):
            raise
        names = ", ".join(file.name for file in files)
        raise ModelMissing(
            f"“{names}” does not hold the weights of this detector.", "Fetch it again.", f"{error!r}"[:1000]
        ) from error
    return made


def read(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file, in memory of their own, by names without the trainers' "module."."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ModelMissing(f"“{file.name}” is damaged.", "Fetch it again.", str(error)[:1000]) from error
    return {name.removeprefix("module."): own_copy(tensor) for name, tensor in tensors.items()}


def _filled(make: Callable[[], Any], weights: Weights) -> Any:
    """The network that `make` makes, with these weights, each of which it must have."""
    network = _bare(make)
    network.load_state_dict(dict(weights), strict=True, assign=True)
    return network.float().eval().requires_grad_(False)


def _bare(make: Callable[[], Any]) -> Any:
    """The network without numbers, where it can be made so: random ones cost seconds and are thrown away."""
    try:
        with torch.device("meta"):
            network = make()
    except (RuntimeError, NotImplementedError):
        return make()
    kept = network.state_dict()
    return network if all(name in kept for name, _ in network.named_buffers()) else make()


def _hed(weights: list[Weights]) -> Any:
    hed = aux_module("hed")
    return hed.HEDdetector(_filled(hed.ControlNetHED_Apache2, weights[0]))


def _pidinet(weights: list[Weights]) -> Any:
    pidi = aux_module("pidi")
    return pidi.PidiNetDetector(_filled(pidi.pidinet, weights[0]))


def _teed(weights: list[Weights]) -> Any:
    teed = aux_module("teed")
    return teed.TEEDdetector(_filled(teed.TED, weights[0]))


def _lineart(weights: list[Weights]) -> Any:
    """One of the two networks; the detector of controlnet-aux would hold both."""
    lineart = aux_module("lineart")
    network = _filled(lambda: lineart.Generator(3, 1, 3), weights[0])
    return lineart.LineartDetector(network, network)


def _anime(weights: list[Weights]) -> Any:
    anime = aux_module("lineart_anime")
    norm = partial(torch.nn.InstanceNorm2d, affine=False, track_running_stats=False)
    make = partial(anime.UnetGenerator, 3, 1, 8, 64, norm_layer=norm, use_dropout=False)
    return anime.LineartAnimeDetector(_filled(make, weights[0]))


def _mlsd(weights: list[Weights]) -> Any:
    mlsd = aux_module("mlsd")
    return mlsd.MLSDdetector(_filled(mlsd.MobileV2_MLSD_Large, weights[0]))


def _midas(weights: list[Weights]) -> Any:
    """DPT-Hybrid; the detector asks it as it would its own wrapper, which can only read pickles."""
    dpt = aux_module("midas.midas.dpt_depth")
    make = partial(dpt.DPTDepthModel, path=None, backbone="vitb_rn50_384", non_negative=True)
    return aux_module("midas").MidasDetector(_filled(make, weights[0]))


def _normal(weights: list[Weights]) -> Any:
    bae = aux_module("normalbae")
    told = SimpleNamespace(
        mode="client", architecture="BN", pretrained="scannet", sampling_ratio=0.4, importance_ratio=0.7
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it loads
        network = _filled(lambda: bae.NNET(told), weights[0])
    return bae.NormalBaeDetector(network)


def _openpose(weights: list[Weights]) -> Any:
    """Bodies, and hands and faces where their weights are given too."""
    pose = aux_module("open_pose")
    model, util = aux_module("open_pose.model"), pose.util
    util.draw_handpose = draw_hand
    parts: list[Any] = []
    for kind, network, own in zip(
        (pose.Body, pose.Hand), (model.bodypose_model, model.handpose_model), weights, strict=False
    ):
        part = kind.__new__(kind)  # its constructor would read a pickle
        part.model = _filled(network, util.transfer(_bare(network), own))
        parts.append(part)
    if len(weights) > 2:
        faces = aux_module("open_pose.face")
        face = faces.Face.__new__(faces.Face)
        face.inference_size, face.sigma = faces.params["inference_img_size"], faces.params["gaussian_sigma"]
        face.threshold = faces.params["heatmap_peak_thresh"]
        face.model = _filled(faces.FaceNet, weights[2])
        parts.append(face)
    return _Pose(pose.OpenposeDetector(*parts), parts)


class _Pose:
    """OpenPose's detector moves parts that it was not given."""

    def __init__(self, detector: Any, parts: list[Any]) -> None:
        self.detector, self.parts = detector, parts

    def to(self, device: torch.device) -> _Pose:
        for part in self.parts:
            part.to(device)
        return self


def _depth_anything(folders: list[Any]) -> Any:
    from transformers import DepthAnythingForDepthEstimation

    return _Transformer(DepthAnythingForDepthEstimation, folders[0])


def _upernet(folders: list[Any]) -> Any:
    from transformers import AutoModelForSemanticSegmentation

    return _Transformer(AutoModelForSemanticSegmentation, folders[0])


class _Transformer:
    """A model of transformers from a local folder, with the preparation of pictures that its own files describe."""

    def __init__(self, kind: Any, folder: Path) -> None:
        from transformers import AutoImageProcessor

        self.model = kind.from_pretrained(str(folder), local_files_only=True, use_safetensors=True).float().eval()
        for parameter in self.model.parameters():
            parameter.data = own_copy(parameter.data)
        self.prepare = AutoImageProcessor.from_pretrained(str(folder), local_files_only=True)

    def to(self, device: torch.device) -> _Transformer:
        self.model.to(device)
        return self

    def ask(self, picture: Image.Image) -> Any:
        ready = self.prepare(images=picture, return_tensors="pt")["pixel_values"]
        return self.model(ready.to(self.model.device))


def _nothing(_weights: list[Weights]) -> Any:
    return None


def _usual(network: Any, picture: Image.Image, options: dict[str, int], _told: Any) -> Any:
    return network(np.asarray(picture), output_type="np", **options)


def _ask_teed(network: Any, picture: Image.Image, options: dict[str, int], _told: Any) -> Any:
    return network(np.asarray(picture), detect_resolution=options["detect_resolution"], output_type="np")


def _ask_mlsd(network: Any, picture: Image.Image, options: dict[str, int], told: Any) -> Any:
    return network(np.asarray(picture), thr_v=told.low / 100, output_type="np", **options)


def _ask_body(network: Any, picture: Image.Image, options: dict[str, int], _told: Any) -> Any:
    return network.detector(np.asarray(picture), output_type="np", **options)


def _ask_full(network: Any, picture: Image.Image, options: dict[str, int], _told: Any) -> Any:
    return network.detector(np.asarray(picture), output_type="np", include_hand=True, include_face=True, **options)


def _ask_depth(network: _Transformer, picture: Image.Image, _options: dict[str, int], _told: Any) -> Any:
    """Near bright, far dark, from black to white."""
    depth = network.ask(picture).predicted_depth[:, None]
    depth = torch.nn.functional.interpolate(depth, picture.size[::-1], mode="bicubic", align_corners=False)[0, 0]
    span = depth.max() - depth.min()
    grey = (depth - depth.min()) / span if span > 0 else torch.zeros_like(depth)
    return (grey * 255).clip(0, 255).byte().cpu().numpy()


def _ask_areas(network: _Transformer, picture: Image.Image, _options: dict[str, int], _told: Any) -> Any:
    """Each pixel in the colour of its class of ADE20K. Raises `ModelMissing` for a model of other classes."""
    scores = network.ask(picture).logits
    if scores.shape[1] != _ADE_CLASSES:
        raise ModelMissing(
            f"This segmentation model knows {scores.shape[1]} classes; ADE20K, which ControlNets read, has 150.",
            "Fetch the one on the page Get models.",
        )
    scores = torch.nn.functional.interpolate(scores, picture.size[::-1], mode="bilinear", align_corners=False)
    palette = np.asarray(aux_module("util").ade_palette(), np.uint8)
    return palette[scores[0].argmax(0).cpu().numpy()]


def _ask_shuffle(_network: Any, picture: Image.Image, options: dict[str, int], told: Any) -> Any:
    """Bent by noise that the recipe's picture decides, so that the same recipe gives the same map."""
    detector = aux_module("shuffle").ContentShuffleDetector()
    before = np.random.get_state()  # controlnet-aux draws from the one generator of all
    np.random.seed(told.seed)
    try:
        return detector(np.asarray(picture), output_type="np", **options)
    finally:
        np.random.set_state(before)


def _ask_plain_lines(_network: Any, picture: Image.Image, options: dict[str, int], _told: Any) -> Any:
    detector = aux_module("lineart_standard").LineartStandardDetector()
    with np.errstate(invalid="ignore"):  # the median of nothing, in a picture without lines
        return detector(np.asarray(picture), detect_resolution=options["detect_resolution"], output_type="np")


def _ask_small(_network: Any, picture: Image.Image, _options: dict[str, int], _told: Any) -> Any:
    small = picture.resize((picture.width // _DOWNSAMPLE, picture.height // _DOWNSAMPLE), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.BICUBIC)


_BUILD: dict[Detector, Callable[[list[Any]], Any]] = {
    Detector.HED: _hed,
    Detector.PIDINET: _pidinet,
    Detector.TEED: _teed,
    Detector.LINEART: _lineart,
    Detector.LINEART_COARSE: _lineart,
    Detector.LINEART_STANDARD: _nothing,
    Detector.LINEART_ANIME: _anime,
    Detector.MLSD: _mlsd,
    Detector.MIDAS: _midas,
    Detector.DEPTH_ANYTHING: _depth_anything,
    Detector.NORMAL_BAE: _normal,
    Detector.OPENPOSE: _openpose,
    Detector.OPENPOSE_FULL: _openpose,
    Detector.UPERNET: _upernet,
    Detector.SHUFFLE: _nothing,
    Detector.DOWNSAMPLE: _nothing,
}
_ASK: dict[Detector, Callable[[Any, Image.Image, dict[str, int], Any], Any]] = {
    Detector.TEED: _ask_teed,
    Detector.MLSD: _ask_mlsd,
    Detector.OPENPOSE: _ask_body,
    Detector.OPENPOSE_FULL: _ask_full,
    Detector.DEPTH_ANYTHING: _ask_depth,
    Detector.UPERNET: _ask_areas,
    Detector.SHUFFLE: _ask_shuffle,
    Detector.LINEART_STANDARD: _ask_plain_lines,
    Detector.DOWNSAMPLE: _ask_small,
}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Deprecations inside the libraries are not the artist's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
