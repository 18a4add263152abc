"""A distilled model brings its settings; leaving it brings the usual ones back, but never over the artist's own."""

from dataclasses import replace

from studio.core.advice import Advice, few_step_advice, native_size, with_model
from studio.core.choices import Spacing
from studio.core.draft import Draft
from studio.core.model_files import Family, Prediction, Traits
from studio.core.recipe import ModelRef, Size

FAST = Advice(scheduler="lcm")
USUAL = Draft(prompt="a cat", steps=31, scheduler="ddim", spacing=Spacing.TRAILING, guidance_scale=7.0)


def test_advice_comes_with_the_model() -> None:
    fast = with_model(USUAL, "mini-fast", None, FAST, USUAL)
    assert (fast.model.name, fast.scheduler, fast.steps, fast.guidance_scale) == ("mini-fast", "lcm", 4, 1.0)
    assert fast.spacing is Spacing.NORMAL
    assert fast.prompt == "a cat"


def test_leaving_brings_the_usual_settings_back() -> None:
    fast = with_model(USUAL, "mini-fast", None, FAST, USUAL)
    assert with_model(fast, "mini", FAST, None, USUAL) == replace(USUAL, model=ModelRef(name="mini"))


def test_what_the_artist_changed_stays() -> None:
    own = replace(with_model(USUAL, "mini-fast", None, FAST, USUAL), steps=6)
    assert with_model(own, "mini", FAST, None, USUAL) == replace(own, model=ModelRef(name="mini"))


def test_two_models_without_advice_change_nothing_else() -> None:
    assert with_model(USUAL, "other", None, None, USUAL) == replace(USUAL, model=ModelRef(name="other"))


def test_few_step_models_are_told_by_their_variant_and_name() -> None:
    lightning = few_step_advice("lightning", "sdxl_lightning_8step")
    assert lightning == Advice(scheduler="euler", steps=8, spacing=Spacing.TRAILING)
    assert few_step_advice("lightning", "sdxl_lightning_4step_unet") == replace(lightning, steps=4)
    assert few_step_advice("turbo", "sd_xl_turbo_1.0_fp16") == Advice(scheduler="euler_a", spacing=Spacing.TRAILING)
    assert few_step_advice("lcm", "DreamShaper 8 LCM") == Advice(scheduler="lcm")
    assert few_step_advice("", "dreamshaper_8step_story") is None
    assert lightning.onto(USUAL).spacing is Spacing.TRAILING


def square(side: int) -> Size:
    return Size(width=side, height=side)


def test_the_size_a_model_was_trained_at() -> None:
    sides = {Family.SD1: 512, Family.SDXL: 1024, Family.MINI: 256, Family.SD2: 768}
    assert {family: native_size(Traits(family=family)) for family in sides} == {f: square(s) for f, s in sides.items()}
    assert native_size(Traits(family=Family.SD2, prediction=Prediction.EPSILON)) == square(512)
    assert native_size(Traits(family=Family.SDXL, variant="turbo")) == square(512)
    assert native_size(Traits()) is None


def test_a_size_goes_along_unless_the_artist_chose_it() -> None:
    at_home, own = replace(USUAL, size=square(256)), replace(USUAL, size=Size(width=384, height=256))
    sizes = square(256), square(1024)
    assert with_model(at_home, "xl", None, None, USUAL, sizes=sizes).size == square(1024)
    assert with_model(own, "xl", None, None, USUAL, sizes=sizes).size == own.size
    assert with_model(at_home, "odd", None, None, USUAL, sizes=(square(256), None)).size == square(256)
