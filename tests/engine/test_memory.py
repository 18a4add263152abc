"""Too little memory: one level slower each time, said in words, the device clean afterwards, and the next job runs.

The card is simulated: what is on it is told by `Placement`, and each UNet call asks for room beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from studio.core.choices import ControlKind
from studio.core.errors import OutOfMemory
from studio.core.recipe import ControlUse, PluginRef, Recipe, Size
from studio.engine.diffusion import engine as engine_module
from studio.engine.diffusion import placement
from studio.engine.diffusion.experience import Experience
from studio.engine.diffusion.models import Model, ModelPool, bytes_of
from studio.engine.diffusion.placement import WORDS, Level, Placement, levels_of
from tests.engine.by_hand import RECIPE, go_on
from tests.engine.conftest import FIRST


@dataclass
class Card:
    """A device with so many bytes; the UNet needs `work` more while it computes."""

    capacity: int = 10**9
    work: int = 0
    on_it: dict[int, Any] = field(default_factory=dict)
    peak: int = 0

    def fetch(self, module: Any) -> None:
        if module not in placement._BY_LAYERS:
            self.on_it[id(module)] = module

    def rest(self, module: Any) -> None:
        self.on_it.pop(id(module), None)

    def ask(self) -> None:
        used = sum(bytes_of(module) for module in self.on_it.values()) + self.work
        self.peak = max(self.peak, used)
        if used > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    made, forward = Card(), UNet2DConditionModel.forward
    slower = tuple(level for level in Level if level is not Level.EIGHT)  # which makes another picture
    monkeypatch.setattr(engine_module, "levels_of", lambda *_: slower)
    monkeypatch.setattr(Placement, "_fetch", lambda _self, module: made.fetch(module))
    monkeypatch.setattr(Placement, "_rest", lambda _self, module: made.rest(module))
    monkeypatch.setattr(ModelPool, "clear", _clearing(made))
    monkeypatch.setattr(UNet2DConditionModel, "forward", lambda self, *a, **k: made.ask() or forward(self, *a, **k))
    go_by_layers = placement._go_by_layers

    def leave(network: Any, device: Any) -> None:
        go_by_layers(network, device)
        made.rest(network)

    monkeypatch.setattr(placement, "_go_by_layers", leave)
    return made


def _clearing(card: Card) -> Callable[[ModelPool], None]:
    clear = ModelPool.clear

    def cleared(pool: ModelPool) -> None:
        card.on_it.clear()
        clear(pool)

    return cleared


def sizes(engine: Any) -> tuple[int, int]:
    """Bytes of all of the tiny model and of its UNet."""
    model: Model = engine._made_ready().pool.get(RECIPE.model, True, lambda: None)
    whole = model.nbytes, bytes_of(model.unet)
    engine._let_go()
    return whole


def test_one_level_slower_each_time_until_it_fits(engine: Any, card: Card) -> None:
    whole, unet = sizes(engine)
    plain = engine.render(RECIPE, go_on)
    assert plain.made_with.notes == ()
    for capacity, level in ((whole - 1, Level.PARTS), (unet - 1, Level.LAYERS)):
        engine.close()
        engine._learnt = Experience()
        card.capacity = capacity
        rendered = engine.render(replace(RECIPE, seed=RECIPE.seed), go_on)
        assert rendered.made_with.notes == (WORDS[level],)
        assert rendered.pixels == plain.pixels  # slower, not other
        assert engine._learnt.levels == {engine_module._demand(RECIPE): level}
    card.capacity = whole
    larger = replace(RECIPE, size=Size(width=72, height=64))
    rendered = engine.render(larger, go_on)  # another demand begins at full speed, with the model loaded afresh
    assert rendered.made_with.notes == ()


def test_what_was_learnt_spares_the_next_attempt(engine: Any, card: Card) -> None:
    whole, _ = sizes(engine)
    card.capacity = whole - 1
    engine.render(RECIPE, go_on)
    told: list[str] = []
    engine.render(replace(RECIPE, seed=8), lambda progress: told.append(progress.phase) or True)
    assert sum(phase == "reading the prompt" for phase in told) == 1


def test_eight_bits_that_were_learnt_do_not_count_for_a_plugins_layer() -> None:
    """It may add to the weights: its levels lack that one, and as many layers do not make it the same picture."""
    drawn = ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST)
    guest = ControlUse(kind="toy-lines", image=FIRST, plugin=PluginRef(id="toy"))
    own, theirs = (replace(RECIPE, exact=False, controls=(use,)) for use in (drawn, guest))
    assert engine_module._demand(own) == engine_module._demand(replace(own, seed=8, prompt="a cat"))
    assert engine_module._demand(own) != engine_module._demand(theirs)


def test_when_nothing_helps_it_is_said_and_the_next_job_runs(engine: Any, card: Card) -> None:
    whole, _ = sizes(engine)
    card.capacity, card.work = whole, 10 * whole
    with pytest.raises(OutOfMemory) as error:
        engine.render(RECIPE, go_on)
    assert "the recipe is kept" in error.value.headline
    assert error.value.__context__ is None
    assert not card.on_it
    assert not engine._made_ready().pool._kept
    card.work = 0
    assert engine.render(replace(RECIPE, steps=2), go_on).pixels.width == 64


def test_a_processor_lets_other_models_go_and_tiles(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    assert levels_of(torch.device("cpu")) == (Level.WHOLE, Level.TILES)
    forward, fails = UNet2DConditionModel.forward, [1]

    def lacking(self: Any, *args: Any, **kwargs: Any) -> Any:
        if fails:
            fails.pop()
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(UNet2DConditionModel, "forward", lacking)
    rendered = engine.render(RECIPE, go_on)
    assert rendered.made_with.notes == (WORDS[Level.TILES],)
    assert engine._made_ready().pool.get(RECIPE.model, True, lambda: None).vae.use_tiling


def test_a_decode_without_memory_does_not_run_the_loop_again(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = engine.render(RECIPE, go_on)
    decode, calls = engine_module.decode, list[int]()

    def lacking(vae: Any, latents: Any, tiling: Any) -> Any:
        calls.append(1)
        raise MemoryError

    monkeypatch.setattr(engine_module, "decode", lacking)
    engine.forget()
    steps: list[int] = []
    rendered = engine.render(RECIPE, lambda progress: steps.append(progress.step) or True)
    assert len(calls) == 1
    assert steps.count(1) == 1
    assert rendered.pixels == plain.pixels
    assert "decoded in tiles" in rendered.made_with.notes[0]
    monkeypatch.setattr(engine_module, "decode", decode)


def test_a_black_picture_is_never_silent(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.core.pixels import Pixels

    monkeypatch.setattr(engine_module, "decode", lambda *_: Pixels(width=64, height=64, data=bytes(64 * 64 * 3)))
    rendered = engine.render(RECIPE, go_on)
    assert "black all over" in rendered.made_with.notes[0]


@pytest.mark.parametrize("broken", [-1.0, float("nan")], ids=["black", "nan"])
def test_a_failed_decode_in_16_bits_is_run_again_in_32(
    engine: Any, monkeypatch: pytest.MonkeyPatch, broken: float
) -> None:
    from studio.engine.diffusion import latents as latents_module

    decoded, seen = latents_module._decoded, list[torch.dtype]()

    def half_fails(vae: Any, latents: Any, tiling: Any) -> Any:
        seen.append(vae.dtype)
        image = decoded(vae, latents, tiling)
        return image if vae.dtype == torch.float32 else torch.full_like(image, broken)

    monkeypatch.setattr(latents_module, "_decoded", half_fails)
    vae = engine._made_ready().pool.get(RECIPE.model, True, lambda: None).vae
    vae.to(torch.bfloat16)
    codes = torch.randn(1, vae.config.latent_channels, 8, 8)
    try:
        pixels = latents_module.decode(vae, codes)
        assert vae.dtype == torch.bfloat16, "the model stays as it was"
    finally:
        vae.to(torch.float32)
    assert seen == [torch.bfloat16, torch.float32]
    assert any(pixels.data)


def test_the_demand_tells_pictures_apart_by_what_takes_memory() -> None:
    assert engine_module._demand(RECIPE) == engine_module._demand(replace(RECIPE, seed=1, prompt="x", steps=9))
    larger: Recipe = replace(RECIPE, size=Size(width=512, height=512))
    assert engine_module._demand(RECIPE) != engine_module._demand(larger)


def test_weights_rest_in_eight_bits_and_the_picture_stays_close(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.core.verify import distance

    recipe = replace(RECIPE, exact=False)
    plain = engine.render(recipe, go_on)
    model: Model = engine._made_ready().pool.get(recipe.model, False, lambda: None)
    before = bytes_of(model.unet)
    monkeypatch.setattr(engine_module, "levels_of", lambda *_: (Level.EIGHT,))
    monkeypatch.setattr(engine, "_foresee", lambda *_: Level.EIGHT)
    engine.forget()
    rendered = engine.render(recipe, go_on)
    assert rendered.made_with.notes == (WORDS[Level.EIGHT],)
    assert bytes_of(model.unet) < 0.6 * before
    assert next(model.unet.conv_in.parameters()).dtype == torch.float8_e4m3fn
    assert rendered.pixels != plain.pixels
    apart = distance(rendered.pixels, plain.pixels)
    assert apart is not None
    assert apart.psnr > 25
    monkeypatch.setattr(engine_module, "levels_of", levels_of)
    monkeypatch.setattr(engine, "_foresee", lambda *_: Level.WHOLE)
    engine.forget()
    assert engine.render(recipe, go_on).pixels == plain.pixels  # loaded afresh: no bit is lost for good


def test_eight_bits_are_not_for_every_picture() -> None:
    cuda = torch.device("cuda")
    assert Level.EIGHT in levels_of(cuda, eight=True)
    assert Level.EIGHT not in levels_of(cuda)
    assert Level.EIGHT not in levels_of(torch.device("mps"), eight=True)
    assert not engine_module.may_rest_in_eight(RECIPE)  # exact
    assert engine_module.may_rest_in_eight(replace(RECIPE, exact=False))


def test_a_processor_begins_where_the_estimate_fits(engine: Any) -> None:
    """Its system would end the program, not refuse."""
    from studio.engine.estimate.budget import Estimator, folder_finder

    engine.render(replace(RECIPE, model=replace(RECIPE.model, name="sd2")), go_on)
    engine._foresee._tell = Estimator(folder_finder(engine._model_folders), lambda: 1)  # hardly a byte is free
    rendered = engine.render(RECIPE, go_on)
    assert rendered.made_with.notes == (WORDS[Level.TILES],)
    assert [model.name for model in engine._made_ready().pool._kept.values()] == ["sd1"]
