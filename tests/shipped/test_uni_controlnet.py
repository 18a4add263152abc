"""The Uni-ControlNet plugin: equal to the paper's formulae, one run for several layers, refusals in words, no trace."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

from plugins.uni_controlnet import CONDITIONS, enable, layout
from plugins.uni_controlnet import weights as weights_module
from plugins.uni_controlnet.adapters import Local, WholePicture
from plugins.uni_controlnet.networks import (
    FeatureDenormalisation,
    FeatureExtractor,
    LocalAdapter,
    LocalDesign,
    encoder_of,
)
from plugins.uni_controlnet.pictures import clip_pixels, map_tensor
from plugins.uni_controlnet.session import Layer, Session, Sessions, stacked
from plugins.uni_controlnet.weights import Weights
from studio.api import ControlMode, Denoiser, ModelMissing, Size, Steering, StepContext, Use
from studio.core.recipe import ControlUse, ImageRef, PluginRef
from studio.engine.diffusion.control_mode import idle_mode
from tests.engine import tiny_models
from tests.shipped import uni_reference as paper
from tests.shipped.tiny_denoiser import ROOT, denoiser_of, drawing, fingerprint, paint, use_of

LED = {"plugin": PluginRef(id="uni_controlnet"), "mode": ControlMode.UNBALANCED}
IDLE = idle_mode(ControlUse(kind="uni-global", image=ImageRef(digest="0" * 64), **LED), 2, False)
SIZE = Size(width=72, height=104)
LOCAL = paper.random_weights(paper.published_shapes(paper.TINY))
WHOLE = paper.random_weights(paper.global_shapes(16), seed=1)


@pytest.fixture(scope="module")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, and the data folder of the plugin with the published file and a tiny CLIP."""
    folder = tiny_models.build_sd1(tmp_path_factory.mktemp("models") / "tiny", controlnet=False)
    data = folder / "data" / "sd1"
    data.mkdir(parents=True)
    tensors = {layout.LOCAL + name: value for name, value in LOCAL.items()}
    tensors |= {layout.GLOBAL + name: value for name, value in WHOLE.items()}
    save_file(
        tensors | {"model.diffusion_model.out.2.bias": torch.zeros(4), "betas": torch.zeros(9)},
        data / "uni.safetensors",
    )
    torch.manual_seed(7)
    config = CLIPVisionConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14,
        projection_dim=16,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(data / "image_encoder")
    return folder


@pytest.fixture
def denoiser(sd1: Path) -> Denoiser:
    return denoiser_of(sd1, SIZE)


def use(denoiser: Denoiser, part: str, turn: int = 0, **fields: Any) -> Use:
    return use_of("uni_controlnet", part, denoiser.model_folder / "data", drawing(denoiser.size, turn), **fields)


