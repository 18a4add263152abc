"""The T2I-Adapter plugin: bit-equal to the stock pipelines, every file layout, refusals in words, nothing left behind."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.adapter import MultiAdapter, T2IAdapter
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from plugins.t2i_adapter import KINDS, enable, weights
from plugins.t2i_adapter.adapter import T2I, InWindow, continued, features
from plugins.t2i_adapter.colour import color_blocks
from plugins.t2i_adapter.layouts import FULL, LIGHT, XL, Design
from plugins.t2i_adapter.weights import Weights, check_fit, inspect
from studio.api import Denoiser, ModelMissing, Size, StepContext
from studio.core.paths import RESOURCES
from tests.engine import tiny_models
from tests.shipped.tiny_denoiser import ROOT, denoiser_of, drawing, fingerprint, paint, use_of

SIZE = Size(width=72, height=104)


@pytest.fixture(scope="module")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_models.build_sd1(tmp_path_factory.mktemp("models") / "tiny", controlnet=False)
    torch.manual_seed(9)
    three_levels(16, 32, 32).save_pretrained(folder / "unet")
    save_adapter(folder / "t2i_adapter" / "sketch", 1, in_channels=1)
    save_adapter(folder / "t2i_adapter" / "depth", 2)
    save_adapter(folder / "t2i_adapter" / "my-color-light", 3, adapter_type=LIGHT, channels=[16, 32])
    return folder


def three_levels(*widths: int) -> UNet2DConditionModel:
    """SD 1.x's UNet in small: attention at every level but the last."""
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, block_out_channels=widths, layers_per_block=1, cross_attention_dim=16,
        norm_num_groups=4, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip


def save_adapter(folder: Path, seed: int, **options: Any) -> T2IAdapter:
    torch.manual_seed(seed)
    config = {
        "in_channels": 3,
        "channels": [16, 32, 32],
        "num_res_blocks": 1,
        "downscale_factor": 8,
        "adapter_type": FULL,
    }
    network = T2IAdapter(**(config | options)).eval()
    network.save_pretrained(folder)
    return network


@pytest.fixture
def denoiser(sd1: Path) -> Denoiser:
    return denoiser_of(sd1, SIZE)


