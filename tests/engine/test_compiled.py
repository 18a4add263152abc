"""Compiled networks: the same answers, used from a job's beginning on, and never a broken picture."""

from __future__ import annotations

import copy
import logging
import shutil
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.core.choices import ControlKind, Tiling
from studio.core.recipe import ControlUse, ModelRef, Recipe, Size
from studio.engine.diffusion.adapters import ResidualShapes
from studio.engine.diffusion.compiled import Compiler, key_of, shadow_of
from tests.engine import tiny_models
from tests.engine.conftest import FIRST

PLAIN = Recipe(
    prompt="a red house", seed=7, steps=3, scheduler="ddim", size=Size(width=64, height=64), model=ModelRef(name="sd1")
)
CONTROLLED = replace(PLAIN, controls=(ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST, weight=0.7),))


@pytest.fixture(autouse=True)
def untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch writes a trace of its compiler for whoever listens to logs, as pytest does; that takes half the time."""
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "disabled", True)


@pytest.fixture(scope="module")
def unet() -> Any:
    network = tiny_models._unet(out_channels=4, attention_head_dim=2, act_fn="silu")
    return network.eval().requires_grad_(False)


def call(unet: Any, run: Any, seed: int, side: int = 8) -> torch.Tensor:
    """One call as the loop makes it, with the residuals of a ControlNet and of a T2I-Adapter."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    shapes = ResidualShapes.of(unet, side, side)
    with torch.no_grad():
        answer: torch.Tensor = run(
            random(2, 4, side, side),
            torch.tensor(500),
            encoder_hidden_states=random(2, 77, 16),
            timestep_cond=None,
            added_cond_kwargs=None,
            down_block_additional_residuals=tuple(random(2, *shape) for shape in shapes.down),
            mid_block_additional_residual=random(2, *shapes.mid),
            down_intrablock_additional_residuals=[random(2, *shape) for shape in shapes.inner],
            return_dict=False,
        )[0]
    return answer


def on_cpu(backend: Any) -> Compiler:
    compiler = Compiler(backend, ("cpu",))
    compiler.mode = "automatic"
    return compiler


def test_one_graph_without_a_break_gives_the_same_bits_from_the_next_job_on(unet: Any) -> None:
    compiler = on_cpu("eager")
    with compiler.job(plain=True) as job:
        first = job.of(unet)
        call(unet, first, 1)
        call(unet, first, 2)
        assert len(first.new) == 1
    with compiler.job(plain=True) as early:
        watched = early.of(unet)
        compiler.wait()
        call(unet, watched, 3)
        assert watched.quick == 0, "switched in the middle of a job"
    with compiler.job(plain=True) as later:
        watched = later.of(unet)
        for seed in (3, 4):
            assert torch.equal(call(unet, watched, seed), call(unet, unet, seed))
        assert (watched.quick, watched.calls) == (2, 2)
        assert torch.equal(call(unet, watched, 3, side=16), call(unet, unet, 3, side=16))  # another size: as ever
        assert watched.quick == 2
        kept = unet.conv_in.weight.clone()
        try:
            unet.conv_in.weight.data.mul_(2)  # a weight changed in its place
            assert torch.equal(call(unet, watched, 5), call(unet, unet, 5))
            unet.conv_in.weight.data = kept * 3  # and one moved elsewhere
            assert torch.equal(call(unet, watched, 5), call(unet, unet, 5))
        finally:
            unet.conv_in.weight.data = kept
        assert watched.quick == 4
    assert compiler.quick == 4
    assert compiler.words == (("compiled", "eager"),)
    compiler.close()  # while it compiles for the other size: the thread ends all the same