def step_of(denoiser: Denoiser, text: Tensor, index: int = 0, count: int = 4) -> StepContext:
    torch.manual_seed(index)
    noisy = torch.randn(denoiser.branches, 4, denoiser.size.height // 8, denoiser.size.width // 8)
    return StepContext(index=index, count=count, timestep=torch.tensor(700 - index), model_input=noisy, text=text)


def black(denoiser: Denoiser) -> Tensor:
    return torch.zeros(1, 21, denoiser.size.height, denoiser.size.width)


def residuals(steering: Steering, step: StepContext) -> list[Tensor] | None:
    assert steering.residuals is not None
    given = steering.residuals(step)
    if given is None:
        return None
    assert given.mid is not None and not given.inner
    return [*given.down, given.mid]


@pytest.mark.parametrize(("kind", "place"), [(kind, i) for i, kind in enumerate(layout.PUBLISHED)])
def test_the_papers_numbers_for_each_condition(denoiser: Denoiser, kind: str, place: int) -> None:
    maps, text = black(denoiser), torch.randn(2, 77, 16)
    maps[:, 3 * place : 3 * place + 3] = map_tensor(drawing(SIZE, 3))
    step = step_of(denoiser, text)
    with Local(kind, Weights(), Sessions()).attach(denoiser, use(denoiser, kind, 3, weight=0.75)) as steering:
        ours = residuals(steering, step)
    wanted = paper.local_adapter(LOCAL, paper.TINY, step.model_input, 700.0, text, maps)
    assert ours is not None and [tuple(part.shape) for part in ours] == [tuple(part.shape) for part in wanted]
    for part, theirs in zip(ours, wanted, strict=True):
        assert torch.allclose(part, theirs * 0.75, atol=1e-4), float((part - theirs * 0.75).abs().max())
    without = paper.local_adapter(LOCAL, paper.TINY, step.model_input, 700.0, text, black(denoiser))
    assert not torch.allclose(wanted[-1], without[-1], atol=1e-2), "the map matters"


def test_the_files_that_were_found_are_told(denoiser: Denoiser) -> None:
    told: list[Path] = []
    weights, sessions = Weights(), Sessions()
    with Local("hed", weights, sessions).attach(denoiser, replace(use(denoiser, "hed"), reads=told.append)):
        assert [file.name for file in told] == ["uni.safetensors"]
    told.clear()
    with WholePicture(weights, sessions).attach(denoiser, replace(use(denoiser, "global"), reads=told.append)):
        assert [file.name for file in told] == ["uni.safetensors", "model.safetensors"], "with the eye in front of it"


def test_feature_denormalisation_by_hand() -> None:
    """Two channels, one group: (-1, 1) normed; gamma = 2 c, beta = c + 1."""
    fdn = FeatureDenormalisation(torch.nn.GroupNorm(1, 2, eps=0.0), 1)
    for layer, weight, bias in ((fdn.conv_gamma, 2.0, 0.0), (fdn.conv_beta, 1.0, 1.0)):
        torch.nn.init.zeros_(layer.weight)
        layer.weight.data[:, :, 1, 1] = weight
        torch.nn.init.constant_(layer.bias, bias)
    hidden = torch.tensor([[[[3.0]], [[7.0]]]])
    fdn.take(fdn.read(torch.tensor([[[[0.5]]]])))
    assert fdn(hidden).flatten().tolist() == pytest.approx([-1 * 2.0 + 1.5, 1 * 2.0 + 1.5])
    fdn.take(None)
    with pytest.raises(RuntimeError):
        fdn(hidden)


def test_every_published_name_has_its_place_in_full_size() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=paper.SD15.widths,
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        )  # fmt: skip
        network = LocalAdapter(LocalDesign(layout.PUBLISHED), encoder_of(unet))
    published = paper.published_shapes(paper.SD15)
    ours = {layout.our_name(name, 2): shape for name, shape in published.items()}
    assert ours == {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert len(published) == len(ours) == 366


def test_several_layers_share_one_run(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, forward = [], LocalAdapter.forward
    monkeypatch.setattr(LocalAdapter, "forward", lambda self, *given: runs.append(1) or forward(self, *given))
    weights, sessions, text = Weights(), Sessions(), torch.randn(2, 77, 16)
    maps, step = black(denoiser), step_of(denoiser, text)
    maps[:, 0:3], maps[:, 9:12] = map_tensor(drawing(SIZE, 1)) * 0.5, map_tensor(drawing(SIZE, 2))
    uses = [use(denoiser, "canny", 1, weight=0.4), use(denoiser, "line", 2, weight=0.8)]
    with (
        Local("canny", weights, sessions).attach(denoiser, uses[0]) as first,
        Local("line", weights, sessions).attach(denoiser, uses[1]) as second,
    ):
        ours = residuals(first, step)
        assert residuals(second, step) is None and len(runs) == 1
    wanted = paper.local_adapter(LOCAL, paper.TINY, step.model_input, 700.0, text, maps)
    assert ours is not None
    assert all(torch.allclose(a, b * 0.8, atol=1e-4) for a, b in zip(ours, wanted, strict=True))


def test_layers_of_another_mode_have_a_run_of_their_own(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the studio leaves of one layer's answer must not take the other layer with it."""
    weights, text = Weights(), torch.randn(2, 77, 16)
    step = step_of(denoiser, text)
    uses = [use(denoiser, "canny", 1), replace(use(denoiser, "line", 2), mode=ControlMode.UNBALANCED)]
    alone = []
    for kind, one in zip(("canny", "line"), uses, strict=True):
        with Local(kind, weights, Sessions()).attach(denoiser, one) as steering:
            alone.append(residuals(steering, step))
    sessions, read, forward = Sessions(), [], FeatureExtractor.forward
    monkeypatch.setattr(FeatureExtractor, "forward", lambda self, maps: read.append(maps) or forward(self, maps))
    with (
        Local("canny", weights, sessions).attach(denoiser, uses[0]) as first,
        Local("line", weights, sessions).attach(denoiser, uses[1]) as second,
    ):
        for _ in range(3):  # each goes by its own map again
            for steering, wanted in zip((first, second), alone, strict=True):
                ours = residuals(steering, step)
                assert ours is not None and wanted is not None
                assert all(torch.equal(a, b) for a, b in zip(ours, wanted, strict=True))
    assert len(read) == 2, "each map is read once"


def test_layers_come_and_go_with_their_windows(denoiser: Denoiser) -> None:
    weights, sessions, text = Weights(), Sessions(), torch.randn(2, 77, 16)
    early, late = use(denoiser, "seg", 1, end=0.5), use(denoiser, "line", 2, start=0.5, end=0.75)
    seen = []
    with (
        Local("seg", weights, sessions).attach(denoiser, early) as first,
        Local("line", weights, sessions).attach(denoiser, late),
    ):
        for index in range(4):
            given = residuals(first, step_of(denoiser, text, index))
            seen.append(given)
    for index, places in enumerate((18, 18, 9)):
        maps = black(denoiser)
        maps[:, places : places + 3] = map_tensor(drawing(SIZE, 1 if places == 18 else 2))
        step = step_of(denoiser, text, index)
        wanted = paper.local_adapter(LOCAL, paper.TINY, step.model_input, 700.0 - index, text, maps)
        given = seen[index]
        assert given is not None and torch.allclose(given[-1], wanted[-1], atol=1e-4)
    assert seen[3] is None


def test_two_maps_of_a_kind_and_a_silent_one() -> None:
    one, other = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    layers = (Layer("line", one, 1.0, 0, 1), Layer("line", other, 1.0, 0, 1), Layer("color", one, 0.5, 0, 1))
    maps = stacked(("color", "line", "seg"), layers)
    assert torch.equal(maps[:, 3:6], torch.maximum(one, other)) and torch.equal(maps[:, :3], one * 0.5)
    assert not maps[:, 6:].any()
    silent = Layer("line", one, 0.0, 0, 1)
    session = Session(layers=[silent])
    step = StepContext(index=0, count=1, timestep=torch.tensor(1), model_input=one, text=one)
    assert session.run(SimpleNamespace(), silent, step) is None  # type: ignore[arg-type]  # never looked at


def test_the_papers_tokens_for_a_picture(denoiser: Denoiser) -> None:
    eye = CLIPVisionModelWithProjection.from_pretrained(denoiser.model_folder / "data" / "sd1" / "image_encoder").eval()
    with torch.no_grad():
        seen = eye(pixel_values=clip_pixels(drawing(SIZE, 5), 28)).image_embeds
    text = torch.randn(2, 77, 16)
    with WholePicture(Weights(), Sessions()).attach(denoiser, use(denoiser, "global", 5, weight=0.5)) as steering:
        assert steering.text is not None and steering.residuals is None
        longer = steering.text(text)
    assert longer.shape == (2, 81, 16) and torch.equal(longer[:, :77], text)
    wanted = paper.global_adapter(WHOLE, torch.cat([torch.zeros_like(seen), seen])) * 0.5
    assert torch.allclose(longer[:, 77:], wanted, atol=1e-5)
    assert not torch.allclose(longer[0, 77:], longer[1, 77:], atol=1e-2)


def test_clip_sees_the_middle_square_as_in_its_training() -> None:
    picture = Image.new("RGB", (40, 20), (255, 0, 0))
    picture.paste((0, 255, 0), (10, 0, 30, 20))
    pixels = clip_pixels(picture, 14)
    assert pixels.shape == (1, 3, 14, 14)
    wanted = (np.array([0, 1, 0]) - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711]
    assert pixels[0, :, 7, 7].tolist() == pytest.approx(wanted.tolist(), abs=1e-5)


def test_tokens_hide_outside_their_window(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    forward = denoiser.unet.forward

    def listen(*given: Any, **named: Any) -> Any:
        lengths.append(named["encoder_hidden_states"].shape[1])
        return forward(*given, **named)

    monkeypatch.setattr(denoiser.unet, "forward", listen)
    part = WholePicture(Weights(), Sessions())
    paint(denoiser, torch.randn(2, 77, 16), [(part, use(denoiser, "global", 1, end=0.5))])
    assert lengths == [81, 81, 77, 77, 77]  # PNDM guesses five times in four steps
    lengths.clear()
    paint(denoiser, torch.randn(2, 77, 16), [(part, use(denoiser, "global", 1))])
    assert lengths == [81] * 5


def test_a_mode_that_does_nothing_is_told_in_a_window_too(denoiser: Denoiser) -> None:
    """The studio tells it of layers that give no residuals; with a window this one only seems to give some."""
    part = WholePicture(Weights(), Sessions())
    asked = [use(denoiser, "global", 1, end=0.5), use(denoiser, "global", 1)]
    said = []
    for one in (*asked, *(replace(one, mode=ControlMode.UNBALANCED) for one in asked)):
        with part.attach(denoiser, one) as steering:
            said.append((steering.residuals is not None, steering.notes))
    assert said == [(True, ()), (False, ()), (True, (IDLE,)), (False, ())]


def test_two_pictures_with_windows_of_their_own_are_not_cut_twice(denoiser: Denoiser) -> None:
    shown: list[torch.Tensor] = []
    part, text = WholePicture(Weights(), Sessions()), torch.randn(2, 77, 16)
    first, second = use(denoiser, "global", 1, end=0.25), use(denoiser, "global", 2, end=0.75)
    with part.attach(denoiser, first) as one, part.attach(denoiser, second) as two:
        assert one.text and two.text and one.residuals
        whole = two.text(one.text(text))
        one.residuals(StepContext(index=1, count=4, timestep=torch.tensor(500), model_input=text, text=whole))
        handle = denoiser.unet.register_forward_pre_hook(
            lambda _unet, _given, named: shown.append(named["encoder_hidden_states"]), with_kwargs=True
        )
        with handle:
            denoiser.unet(torch.randn(2, 4, 8, 8), 500, encoder_hidden_states=whole)
    assert torch.equal(shown[0], torch.cat([text, whole[:, 81:]], dim=1))  # the second picture's tokens are there


class Stop(Exception):
    """A cancel, or anything else that ends the loop."""


def test_nothing_stays_behind(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    before, text = fingerprint(denoiser.unet), torch.randn(2, 77, 16)
    weights, sessions = Weights(), Sessions()
    plain = paint(denoiser, text, [])
    layers = [
        (Local("line", weights, sessions), use(denoiser, "line", 1)),
        (WholePicture(weights, sessions), use(denoiser, "global", 2, start=0.25)),
        (Local("depth", weights, sessions), use(denoiser, "depth", 3, end=0.5)),
    ]
    steered = paint(denoiser, text, layers)
    assert not torch.equal(steered, plain) and torch.isfinite(steered).all()
    assert torch.equal(paint(denoiser, text, layers), steered)

    def stop(*_: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(LocalAdapter, "forward", stop)
        with pytest.raises(Stop):
            paint(denoiser, text, layers)
    assert fingerprint(denoiser.unet) == before and not sessions._open
    network = weights.local("line", denoiser, layers[0][1])
    assert all(place._scale is None and place._shift is None for pair in network._denormalised for place in pair)
    assert torch.equal(paint(denoiser, text, []), plain)
    assert torch.equal(paint(denoiser, text, layers), steered)


def enter(denoiser: Denoiser, part: str, data: Path | None = None) -> None:
    """Attach one part with fresh weights."""
    adapter = WholePicture(Weights(), Sessions()) if part == "global" else Local(part, Weights(), Sessions())
    asked = use(denoiser, part)
    adapter.attach(denoiser, asked if data is None else replace(asked, data=data)).__enter__()


@pytest.mark.parametrize("part", ["line", "global"])
def test_another_family_is_refused_before_loading(
    denoiser: Denoiser, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sd1").mkdir()
    wide = replace(paper.TINY, text=2048) if part == "line" else None
    shapes = paper.published_shapes(wide) if wide else paper.global_shapes(2048)
    tiny = {name: torch.zeros(size, dtype=torch.float8_e4m3fn) for name, size in shapes.items()}
    save_file(tiny, tmp_path / "sd1" / "uni-sdxl.safetensors")
    monkeypatch.setattr(weights_module, "_fill", lambda *_: pytest.fail("was loaded"))
    with pytest.raises(ModelMissing, match=r"for SDXL and does not fit the model “tiny”") as caught:
        enter(denoiser, part, tmp_path)
    assert "Nothing was loaded" in caught.value.hint


@pytest.mark.parametrize("harm", ["cut", "missing", "shape", "numbers", "maps"])
@pytest.mark.parametrize("part", ["line", "global"])
def test_broken_weights_are_named(denoiser: Denoiser, part: str, harm: str, tmp_path: Path) -> None:
    (tmp_path / "sd1").mkdir()
    file = tmp_path / "sd1" / "uni.safetensors"
    tensors = load_file(denoiser.model_folder / "data" / "sd1" / "uni.safetensors")
    name = "local_adapter.middle_block.0.in_layers.2.weight" if part == "line" else "global_adapter.ff2.net.2.bias"
    if harm == "missing":
        del tensors[name]
    elif harm == "shape":
        tensors[name] = torch.zeros(3)
    elif harm == "numbers":
        tensors[name] = tensors[name] * float("nan")
    elif harm == "maps" and part == "line":
        tensors["local_adapter.feature_extractor.pre_extractor.0.weight"] = torch.zeros(4, 9, 3, 3)
    elif harm == "maps":
        (tmp_path / "sd1" / "image_encoder").mkdir()
        (tmp_path / "sd1" / "image_encoder" / "config.json").write_text('{"projection_dim": 512}')
    save_file(tensors, file)
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ModelMissing) as caught:
        enter(denoiser, part, tmp_path)
    assert caught.value.headline.endswith(".") and caught.value.hint


def test_what_it_does_not_know_is_said(denoiser: Denoiser, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="does not know “uni-color”") as caught:
        enter(denoiser, "color")
    assert "uni-line" in caught.value.hint
    with pytest.raises(ModelMissing, match="There is no Uni-ControlNet") as caught:
        enter(denoiser, "line", tmp_path)
    assert "sd1" in caught.value.hint


def test_the_manifest_and_the_code_agree() -> None:
    manifest = tomllib.loads((ROOT / "plugins" / "uni_controlnet" / "plugin.toml").read_text("utf-8"))
    registered: list[tuple[str, str]] = []
    registry = SimpleNamespace(
        adapter=lambda part, _: registered.append(("adapter", part)),
        preprocessor=lambda part, _: registered.append(("preprocessor", part)),
    )
    enable(registry)  # type: ignore[arg-type]  # what it needs of a Registry
    assert [(part["type"], part["part"]) for part in manifest["adds"]] == registered
    kinds = [part["control"] for part in manifest["adds"] if "control" in part]
    assert kinds == [f"uni-{name}" for name in (*CONDITIONS, "global")]
    assert set(layout.PUBLISHED) < set(CONDITIONS)