def text_of(folder: Path) -> Any:
    """The stock pipeline over the tiny model, and the two embeddings it makes."""
    from diffusers import StableDiffusionAdapterPipeline

    adapter = T2IAdapter.from_pretrained(folder / "t2i_adapter" / "depth")
    pipe = StableDiffusionAdapterPipeline.from_pretrained(folder, adapter=adapter, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def stock(folder: Path, kinds: list[str], scales: list[float], pictures: list[Image.Image]) -> tuple[Tensor, Tensor]:
    """Text embeddings, and the stock pipeline's latents."""
    pipe = text_of(folder)
    adapters = [T2IAdapter.from_pretrained(folder / "t2i_adapter" / kind) for kind in kinds]
    pipe.adapter = adapters[0] if len(adapters) == 1 else MultiAdapter(adapters)
    positive, negative = pipe.encode_prompt("a red house", "cpu", 1, True, "cat")
    latents = pipe(
        "a red house",
        negative_prompt="cat",
        image=pictures[0] if len(pictures) == 1 else pictures,
        adapter_conditioning_scale=scales[0] if len(scales) == 1 else scales,
        num_inference_steps=4,
        guidance_scale=6.0,
        width=SIZE.width,
        height=SIZE.height,
        generator=torch.Generator("cpu").manual_seed(3),
        output_type="latent",
    ).images
    return torch.cat([negative, positive]), latents


@pytest.mark.parametrize(
    ("kinds", "scales"),
    [(["sketch"], [0.8]), (["depth"], [1.0]), (["my-color-light"], [1.7]), (["sketch", "depth"], [0.7, 1.3])],
    ids=["one channel", "three channels", "light", "several"],
)
def test_the_stock_pipelines_bits(
    sd1: Path, denoiser: Denoiser, tmp_path: Path, kinds: list[str], scales: list[float]
) -> None:
    pictures = [drawing(SIZE, i) for i in range(len(kinds))]
    pictures = [p.convert("L") if kind == "sketch" else p for kind, p in zip(kinds, pictures, strict=True)]
    text, wanted = stock(sd1, kinds, scales, pictures)
    shelf = Weights()
    layers = [
        (
            T2I("color" if "color" in kind else kind, shelf),
            use_of("t2i_adapter", kind, tmp_path, p.convert("RGB"), weight=w),
        )
        for kind, w, p in zip(kinds, scales, pictures, strict=True)
    ]
    assert torch.equal(paint(denoiser, text, layers), wanted)
    assert not torch.equal(paint(denoiser, text, []), wanted)


def test_the_file_that_was_found_is_told_for_every_picture(denoiser: Denoiser) -> None:
    told: list[Path] = []
    asked = replace(use_of("t2i_adapter", "depth", denoiser.model_folder / "data", drawing(SIZE)), reads=told.append)
    part = T2I("depth", Weights())
    for _ in range(2):
        with part.attach(denoiser, asked):
            pass
    assert len(told) == 2 and told[0].parent.name == "depth" and told[0].suffix == ".safetensors"


def like(config: dict[str, Any], cell: int, folder: Path, size: Size) -> Any:
    """A denoiser of which only the configs are looked at."""
    vae = SimpleNamespace(config=SimpleNamespace(block_out_channels=(1,) * (1 + cell.bit_length() - 1)))
    unet = SimpleNamespace(config=SimpleNamespace(**config))
    return SimpleNamespace(
        unet=unet, vae=vae, family="sdxl", model="big", model_folder=folder, size=size, branches=2,
        device=torch.device("cpu"), dtype=torch.float32,
    )  # fmt: skip


SDXL = {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")}


def test_the_shapes_of_sdxl_at_any_size(tmp_path: Path) -> None:
    """Sides that 16 does not divide are continued; the grids are those of the UNet (latents halved, rounded up)."""
    network = save_adapter(tmp_path, 5, adapter_type=XL, channels=[8, 16, 32, 32], downscale_factor=16)
    size = Size(width=120, height=136)
    base = like(SDXL | {"block_out_channels": (8, 16, 32)}, 8, tmp_path, size)
    check_fit(inspect(next(tmp_path.glob("*.safetensors"))), base)
    given = features(network, drawing(size), 0.5, base)
    assert [tuple(f.shape) for f in given] == [(2, 8, 9, 8), (2, 16, 9, 8), (2, 32, 5, 4), (2, 32, 5, 4)]
    array = np.pad(np.asarray(drawing(size)), ((0, 8), (0, 8), (0, 0)), mode="edge")
    plain = network(torch.from_numpy(array[None].astype(np.float32) / 255.0).permute(0, 3, 1, 2))
    assert all(torch.equal(f[1:], p * 0.5) and torch.equal(f[:1], f[1:]) for f, p in zip(given, plain, strict=True))
    assert "from 120x136 to 128x144" in continued(drawing(size), 16)[0] and not continued(drawing(size), 8)


def test_an_sdxl_adapter_on_sd1_is_refused_before_loading(
    denoiser: Denoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = {"adapter_type": XL, "channels": [320, 640, 1280, 1280], "num_res_blocks": 1, "downscale_factor": 16}
    with torch.device("meta"):
        network = T2IAdapter(in_channels=3, **shape)
    tiny = {name: torch.zeros(value.shape, dtype=torch.float8_e4m3fn) for name, value in network.state_dict().items()}
    (tmp_path / "sd1").mkdir()
    save_file(tiny, tmp_path / "sd1" / "t2i-adapter-lineart-sdxl.safetensors")
    monkeypatch.setattr(weights, "load", lambda found: pytest.fail("was loaded"))
    with pytest.raises(ModelMissing, match=r"for SDXL and does not fit the model “tiny” \(SD 1\.x\)") as caught:
        T2I("lineart", Weights()).attach(
            denoiser, use_of("t2i_adapter", "lineart", tmp_path, drawing(SIZE))
        ).__enter__()
    assert "Nothing was loaded" in caught.value.hint


@pytest.mark.parametrize("harm", ["cut", "missing", "shape", "alien", "numbers", "text"])
def test_broken_weights_are_named(denoiser: Denoiser, tmp_path: Path, harm: str) -> None:
    save_adapter(tmp_path / "sd1" / "seg", 0)
    file = next((tmp_path / "sd1" / "seg").glob("*.safetensors"))
    tensors = load_file(file)
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-7])
    elif harm == "text":
        file.write_bytes(b"a page that says 404")
    else:
        first = "adapter.conv_in.weight"
        if harm == "missing":
            del tensors["adapter.body.1.resnets.0.block2.bias"]
        elif harm == "shape":
            tensors["adapter.body.1.in_conv.weight"] = torch.zeros(32, 8, 1, 1)
        elif harm == "alien":
            tensors = {f"lora.{i}.weight": value for i, value in enumerate(tensors.values())}
        else:
            tensors[first] = tensors[first] * float("nan")
        save_file(tensors, file)
    with pytest.raises(ModelMissing) as caught:
        T2I("seg", Weights()).attach(denoiser, use_of("t2i_adapter", "seg", tmp_path, drawing(SIZE))).__enter__()
    assert caught.value.headline.endswith(".") and caught.value.hint


def test_where_to_put_a_missing_one_is_said(denoiser: Denoiser, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no T2I-Adapter for “pose”") as caught:
        T2I("pose", Weights()).attach(denoiser, use_of("t2i_adapter", "pose", tmp_path, drawing(SIZE))).__enter__()
    assert "Get models" in caught.value.hint


def test_the_artists_folders_are_looked_through_for_one_that_fits(denoiser: Denoiser, tmp_path: Path) -> None:
    """As “Get models” and other programs lay them: the kind in the name of the file, or of its folder."""
    shelf = tmp_path / "models"
    save_adapter(shelf / "t2i_adapter" / "a-pose-for-another-model", 1, channels=[32, 64, 64])
    use = replace(use_of("t2i_adapter", "pose", tmp_path, drawing(SIZE)), places=(tmp_path / "absent", shelf))
    with pytest.raises(ModelMissing, match="does not fit"):
        weights.find("pose", denoiser, use)
    save_adapter(shelf / "t2i_adapter" / "t2i-adapter-openpose", 2)
    choice = weights.find("pose", denoiser, use)
    file = choice.found.file
    assert file.parent.name == "t2i-adapter-openpose" and file.suffix == ".safetensors" and not choice.words("pose")
    with pytest.raises(ModelMissing, match="no T2I-Adapter for “seg”"):
        weights.find("seg", denoiser, use)


def test_of_several_that_fit_one_is_taken_and_the_choice_is_told(denoiser: Denoiser, tmp_path: Path) -> None:
    shelf, one = tmp_path / "models", "diffusion_pytorch_model.safetensors"
    for seed, name in enumerate(("pose-light", "pose_sd14v1", "pose_sd15v2")):
        light = {"adapter_type": LIGHT, "channels": [16, 32]} if "light" in name else {}
        save_adapter(shelf / "t2i" / name, seed, **light)
    half = shelf / "t2i" / "pose_sd15v2" / "diffusion_pytorch_model.fp16.safetensors"
    half.write_bytes((half.parent / one).read_bytes())
    use = replace(use_of("t2i_adapter", "pose", tmp_path, drawing(SIZE)), places=(shelf,))
    with T2I("pose", Weights()).attach(denoiser, use) as steering:
        said = steering.notes[0]
    assert said == "t2i-pose is read by “pose_sd15v2”; “pose_sd14v1”, “pose-light” would fit as well."
    assert weights.find("pose", denoiser, use).found.file == half.parent / one, "all bits before half of them"
    for name in (f"pose_sd14v1/{one}", f"pose_sd15v2/{half.name}"):  # what an earlier picture was made with
        before = replace(use, found=(name,))
        assert weights.find("pose", denoiser, before).found.file == shelf / "t2i" / name
    save_adapter(shelf / "t2i" / "pose", 4)
    assert weights.find("pose", denoiser, use).found.file.parent.name == "pose", "called after the kind alone"


class Stop(Exception):
    """A cancel, or anything else that ends the loop."""


def test_nothing_stays_behind(denoiser: Denoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, text = fingerprint(denoiser.unet), torch.randn(2, 77, 16)
    plain = paint(denoiser, text, [])
    layers = [(T2I("depth", Weights()), use_of("t2i_adapter", "depth", tmp_path, drawing(SIZE)))]
    assert not torch.equal(paint(denoiser, text, layers), plain)
    assert fingerprint(denoiser.unet) == before

    def stop(self: InWindow, step: StepContext) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(InWindow, "__call__", stop)
        with pytest.raises(Stop):
            paint(denoiser, text, layers)
    assert fingerprint(denoiser.unet) == before
    assert torch.equal(paint(denoiser, text, []), plain)


def test_features_are_computed_once_and_the_network_is_kept(
    denoiser: Denoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, loads, forward, load = [], [], T2IAdapter.forward, weights.load
    monkeypatch.setattr(T2IAdapter, "forward", lambda self, x: calls.append(x) or forward(self, x))
    monkeypatch.setattr(weights, "load", lambda found: loads.append(found) or load(found))
    layers = [(T2I("depth", Weights()), use_of("t2i_adapter", "depth", tmp_path, drawing(SIZE)))]
    for _ in range(2):
        paint(denoiser, torch.zeros(2, 77, 16), layers, steps=3)
    assert len(calls) == 2 and len(loads) == 1
    nothing = [(layers[0][0], use_of("t2i_adapter", "depth", tmp_path, drawing(SIZE), weight=0.0))]
    zero = paint(denoiser, torch.zeros(2, 77, 16), nothing, steps=3)
    assert len(calls) == 2 and torch.equal(zero, paint(denoiser, torch.zeros(2, 77, 16), [], steps=3))


def test_a_changed_config_beside_the_same_weights_makes_another_network(
    denoiser: Denoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tensors may be built in two ways; the file says nothing of it, and neither do its size and its time."""
    folder = tmp_path / "sd1" / "depth"
    save_adapter(folder, 4, channels=[16, 16, 16], adapter_type=XL)
    kept, asked = Weights(), use_of("t2i_adapter", "depth", tmp_path, drawing(SIZE))
    monkeypatch.setattr(weights, "check_fit", lambda found, denoiser: None)  # a model for each is not needed here
    for kind in (XL, FULL, XL):
        config = json.loads((folder / "config.json").read_text("utf-8")) | {"adapter_type": kind}
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
        assert kept.get("depth", replace(denoiser, model_folder=tmp_path), asked)[0].config.adapter_type == kind


@pytest.mark.parametrize(("count", "factor"), [(4, 0.5), (10, 0.33), (100, 0.29), (7, 1.0), (5, 0.0)])
def test_the_end_counts_as_the_conditioning_factor(count: int, factor: float) -> None:
    window, steps = InWindow((torch.zeros(1),), 0.0, factor), []
    for index in range(count):
        step = StepContext(
            index=index, count=count, timestep=torch.tensor(1), model_input=torch.zeros(1), text=torch.zeros(1)
        )
        steps.append(window(step) is not None)
    assert steps == [index < int(count * factor) for index in range(count)]
    assert not InWindow((), 0.5, 1.0).acts_at(
        StepContext(index=0, count=4, timestep=torch.tensor(1), model_input=torch.zeros(1), text=torch.zeros(1))
    )


def test_colour_blocks(tmp_path: Path) -> None:
    picture = Image.new("RGB", (256, 192), (200, 10, 10))
    picture.paste((10, 10, 200), (128, 0, 256, 192))
    blocks = np.asarray(color_blocks(picture, use_of("t2i_adapter", "color_blocks", tmp_path, picture)))
    assert blocks.shape == (192, 256, 3)
    tiles = blocks.reshape(3, 64, 4, 64, 3)
    assert (tiles == tiles[:, :1, :, :1]).all(), "one colour to each block of 64 pixels"
    assert tuple(blocks[0, 0]) != tuple(blocks[0, -1]) and blocks[0, 0, 0] > 190 and blocks[0, -1, 2] > 190


def test_the_manifest_and_the_code_agree() -> None:
    manifest = tomllib.loads((ROOT / "plugins" / "t2i_adapter" / "plugin.toml").read_text("utf-8"))
    registered: list[tuple[str, str]] = []
    registry = SimpleNamespace(
        adapter=lambda part, _: registered.append(("adapter", part)),
        preprocessor=lambda part, _: registered.append(("preprocessor", part)),
    )
    enable(registry)  # type: ignore[arg-type]  # what it needs of a Registry
    assert [(part["type"], part["part"]) for part in manifest["adds"]] == registered
    assert [part["control"] for part in manifest["adds"] if "control" in part] == [f"t2i-{kind}" for kind in KINDS]


@pytest.mark.skipif(not (RESOURCES / "mini" / "t2i_adapter").is_dir(), reason="Studio Mini has no adapter yet")
@pytest.mark.parametrize("kind", ["sketch", "canny", "lineart", "depth"])
def test_studio_minis_adapter_serves_line_maps(kind: str, tmp_path: Path) -> None:
    folder, size = RESOURCES / "mini", Size(width=256, height=272)
    config = json.loads((folder / "unet" / "config.json").read_text("utf-8"))
    base = like(config, 16, folder, size)
    base.family = "mini"
    use = use_of("t2i_adapter", kind, tmp_path, drawing(size))
    if kind == "depth":
        with pytest.raises(ModelMissing):
            Weights().get(kind, base, use)
        return
    network, _ = Weights().get(kind, base, use)
    assert network.dtype == torch.float32
    given = features(network, drawing(size), 1.0, base)
    first, second, third = config["block_out_channels"]
    assert [tuple(f.shape[1:]) for f in given] == [(first, 9, 8), (second, 9, 8), (third, 5, 4), (third, 5, 4)]


def test_designs_say_what_they_were_made_for() -> None:
    assert Design(FULL, 1, (320, 640, 1280, 1280), 2, 8).made_for() == "SD 1.x"
    assert Design(XL, 3, (320, 640, 1280, 1280), 2, 16).made_for() == "SDXL"
    assert Design(XL, 3, (96, 128, 192, 192), 1, 32).made_for() == "Studio Mini"
