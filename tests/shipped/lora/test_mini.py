"""LoRAs on Studio Mini, and the words that a LoRA listens to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from studio.api import Denoiser
from studio.core.paths import RESOURCES
from studio.core.recipe import Size
from studio.mini.sheet import draw, load_pipeline
from studio.mini.style_figures import colours, moved
from studio.mini.styles import STYLES, Style
from tests.shipped.lora.makers import (
    LORA,
    kohya,
    use,
)


def test_mini_is_changed_by_whatever_lies_in_the_plugin(plugin: ModuleType, tmp_path: Path) -> None:
    """A LoRA made here for Mini's own layers, and every one that ships: all layers used, the prediction moves."""
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(RESOURCES / "mini" / "unet", low_cpu_mem_usage=False).float()
    mini = Denoiser(
        unet=unet.requires_grad_(False).eval(), vae=None, tokenizers=(), text_encoders=(), family="mini",
        model="mini", model_folder=RESOURCES / "mini", size=Size(width=256, height=256), branches=1,
        device=torch.device("cpu"), dtype=torch.float32,
    )  # fmt: skip
    save_file(kohya(mini, "conv_out")[0], tmp_path / "own.safetensors")
    torch.manual_seed(0)
    inputs = torch.randn(1, 16, 8, 8), torch.tensor(500), torch.randn(1, 7, 192)
    plain = unet(*inputs).sample
    shipped = sorted(file for file in (LORA / "mini").glob("*.safetensors") if not file.name.startswith("word_"))
    for file in (tmp_path / "own.safetensors", *shipped):
        assert file.stat().st_size <= 2 * 1024 * 1024
        with plugin.LoraAdapter().attach(mini, use(file)) as steering:
            assert steering.notes == (), file.name
            assert not torch.allclose(unet(*inputs).sample, plain, atol=1e-3)
        assert torch.equal(unet(*inputs).sample, plain)
    for file in shipped:
        assert plugin.add_trigger_words("a cat", 0, 1, use(file))[0].startswith("a cat, ")


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"modelspec.trigger_phrase": "ink wash, sumi "}, ("ink wash", "sumi")),
        ({"ss_tag_frequency": json.dumps({"10_a": {"sks": 9, "cat": 2}, "b": {"dog": 5, "sks": 1}})}, ("sks", "dog")),
        ({"ss_tag_frequency": json.dumps({"a": {str(i): 3 for i in range(30)}})}, tuple(str(i) for i in range(8))),
        ({"ss_tag_frequency": "{broken"}, ()), ({"ss_tag_frequency": "[1]"}, ()), ({"ss_tag_frequency": '{"a": 1}'}, ()),
        ({}, ()),
    ],
)  # fmt: skip
def test_trigger_words(plugin: ModuleType, tmp_path: Path, metadata: dict[str, str], words: tuple[str, ...]) -> None:
    assert sys.modules["lora_under_test.words"].trigger_words(metadata) == words
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata)
    asked = use(tmp_path / "a.safetensors", "trigger")
    assert plugin.add_trigger_words("a house", 0, 3, asked) == [", ".join(["a house", *words])]
    if words:
        already = f"{words[0].upper()} house"
        assert plugin.add_trigger_words(already, 0, 3, asked) == [", ".join([already, *words[1:]])]
        assert plugin.add_trigger_words("", 0, 3, asked) == [", ".join(words)]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_the_styles_that_ship_show_in_mini_s_pictures(plugin: ModuleType, style: Style) -> None:
    """Colours move most of the way to the look at full strength, and part of it at half."""
    file = LORA / "mini" / f"{style.name}.safetensors"
    pipe = load_pipeline(RESOURCES / "mini")
    mini = Denoiser(
        unet=pipe.unet, vae=pipe.vae, tokenizers=(pipe.tokenizer,), text_encoders=(pipe.text_encoder,), family="mini",
        model="mini", model_folder=RESOURCES / "mini", size=Size(width=256, height=256), branches=2,
        device=torch.device("cpu"), dtype=torch.float32,
    )  # fmt: skip
    prompts = ("a red house on green hills", "a yellow fish under water")
    plain = draw(pipe, prompts, seed=5, steps=8)
    start, goal = colours(plain), colours([style.paint(picture) for picture in plain])
    way = {}
    for weight in (0.5, 1.0):
        with plugin.LoraAdapter().attach(mini, use(file, weight=weight)):
            way[weight] = moved(start, colours(draw(pipe, prompts, seed=5, steps=8)), goal)
    assert way[1.0] > 0.5 and 0.15 < way[0.5] < way[1.0], way
