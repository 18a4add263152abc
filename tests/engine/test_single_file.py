"""Checkpoints in one file: the same model, to the bit, as the folder of it; at the full number of keys, narrow."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.core.choices import ControlKind
from studio.core.errors import ModelMissing
from studio.core.plugins import PartType
from studio.core.recipe import ControlUse, ModelRef, Recipe, Size
from studio.core.weights import WeightHeader, read_weight_header
from studio.engine import checkpoints
from studio.engine.checkpoints import base_of, controlnet_base, prediction_of
from studio.engine.clip_words import clip_vocabulary
from studio.engine.models import find_model, list_models
from studio.engine.tokens import TokenCounter
from tests.engine.conftest import DRAWINGS, FIRST
from tests.engine.guest_host import ToyHost
from tests.engine.stock import Stock

FAMILIES = ["sd1", "sd2", "sdxl", "sdxl_refiner"]
KEYS = {"sd1": 686, "sd2": 686, "sdxl": 1680, "sdxl_refiner": 1220}  # tensors of a UNet of each family
SHIPPED = checkpoints.CONFIGS
_NARROW = {320: 8, 384: 8, 640: 16, 768: 16, 1280: 24, 1536: 24}


def narrow(configs: Path) -> None:
    """The shipped configs with all their blocks and layers, but only a few channels."""
    for file in configs.rglob("config.json"):
        config, is_xl = json.loads(file.read_text("utf-8")), "sdxl" in str(file)
        if "hidden_size" in config:
            width = 24 if file.parent.name == "text_encoder_2" else 16
            config |= {"hidden_size": width, "intermediate_size": 32, "num_attention_heads": 2, "projection_dim": 16}
        elif file.parent.name == "vae":
            config |= {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4, "sample_size": 64}
        else:
            heads = config["attention_head_dim"]
            config["block_out_channels"] = [_NARROW[width] for width in config["block_out_channels"]]
            config["cross_attention_dim"] = {2048: 40, 1280: 24}.get(config["cross_attention_dim"], 16)
            config |= {"norm_num_groups": 4, "attention_head_dim": 2 if isinstance(heads, int) else [2] * len(heads)}
            if is_xl:
                times = 5 if "refiner" in str(file) else 6
                config |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 8 * times + 16}
            if "conditioning_embedding_out_channels" in config:
                config["conditioning_embedding_out_channels"] = [4, 8, 8, 16]
        file.write_text(json.dumps(config), encoding="utf-8")


@dataclass(frozen=True)
class Pair:
    """The same models twice: as folders and as files, each family under its name."""

    folders: Path
    files: Path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Narrow models of every family with random weights, and shipped configs to fit them while this module's tests run."""
    import studio.engine.diffusion  # noqa: F401
    from tests.engine import full_layouts

    root = tmp_path_factory.mktemp("single")
    shutil.copytree(checkpoints.CONFIGS, root / "configs")
    narrow(root / "configs")
    for place in ("folders", "files"):
        (root / place).mkdir()
    for base in FAMILIES:
        full_layouts.write(
            root / "configs" / base, root / "folders" / base, root / "files" / f"{base}.safetensors", base
        )
    kept = checkpoints.CONFIGS
    checkpoints.CONFIGS = root / "configs"
    yield Pair(root / "folders", root / "files")
    checkpoints.CONFIGS = kept


def engine_over(folder: Path) -> Any:
    from studio.engine.diffusion.engine import DiffusionEngine

    return DiffusionEngine((folder,), lambda ref: DRAWINGS[ref.digest], "cpu")


def wanted(base: str, **changes: Any) -> Recipe:
    recipe = Recipe(prompt="a red house", seed=5, steps=2, exact=True, size=Size(width=64, height=64))
    return replace(recipe, model=ModelRef(name=base), **changes)


