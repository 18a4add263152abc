"""Asks the networks that find control maps: controlnet-aux's, and two of transformers'. Their answers as RGB pictures."""

from __future__ import annotations

import contextlib
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from studio.core.choices import Detector
from studio.core.errors import ModelMissing
from studio.engine.diffusion.detector_networks import TransformerDetector, build
from studio.engine.diffusion.devices import choose_device
from studio.engine.diffusion.memory import is_lack
from studio.engine.light_aux import aux_module
from studio.engine.models import fingerprint

KEPT = 2  # detectors that stay loaded
_ADE_CLASSES = 150
_DOWNSAMPLE = 4


class Detectors:
    """Detectors, loaded at first use; the last two stay. One thread at a time.

    `device` as in `choose_device`; where its memory does not suffice the CPU does the work.
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = choose_device(device).torch_device
        self._loaded: OrderedDict[tuple[object, ...], Any] = OrderedDict()

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
        key = detector, *((file, fingerprint(file)) for file in files)
        if key not in self._loaded:
            while len(self._loaded) >= KEPT:
                self._loaded.popitem(last=False)
            with _quiet():
                made = build(detector, files)
            self._loaded[key] = made.to(self._device) if hasattr(made, "to") else made
        self._loaded.move_to_end(key)
        return self._loaded[key]


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


def _ask_depth(network: TransformerDetector, picture: Image.Image, _options: dict[str, int], _told: Any) -> Any:
    """Near bright, far dark, from black to white."""
    depth = network.ask(picture).predicted_depth[:, None]
    depth = torch.nn.functional.interpolate(depth, picture.size[::-1], mode="bicubic", align_corners=False)[0, 0]
    span = depth.max() - depth.min()
    grey = (depth - depth.min()) / span if span > 0 else torch.zeros_like(depth)
    return (grey * 255).clip(0, 255).byte().cpu().numpy()


def _ask_areas(network: TransformerDetector, picture: Image.Image, _options: dict[str, int], _told: Any) -> Any:
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
