"""The IP-Adapter plugin: diffusers' bits for SD 1.x and SDXL, every published layout, refusals in words, no trace."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

from plugins.ip_adapter import adapter, enable, weights
from plugins.ip_adapter.adapter import ReferencePicture
from plugins.ip_adapter.attention import cross_attentions
from plugins.ip_adapter.weights import inspect
from studio.api import BadInputImage, BadRecipe, ModelMissing, Size, StepContext, Use
from studio.core.paths import RESOURCES
from studio.core.plugins import PartType
from studio.core.recipe import ModelRef, PluginUse, Recipe
from studio.engine.diffusion.engine import DiffusionEngine
from studio.engine.diffusion.parts import ready
from studio.engine.protocol import ReadImage
from tests.engine import tiny_models
from tests.engine.guest_host import ToyHost
from tests.engine.guest_host import use as asked
from tests.engine.stock import Stock
from tests.shipped import ip_files
from tests.shipped.tiny_denoiser import ROOT, denoiser_of, drawing, fingerprint

SIZE = Size(width=72, height=104)  # the UNet's second grid rounds up
HIDDEN, JOINT = 24, 16  # of the tiny image encoder
FAMILIES = ("sd1", "sdxl")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models, and a models folder with adapters for both and one image encoder, as they are fetched."""
    home = tmp_path_factory.mktemp("models")
    tiny_models.build_sd1(home / "sd1", controlnet=False)
    tiny_models.build_sdxl(home / "sdxl")
    torch.manual_seed(11)
    three_levels_xl().save_pretrained(home / "sdxl" / "unet")
    config = CLIPVisionConfig(
        hidden_size=HIDDEN, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=28,
        patch_size=14, projection_dim=JOINT,
    )  # fmt: skip
    torch.manual_seed(7)
    CLIPVisionModelWithProjection(config).save_pretrained(home / "places" / "image_encoder" / "tiny")
    for family in FAMILIES:
        widths, text = widths_of(home, family)
        for seed, (name, projection) in enumerate(
            {
                "plain": ip_files.plain(JOINT, text),
                "plus": ip_files.plus(HIDDEN, text, hidden=20, heads=2, tokens=6),
                "full": ip_files.full_face(HIDDEN, text),
            }.items()
        ):
            file = home / "places" / "ip_adapter" / f"{family}-{name}.safetensors"
            ip_files.save(file, projection | ip_files.layers(widths, text), seed)
    return home


def three_levels_xl() -> UNet2DConditionModel:
    """SDXL's UNet in small, with the blocks that InstantStyle names."""
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 32, 32), layers_per_block=2,
        cross_attention_dim=32, norm_num_groups=4, attention_head_dim=(2, 4, 4), use_linear_projection=True,
        transformer_layers_per_block=(1, 1, 2), addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def widths_of(home: Path, family: str) -> tuple[list[int], int]:
    """Widths of the cross-attentions in diffusers' order, and of the text."""
    unet = UNet2DConditionModel.from_pretrained(home / family / "unet")
    return [layer.to_k.out_features for layer in cross_attentions(unet)], unet.config.cross_attention_dim


class Uses(ToyHost):
    """Gives each layer of a recipe a use that was made before: value "layer" is its number."""

    made: tuple[Use, ...] = ()

    def use(self, use: PluginUse, read_image: ReadImage, **images: Any) -> Use:  # type: ignore[override]
        return self.made[int(dict(use.values)["layer"])]


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[DiffusionEngine]:
    engine = DiffusionEngine((home, RESOURCES), lambda ref: b"", "cpu", Uses())
    yield engine
    engine.close()


def layer(home: Path, file: str = "", turn: int = 0, **fields: Any) -> Use:
    """What is asked of one layer; `turn` is another picture."""
    images = {"picture": drawing(Size(width=90, height=70), turn)} | fields.pop("images", {})
    files = {"file": home / "places" / "ip_adapter" / f"{file}.safetensors"} if file else {}
    plain = {"plugin": "ip_adapter", "part": "reference", "folder": ROOT / "plugins" / "ip_adapter"}
    return Use(**plain, data=home / "data", images=images, files=files, places=(home / "places",), **fields)


def ours(engine: DiffusionEngine, family: str, uses: list[Use], **fields: Any) -> tuple[bytes, list[str]]:
    """Pixels through the real engine, and the notes beside them: a UNet that was left changed is among those."""
    host = Uses()
    host.add(PartType.ADAPTER, "reference", ReferencePicture())
    host.made = tuple(uses)
    engine._plugins, engine._last = host, None
    layers = tuple(asked(PartType.ADAPTER, "reference", layer=number) for number in range(len(uses)))
    made = engine.render(replace(recipe(family, **fields), plugins=layers), lambda *_: True)
    return made.pixels.data, list(made.made_with.notes)