@pytest.mark.parametrize("base", FAMILIES)
def test_a_file_is_its_folder_to_the_bit(pair: Pair, base: str) -> None:
    import torch

    file, folder = engine_over(pair.files), engine_over(pair.folders)
    pictures = [engine.render(wanted(base), lambda progress: True) for engine in (file, folder)]
    ours, theirs = (engine._made_ready().pool.get(base, True, lambda: None) for engine in (file, folder))
    assert len(ours.unet.state_dict()) == KEYS[base]
    for left, right in zip(ours.modules, theirs.modules, strict=True):
        weights, same = left.state_dict(), right.state_dict()
        assert weights.keys() == same.keys()
        assert all(torch.equal(weights[name], same[name]) for name in weights)
        assert not any(tensor.is_meta for tensor in weights.values())
    assert ours.scheduler_config == theirs.scheduler_config
    begins = {weight.data_ptr() % 64 for part in ours.modules for weight in part.parameters()}
    assert begins == {0}  # else the last bits would depend on where in its file a tensor lies
    assert pictures[0].pixels == pictures[1].pixels
    assert pictures[0].made_with.model_digest != pictures[1].made_with.model_digest


@pytest.mark.parametrize(
    ("base", "unet", "texts"),
    [
        ("sd1", 859_520_964, (123_060_480,)),
        ("sd2", 865_910_724, (340_387_840,)),
        ("sdxl", 2_567_463_684, (123_060_480, 694_659_840)),
        ("sdxl_refiner", 2_259_526_660, (694_659_840,)),
    ],
)
def test_shipped_configs_describe_the_published_models(base: str, unet: int, texts: tuple[int, ...]) -> None:
    """At full size, without weights: numbers of parameters, and every original key finds its place."""
    from tests.engine import full_layouts

    made = full_layouts.on_meta(SHIPPED / base)
    count = {name: sum(weight.numel() for weight in part.parameters()) for name, part in made.items()}
    assert count["unet"] == unet
    assert tuple(count[part] for part in ("text_encoder", "text_encoder_2") if part in count) == texts
    assert count["vae"] == 83_653_863
    assert len(made["unet"].state_dict()) == KEYS[base]
    full_layouts.check_conversion(made, SHIPPED / base, base)


@pytest.mark.parametrize("base", FAMILIES[:3])
def test_a_controlnet_in_both_layouts(pair: Pair, base: str) -> None:
    plain = ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST)
    named = replace(plain, net=ModelRef(name=f"{base}.controlnet"))
    pictures = [
        engine_over(place).render(wanted(base, controls=(use,)), lambda progress: True)
        for place, use in ((pair.files, named), (pair.folders, plain))
    ]
    without = engine_over(pair.folders).render(wanted(base), lambda progress: True)
    assert pictures[0].pixels == pictures[1].pixels != without.pixels
    assert pictures[0].made_with.notes == (f"scribble is read by {base}.controlnet.",)


def test_another_vae_decodes(pair: Pair) -> None:
    engine = engine_over(pair.files)
    own, same, other = (
        engine.render(wanted("sd1", vae=vae), lambda progress: True).pixels
        for vae in (None, ModelRef(name="sd1"), ModelRef(name="sd2"))
    )
    assert own == same != other
    folder = engine_over(pair.folders).render(wanted("sd1", vae=ModelRef(name="sd2")), lambda progress: True)
    assert folder.pixels == other
    with pytest.raises(ModelMissing, match="nothing named “gone”"):
        engine.render(wanted("sd1", vae=ModelRef(name="gone")), lambda progress: True)


def test_a_controlnet_for_shuffle_pools_what_it_sees(pair: Pair, tmp_path: Path) -> None:
    from studio.engine.diffusion.single_file import load_controlnet_file

    for name, pools in (
        ("control_v11e_sd15_shuffle.safetensors", True),
        ("control_v11p_sd15_canny.safetensors", False),
    ):
        shutil.copy(pair.files / "sd1.controlnet.safetensors", tmp_path / name)
        assert load_controlnet_file(tmp_path / name, torch.float32).config.global_pool_conditions is pools


