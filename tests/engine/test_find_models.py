"""Finding models by name, and the sentences about what is wrong with one. Without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from studio.core.advice import Advice
from studio.core.errors import ModelMissing
from studio.engine.models import (
    WEIGHTS,
    advice_for,
    companions_of,
    find_model,
    fingerprint,
    list_models,
)

CONFIGS = ("unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json")


def write_weights(file: Path, size: int = 1_200_000) -> None:
    """A safetensors file with one tensor of so many bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "mine" / "house"
    for part, stem in WEIGHTS.items():
        write_weights(folder / part / f"{stem}.safetensors")
    for config in CONFIGS:
        (folder / config).parent.mkdir(exist_ok=True)
        (folder / config).write_text("{}")
    (folder / "model_index.json").write_text("{}")
    return folder


def test_a_whole_model_is_found_in_the_first_folder_that_has_it(model: Path, tmp_path: Path) -> None:
    assert find_model("house", (tmp_path / "absent", model.parent)) == model


def test_models_are_listed_once(model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "notes").mkdir()
    assert list_models((tmp_path / "absent", model.parent, model.parent)) == ("house",)


@pytest.mark.parametrize("name", ["castle", "", "..", "../mine/house", "/etc", "a\0b", "mine\\house"])
def test_a_name_that_is_none(model: Path, name: str) -> None:
    with pytest.raises(ModelMissing, match=r"There is no model named.*Models found: house"):
        find_model(name, (model.parent,))


def test_a_file_cut_short(model: Path) -> None:
    file = model / "unet" / "diffusion_pytorch_model.safetensors"
    write_weights(file, 4_920_000)
    with file.open("r+b") as stream:
        stream.truncate(2_000_000)
    with pytest.raises(ModelMissing, match=r"incomplete: unet/diffusion_pytorch_model.safetensors has 2 of 5 MB"):
        find_model("house", (model.parent,))


@pytest.mark.parametrize(
    "content", [b"", b"1234", b"\xff" * 100, struct.pack("<Q", 4) + b"[{}]", b"<html>not found</html>"]
)
def test_a_file_that_is_something_else(model: Path, content: bytes) -> None:
    (model / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(content)
    with pytest.raises(ModelMissing, match=r"damaged|incomplete"):
        find_model("house", (model.parent,))


def test_pickled_weights_are_refused(model: Path) -> None:
    (model / "unet" / "diffusion_pytorch_model.safetensors").rename(model / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelMissing, match=r"only as .bin or .ckpt, which can run code"):
        find_model("house", (model.parent,))


def test_a_missing_part(model: Path) -> None:
    (model / "text_encoder" / "model.safetensors").unlink()
    with pytest.raises(ModelMissing, match="has no text_encoder weights"):
        find_model("house", (model.parent,))


def test_a_missing_config(model: Path) -> None:
    (model / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(ModelMissing, match=r"has no scheduler/scheduler_config.json"):
        find_model("house", (model.parent,))


def test_shards_and_half_precision_files_count(model: Path) -> None:
    folder = model / "unet"
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.fp16.safetensors")
    vae = model / "vae"
    (vae / "diffusion_pytorch_model.safetensors").rename(vae / "part-1.safetensors")
    index = {"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}
    (vae / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelMissing, match=r"incomplete: vae/part-2.safetensors is missing"):
        find_model("house", (model.parent,))
    write_weights(vae / "part-2.safetensors")
    assert find_model("house", (model.parent,)) == model


def test_a_replaced_file_changes_the_fingerprint(model: Path) -> None:
    before = fingerprint(model)
    assert fingerprint(model) == before
    write_weights(model / "vae" / "diffusion_pytorch_model.safetensors", 1_200_001)
    assert fingerprint(model) != before


def test_a_distilled_model_uses_the_control_networks_of_the_one_it_names(tmp_path: Path) -> None:
    for name in ("mini", "fast"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_index.json").write_text("{}")
    companions = tmp_path / "fast" / "companions.json"
    assert companions_of(tmp_path / "fast") == tmp_path / "fast"
    companions.write_text('{"of": "mini"}')
    assert companions_of(tmp_path / "fast") == tmp_path / "mini"
    for wrong in ('{"of": "../mini"}', '{"of": "gone"}', '{"of": 3}', "[]", "{", '{"of": ""}', '{"of": ".."}'):
        companions.write_text(wrong)
        assert companions_of(tmp_path / "fast") == tmp_path / "fast"


def test_advice_comes_from_the_models_own_scheduler(tmp_path: Path) -> None:
    for name, own in (("slow", "DDIMScheduler"), ("fast", "LCMScheduler"), ("odd", None)):
        (tmp_path / name / "scheduler").mkdir(parents=True)
        (tmp_path / name / "model_index.json").write_text("{}")
        text = "[" if own is None else json.dumps({"_class_name": own})
        (tmp_path / name / "scheduler" / "scheduler_config.json").write_text(text)
    assert advice_for(("slow", "fast", "odd", "gone"), (tmp_path,)) == {"fast": Advice(scheduler="lcm")}
