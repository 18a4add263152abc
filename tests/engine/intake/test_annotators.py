"""Detectors are known by their keys, as they come and as `convert` leaves them; in a library they are told apart."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import pytest

from studio.core.model_files import Kind
from studio.core.weights import WeightHeader
from studio.engine.intake.kinds import recognise

NAMES = {
    "ControlNetHED": "HED", "table5_pidinet": "PiDiNet", "5_model": "TEED", "sk_model": "line art", "sk_model2": "line art",
    "netG": "anime line art", "mlsd_large_512_fp32": "M-LSD", "dpt_hybrid-midas-501f0c75": "MiDaS", "scannet": "NormalBae",
    "body_pose_model": "OpenPose, bodies", "hand_pose_model": "OpenPose, hands or faces", "facenet": "OpenPose, hands or faces",
}  # fmt: skip


def header(file: str) -> WeightHeader:
    import torch

    from studio.engine.diffusion.convert import _inside, _tensors
    from studio.engine.light_aux import aux_module
    from tests.engine import random_detectors

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.device("meta"):
        warnings.simplefilter("ignore")
        state: dict[str, Any] = random_detectors._MAKE[file](aux_module).state_dict()
    loaded = random_detectors.published(file, state)
    shapes = {name: tuple(tensor.shape) for name, tensor in _tensors(_inside(loaded), "")}
    return WeightHeader(shapes=shapes, metadata={}, dtypes=dict.fromkeys(shapes, "F32"))


@pytest.mark.parametrize(("file", "variant"), NAMES.items())
def test_a_converted_detector_is_known(file: str, variant: str) -> None:
    traits = recognise(header(file), file)
    assert (traits.kind, traits.variant, traits.problem) == (Kind.DETECTOR, variant, "")


def test_folders_of_transformers_are_known(tmp_path: Path) -> None:
    from studio.engine.annotators import Annotators
    from studio.engine.intake.library import Library
    from tests.engine import random_detectors

    deep = tmp_path / "somewhere" / "else"
    random_detectors.depth_anything(deep / "depth-anything-v2-small")
    random_detectors.upernet(deep / "upernet-convnext-small")
    library = Library((tmp_path,))
    found = {file.traits.variant: file.kind for file in library.scan()}
    assert found == {"Depth Anything": Kind.DETECTOR, "UPerNet": Kind.DETECTOR}
    here = Annotators(lambda: (tmp_path,), library=library).here()  # wherever they lie
    assert {"depth-anything", "upernet"} <= here
    assert not {"depth-anything", "upernet"} & Annotators(lambda: (tmp_path,)).here()