def recipe(family: str, **fields: Any) -> Recipe:
    plain = {
        "prompt": "a red house",
        "negative_prompt": "cat",
        "seed": 5,
        "steps": 4,
        "guidance_scale": 6.0,
        "exact": True,
    }
    return Recipe(**(plain | {"size": SIZE, "scheduler": "ddim", "model": ModelRef(name=family)} | fields))


@pytest.fixture(scope="module")
def stock(home: Path) -> Stock:
    return Stock((home,))


def theirs(
    home: Path, stock: Stock, family: str, files: list[str], pictures: list[Any], scale: Any, **more: Any
) -> bytes:
    """Pixels of the stock pipeline with diffusers' own loader, processors and scales."""
    fields = more.pop("recipe", {})
    base = stock.base(family)
    names = [f"{file}.safetensors" for file in files]
    places, encoder = home / "places" / "ip_adapter", "../image_encoder/tiny"
    before, config = dict(base.unet.attn_processors), base.unet.config.encoder_hid_dim_type
    base.load_ip_adapter(str(places), subfolder="", weight_name=names, image_encoder_folder=encoder)
    try:
        base.set_ip_adapter_scale(scale)
        ready(base.unet), ready(base.image_encoder)
        return stock.run(recipe(family, **fields), ip_adapter_image=pictures, **more)[1]
    finally:
        base.unet.encoder_hid_proj, base.unet.config.encoder_hid_dim_type = None, config  # a resampler attends, too
        base.unet.set_attn_processor(before)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("variant", ["plain", "plus", "full"])
def test_diffusers_bits(home: Path, engine: DiffusionEngine, stock: Stock, family: str, variant: str) -> None:
    use = layer(home, f"{family}-{variant}", weight=0.7)
    pixels, notes = ours(engine, family, [use])
    assert pixels == theirs(home, stock, family, [f"{family}-{variant}"], [use.images["picture"]], 0.7)
    assert pixels != ours(engine, family, [])[0] and not notes


@pytest.mark.parametrize("family", FAMILIES)
def test_two_at_once_with_and_without_masks(home: Path, engine: DiffusionEngine, stock: Stock, family: str) -> None:
    from diffusers.image_processor import IPAdapterMaskProcessor

    left = np.zeros((SIZE.height, SIZE.width), np.uint8)
    left[:, :32] = 255
    masks = [Image.fromarray(left), Image.fromarray(255 - left)]
    files = [f"{family}-plain", f"{family}-plus"]
    uses = [layer(home, file, turn, weight=0.5 + turn) for turn, file in enumerate(files)]
    pictures = [use.images["picture"] for use in uses]
    plain, _ = ours(engine, family, uses)
    assert plain == theirs(home, stock, family, files, pictures, [0.5, 1.5])
    masked = [layer(home, f, i, weight=0.5 + i, images={"mask": m}) for i, (f, m) in enumerate(zip(files, masks))]  # noqa: B905
    prepared = IPAdapterMaskProcessor().preprocess(masks, height=SIZE.height, width=SIZE.width)
    pixels, notes = ours(engine, family, masked)
    kwargs = {"cross_attention_kwargs": {"ip_adapter_masks": prepared}}
    assert pixels == theirs(home, stock, family, files, pictures, [0.5, 1.5], **kwargs)
    assert pixels != plain and not notes


@pytest.mark.parametrize("guidance", [6.0, 1.0])
def test_without_guidance_too(home: Path, engine: DiffusionEngine, stock: Stock, guidance: float) -> None:
    use, fields = layer(home, "sd1-plus"), {"guidance_scale": guidance}
    pixels, _ = ours(engine, "sd1", [use], **fields)
    assert pixels == theirs(home, stock, "sd1", ["sd1-plus"], [use.images["picture"]], 1.0, recipe=fields)


@pytest.mark.parametrize(
    ("takes", "scale"),
    [
        ("style", {"up": {"block_0": [0.0, 0.8, 0.0]}}),
        ("layout", {"down": {"block_2": [0.0, 0.8]}}),
        ("style and layout", {"down": {"block_2": [0.0, 0.8]}, "up": {"block_0": [0.0, 0.8, 0.0]}}),
    ],
)
def test_style_or_layout_alone(
    home: Path, engine: DiffusionEngine, stock: Stock, takes: str, scale: dict[str, Any]
) -> None:
    use = layer(home, "sdxl-plus", values={"takes": takes}, weight=0.8)
    pixels, _ = ours(engine, "sdxl", [use])
    assert pixels == theirs(home, stock, "sdxl", ["sdxl-plus"], [use.images["picture"]], scale)
    assert pixels != ours(engine, "sdxl", [replace(use, values={})])[0]
    with pytest.raises(BadRecipe, match=f"which take {takes}"):
        ours(engine, "sd1", [layer(home, "sd1-plus", values={"takes": takes})])