def test_a_controlnet_of_another_family_is_refused_before_loading(pair: Pair) -> None:
    use = ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST, net=ModelRef(name="sdxl.controlnet"))
    with pytest.raises(ModelMissing, match=r"steers SDXL models; “sd1” is SD 1\.x"):
        engine_over(pair.files).render(wanted("sd1", controls=(use,)), lambda progress: True)
    with pytest.raises(ModelMissing, match="no ControlNet for scribble layers"):
        engine_over(pair.files).render(wanted("sd1", controls=(replace(use, net=None),)), lambda progress: True)


def test_headers_tell_the_family(pair: Pair) -> None:
    headers = {base: read_weight_header(pair.files / f"{base}.safetensors") for base in FAMILIES}
    assert {base: base_of(header) for base, header in headers.items()} == {base: base for base in FAMILIES}
    assert list_models((pair.files,)) == tuple(sorted(FAMILIES))
    assert find_model("sd1", (pair.files,)) == pair.files / "sd1.safetensors"


def test_what_is_no_checkpoint_is_refused_in_words(pair: Pair, tmp_path: Path) -> None:
    from studio.engine.diffusion.single_file import load_controlnet_file, load_file

    shutil.copy(pair.files / "sd1.controlnet.safetensors", tmp_path / "net.safetensors")
    with pytest.raises(ModelMissing, match="no checkpoint"):
        load_file("net", tmp_path / "net.safetensors", None, lambda: None)  # type: ignore[arg-type]
    with pytest.raises(ModelMissing, match="no ControlNet"):
        load_controlnet_file(pair.files / "sd1.safetensors", None)  # type: ignore[arg-type]
    (tmp_path / "short.safetensors").write_bytes((pair.files / "sd1.safetensors").read_bytes()[:-9])
    with pytest.raises(ModelMissing, match="incomplete"):
        find_model("short", (tmp_path,))


@pytest.mark.parametrize(
    ("base", "stem", "metadata", "markers", "told"),
    [
        ("sd1", "dream", {}, [], ("epsilon", False)),
        ("sd2", "v2-1_768-ema-pruned", {}, [], ("v_prediction", False)),
        ("sd2", "v2-1_512-ema-pruned", {}, [], ("epsilon", False)),
        ("sdxl", "noob", {}, ["v_pred", "ztsnr"], ("v_prediction", True)),
        ("sdxl", "x", {"modelspec.prediction_type": "v"}, [], ("v_prediction", False)),
        ("sd2", "x", {"modelspec.prediction_type": "epsilon"}, [], ("epsilon", False)),
    ],
)
def test_prediction(base: str, stem: str, metadata: Any, markers: list[str], told: tuple[str, bool]) -> None:
    header = WeightHeader(shapes=dict.fromkeys(markers, ()), dtypes={}, metadata=metadata)
    assert prediction_of(base, stem, header) == told


def test_union_controlnets_are_left_alone() -> None:
    shapes = {"controlnet_down_blocks.0.weight": (1,), "task_embedding": (6, 320)}
    assert controlnet_base(WeightHeader(shapes=shapes, dtypes={}, metadata={})) == ""


def test_the_shipped_vocabulary_is_clips(pair: Pair) -> None:
    """Numbers known from CLIP's paper code: these are the same in every Stable Diffusion."""
    from studio.engine.diffusion.single_file import clip_tokenizer

    vocabulary, merges = clip_vocabulary()
    assert len(vocabulary) == 49408
    assert merges[0] == ("i", "n")
    assert {word: vocabulary[word] for word in ("a</w>", "cat</w>", "photo</w>", "<|startoftext|>")} == {
        "a</w>": 320, "cat</w>": 2368, "photo</w>": 1125, "<|startoftext|>": 49406,
    }  # fmt: skip
    options = {"model_max_length": 77, "pad_token": "!", "eos_token": "<|endoftext|>"}
    ids = clip_tokenizer(options)(["a photo of a cat"], padding="max_length", truncation=True).input_ids[0]
    assert ids[:8] == [49406, 320, 1125, 539, 320, 2368, 49407, 0]
    assert TokenCounter((pair.files,)).count("sd1", "a photo of a cat").tokens == 5


