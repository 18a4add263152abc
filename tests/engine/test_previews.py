"""Live previews: the linear map, the files it comes from, and the clean picture a guess stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from studio.core.paths import RESOURCES  # noqa: E402
from studio.core.pixels import Pixels  # noqa: E402
from studio.core.recipe import Recipe  # noqa: E402
from studio.engine.diffusion.denoise import StepContext, StepResult  # noqa: E402
from studio.engine.diffusion.latents import latents_of  # noqa: E402
from studio.engine.diffusion.previews import SHARE, LatentToRGB, Previewer, load_preview  # noqa: E402
from studio.engine.diffusion.tiny import TinyDecoder, find_tiny, load_tiny  # noqa: E402
from studio.engine.intake.library import Library  # noqa: E402


def result_of(x: Any, guess: Any, timestep: int) -> StepResult:
    step = StepContext(index=0, count=1, timestep=torch.tensor(timestep), model_input=x, text=x)
    return StepResult(context=step, guess=guess, latents=x)


def test_a_map_file_is_used_and_shuffled_by_row_column_colour(tmp_path: Path) -> None:
    k, channels = 2, 3
    weight = np.arange(k * k * 3 * channels, dtype=float).reshape(k * k * 3, channels) / 50 - 0.5
    bias = np.linspace(-0.5, 0.5, k * k * 3)
    (tmp_path / "preview.json").write_text(json.dumps({"grid": k, "matrix": weight.tolist(), "bias": bias.tolist()}))
    to_rgb = load_preview(tmp_path, channels)
    assert to_rgb is not None
    assert to_rgb.k == 2
    latents = torch.randn(1, channels, 4, 5)
    conv = (
        torch.einsum("oc,nchw->nohw", torch.tensor(weight).float(), latents)
        + torch.tensor(bias).float()[None, :, None, None]
    )
    by_colour = conv.reshape(1, k * k, 3, 4, 5).transpose(1, 2).reshape(1, 3 * k * k, 4, 5)
    expected = torch.nn.functional.pixel_shuffle(by_colour, k)[0].permute(1, 2, 0)
    made = to_rgb(latents)
    assert (made.width, made.height) == (10, 8)
    difference = (
        np.frombuffer(made.data, np.uint8).reshape(8, 10, 3) - ((expected.numpy() * 0.5 + 0.5).clip(0, 1) * 255).round()
    )
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"grid": 1, "matrix": [[1]], "bias": [0]}', '{"grid": "x"}', "null"])
def test_damaged_map_files_are_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "preview.json").write_text(text)
    assert load_preview(tmp_path, 16) is None
    known = load_preview(tmp_path, 4)
    assert known is not None
    assert known(torch.zeros(1, 4, 3, 2)).data == bytes([128] * 18)


def test_not_a_number_does_not_stop_a_preview() -> None:
    to_rgb = LatentToRGB(1, np.ones((3, 2), np.float32), np.zeros(3, np.float32))
    assert to_rgb(torch.full((1, 2, 2, 2), float("nan"))).width == 2


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_preview_shows_the_clean_picture(kind: str) -> None:
    alphas = torch.linspace(0.99, 0.01, 1000)
    clean, noise = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 4)
    signal, sigma = alphas[500].sqrt(), (1 - alphas[500]).sqrt()
    guess = {"epsilon": noise, "v_prediction": signal * noise - sigma * clean, "sample": clean}[kind]
    made = Previewer(None, kind, alphas).clean(result_of(signal * clean + sigma * noise, guess, 500))
    assert torch.allclose(made, clean, atol=1e-4)


def test_previews_are_not_made_faster_than_eyes_see() -> None:
    to_rgb = LatentToRGB(1, np.ones((3, 4), np.float32), np.zeros(3, np.float32))
    previewer = Previewer(to_rgb, "sample", torch.linspace(0.99, 0.01, 1000))
    x = torch.zeros(1, 4, 2, 2)
    made = [previewer(result_of(x, x, 10)) for _ in range(50)]
    assert made[0] is not None
    assert sum(preview is not None for preview in made) <= 3


class Clock:
    """Time as the test lets it pass."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeTiny:
    """A tiny decoder that takes `cost` seconds of a clock."""

    def __init__(self, clock: Clock, cost: float, known: bool = True) -> None:
        self.clock, self.cost, self.broken, self.made, self.told = clock, cost, False, 0, cost if known else 0.0

    def seconds(self, _latents: Any) -> float:
        return self.told

    def doubt(self) -> None:
        self.told *= 0.95

    def __call__(self, _latents: Any) -> Pixels | None:
        self.clock.now += self.cost
        self.made += 1
        self.told = self.cost
        return Pixels(width=8, height=8, data=bytes(192))


def watched(tiny: FakeTiny, step_seconds: float, steps: int) -> tuple[list[int | None], float]:
    """The width of each step's preview, and the share of the time that was spent on sharp ones."""
    clock, x = tiny.clock, torch.zeros(1, 4, 2, 2)
    to_rgb = LatentToRGB(1, np.ones((3, 4), np.float32), np.zeros(3, np.float32))
    previewer = Previewer(to_rgb, "sample", torch.linspace(0.99, 0.01, 1000), tiny, clock)
    began, widths = clock.now, list[int | None]()
    for _ in range(steps):
        clock.now += step_seconds
        made = previewer(result_of(x, x, 10))
        widths.append(None if made is None else made.width)
    return widths, tiny.made * tiny.cost / (clock.now - began)