def test_the_window_is_where_the_scale_is_not_zero(home: Path, engine: DiffusionEngine, stock: Stock) -> None:
    """Against diffusers with the scale set anew after each step."""
    use = layer(home, "sd1-plain", weight=0.9, start=0.25, end=0.75)
    steps: list[float] = []

    class Pipe(Stock):
        def _call(self, pipeline: Any, *arguments: Any, **more: Any) -> Any:
            processors = [one for one in pipeline.unet.attn_processors.values() if hasattr(one, "scale")]
            forward, count = pipeline.unet.forward, iter(range(100))

            def counted(*inputs: Any, **named: Any) -> Any:
                acts = 0.9 if next(count) in (1, 2) else 0.0
                steps.append(acts)
                for one in processors:
                    one.scale = [acts]
                return forward(*inputs, **named)

            pipeline.unet.forward = counted
            try:
                return super()._call(pipeline, *arguments, **more)
            finally:
                del pipeline.unet.forward

    pipe = Pipe((home,), stock.loaded)
    wanted = theirs(home, pipe, "sd1", ["sd1-plain"], [use.images["picture"]], 0.9)
    assert steps == [0.0, 0.9, 0.9, 0.0]
    assert ours(engine, "sd1", [use]) == (wanted, [])


def test_the_first_picture_of_a_model_needs_no_second_loading(home: Path) -> None:
    """transformers hooks itself into SDXL's text encoders at their first call: that is not the adapter's doing."""
    engine = DiffusionEngine((home, RESOURCES), lambda ref: b"", "cpu", Uses())
    assert ours(engine, "sdxl", [layer(home, "sdxl-plain")])[1] == []
    engine.close()


def test_nothing_is_left_behind_whatever_happens(home: Path) -> None:
    """The same processors in the same places and all bits, also after an error, in whatever order layers go."""
    denoiser = denoiser_of(home / "sd1", SIZE)
    before, processors = fingerprint(denoiser.unet), dict(denoiser.unet.attn_processors)
    part = ReferencePicture()
    first = part.attach(denoiser, layer(home, "sd1-plain"))
    second = part.attach(denoiser, layer(home, "sd1-plus", 1))
    first.__enter__(), second.__enter__()
    assert fingerprint(denoiser.unet) != before
    first.__exit__(None, None, None)
    assert all(len(one.references) == 1 for one in denoiser.unet.attn_processors.values() if hasattr(one, "references"))
    error = ZeroDivisionError("on the way")
    assert not second.__exit__(ZeroDivisionError, error, None)
    assert fingerprint(denoiser.unet) == before
    assert all(denoiser.unet.attn_processors[name] is one for name, one in processors.items())


def test_a_guide_that_looks_again_sees_the_prompts_branch(home: Path) -> None:
    denoiser = denoiser_of(home / "sd1", SIZE)
    latents, text = torch.randn(2, 4, 13, 9), torch.randn(2, 77, 16)
    with torch.no_grad(), ReferencePicture().attach(denoiser, layer(home, "sd1-plus")):
        both = denoiser.unet(latents, 500, text).sample
        alone = denoiser.unet(latents[1:], 500, text[1:]).sample
    assert torch.allclose(both[1:], alone, atol=1e-5) and not torch.allclose(both[:1], alone, atol=1e-2)


def test_the_same_picture_is_looked_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    real = weights.look
    monkeypatch.setattr(weights, "look", lambda *what: looked.append(what) or real(*what))
    denoiser, part, told = denoiser_of(home / "sd1", SIZE), ReferencePicture(), []
    for turn in (0, 0, 1, 0):
        with part.attach(denoiser, replace(layer(home, "sd1-plain", turn), reads=told.append)):
            pass
    assert len(looked) == 2
    assert [file.name for file in told] == ["sd1-plain.safetensors", "model.safetensors"] * 4


def test_without_a_file_the_first_that_fits_is_taken(home: Path) -> None:
    told: list[Path] = []
    with ReferencePicture().attach(denoiser_of(home / "sd1", SIZE), replace(layer(home), reads=told.append)):
        pass
    assert told[0].name == "sd1-plain.safetensors"
    with pytest.raises(ModelMissing, match="There is no IP-Adapter for the model “tiny”") as caught:
        ReferencePicture().attach(denoiser_of(home / "sd1", SIZE), replace(layer(home), places=())).__enter__()
    assert "45 MB" in caught.value.hint


