"""The engine's behaviour around the loop: phases, cancel, trouble, and work that is not done twice."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.core.choices import ControlKind, Spacing
from studio.core.errors import BadPicture, BadRecipe, ModelMissing, OutOfMemory
from studio.core.recipe import ControlUse, ModelRef, Recipe, Size
from studio.engine.protocol import Progress, RenderCancelled
from tests.engine.conftest import FIRST, SECOND

BASE = Recipe(
    prompt="a red house",
    seed=7,
    steps=4,
    scheduler="ddim",
    exact=True,
    size=Size(width=64, height=64),
    model=ModelRef(name="sd1"),
)
SCRIBBLE = ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST)


def go_on(_progress: Progress) -> bool:
    return True


def model_of(engine: Any, recipe: Recipe = BASE) -> Any:
    return engine._made_ready().pool.get(recipe.model.name, recipe.exact, lambda: None)


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """From now on `owner.name` notes its calls."""
    calls: list[Any] = []
    original = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_prepare_names_the_device(engine: Any) -> None:
    ready = engine.prepare()
    assert ready.device == "cpu"
    assert ready.dtype in ("float32", "bfloat16")
    assert ready.memory_bytes > 2**28


def test_progress_from_loading_to_decoding(engine: Any) -> None:
    told: list[Progress] = []
    rendered = engine.render(replace(BASE, controls=(SCRIBBLE,)), lambda progress: told.append(progress) or True)
    phases = list(dict.fromkeys(progress.phase for progress in told))
    assert phases == ["loading sd1", "reading the prompt", "preparing controls", "", "decoding"]
    steps = [progress.step for progress in told]
    assert steps == sorted(steps)
    assert set(steps) == {0, 1, 2, 3, 4}
    assert told[-1].seconds > 0
    first_step = next(progress for progress in told if progress.step == 1)
    assert first_step.preview is not None
    assert first_step.preview.width == 8
    assert rendered.made_with.pixel_sha256 == rendered.pixels.sha256
    assert rendered.made_with.dtype == "float32"
    assert len(rendered.made_with.model_digest) == 64
    assert dict(rendered.made_with.versions).keys() == {"torch", "diffusers", "transformers"}


@pytest.mark.parametrize("scheduler", ["heun", "pndm", "dpmpp_2m"])
def test_steps_are_the_artists_steps(engine: Any, scheduler: str) -> None:
    told: list[Progress] = []
    engine.render(replace(BASE, scheduler=scheduler), lambda progress: told.append(progress) or True)
    steps = [progress.step for progress in told if not progress.phase and progress.step]
    assert steps[0] == 1
    assert steps[-1] == 4
    assert steps == sorted(steps)


def test_the_same_recipe_gives_the_same_pixels_after_a_restart(make_engine: Callable[[], Any]) -> None:
    recipe = replace(BASE, scheduler="dpmpp_sde", controls=(SCRIBBLE,))
    first, second = (make_engine().render(recipe, go_on) for _ in range(2))
    assert first.pixels == second.pixels
    assert not second.reused


def test_each_seed_gives_another_picture(engine: Any) -> None:
    assert engine.render(BASE, go_on).pixels != engine.render(replace(BASE, seed=8), go_on).pixels


def test_an_unchanged_job_is_not_made_again(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = engine.render(BASE, go_on)
    calls = count_calls(monkeypatch, model_of(engine).unet, "forward")
    again = engine.render(BASE, go_on)
    assert again.reused
    assert again.pixels == first.pixels
    assert not calls
    assert not engine.render(replace(BASE, steps=3), go_on).reused
    assert calls


def test_texts_are_encoded_once(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = model_of(engine).text
    calls = count_calls(monkeypatch, encoder, "_encode")
    for seed in range(3):
        engine.render(replace(BASE, seed=seed), go_on)
    engine.render(replace(BASE, prompt="cat"), go_on)
    assert [text for text, *_ in calls] == ["a red house", "", "cat"]


def test_a_hint_is_encoded_once_and_kept_across_jobs(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.engine.diffusion import controls

    calls = count_calls(monkeypatch, controls, "encode_hint")
    for seed in range(2):
        engine.render(replace(BASE, seed=seed, controls=(SCRIBBLE,)), go_on)
    engine.render(replace(BASE, controls=(replace(SCRIBBLE, weight=0.5, end=0.5),)), go_on)
    assert len(calls) == 1
    engine.render(replace(BASE, controls=(SCRIBBLE, replace(SCRIBBLE, image=SECOND))), go_on)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("start", "end", "weight", "calls"), [(0, 1, 1, 10), (0, 0.5, 1, 5), (0.3, 0.7, 1, 4), (0, 1, 0, 0)]
)
def test_a_controlnet_runs_only_where_it_acts(
    engine: Any, start: float, end: float, weight: float, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = engine._made_ready().pool.controlnet(model_of(engine), "scribble")[1]
    counted = count_calls(monkeypatch, net, "forward")
    use = replace(SCRIBBLE, start=start, end=end, weight=weight)
    engine.render(replace(BASE, steps=10, controls=(use,)), go_on)
    assert len(counted) == calls


def test_no_second_branch_without_guidance(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_calls(monkeypatch, model_of(engine).unet, "forward")
    engine.render(replace(BASE, guidance_scale=1.0), go_on)
    assert {args[0].shape[0] for args in calls} == {1}


@pytest.mark.parametrize("stop_at", [1, 2, 4])
def test_cancel_stops_at_the_step_and_decodes_nothing(
    engine: Any, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(engine)
    guesses, decodes = count_calls(monkeypatch, model.unet, "forward"), count_calls(monkeypatch, model.vae, "decode")
    with pytest.raises(RenderCancelled):
        engine.render(BASE, lambda progress: progress.step < stop_at)
    assert len(guesses) == stop_at
    assert not decodes
    assert engine.render(BASE, go_on).pixels.width == 64


@pytest.mark.parametrize("phase", ["loading sd1", "reading the prompt", "preparing controls", "decoding"])
def test_cancel_in_every_phase(engine: Any, phase: str) -> None:
    recipe = replace(BASE, controls=(SCRIBBLE,))
    with pytest.raises(RenderCancelled):
        engine.render(recipe, lambda progress: progress.phase != phase)
    assert not engine.render(recipe, go_on).reused


def test_cancel_within_a_step(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.engine.diffusion import progress as module

    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    unet = model_of(engine).unet
    entered = count_calls(monkeypatch, unet.mid_block, "forward")
    with pytest.raises(RenderCancelled):
        engine.render(BASE, lambda progress: progress.seconds == 0)
    assert not entered
    assert not any(block._forward_pre_hooks for block in (*unet.down_blocks, *unet.up_blocks, unet.mid_block))


def test_an_error_inside_leaves_the_engine_whole(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = engine.render(replace(BASE, controls=(SCRIBBLE,)), go_on).pixels

    def broken(*_args: Any, **_kwargs: Any) -> Any:
        raise ValueError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(model_of(engine).unet, "forward", broken)
        with pytest.raises(ValueError, match="planted"):
            engine.render(replace(BASE, seed=9, controls=(SCRIBBLE,)), go_on)
    again = engine.render(replace(BASE, controls=(SCRIBBLE,)), go_on)
    assert again.pixels == expected


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_not_a_number_is_never_a_picture(engine: Any, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(engine)
    owner, name = (model.unet, "forward") if part == "unet" else (model.vae, "decode")
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a, **k: (original(*a, **k)[0] * float("nan"),))
    with pytest.raises(BadPicture, match="not a picture"):
        engine.render(BASE, go_on)


def test_a_16_bit_vae_that_overflows_is_run_again_in_32_bits(tiny_folder: Path) -> None:
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    from studio.engine.diffusion.latents import decode

    vae = AutoencoderKL.from_pretrained(str(tiny_folder / "sd1"), subfolder="vae", dtype=torch.float16)
    wanted = decode(AutoencoderKL.from_pretrained(str(tiny_folder / "sd1"), subfolder="vae"), torch.ones(1, 4, 8, 8))
    original = vae.decode
    vae.decode = lambda z, **k: (original(z, **k)[0] * (float("inf") if z.dtype == torch.float16 else 1),)
    near = decode(vae, torch.ones(1, 4, 8, 8))
    assert max(abs(a - b) for a, b in zip(near.data, wanted.data, strict=True)) <= 2
    assert vae.dtype == torch.float16


@pytest.mark.parametrize("kind", ["torch", "python", "allocator"])
@pytest.mark.parametrize("place", ["unet", "vae"])
def test_lack_of_memory_is_told_and_survived(
    engine: Any, place: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    errors = {
        "torch": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB"),
        "python": MemoryError,
        "allocator": lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    }
    held: list[Any] = []

    def full(*_args: Any, **_kwargs: Any) -> Any:
        tensor = torch.zeros(1000)
        held.append(weakref.ref(tensor))
        raise errors[kind]()

    model = model_of(engine)
    classes = (type(model.unet), "forward") if place == "unet" else (type(model.vae), "decode")
    del model
    with monkeypatch.context() as patch:
        patch.setattr(*classes, full)  # of the class: what was tried once is loaded again, one level slower
        with pytest.raises(OutOfMemory, match="not enough memory") as caught:
            engine.render(BASE, go_on)
    assert caught.value.__context__ is None
    assert len(held) > 1, "it was tried again"
    assert all(tensor() is None for tensor in held)
    assert engine.render(BASE, go_on).pixels.width == 64


def test_a_model_let_go_is_gone_without_garbage_collection(engine: Any) -> None:
    recipe = replace(BASE, controls=(SCRIBBLE,))
    engine.render(recipe, go_on)
    parts = [weakref.ref(model_of(engine).unet), weakref.ref(model_of(engine).vae)]
    gc.disable()
    try:
        engine._let_go()
        assert [part() for part in parts] == [None, None]
    finally:
        gc.enable()


def test_a_picture_is_made_anew_when_a_detectors_file_has_changed(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, stamp = replace(BASE, controls=(SCRIBBLE,), steps=2), [1]
    monkeypatch.setattr(engine._annotators, "stamps", lambda _recipe: tuple(stamp))
    engine.render(wanted, go_on)
    assert engine.render(wanted, go_on).reused
    kept = len(engine._made_ready().controls._kept)
    stamp[0] = 2
    assert not engine.render(wanted, go_on).reused
    assert len(engine._made_ready().controls._kept) == kept + 1, "its map, too"


def test_a_solver_that_leaves_zero_terminal_snr_says_so(engine: Any) -> None:
    """Of diffusers' classes half do not know the option and drop it; the picture is as it was, with a word about it."""
    small = replace(BASE, model=ModelRef(name="sd2"), steps=2)
    said = {name: engine.render(replace(small, scheduler=name), go_on).made_with.notes for name in ("ddim", "heun")}
    assert said["ddim"] == ()
    assert [note.split(",")[0] for note in said["heun"]] == ["Heun cannot begin in pure noise"]
    assert engine.render(replace(BASE, scheduler="heun", steps=2), go_on).made_with.notes == ()


