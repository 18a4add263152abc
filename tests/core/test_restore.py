"""The list before anything changes: what was found, what would be applied, what cannot be and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.core.choices import ControlKind, Spacing, Tiling
from studio.core.draft import ControlLayer, Draft, PluginLayer, draft_of
from studio.core.found import Found, Here, NamedLora
from studio.core.installed import Installed
from studio.core.picture import MadeWith
from studio.core.plugins import Manifest, PluginInfo, PluginState
from studio.core.recipe import ControlUse, FileRef, FreeU, ImageRef, ModelRef, PluginRef, PluginUse, Recipe, Size
from studio.core.restore import FieldPlan, Group, Outcome, apply, asks, plan

SKETCH = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="ab" * 32), weight=0.8)
LORA = PluginUse(
    plugin=PluginRef(id="lora", version="1.0", digest="d" * 64),
    type="adapter",
    part="lora",
    values=(("weight", 0.8),),
    files=(("file", FileRef(name="ink.safetensors", sha256="e" * 64)),),
)
RECIPE = Recipe(
    prompt="a cat", seed=7, negative_prompt="dog", steps=12, spacing=Spacing.KARRAS, size=Size(width=512, height=256),
    controls=(SKETCH,), plugins=(LORA,),
)  # fmt: skip
GIVEN = tuple(Recipe.__dataclass_fields__)
OURS = Found(source="Diffusion Studio", recipe=RECIPE, is_ours=True, given=GIVEN, picture="x")
MINI = Installed(name="mini")


def plugin(version: str = "1.0", digest: str = "d" * 64, state: PluginState = PluginState.ENABLED) -> PluginInfo:
    manifest = Manifest(id="lora", name="LoRA", version=version, api=1, author="", description="", parts=())
    return PluginInfo(id="lora", state=state, manifest=manifest, digest=digest)


HERE = Here(models=(MINI,), plugins=(plugin(),), files=(Installed(name="ink", digests=("e" * 64,)),))


def row(found: Found, key: str, draft: Draft | None = None, here: Here = HERE) -> FieldPlan:
    return {row.key: row for row in plan(found, draft or Draft(), here)}[key]


def ticked(found: Found, draft: Draft, here: Here = HERE) -> set[str]:
    return {row.key for row in plan(found, draft, here) if row.can_apply}


def test_a_picture_of_ours_whose_fields_all_apply_restores_whole_without_a_question() -> None:
    rows = plan(OURS, Draft(), HERE)
    assert not asks(rows)
    assert apply(OURS, Draft(count=4), HERE, ticked(OURS, Draft(count=4))) == draft_of(RECIPE)
    assert {row.outcome for row in plan(OURS, draft_of(RECIPE), HERE)} == {Outcome.SAME}


def test_the_rows_stand_in_the_order_of_the_groups_with_found_and_now() -> None:
    rows = plan(OURS, Draft(prompt="a dog", seed=None), HERE)
    assert [row.group for row in rows] == sorted((row.group for row in rows), key=list(Group).index)
    seed = next(row for row in rows if row.key == "seed")
    assert (seed.found, seed.now, seed.outcome) == ("7", "open", Outcome.APPLIES)
    scheduler = next(row for row in rows if row.key == "scheduler")
    assert (scheduler.found, scheduler.now) == ("DPM++ 2M Karras", "DPM++ 2M")


def test_only_what_is_ticked_changes() -> None:
    draft = Draft(prompt="a dog", seed=3, steps=30, controls=(ControlLayer(use=replace(SKETCH, weight=0.1)),))
    changed = apply(OURS, draft, HERE, {"seed", "scheduler"})
    assert changed == replace(draft, seed=7, spacing=Spacing.KARRAS)
    assert apply(OURS, draft, HERE, ()) == draft
    assert apply(OURS, draft, HERE, {"controls[0]"}).controls == (ControlLayer(use=SKETCH),)


def test_layers_of_the_panels_go_only_when_that_is_ticked() -> None:
    bare = replace(OURS, recipe=replace(RECIPE, controls=(), plugins=()))
    draft = Draft(controls=(ControlLayer(use=SKETCH),), plugins=(PluginLayer(use=LORA),))
    assert row(bare, "controls", draft).found == "none"
    assert apply(bare, draft, HERE, {"controls"}).controls == ()
    assert apply(bare, draft, HERE, {"controls"}).plugins == draft.plugins
    assert apply(bare, draft, HERE, {"seed"}).controls == draft.controls


def test_a_missing_model_is_named_with_its_hash_and_the_panels_keep_theirs() -> None:
    recipe = replace(RECIPE, model=ModelRef(name="dreamshaper_8"))
    found = Found(source="A1111", recipe=recipe, given=("prompt", "model"), hashes=("879db523c3",))
    model = row(found, "model")
    assert (model.outcome, model.why) == (Outcome.CANNOT, "missing: dreamshaper_8 [879db523c3]")
    assert apply(found, Draft(), HERE, {"model", "prompt"}) == Draft(prompt="a cat")


def test_a_model_is_found_by_its_hash_under_another_name() -> None:
    recipe = replace(RECIPE, model=ModelRef(name="dreamshaper_8"))
    found = Found(source="A1111", recipe=recipe, given=("model",), hashes=("879db523c3",))
    here = Here(models=(MINI, Installed(name="ds8 pruned", digests=("879db523c3" + "0" * 54,))))
    model = row(found, "model", here=here)
    assert (model.outcome, model.why) == (Outcome.APPLIES, "Here it is called “ds8 pruned”.")
    assert apply(found, Draft(), here, {"model"}).model == ModelRef(name="ds8 pruned")


def test_a_model_of_the_same_name_with_other_weights_is_said() -> None:
    made = MadeWith(studio="", device="", dtype="", seconds=0.0, model_digest="a" * 64)
    here = replace(HERE, models=(Installed(name="mini", digests=("b" * 64,)),))
    assert row(replace(OURS, made_with=made), "model", here=here).outcome is Outcome.CHANGED
    assert not asks(plan(replace(OURS, made_with=made), Draft(), here)), "it applies all the same, and is told"
    assert asks(plan(OURS, Draft(), replace(HERE, models=())))


def test_a_lost_control_picture_cannot_come_back_and_the_others_do() -> None:
    second = replace(SKETCH, image=ImageRef(digest="cd" * 32))
    found = replace(OURS, recipe=replace(RECIPE, controls=(SKETCH, second)), lost=("ab" * 32,))
    assert row(found, "controls[0]").outcome is Outcome.CANNOT
    assert apply(found, Draft(), HERE, ticked(found, Draft())).controls == (ControlLayer(use=second),)


@pytest.mark.parametrize(
    ("plugins", "outcome", "word"),
    [
        ((), Outcome.CANNOT, "missing: the plugin lora"),
        ((plugin(state=PluginState.DISABLED),), Outcome.CHANGED, "not switched on"),
        ((plugin(version="2.0"),), Outcome.CHANGED, "version 1.0"),
        ((plugin(digest="f" * 64),), Outcome.CHANGED, "under the same version"),
        ((plugin(),), Outcome.APPLIES, ""),
        (None, Outcome.APPLIES, ""),
    ],
)
def test_plugins_are_looked_up(plugins: tuple[PluginInfo, ...] | None, outcome: Outcome, word: str) -> None:
    found = row(OURS, "plugins[0]", here=replace(HERE, plugins=plugins))
    assert found.outcome is outcome
    assert word in found.why


def test_a_plugins_file_that_is_not_here_is_named() -> None:
    assert row(OURS, "plugins[0]", here=replace(HERE, files=())).why == "missing: the file ink.safetensors [eeeeeeeeee]"


def test_a_file_of_the_same_name_with_other_bytes_is_not_taken() -> None:
    here = replace(HERE, files=(Installed(name="ink.safetensors", digests=("f" * 64,)),))
    assert row(OURS, "plugins[0]", here=here).outcome is Outcome.CANNOT
    assert "other bytes" in row(OURS, "plugins[0]", here=here).why


def test_a_foreign_picture_changes_only_what_it_gives() -> None:
    found = Found(source="A1111", recipe=Recipe(prompt="a cat", seed=7), given=("prompt", "seed"))
    draft = Draft(steps=33, controls=(ControlLayer(use=SKETCH),))
    assert {row.key for row in plan(found, draft, HERE)} == {"prompt", "seed"}
    assert apply(found, draft, HERE, ticked(found, draft)) == replace(draft, prompt="a cat", seed=7)


def test_what_was_read_differently_or_not_at_all_is_told() -> None:
    found = Found(
        source="ComfyUI",
        recipe=Recipe(prompt="", seed=5),
        given=("seed",),
        remarks=(
            ("seed", "Seed: 4294967301 does not fit into 32 bits; 5 is used"),
            ("scheduler", "Sampler: ipndm_v"),
        ),
        unknown=("Clip skip: 2", "Version: v1.10.1"),
        loras=(NamedLora(name="detail", weight="0.7"),),
    )
    assert row(found, "seed").outcome is Outcome.CHANGED
    assert row(found, "seed").why.startswith("4294967301 does not fit")
    sampler = row(found, "scheduler")
    assert (sampler.found, sampler.outcome, sampler.group) == ("ipndm_v", Outcome.CANNOT, Group.SAMPLING)
    assert (row(found, "other[0]").title, row(found, "other[0]").found) == ("Clip skip", "2")
    assert row(found, "loras[0]").outcome is Outcome.CANNOT
    assert apply(found, Draft(seed=1), HERE, {"scheduler", "other[0]", "loras[0]"}) == Draft(seed=1)


def test_a_lora_whose_file_is_here_becomes_a_layer_behind_the_others() -> None:
    named = (NamedLora(name="ink", weight="0.8"), NamedLora(name="gone"))
    found = Found(source="A1111", recipe=Recipe(prompt="a cat", seed=5), given=("seed",), loras=named)
    here = replace(HERE, lora_uses=(LORA, None))
    other = PluginLayer(use=replace(LORA, values=(("weight", 0.1),)))
    assert row(found, "loras[0]", here=here).outcome is Outcome.APPLIES
    assert row(found, "loras[1]", here=here).why.startswith("missing: LoRA gone")
    changed = apply(found, Draft(plugins=(other,)), here, {"loras[0]", "loras[1]"})
    assert changed.plugins == (other, PluginLayer(use=LORA))
    assert row(found, "loras[0]", changed, here).outcome is Outcome.SAME
    crowded = Draft(plugins=(other,) * 32)
    assert row(found, "loras[0]", crowded, here).outcome is Outcome.CANNOT


def test_a_picture_of_which_nothing_can_be_used_still_shows_what_it_says() -> None:
    found = Found(source="ComfyUI", recipe=None, unknown=("No sampler was found",), raw="{}")
    assert [row.outcome for row in plan(found, Draft(), HERE)] == [Outcome.CANNOT]
    assert apply(found, Draft(seed=1), HERE, {"seed"}) == Draft(seed=1)


def test_rare_fields_show_only_where_they_say_something() -> None:
    assert "clip_skip" not in {row.key for row in plan(OURS, Draft(), HERE)}
    rare = replace(OURS, recipe=replace(RECIPE, clip_skip=1, init=ImageRef(digest="ef" * 32)), lost=("ef" * 32,))
    assert row(rare, "clip_skip").outcome is Outcome.APPLIES
    assert row(rare, "init").outcome is Outcome.CANNOT
    assert apply(rare, Draft(), HERE, {"clip_skip", "init"}) == Draft(clip_skip=1)
    assert row(OURS, "clip_skip", Draft(clip_skip=1)).found == "0"


def test_freeu_and_tiling_come_back() -> None:
    rare = replace(OURS, recipe=replace(RECIPE, freeu=FreeU(b1=1.2), tiling=Tiling.X))
    assert (row(rare, "freeu").title, row(rare, "freeu").found) == ("FreeU", "s 0.9, 0.2; b 1.2, 1.6")
    assert (row(rare, "tiling").title, row(rare, "tiling").found) == ("Seamless tiling", "x")
    wanted = Draft(freeu=FreeU(b1=1.2), tiling=Tiling.X)
    assert apply(rare, Draft(), HERE, {"freeu", "tiling"}) == wanted
    assert apply(OURS, wanted, HERE, {"freeu", "tiling"}) == Draft()


def test_a_vae_that_is_here_is_not_missing_and_is_no_model() -> None:
    named = replace(RECIPE, vae=ModelRef(name="mine"), model=ModelRef(name="other"))
    found = replace(OURS, recipe=named)
    assert row(found, "vae").outcome is Outcome.CANNOT
    here = replace(HERE, models=(MINI, Installed(name="mine", is_base=False), Installed(name="other", is_base=False)))
    assert row(found, "vae", here=here).outcome is Outcome.APPLIES
    assert row(found, "model", here=here).outcome is Outcome.CANNOT  # a VAE of that name does not paint