def test_a_missing_encoder_says_what_to_fetch_and_how_big(home: Path, tmp_path: Path) -> None:
    """Published sizes: ViT-H behind everything for SD 1.5; nothing is loaded before."""
    shapes = ip_files.plus(1280, 16, hidden=8, heads=1) | ip_files.layers(*widths_of(home, "sd1"))
    ip_files.save(tmp_path / "big.safetensors", shapes)
    use = replace(layer(home), files={"file": tmp_path / "big.safetensors"})
    with pytest.raises(ModelMissing, match=r"image encoder \(CLIP ViT-H\), which is not among the models") as caught:
        ReferencePicture().attach(denoiser_of(home / "sd1", SIZE), use).__enter__()
    assert "Image encoder for IP-Adapters" in caught.value.hint and "2.5 GB" in caught.value.hint
    starters = {entry["id"]: entry for entry in json.loads((RESOURCES / "models.json").read_text("utf-8"))["starters"]}
    assert starters["ip-encoder"]["title"] == "Image encoder for IP-Adapters"
    assert round(starters["ip-encoder"]["size"] / 1e9, 1) == 2.5
    assert starters["ip-encoder"]["into"].split("/")[0] == "image_encoder"
    assert starters["ip-sd15"]["into"] == "ip_adapter" and round(starters["ip-sd15"]["size"] / 1e6) == 45


def test_a_damaged_file_is_noticed(home: Path, tmp_path: Path) -> None:
    widths, text = widths_of(home, "sd1")
    shapes = ip_files.plain(JOINT, text) | ip_files.layers(widths, text)
    tensors = ip_files.save(tmp_path / "a.safetensors", shapes)
    tensors["ip_adapter.3.to_k_ip.weight"][0, 0] = float("nan")
    from safetensors.torch import save_file

    save_file(tensors, tmp_path / "a.safetensors")
    denoiser = denoiser_of(home / "sd1", SIZE)
    before = fingerprint(denoiser.unet)
    with pytest.raises(ModelMissing, match="not finite"):
        ReferencePicture().attach(
            denoiser, replace(layer(home), files={"file": tmp_path / "a.safetensors"})
        ).__enter__()
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-10])
    with pytest.raises(ModelMissing, match="incomplete"):
        inspect(tmp_path / "a.safetensors")
    assert fingerprint(denoiser.unet) == before


def test_without_a_picture_or_a_weight(home: Path) -> None:
    denoiser = denoiser_of(home / "sd1", SIZE)
    before = fingerprint(denoiser.unet)
    with pytest.raises(BadInputImage, match="no reference picture"):
        ReferencePicture().attach(denoiser, replace(layer(home), images={})).__enter__()
    with ReferencePicture().attach(denoiser, layer(home, "sd1-plain", weight=0.0)) as steering:
        assert steering.residuals is None and fingerprint(denoiser.unet) == before


def test_a_mask_follows_the_unets_grids() -> None:
    """13 x 9 latents: diffusers' guess from the ratio alone fails on the grid below, 7 x 5."""
    mask = torch.zeros(1, 1, 104, 72)
    mask[..., 32:] = 1
    from plugins.ip_adapter.attention import Reference

    reference = Reference((), (), (), mask)
    for cells, shape in ((13 * 9, (13, 9)), (7 * 5, (7, 5)), (4 * 3, (4, 3))):
        given = reference.on_grid(cells)
        assert given is not None and tuple(given.shape[2:]) == shape
        assert given[..., 0].max() < 0.1 < 0.9 < given[..., -1].min()


def test_the_manifest_declares_what_is_used() -> None:
    manifest = tomllib.loads((ROOT / "plugins" / "ip_adapter" / "plugin.toml").read_text("utf-8"))
    (part,) = manifest["adds"]
    parameters = {entry["name"]: entry for entry in part["parameters"]}
    assert set(parameters) == {"picture", "weight", "start", "end", "takes", "mask", "file"}
    assert parameters["takes"]["choices"] == [adapter.EVERYTHING, *adapter.BLOCKS]
    handed: list[str] = []
    enable(type("Registry", (), {"adapter": lambda _self, part, _does: handed.append(part)})())
    assert handed == [part["part"]]


def test_a_step_outside_its_window(home: Path) -> None:
    denoiser = denoiser_of(home / "sd1", SIZE)
    text, noisy = torch.randn(2, 77, 16), torch.randn(2, 4, 13, 9)
    with torch.no_grad():
        without = denoiser.unet(noisy, 300, text).sample
        with ReferencePicture().attach(denoiser, layer(home, "sd1-plain", end=0.5)) as steering:
            assert steering.residuals is not None
            for index, acts in ((0, True), (1, True), (2, False), (3, False)):
                step = StepContext(index=index, count=4, timestep=torch.tensor(300), model_input=noisy, text=text)
                assert steering.residuals(step) is None
                assert torch.equal(denoiser.unet(noisy, 300, text).sample, without) is not acts