def test_sharp_previews_take_a_small_share_of_the_time() -> None:
    widths, share = watched(FakeTiny(Clock(), 0.001), step_seconds=0.1, steps=60)
    assert widths == [8] * 60, "cheap enough for every step"
    widths, share = watched(FakeTiny(Clock(), 0.02), step_seconds=0.1, steps=200)
    assert share <= SHARE
    assert widths.count(8) >= 15
    assert widths[0] == 2, "linear until one is affordable"
    first = widths.index(8)
    assert widths[first + 1 : first + 5] == [None] * 4, "no flicker between sharp and blurred"
    assert 2 in widths[first + 5 :], "a long wait shows linear ones"
    _widths, share = watched(FakeTiny(Clock(), 3.0), step_seconds=1.0, steps=400)
    assert share <= SHARE + 3.0 / 400


def test_what_one_costs_is_learnt_from_one_and_chance_is_forgotten() -> None:
    unlucky = FakeTiny(Clock(), 0.002, known=False)
    assert watched(unlucky, step_seconds=0.1, steps=3)[0][0] == 8
    unlucky.told = 50.0  # the machine was busy then
    assert 8 in watched(unlucky, step_seconds=0.1, steps=150)[0]


def test_a_broken_tiny_decoder_leaves_the_linear_previews() -> None:
    tiny = FakeTiny(Clock(), 0.0)
    tiny.broken = True
    assert set(watched(tiny, 0.1, 5)[0]) == {2}


def test_minis_own_tiny_decoder_shows_what_the_full_one_shows(make_engine: Any) -> None:
    if not (RESOURCES / "mini" / "tiny_vae").is_dir():
        pytest.skip("Studio Mini has none yet")
    engine = make_engine()
    made = Recipe(prompt="a red house on green hills", seed=3, steps=8, exact=True)
    kept: list[Any] = []
    pixels = engine.render(made, lambda progress: kept.append(progress.undecoded) or True).pixels
    model = engine._ready.pool.get("mini", True, lambda: None)
    tiny = engine._ready.pool.tiny(model)
    sharp = tiny(latents_of(next(one for one in kept if one is not None)))
    assert (sharp.width, sharp.height) == (256, 256)
    a, b = (np.frombuffer(one.data, np.uint8).astype(float) for one in (sharp, pixels))
    assert 10 * np.log10(255**2 / ((a - b) ** 2).mean()) > 20  # dB; a linear one, enlarged, gives less
    assert tiny.seconds(torch.zeros(1, 16, 16, 16)) > 0
    assert not tiny.broken


def taesd(folder: Path) -> dict[str, Any]:
    """A TAESD of random weights: as a folder of diffusers', and as files with its own names; the tensors."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
    from safetensors.torch import save_file

    torch.manual_seed(0)
    whole = AutoencoderTiny()
    whole.save_pretrained(folder / "taesd")
    decoder = whole.decoder.layers.state_dict()
    shifted = {f"{int(name.split('.')[0]) + 1}.{name.split('.', 1)[1]}": value for name, value in decoder.items()}
    save_file(shifted, folder / "taesd_decoder.safetensors")
    save_file({f"taesd_decoder.{name}": value for name, value in shifted.items()}, folder / "both.safetensors")
    latents = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        return {"latents": latents, "image": whole.decode(latents).sample}


def test_taesd_in_each_of_its_forms(tmp_path: Path) -> None:
    known = taesd(tmp_path)
    for name in ("taesd", "taesd_decoder.safetensors", "both.safetensors"):
        network = load_tiny(tmp_path / name, 4, torch.float32)
        with torch.no_grad():
            assert torch.allclose(network(known["latents"]), known["image"], atol=1e-5), name
    wrong = TinyDecoder(tmp_path / "taesd", 16, torch.float32, torch.device("cpu"))
    assert wrong(torch.zeros(1, 16, 4, 4)) is None
    assert wrong.broken
    (tmp_path / "taesd_decoder.safetensors").write_bytes(b"no weights at all")
    assert TinyDecoder(tmp_path / "taesd_decoder.safetensors", 4, torch.float32, torch.device("cpu"))(x4()) is None


def x4() -> Any:
    return torch.zeros(1, 4, 4, 4)


def test_the_tiny_decoder_of_the_right_family_is_found(tmp_path: Path) -> None:
    taesd(tmp_path)
    (tmp_path / "taesd").rename(tmp_path / "taesdxl")
    library = Library((tmp_path,))
    files = library.scan()
    assert {file.name: str(file.family) for file in files} == {"both": "", "taesd_decoder": "sd1", "taesdxl": "sdxl"}
    for family, name in (
        ("sd1", "taesd_decoder"),
        ("sd2", "taesd_decoder"),
        ("sdxl", "taesdxl"),
        ("sdxl_refiner", "taesdxl"),
    ):
        found = find_tiny(tmp_path / "some-model", family, files)
        assert found is not None and found.stem == name
    assert find_tiny(tmp_path / "some-model", "mini", files) is None
    assert find_tiny(RESOURCES / "mini-fast", "mini", ()) in (None, RESOURCES / "mini" / "tiny_vae")