def test_a_mark_for_a_lora_is_said_to_be_plain_text(engine: Any) -> None:
    notes = engine.render(replace(BASE, prompt="a house, <lora:ink:0.8>", steps=2), go_on).made_with.notes
    assert notes == ("“<lora:ink:0.8>” was read as plain text: a LoRA is a layer here.",)


def test_models_used_longest_ago_make_room(engine: Any) -> None:
    engine.render(BASE, go_on)
    pool, first = engine._made_ready().pool, model_of(engine)
    pool.budget = int(2.5 * first.nbytes)
    first, kept = first.key, weakref.ref(first.unet)
    engine.render(replace(BASE, model=ModelRef(name="sd2")), go_on)
    assert kept() is not None
    engine.render(replace(BASE, seed=8), go_on)  # sd1 is now the younger one
    engine.render(replace(BASE, model=ModelRef(name="variance"), scheduler="ddpm"), go_on)
    assert [key[0].name for key in pool._kept] == ["sd1", "variance"]
    pool.budget = 0
    engine.render(replace(BASE, model=ModelRef(name="sd2")), go_on)
    assert [key[0].name for key in pool._kept] == ["sd2"]
    assert kept() is None


def test_a_refiner_does_not_push_out_the_model_that_it_refines(engine: Any) -> None:
    """It is still in use, so that nothing would be won; both would be read again for each picture."""
    wanted = replace(BASE, model=ModelRef(name="sdxl"), refiner=ModelRef(name="refiner"), steps=4, scheduler="euler")
    engine.render(replace(wanted, refiner=None), go_on)
    pool = engine._made_ready().pool
    (base,) = pool._kept.values()
    pool.budget = int(1.2 * base.nbytes)
    engine.render(wanted, go_on)
    both = list(pool._kept.values())
    assert both[0] is base and len(both) == 2
    engine.render(replace(wanted, seed=8), go_on)
    assert {id(model) for model in pool._kept.values()} == {id(model) for model in both}


