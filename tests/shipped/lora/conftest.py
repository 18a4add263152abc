"""The plugin "lora" as a package, and a tiny model in SD 1.x's shape to attach it to."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from studio.api import Denoiser
from studio.core.recipe import Size
from tests.shipped.lora.makers import LORA


@pytest.fixture(scope="module")
def plugin() -> Iterator[ModuleType]:
    """The plugin as a package, loaded as a file: what makes it a plugin is tested elsewhere."""
    spec = importlib.util.spec_from_file_location("lora_under_test", LORA / "__init__.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    for name in [name for name in sys.modules if name.split(".")[0] == spec.name]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model in SD 1.x's shape."""
    import studio.engine.diffusion  # noqa: F401  (loads the libraries quietly)
    from tests.engine.tiny_models import build_sd1

    return build_sd1(tmp_path_factory.mktemp("models") / "sd1", controlnet=False)


@pytest.fixture
def model(folder: Path) -> Denoiser:
    """The tiny model, fresh from its files."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    unet = UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
    return Denoiser(
        unet=unet.requires_grad_(False).eval(),
        vae=AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False),
        tokenizers=(CLIPTokenizer.from_pretrained(folder / "tokenizer"),),
        text_encoders=(CLIPTextModel.from_pretrained(folder / "text_encoder").requires_grad_(False).eval(),),
        family="sd1", model="sd1", model_folder=folder, size=Size(width=64, height=64), branches=2,
        device=torch.device("cpu"), dtype=torch.float32,
    )  # fmt: skip
