"""The file layouts of T2I-Adapters: diffusers' and the authors' own give the same numbers; every name has its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from plugins.t2i_adapter import weights
from plugins.t2i_adapter.layouts import FULL, LIGHT, XL, read_layout
from plugins.t2i_adapter.weights import inspect
from studio.api import ModelMissing
from tests.shipped.test_t2i_adapter import save_adapter


class Original(nn.Module):
    """The authors' `Adapter` (sk, ksize 1) written from the paper's figure 3 and the names in its published files."""

    def __init__(self, folded: int, widths: tuple[int, ...], each: int, factor: int, down_at: tuple[int, ...]) -> None:
        super().__init__()
        self.each, self.factor, self.down_at = each, factor, down_at
        self.conv_in = nn.Conv2d(folded, widths[0], 3, padding=1)
        self.body = nn.ModuleList()
        for stage, width in enumerate(widths):
            for place in range(each):
                before = widths[stage - 1] if stage and not place else width
                parts = {"block1": nn.Conv2d(width, width, 3, padding=1), "block2": nn.Conv2d(width, width, 1)}
                if before != width:
                    parts["in_conv"] = nn.Conv2d(before, width, 1)
                self.body.append(nn.ModuleDict(parts))

    def forward(self, maps: Tensor) -> list[Tensor]:
        hidden, given = self.conv_in(nn.functional.pixel_unshuffle(maps, self.factor)), []
        for i, parts in enumerate(self.body):
            if not i % self.each and i // self.each in self.down_at:
                hidden = nn.functional.avg_pool2d(hidden, 2, 2, ceil_mode=True)
            if "in_conv" in parts:
                hidden = parts["in_conv"](hidden)
            hidden = hidden + parts["block2"](parts["block1"](hidden).relu())
            if i % self.each == self.each - 1:
                given.append(hidden)
        return given


class OriginalLight(nn.Module):
    """The authors' `Adapter_light`, likewise."""

    def __init__(self, folded: int, widths: tuple[int, ...], each: int) -> None:
        super().__init__()
        self.body = nn.ModuleList()
        for before, width in zip((folded, *widths[:-1]), widths, strict=True):
            narrow = width // 4
            rows = [
                nn.ModuleDict({f"block{i}": nn.Conv2d(narrow, narrow, 3, padding=1) for i in (1, 2)})
                for _ in range(each)
            ]
            parts = {"in_conv": nn.Conv2d(before, narrow, 1), "out_conv": nn.Conv2d(narrow, width, 1)}
            self.body.append(nn.ModuleDict({**parts, "body": nn.ModuleList(rows)}))

    def forward(self, maps: Tensor) -> list[Tensor]:
        hidden, given = nn.functional.pixel_unshuffle(maps, 8), []
        for i, parts in enumerate(self.body):
            hidden = nn.functional.avg_pool2d(hidden, 2, 2, ceil_mode=True) if i else hidden
            hidden = parts["in_conv"](hidden)
            for row in parts["body"]:
                hidden = hidden + row["block2"](row["block1"](hidden).relu())
            hidden = parts["out_conv"](hidden)
            given.append(hidden)
        return given


@pytest.mark.parametrize(
    ("original", "kind"),
    [
        (lambda: Original(64, (8, 16, 32, 32), 2, 8, (1, 2, 3)), FULL),
        (lambda: Original(768, (8, 16, 32, 32), 2, 16, (2,)), XL),
        (lambda: OriginalLight(192, (8, 16, 32, 32), 3), LIGHT),
    ],
    ids=["SD 1.x full", "SDXL", "SD 1.x light"],
)
@pytest.mark.parametrize("prefix", ["", "adapter."])
def test_the_authors_files_give_what_the_authors_networks_give(
    original: Any, kind: str, prefix: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = original().eval()
    save_file({prefix + name: value for name, value in network.state_dict().items()}, tmp_path / "a.safetensors")
    found = inspect(tmp_path / "a.safetensors")
    assert found.design.adapter_type == kind
    maps = torch.rand(1, found.design.in_channels, 80, 112)
    with torch.no_grad():
        ours, theirs = weights.load(found)(maps), network(maps)
    assert [f.shape for f in ours] == [f.shape for f in theirs] and len(ours) == 4
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    cells = [(f.shape[1], -(-112 // f.shape[3])) for f in ours]
    assert [channels for channels, _ in cells] == [channels for channels, _ in found.design.features()]


@pytest.mark.parametrize(
    ("original", "made_for", "tensors"),
    [
        (lambda: Original(64, (320, 640, 1280, 1280), 2, 8, (1, 2, 3)), "SD 1.x", 38),  # sketch, canny: one channel
        (lambda: Original(192, (320, 640, 1280, 1280), 2, 8, (1, 2, 3)), "SD 1.x", 38),  # depth, pose, segments
        (lambda: Original(256, (320, 640, 1280, 1280), 2, 16, (2,)), "SDXL", 38),
        (lambda: Original(768, (320, 640, 1280, 1280), 2, 16, (2,)), "SDXL", 38),
        (lambda: OriginalLight(192, (320, 640, 1280, 1280), 4), "SD 1.x", 80),  # colour
    ],
)
def test_every_tensor_of_the_published_files_has_its_place(original: Any, made_for: str, tensors: int) -> None:
    """Names and shapes at full size; nothing is allocated."""
    with torch.device("meta"):
        theirs = {name: tuple(value.shape) for name, value in original().state_dict().items()}
    design, names = read_layout(theirs)
    with torch.device("meta"):
        ours = {name: tuple(value.shape) for name, value in weights._empty(design).state_dict().items()}
    assert {names[name]: shape for name, shape in theirs.items()} == ours
    assert len(theirs) == len(ours) == tensors and design.made_for() == made_for


def test_the_authors_style_adapter_is_refused_in_words(tmp_path: Path) -> None:
    """It reads CLIP's tokens, not a map: another thing under the same name."""
    save_file(
        {"style_embedding": torch.zeros(1, 8, 1024), "proj": torch.zeros(1024, 768)}, tmp_path / "style.safetensors"
    )
    with pytest.raises(ModelMissing, match="no T2I-Adapter in a layout that is known"):
        inspect(tmp_path / "style.safetensors")


@pytest.mark.parametrize("kind", [FULL, XL, LIGHT])
def test_diffusers_files_need_no_config(kind: str, tmp_path: Path) -> None:
    factor = 16 if kind == XL else 8
    channels = [8, 16, 32] if kind == LIGHT else [8, 16, 32, 32]
    network = save_adapter(tmp_path, 0, adapter_type=kind, channels=channels, downscale_factor=factor)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert read_layout(shapes)[0] == inspect(next(tmp_path.glob("*.safetensors"))).design
    grids = [(f.shape[1], 128 // f.shape[3]) for f in network(torch.rand(1, 3, 128, 128))]
    assert tuple(grids) == read_layout(shapes)[0].features()
