"""Plugins around a picture, without torch: looked up first, prompts, pictures, scores, faults, errands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageOps

from studio.core.errors import BadInputImage, OutOfMemory, PluginProblem
from studio.core.events import ErrandFailed, Finished, Suggest, Suggested
from studio.core.plugins import PartType
from studio.core.recipe import PluginRef, Recipe, Size
from studio.engine import Runner
from studio.engine.fake import FakeEngine, _stripes
from studio.engine.guests import Guests
from studio.engine.protocol import Progress, RenderCancelled, Rendered
from tests.engine.conftest import DRAWINGS, FIRST
from tests.engine.guest_host import DIGEST, ToyHost, control, use
from tests.engine.test_runner import Ears, keep

RECIPE = Recipe(prompt="a {red} house", seed=5, steps=2, size=Size(width=64, height=64))


def go_on(_progress: Progress) -> bool:
    return True


def fake(host: ToyHost | None, on_fault: Any = "fail") -> FakeEngine:
    return FakeEngine(read_image=lambda ref: DRAWINGS[ref.digest], plugins=host, on_fault=on_fault)


def upper(prompt: str, seed: int, count: int, use: Any) -> list[str]:
    return [f"{prompt.upper()} {seed}"]


def test_prompt_tools_work_in_order_and_both_texts_are_kept(host: ToyHost) -> None:
    first = host.add(PartType.PROMPT_TOOL, "upper", upper)
    second = host.add(PartType.PROMPT_TOOL, "dots", lambda prompt, seed, count, use: (f"{prompt}...",))
    made = fake(host).render(replace(RECIPE, plugins=(first, second)), go_on).recipe
    assert made is not None
    assert made.prompt == "A {RED} HOUSE 5..."
    assert made.raw_prompt == RECIPE.prompt
    assert made.plugins[0].plugin == PluginRef(id="toy", version="1.0.0", digest=DIGEST)
    again = fake(host).render(made, go_on)
    assert again.recipe is None
    assert host.calls == ["prompt_tool"] * 2


def test_a_prompt_made_of_nothing_is_not_made_again(host: ToyHost) -> None:
    more = host.add(PartType.PROMPT_TOOL, "more", lambda prompt, seed, count, use: [f"{prompt} and a house"])
    made = fake(host).render(replace(RECIPE, prompt="", plugins=(more,)), go_on).recipe
    assert made is not None
    assert made.raw_prompt.strip() == ""
    assert fake(host).render(made, go_on).recipe is None
    assert host.calls == ["prompt_tool"]


def test_without_plugins_a_recipe_stays_as_it_was(host: ToyHost) -> None:
    rendered = fake(host).render(RECIPE, go_on)
    assert rendered.recipe is None
    assert rendered.pixels == _stripes(RECIPE, 64, 64)
    assert not rendered.made_with.scores + rendered.made_with.notes


def test_picture_tools_and_scorers_in_order(host: ToyHost) -> None:
    invert = host.add(PartType.PICTURE_TOOL, "invert", lambda picture, use: ImageOps.invert(picture))
    half = host.add(PartType.PICTURE_TOOL, "half", lambda picture, use: picture.resize((32, 16)))
    width = host.add(PartType.SCORER, "width", lambda picture, recipe, use: picture.width + recipe.seed)
    rendered = fake(host).render(replace(RECIPE, plugins=(width, invert, half)), go_on)
    made = rendered.recipe
    assert made is not None
    plain = _stripes(made, 64, 64)
    wanted = ImageOps.invert(Image.frombytes("RGB", (64, 64), plain.data)).resize((32, 16))
    assert (rendered.pixels.width, rendered.pixels.height) == (32, 16)
    assert rendered.pixels.data == wanted.tobytes()
    assert rendered.made_with.scores == (("toy:width", 37.0),)
    assert rendered.made_with.pixel_sha256 == rendered.pixels.sha256


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"plugins": (use(PartType.GUIDE, "nothing"),)}, "no guide named “nothing”"),
        ({"plugins": (replace(use(PartType.GUIDE, "x"), plugin=PluginRef(id="gone")),)}, "“gone” is not here"),
        ({"plugins": (replace(use(PartType.GUIDE, "x"), type="sampler"),)}, "'sampler', which cannot work"),
        ({"plugins": (replace(use(PartType.GUIDE, "x"), type="spell"),)}, "'spell', which cannot work"),
        ({"controls": (control("t2i-none", FIRST),)}, "No plugin adds “t2i-none”"),
    ],
)
def test_what_is_not_here_is_said_before_anything_is_made(host: ToyHost, change: Any, sentence: str) -> None:
    steps: list[int] = []
    engine = FakeEngine(before_step=steps.append, plugins=host)
    with pytest.raises(PluginProblem, match=sentence):
        engine.render(replace(RECIPE, **change), go_on)
    assert not steps


def test_without_a_plugin_room_the_plugin_is_named() -> None:
    with pytest.raises(PluginProblem, match="needs the plugin “toy”, but the studio is running without"):
        fake(None).render(replace(RECIPE, plugins=(use(PartType.GUIDE, "x"),)), go_on)


@pytest.mark.parametrize(
    ("named", "note"),
    [
        (PluginRef(id="toy", version="0.9.0", digest="cd" * 32), "names version 0.9.0 of “toy”; 1.0.0 was used"),
        (PluginRef(id="toy", version="1.0.0", digest="cd" * 32), "“toy” has changed since"),
        (PluginRef(id="toy", version="1.0.0", digest=DIGEST), ""),
        (PluginRef(id="toy"), ""),
    ],
)
def test_another_version_goes_on_and_says_so(host: ToyHost, named: PluginRef, note: str) -> None:
    asked = replace(host.add(PartType.GUIDE, "x", object()), plugin=named)
    rendered = fake(host).render(replace(RECIPE, plugins=(asked, asked)), go_on)
    assert len(rendered.made_with.notes) == bool(note)
    assert note in "".join(rendered.made_with.notes)
    assert (rendered.recipe or RECIPE).plugins[:1] in ((), (replace(asked, plugin=host.reference("toy")),))


def raising(error: BaseException) -> Callable[..., Any]:
    def broken(*_args: Any) -> Any:
        raise error

    return broken


BROKEN = {
    "raise": raising(ValueError("planted")),
    "exit": raising(SystemExit(3)),
    "interrupt": raising(KeyboardInterrupt()),
    "wrong": lambda *_args: 7j,
    "none": lambda *_args: None,
}
AROUND = {PartType.PROMPT_TOOL: "prompt_tool", PartType.PICTURE_TOOL: "picture_tool", PartType.SCORER: "scorer"}


@pytest.mark.parametrize("kind", list(BROKEN))
@pytest.mark.parametrize("type", list(AROUND))
def test_a_broken_hook_is_named_and_the_next_job_is_as_before(host: ToyHost, type: PartType, kind: str) -> None:
    engine = fake(host)
    before = engine.render(RECIPE, go_on)
    with pytest.raises(PluginProblem, match="toy"):
        engine.render(replace(RECIPE, plugins=(host.add(type, "broken", BROKEN[kind]),)), go_on)
    assert host.faults == [("toy", AROUND[type])]
    assert engine.render(RECIPE, go_on).pixels == before.pixels


@pytest.mark.parametrize("type", list(AROUND))
def test_going_on_without_it_leaves_it_out_of_recipe_and_picture(host: ToyHost, type: PartType) -> None:
    good = host.add(PartType.PROMPT_TOOL, "upper", upper)
    broken = host.add(type, "broken", BROKEN["raise"])
    rendered = fake(host, "go_on").render(replace(RECIPE, plugins=(broken, good)), go_on)
    made = rendered.recipe
    assert made is not None
    assert [use.part for use in made.plugins] == ["upper"]
    assert made.prompt == "A {RED} HOUSE 5"
    assert rendered.made_with.notes == (
        f"Made without the plugin “toy” (broken): The plugin “toy” failed in {AROUND[type]}: ValueError.",
    )


def test_going_on_without_a_missing_one(host: ToyHost) -> None:
    asked = (replace(use(PartType.GUIDE, "x"), plugin=PluginRef(id="gone")), host.add(PartType.GUIDE, "x", object()))
    rendered = fake(host, "go_on").render(replace(RECIPE, plugins=asked, controls=(control("k", FIRST),)), go_on)
    assert rendered.recipe is not None
    assert [use.plugin.id for use in rendered.recipe.plugins] == ["toy"]
    assert not rendered.recipe.controls
    assert len(rendered.made_with.notes) == 2


def test_the_only_prompt_tool_fails_and_the_typed_text_is_drawn(host: ToyHost) -> None:
    broken = host.add(PartType.PROMPT_TOOL, "broken", BROKEN["raise"])
    rendered = fake(host, "go_on").render(replace(RECIPE, plugins=(broken,)), go_on)
    assert rendered.recipe == RECIPE or rendered.recipe is None


@pytest.mark.parametrize(
    ("type", "answer"),
    [
        (PartType.PROMPT_TOOL, []),
        (PartType.PROMPT_TOOL, ["a", "b"]),
        (PartType.PROMPT_TOOL, "text"),
        (PartType.PROMPT_TOOL, ["x" * 20_001]),
        (PartType.PROMPT_TOOL, [1]),
        (PartType.PICTURE_TOOL, Image.new("RGB", (4097, 1))),
        (PartType.SCORER, float("nan")),
        (PartType.SCORER, float("-inf")),
        (PartType.SCORER, "0.5"),
    ],
)
def test_answers_that_cannot_be_used(host: ToyHost, type: PartType, answer: Any) -> None:
    asked = host.add(type, "odd", lambda *_args: answer)
    with pytest.raises(PluginProblem, match=r"The plugin “toy” \(odd\)"):
        fake(host).render(replace(RECIPE, plugins=(asked,)), go_on)
    assert host.faults


def test_a_tool_cannot_change_the_picture_that_is_kept(host: ToyHost) -> None:
    def vandal(picture: Image.Image, recipe: Recipe, use: Any) -> float:
        picture.paste((1, 2, 3), (0, 0, 64, 64))
        return 1.0

    rendered = fake(host).render(replace(RECIPE, plugins=(host.add(PartType.SCORER, "vandal", vandal),)), go_on)
    assert rendered.recipe is not None
    assert rendered.pixels == _stripes(rendered.recipe, 64, 64)


def test_cancel_inside_a_tool_is_a_cancel_and_no_fault(host: ToyHost) -> None:
    asked = host.add(PartType.PICTURE_TOOL, "slow", raising(RenderCancelled()))
    with pytest.raises(RenderCancelled):
        fake(host, "go_on").render(replace(RECIPE, plugins=(asked,)), go_on)
    assert not host.faults


def test_phases_name_the_plugin(host: ToyHost) -> None:
    asked = (host.add(PartType.PROMPT_TOOL, "upper", upper), host.add(PartType.SCORER, "one", lambda *_: 1.0))
    told: list[str] = []
    fake(host).render(replace(RECIPE, plugins=asked), lambda progress: told.append(progress.phase) or True)
    assert told == ["plugin toy", "", "", "decoding", "plugin toy"]


def test_a_lack_of_memory_is_no_fault_of_a_plugin(host: ToyHost) -> None:
    asked = host.add(PartType.SCORER, "big", raising(MemoryError()))
    guests = Guests(host, DRAWINGS.__getitem__, replace(RECIPE, plugins=(asked,)), "go_on", lambda *_: OutOfMemory("x"))
    guests.look_up()
    with pytest.raises(OutOfMemory) as caught:
        guests.score(_stripes(RECIPE, 64, 64), lambda _phase: None)
    assert not host.faults
    assert not guests.leave_out(caught.value)


def test_the_map_of_a_plugins_control_layer(host: ToyHost) -> None:
    seen: list[Any] = []
    host.add(PartType.PREPROCESSOR, "flip", lambda picture, use: seen.append(use) or ImageOps.flip(picture))
    for kind, preprocess in (("as-it-is", ""), ("grey", "grey"), ("edges", "canny"), ("flipped", "flip")):
        host.add(PartType.ADAPTER, kind.replace("-", "_"), object(), kind, preprocess)
    size = Size(width=64, height=64)
    maps = {}
    for kind in host.controls:
        guests = Guests(host, lambda ref: DRAWINGS[ref.digest], replace(RECIPE, controls=(control(kind, FIRST),)))
        guests.look_up()
        maps[kind] = guests.use_of(guests.of(PartType.ADAPTER)[0], size).images["map"]
    assert {picture.size for picture in maps.values()} == {(64, 64)}
    assert maps["as-it-is"].tobytes() == maps["grey"].tobytes()  # the drawing is grey already
    assert maps["flipped"].tobytes() == ImageOps.flip(maps["as-it-is"]).tobytes()
    assert maps["edges"].tobytes() != maps["as-it-is"].tobytes()
    assert seen[0].part == "flip"
    turned = replace(RECIPE, controls=(control("as-it-is", FIRST, invert=True),))
    guests = Guests(host, lambda ref: DRAWINGS[ref.digest], turned)
    guests.look_up()
    inverted = guests.use_of(guests.of(PartType.ADAPTER)[0], size).images["map"]
    assert inverted.tobytes() == ImageOps.invert(maps["as-it-is"]).tobytes()


def test_a_lost_control_picture_is_not_the_plugins_fault(host: ToyHost) -> None:
    host.add(PartType.ADAPTER, "a", object(), "kind")

    def lost(_ref: Any) -> bytes:
        raise BadInputImage("The control picture is missing.")

    guests = Guests(host, lost, replace(RECIPE, controls=(control("kind", FIRST),)), "go_on")
    guests.look_up()
    with pytest.raises(BadInputImage) as caught:
        guests.use_of(guests.of(PartType.ADAPTER)[0], Size(width=64, height=64))
    assert not guests.leave_out(caught.value)


def test_errands_are_answered_between_jobs_and_jobs_save_what_was_made(host: ToyHost) -> None:
    asked = host.add(PartType.PROMPT_TOOL, "upper", lambda prompt, seed, count, use: [prompt.upper()] * count)
    saved: list[Recipe] = []

    def save(rendered: Rendered, recipe: Recipe, _parents: object) -> Any:
        saved.append(recipe)
        return keep(rendered, recipe)

    ears = Ears()
    runner = Runner(fake(host), save, ears)
    try:
        runner.ask(Suggest(id=4, use=asked, prompt="cat", seed=1, count=3))
        runner.ask(Suggest(id=5, use=use(PartType.PROMPT_TOOL, "nothing"), prompt="cat", seed=1))
        runner.ask(Suggest(id=6, use=host.add(PartType.SCORER, "one", upper), prompt="cat", seed=1))
        runner.submit(1, replace(RECIPE, plugins=(asked,)))
        assert ears.wait(Suggested) == [Suggested(id=4, texts=("CAT", "CAT", "CAT"))]
        failed = ears.wait(ErrandFailed, 2)
        assert [event.id for event in failed] == [5, 6]
        assert "nothing" in failed[0].error.headline
        assert "does not write prompts" in failed[1].error.headline
        ears.wait(Finished)
    finally:
        assert runner.close(5)
    assert saved[0].prompt == "A {RED} HOUSE"
    assert saved[0].raw_prompt == RECIPE.prompt
