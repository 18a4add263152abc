"""The networks of all detectors with random weights, in the wrappings in which they are published. Knows no studio."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

State = dict[str, Any]
Aux = Callable[[str], Any]  # a module of controlnet-aux by name


def network(file: str, aux: Aux) -> nn.Module:
    """The network whose weights are published as `file`, random."""
    torch.manual_seed(sum(file.encode()))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        made: nn.Module = _MAKE[file](aux)
    if file.startswith("mlsd"):  # so that it sees lines of some length
        for name, tensor in made.state_dict().items():
            if name.startswith("block23.conv3"):
                tensor *= 50
    return made.eval()


def published(file: str, state: State) -> Any:
    """The weights in the wrapping that the file has where it is published."""
    if file == "table5_pidinet":
        return {"epoch": 19, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    if file == "scannet":
        return {"model": {f"module.{name}": tensor for name, tensor in state.items()}}
    if file == "netG":
        return {f"module.{name}": tensor for name, tensor in state.items()}
    if file in ("body_pose_model", "hand_pose_model"):
        return {name.partition(".")[2]: tensor for name, tensor in state.items()}
    return state


def depth_anything(folder: Path) -> None:
    """A tiny Depth Anything with its preparation of pictures."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    torch.manual_seed(1)
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, patch_size=14, fusion_hidden_size=8,
        neck_hidden_sizes=[8, 8, 8, 8], head_hidden_size=8,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder, safe_serialization=True)
    DPTImageProcessor(size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14).save_pretrained(
        folder
    )


def upernet(folder: Path, classes: int = 150) -> None:
    """A tiny UPerNet that knows ADE20K's classes."""
    from transformers import ConvNextConfig, SegformerImageProcessor, UperNetConfig, UperNetForSemanticSegmentation

    torch.manual_seed(2)
    backbone = ConvNextConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 8, 8], out_features=["stage1", "stage2", "stage3", "stage4"]
    )
    config = UperNetConfig(
        backbone_config=backbone, hidden_size=8, num_labels=classes, use_auxiliary_head=False, pool_scales=[1, 2]
    )
    model = UperNetForSemanticSegmentation(config)
    nn.init.normal_(model.decode_head.classifier.weight, std=5.0)  # so that several classes win
    model.save_pretrained(folder, safe_serialization=True)
    SegformerImageProcessor(size={"height": 128, "width": 128}).save_pretrained(folder)


def _anime(aux: Aux) -> nn.Module:
    norm = functools.partial(nn.InstanceNorm2d, affine=False, track_running_stats=False)
    made: nn.Module = aux("lineart_anime").UnetGenerator(3, 1, 8, 64, norm_layer=norm, use_dropout=False)
    return made


_NORMAL = SimpleNamespace(
    mode="client", architecture="BN", pretrained="scannet", sampling_ratio=0.4, importance_ratio=0.7
)
_MAKE: dict[str, Callable[[Aux], Any]] = {
    "ControlNetHED": lambda aux: aux("hed").ControlNetHED_Apache2(),
    "table5_pidinet": lambda aux: aux("pidi").pidinet(),
    "5_model": lambda aux: aux("teed").TED(),
    "sk_model": lambda aux: aux("lineart").Generator(3, 1, 3),
    "sk_model2": lambda aux: aux("lineart").Generator(3, 1, 3),
    "netG": _anime,
    "mlsd_large_512_fp32": lambda aux: aux("mlsd").MobileV2_MLSD_Large(),
    "dpt_hybrid-midas-501f0c75": lambda aux: aux("midas.midas.dpt_depth").DPTDepthModel(
        path=None, backbone="vitb_rn50_384", non_negative=True
    ),
    "scannet": lambda aux: aux("normalbae").NNET(_NORMAL),
    "body_pose_model": lambda aux: aux("open_pose.model").bodypose_model(),
    "hand_pose_model": lambda aux: aux("open_pose.model").handpose_model(),
    "facenet": lambda aux: aux("open_pose.face").FaceNet(),
}