def test_t2i_adapter_on_xl_as_the_stock_pipeline_has_it(pair: Pair, monkeypatch: Any) -> None:
    """SDXL's adapters come half a block later than SD 1.x's: its first block has no attention."""
    import torch
    from diffusers import StableDiffusionXLAdapterPipeline, T2IAdapter
    from PIL import Image

    from studio.api import UNetResiduals
    from studio.engine.diffusion import engine as module
    from studio.engine.diffusion.engine import DiffusionEngine
    from tests.engine.by_hand import giving

    torch.manual_seed(9)
    adapter = T2IAdapter(in_channels=3, channels=[8, 16, 24, 24], num_res_blocks=1, downscale_factor=16,
                         adapter_type="full_adapter_xl").eval()  # fmt: skip
    picture = Image.open(io.BytesIO(DRAWINGS[FIRST.digest])).convert("RGB")
    hint = torch.from_numpy((np.asarray(picture)[None] / 255.0).astype(np.float32).transpose(0, 3, 1, 2))
    with torch.no_grad():
        features = tuple(torch.cat([part] * 2) for part in adapter(hint))
    host = ToyHost()
    use = host.add(PartType.ADAPTER, "t2i", giving(lambda _step: UNetResiduals(inner=features)))
    engine = DiffusionEngine((pair.folders,), lambda ref: DRAWINGS[ref.digest], "cpu", host)
    recipe = wanted("sdxl", scheduler="euler", plugins=(use,), steps=3)
    seen: list[Any] = []
    decode = module.decode
    monkeypatch.setattr(module, "decode", lambda vae, latents, *_: seen.append(latents.clone()) or decode(vae, latents))
    ours = engine.render(recipe, lambda progress: True)

    stock = Stock((pair.folders,))
    base = stock.base("sdxl")
    pipeline = StableDiffusionXLAdapterPipeline(**base.components, adapter=adapter, force_zeros_for_empty_prompt=True)
    pipeline.set_progress_bar_config(disable=True)
    kept: list[Any] = []
    images = pipeline(
        recipe.prompt, image=picture, num_inference_steps=3, guidance_scale=recipe.guidance_scale, width=64, height=64,
        generator=torch.Generator("cpu").manual_seed(recipe.seed),
        callback=lambda _step, _t, latents: kept.append(latents.clone()), callback_steps=1,
    ).images  # fmt: skip
    assert torch.equal(seen[0], kept[-1])
    assert ours.pixels.data == images[0].tobytes()
    assert ours.pixels != engine.render(wanted("sdxl", scheduler="euler", steps=3), lambda progress: True).pixels


def test_render_takes_a_file_and_a_picture_to_begin_with(
    pair: Pair, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli import main
    from studio.gallery.png import recipe_of

    picture = data / "begin.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(DRAWINGS[FIRST.digest])
    out = data / "made.png"
    arguments = ["render", "--prompt", "a house", "--model", str(pair.files / "sd1.safetensors"), "--size", "64x64",
                 "--steps", "4", "--exact", "--init", str(picture), "--strength", "0.5", "--clip-skip", "1",
                 "--device", "cpu", "--out", str(out), "--json"]  # fmt: skip
    assert main(arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["seed"] >= 0
    recipe, _, inputs = recipe_of(out)
    assert recipe.model.name == "sd1"
    assert recipe.init is not None
    assert (recipe.strength, recipe.clip_skip) == (0.5, 1)
    assert recipe.init.digest in inputs  # it travels with the picture