def test_a_recording_is_made_anew_when_the_weights_have_moved(unet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads them where they lay, as a CUDA graph does; parts that take turns on a device come back elsewhere."""
    made: list[Any] = []

    def record(_call: Any, _args: Any, _kwargs: Any) -> Any:
        made.append(copy.deepcopy(unet))
        return made[-1].__call__

    monkeypatch.setattr("studio.engine.diffusion.compiled.recorded", record)
    compiler, kept = on_cpu("eager"), unet.conv_in.weight.data
    with compiler.job(plain=True) as job:
        call(unet, job.of(unet), 1)
    compiler.wait()
    try:
        for factor, recordings in ((1.0, 1), (1.0, 1), (3.0, 2), (3.0, 2)):
            if recordings != len(made) and made:
                unet.conv_in.weight.data = kept * factor
            with compiler.job(plain=True) as job:
                watched = job.of(unet)
                for seed in (2, 3):
                    assert torch.equal(call(unet, watched, seed), call(unet, unet, seed)), (factor, seed)
                assert watched.quick == 2
            assert len(made) == recordings
    finally:
        unet.conv_in.weight.data = kept
        compiler.close()


def test_what_the_compiler_makes_is_compared_before_it_is_used(
    unet: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "studio.engine.diffusion.compiled.compiled",
        lambda shadow, arguments, backend: lambda *args, **kwargs: (shadow(*args, **kwargs)[0] * 1.01,),
    )
    compiler = on_cpu("eager")
    for _ in range(3):
        with compiler.job(plain=True) as job, caplog.at_level(logging.WARNING):
            watched = job.of(unet)
            assert torch.equal(call(unet, watched, 1), call(unet, unet, 1))
            assert watched.quick == 0
        compiler.wait()
    compiler.close()
    assert caplog.text.count("differs by more than rounding") == 1
    assert compiler.words == ()


@pytest.mark.parametrize("failing", ["compile", "call"])
def test_a_failing_compiler_leaves_the_network_as_it_was(
    failing: str, unet: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    def fail(*_args: Any, **_kwargs: Any) -> Any:
        tries.append(failing)
        raise RuntimeError("no compiler found\nmore")

    made: Callable[..., Any] = fail if failing == "compile" else lambda *_: fail
    monkeypatch.setattr("studio.engine.diffusion.compiled.compiled", made)
    compiler = on_cpu("eager")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with compiler.job(plain=True) as job:
                watched = job.of(unet)
                assert torch.equal(call(unet, watched, 1), call(unet, unet, 1))
            compiler.wait()
    compiler.close()
    assert tries == [failing]
    assert caplog.text.count("RuntimeError: no compiler found") == 1


def test_a_wish_keeps_no_network_that_was_let_go(unet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its turn may come minutes later; until then its weights would stay on the device, beside another model's."""
    begun, go_on, made = threading.Event(), threading.Event(), list[Any]()

    def compiled(shadow: Any, _arguments: Any, _backend: str) -> Any:
        made.append(weakref.ref(shadow))
        begun.set()
        assert go_on.wait(60)
        return lambda *args, **kwargs: shadow(*args, **kwargs)

    monkeypatch.setattr("studio.engine.diffusion.compiled.compiled", compiled)
    compiler, other = on_cpu("eager"), copy.deepcopy(unet)
    try:
        for network in (unet, other):
            with compiler.job(plain=True) as job:
                call(network, job.of(network), 1)
            del job
            assert begun.wait(60)
        shadow, weights = weakref.ref(compiler._kept[other].shadow), weakref.ref(other.conv_in.weight)
        del network, other
        assert (shadow(), weights()) == (None, None)
        go_on.set()
        compiler.wait()
        assert len(made) == 1, "and nothing was compiled for it"
    finally:
        go_on.set()
        compiler.close()


def test_lack_of_memory_is_told_as_everywhere(unet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(*_args: Any, **_kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("studio.engine.diffusion.compiled.compiled", lambda *_: lack)
    compiler = on_cpu("eager")
    with compiler.job(plain=True) as job:
        call(unet, job.of(unet), 1)
    compiler.wait()
    with pytest.raises(torch.OutOfMemoryError), compiler.job(plain=True) as job:
        call(unet, job.of(unet), 1)
    compiler.close()


def test_off_or_not_plain_or_elsewhere_is_the_network_itself(unet: Any) -> None:
    compiler = on_cpu("eager")
    with compiler.job(plain=False) as job:
        assert job.of(unet) is unet
    compiler.mode = "off"
    with compiler.job(plain=True) as job:
        assert job.of(unet) is unet
    shipped = Compiler()
    assert shipped.mode == "off"
    shipped.mode = "automatic"
    with shipped.job(plain=True) as job:  # CUDA alone
        assert job.of(unet) is unet


def test_a_shadow_has_the_same_weights_and_no_hooks(unet: Any) -> None:
    handle = unet.conv_in.register_forward_pre_hook(lambda *_: None)
    try:
        shadow = shadow_of(unet)
    finally:
        handle.remove()
    assert shadow is not unet
    assert [id(weight) for weight in shadow.parameters()] == [id(weight) for weight in unet.parameters()]
    assert not any(module._forward_pre_hooks for module in shadow.modules())


def test_a_key_tells_shapes_formats_and_what_is_absent() -> None:
    tensor = torch.zeros(2, 4)
    keys = [
        key_of((tensor,), {"a": None}),
        key_of((tensor,), {"a": tensor}),
        key_of((tensor.half(),), {"a": None}),
        key_of((tensor.t(),), {"a": None}),
        key_of((torch.zeros(2, 8),), {"a": None}),
        key_of((tensor,), {"a": 0.5}),
        key_of((tensor,), {"a": [tensor, tensor]}),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of((torch.ones(2, 4),), {"a": None}) == keys[0]


def test_a_picture_of_the_engine_is_the_same_compiled(engine: Any) -> None:
    engine.compiler = on_cpu("eager")
    first = engine.render(CONTROLLED, lambda _: True)
    assert dict(first.made_with.versions).keys() == {"torch", "diffusers", "transformers"}
    engine.compiler.wait()
    engine.forget()
    again = engine.render(CONTROLLED, lambda _: True)
    assert engine.compiler.quick == 6  # three calls of the UNet, three of the ControlNet
    assert dict(again.made_with.versions)["compiled"] == "eager"
    assert again.pixels == first.pixels
    for other in (replace(CONTROLLED, tiling=Tiling.BOTH), replace(CONTROLLED, exact=True)):
        assert "compiled" not in dict(engine.render(other, lambda _: True).made_with.versions)
    engine.compiler.close()


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_torchs_own_compiler_works_and_keeps_its_files_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # put back after the test

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.SiLU(), torch.nn.Linear(16, 4))
            self.device = torch.device("cpu")

        def forward(self, states: torch.Tensor, *, times: float) -> torch.Tensor:
            answer: torch.Tensor = self.inside(states) * times
            return answer

    from torch._inductor.async_compile import AsyncCompile

    network, states = Small().eval(), torch.randn(2, 16)
    compiler = on_cpu("inductor")
    compiler.folder = tmp_path
    for calls in (0, 1):
        with compiler.job(plain=True) as job, torch.no_grad():
            watched = job.of(network)
            torch.testing.assert_close(watched(states, times=2.0), network(states, times=2.0))
            assert watched.quick == calls
        compiler.wait()
    compiler.close()
    if (
        AsyncCompile.pool.cache_info().currsize
    ):  # the compiler's own threads, which it keeps for the life of the process
        AsyncCompile.pool().shutdown()
        AsyncCompile.pool.cache_clear()
    assert any(tmp_path.rglob("*"))


def test_the_wish_reaches_the_engine_with_the_next_job(tiny_folder: Path, tmp_path: Path) -> None:
    from studio.engine import make_engine

    lazy = make_engine((tiny_folder,), lambda ref: b"", "cpu")
    assert lazy._made().compiler.mode == "off"
    lazy.compile, lazy.compiled_folder = "automatic", tmp_path
    assert (lazy._made().compiler.mode, lazy._made().compiler.folder) == ("automatic", tmp_path)
    lazy.close()
