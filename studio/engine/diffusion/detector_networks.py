"""The networks of detectors, built here and filled from safetensors. controlnet-aux's own way of loading opens pickles,
which happens nowhere in this process.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image

from studio.core.choices import Detector
from studio.core.errors import ModelMissing, StudioError
from studio.engine.diffusion.hand_drawing import draw_hand
from studio.engine.diffusion.memory import is_lack
from studio.engine.diffusion.parts import own_copy
from studio.engine.light_aux import aux_module

Weights = Mapping[str, torch.Tensor]


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

    return TransformerDetector(DepthAnythingForDepthEstimation, folders[0])


def _upernet(folders: list[Any]) -> Any:
    from transformers import AutoModelForSemanticSegmentation

    return TransformerDetector(AutoModelForSemanticSegmentation, folders[0])


class TransformerDetector:
    """A model of transformers from a local folder, with the preparation of pictures that its own files describe."""

    def __init__(self, kind: Any, folder: Path) -> None:
        from transformers import AutoImageProcessor

        self.model = kind.from_pretrained(str(folder), local_files_only=True, use_safetensors=True).float().eval()
        for parameter in self.model.parameters():
            parameter.data = own_copy(parameter.data)
        self.prepare = AutoImageProcessor.from_pretrained(str(folder), local_files_only=True)

    def to(self, device: torch.device) -> TransformerDetector:
        self.model.to(device)
        return self

    def ask(self, picture: Image.Image) -> Any:
        ready = self.prepare(images=picture, return_tensors="pt")["pixel_values"]
        return self.model(ready.to(self.model.device))


def _nothing(_weights: list[Weights]) -> Any:
    return None


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