def test_a_model_whose_files_were_replaced_is_loaded_again(tiny_folder: Path, tmp_path: Path) -> None:
    from studio.engine.diffusion.engine import DiffusionEngine

    shutil.copytree(tiny_folder / "sd1", tmp_path / "sd1")
    engine = DiffusionEngine((tmp_path,), lambda ref: b"", "cpu")
    first = engine.render(BASE, go_on)
    shutil.copy(tiny_folder / "variance" / "vae" / "config.json", tmp_path / "sd1" / "vae" / "config.json")
    again = engine.render(BASE, go_on)
    assert not again.reused
    assert again.pixels == first.pixels
    assert len(engine._made_ready().pool._kept) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scheduler": "lcm", "steps": 51}, "LCM cannot work in 51 steps"),
        ({"scheduler": "unipc", "spacing": Spacing.BETA, "steps": 60}, "cannot spread 60 steps"),
    ],
)
def test_schedulers_that_cannot_say_so(engine: Any, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadRecipe, match=sentence):
        engine.render(replace(BASE, **changes), go_on)


def test_sizes_the_vae_cannot_make(engine: Any) -> None:
    from studio.engine.diffusion.engine import check_size

    model = replace(model_of(engine), vae=type("Vae", (), {"config": type("C", (), {"block_out_channels": [1] * 5})}))
    with pytest.raises(BadRecipe, match=r"multiples of 16.*nearest size is 272x256"):
        check_size(Size(width=264, height=256), model)


def test_control_layers_without_a_controlnet(engine: Any) -> None:
    with pytest.raises(ModelMissing, match="no ControlNet"):
        engine.render(replace(BASE, model=ModelRef(name="variance"), controls=(SCRIBBLE,)), go_on)


def test_the_device_that_is_not_there_is_named() -> None:
    from studio.core.errors import StudioError
    from studio.engine.diffusion.devices import choose_device

    with pytest.raises(StudioError, match="'tpu'"):
        choose_device("tpu")
