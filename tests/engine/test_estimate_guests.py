"""What plugins' networks take that no recipe names: found by place and kind, counted from headers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.core.budget import Level
from studio.core.model_files import Family, Kind, ModelFile, Traits
from studio.core.recipe import ControlUse, FileRef, ImageRef, ModelRef, PluginRef, PluginUse, Recipe
from studio.engine.estimate.budget import folder_finder
from studio.engine.estimate.need import DeviceFacts, Stages, stages_of
from studio.engine.estimate.patches import file_finder
from studio.engine.estimate.weights import Headers
from tests.engine.intake.layouts import write_weights

CPU = DeviceFacts(kind="cpu", width=4)
PICTURE = ImageRef(digest="0" * 64)
RECIPE = Recipe(prompt="a", seed=1, model=ModelRef(name="sd1"))
ENCODER = {
    "vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14),
    "visual_projection.weight": (1024, 1280),
    "text_model.embeddings.token_embedding.weight": (49408, 1024),
}
EYE = 1280 * 3 * 14 * 14 + 1024 * 1280


class Shelf:
    """Models as the library tells them."""

    def __init__(self, *files: ModelFile) -> None:
        self.files = files

    def installed(self) -> tuple[ModelFile, ...]:
        return self.files


def shelved(path: Path, kind: Kind, family: Family = Family.SD1, variant: str = "", sha256: str = "") -> ModelFile:
    traits = Traits(kind=kind, family=family, variant=variant)
    name = path.name.removesuffix(".safetensors")
    return ModelFile(path=path, name=name, size=1, mtime_ns=1, traits=traits, folder=path.parent, sha256=sha256)


@pytest.fixture
def base(tiny_folder: Path) -> ModelFile:
    return shelved(tiny_folder / "sd1", Kind.CHECKPOINT)


def told(folder: Path, recipe: Recipe, *files: ModelFile) -> Stages:
    shelf: Any = Shelf(*files)
    return stages_of(recipe, CPU, folder_finder((folder,)), Headers(), file_finder(shelf), shelf.installed)


def layer(kind: str, plugin: str = "t2i_adapter", **more: Any) -> ControlUse:
    return ControlUse(kind=kind, image=PICTURE, plugin=PluginRef(id=plugin), **more)


def test_a_t2i_adapter_among_the_models_is_counted(tiny_folder: Path, tmp_path: Path, base: ModelFile) -> None:
    sketch = shelved(write_weights(tmp_path / "t2i_sketch.safetensors", {"a": (10, 10)}), Kind.T2I_ADAPTER)
    depth = shelved(write_weights(tmp_path / "t2i_depth.safetensors", {"a": (9, 9)}), Kind.T2I_ADAPTER)
    foreign = write_weights(tmp_path / "xl_t2i_sketch.safetensors", {"a": (99, 99)})
    files = base, shelved(foreign, Kind.T2I_ADAPTER, Family.SDXL), sketch, depth
    recipe = replace(RECIPE, controls=(layer("t2i-sketch"), layer("t2i-sketch"), layer("t2i-depth")))
    plain, counted = told(tiny_folder, RECIPE, *files), told(tiny_folder, recipe, *files)
    assert (plain.guests, counted.guests) == (0, 181 * 4), "two layers, one network"
    for level in Level:
        assert counted.at(level) == plain.at(level) + counted.guests
    idle = replace(RECIPE, controls=(layer("t2i-depth", weight=0.0), layer("t2i-color")))
    assert told(tiny_folder, idle, *files).guests == 81 * 4, "loaded at every strength; of colours there is none"


def test_what_lies_beside_the_model_in_the_plugins_folder_comes_first(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder / "sd1", tmp_path / "sd1")
    write_weights(tmp_path / "sd1" / "t2i_adapter" / "my_sketch" / "model.safetensors", {"a": (5, 5)})
    write_weights(tmp_path / "sd1" / "uni_controlnet" / "local.safetensors", {"a": (6, 6)})
    recipe = replace(RECIPE, controls=(layer("t2i-sketch"), layer("uni-line", "uni_controlnet")))
    elsewhere = write_weights(tmp_path / "t2i_sketch.safetensors", {"a": (70, 70)})
    assert told(tmp_path, recipe, shelved(elsewhere, Kind.T2I_ADAPTER)).guests == (25 + 36) * 4


def test_what_the_picture_was_made_with_is_counted_before_anything_else(tiny_folder: Path, tmp_path: Path) -> None:
    first = shelved(write_weights(tmp_path / "t2i_sketch.safetensors", {"a": (3, 3)}), Kind.T2I_ADAPTER)
    folder = tmp_path / "adapter-sketch"
    write_weights(folder / "diffusion_pytorch_model.safetensors", {"a": (8, 8)})
    found = FileRef(name="adapter-sketch/diffusion_pytorch_model.safetensors", sha256="1" * 64)
    recipe = replace(RECIPE, controls=(layer("t2i-sketch", found=(found,)),))
    assert told(tiny_folder, recipe, first, shelved(folder, Kind.T2I_ADAPTER)).guests == 64 * 4
    assert told(tiny_folder, recipe, first).guests == 9 * 4, "gone: the one that would be taken now"


@pytest.mark.parametrize("named", [True, False], ids=["named", "found"])
def test_an_ip_adapter_looks_through_its_image_encoder(
    tiny_folder: Path, tmp_path: Path, base: ModelFile, named: bool
) -> None:
    adapter = write_weights(tmp_path / "ip.safetensors", {"image_proj.proj.weight": (3072, 1024)})
    plus = write_weights(tmp_path / "plus.safetensors", {"image_proj.proj_in.weight": (768, 1280)})
    encoder = write_weights(tmp_path / "image_encoder" / "model.safetensors", ENCODER)
    other = write_weights(tmp_path / "other.safetensors", ENCODER | {"visual_projection.weight": (1280, 1664)})
    eyes = shelved(other, Kind.IMAGE_ENCODER, Family.ANY), shelved(encoder.parent, Kind.IMAGE_ENCODER, Family.ANY)
    adapters = shelved(plus, Kind.IP_ADAPTER, variant="plus"), shelved(adapter, Kind.IP_ADAPTER, variant="plain")
    ref = FileRef(name="ip.safetensors", sha256="2" * 64)
    use = PluginUse(
        plugin=PluginRef(id="ip_adapter"), type="adapter", part="reference", files=(("file", ref),) if named else ()
    )
    recipe = replace(RECIPE, plugins=(use, use))
    stages = told(tiny_folder, recipe, base, *eyes, *adapters)
    assert (stages.looking, stages.guests) == ((3072 * 1024 + EYE) * 4, 0), "one after the other, and let go"
    assert told(tiny_folder, recipe, base, *adapters).looking == 3072 * 1024 * 4
    assert told(tiny_folder, recipe, base).looking == 0
