"""InvokeAI's three generations of metadata."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.core.choices import Spacing, Tiling
from studio.core.recipe import Recipe, Size
from studio.gallery.foreign.door import read_foreign
from tests.gallery.foreign.pictures import notes_in, png_with, recipe_in, understood

NEW: dict[str, Any] = {
    "app_version": "5.4.0",
    "generation_mode": "txt2img",
    "positive_prompt": "a lighthouse, 灯塔",
    "negative_prompt": "people",
    "width": 640,
    "height": 448,
    "seed": 4294967295,
    "rand_device": "cpu",
    "cfg_scale": 6.5,
    "cfg_rescale_multiplier": 0,
    "steps": 33,
    "scheduler": "dpmpp_2m_k",
    "model": {"key": "3f", "hash": "blake3:00aa", "name": "Dream Shaper 8", "base": "sd-1", "type": "main"},
    "loras": [],
}
OLD: dict[str, Any] = {
    "model": "stable diffusion",
    "model_weights": "stable-diffusion-1.5",
    "model_hash": "cc6cb27103417325ff94f52b7a5d2dde",
    "app_id": "invoke-ai/InvokeAI",
    "app_version": "2.2.4",
    "image": {
        "prompt": [{"prompt": "a mill [people, cars] by a river", "weight": 1}],
        "steps": 50,
        "cfg_scale": 7.5,
        "threshold": 0,
        "perlin": 0,
        "width": 512,
        "height": 448,
        "seed": 1234,
        "seamless": False,
        "type": "txt2img",
        "sampler": "k_euler_a",
        "variations": [],
    },
}


def new(**changes: object) -> bytes:
    return png_with(invokeai_metadata=json.dumps({**NEW, **changes}))


def old(**changes: object) -> bytes:
    return png_with(sd__metadata=json.dumps({**OLD, "image": {**OLD["image"], **changes}}))


def dream(line: str) -> bytes:
    return png_with(Dream=line)


def test_the_newest_whole() -> None:
    found = understood(new())
    made = found.recipe
    assert made is not None
    assert (made.prompt, made.negative_prompt, made.seed, made.steps) == ("a lighthouse, 灯塔", "people", 2**32 - 1, 33)
    assert (made.scheduler, made.spacing, made.guidance_scale) == ("dpmpp_2m", Spacing.KARRAS, 6.5)
    assert (made.size, made.model.name) == (Size(width=640, height=448), "Dream Shaper 8")
    assert (found.source, found.not_understood) == ("InvokeAI", ())


def test_version_3_names_the_model_otherwise() -> None:
    data = new(model={"model_name": "sd 1.5", "base_model": "sd-1", "model_type": "main"})
    assert recipe_in(data).model.name == "sd 1.5"


def test_loras_and_guests_are_named() -> None:
    data = new(
        loras=[{"model": {"name": "ink"}, "weight": 0.75}, {"lora": {"model_name": "oil"}, "weight": 1}],
        controlnets=[{"image": {"image_name": "8f.png"}, "control_weight": 1}],
        ipAdapters=[{"image": {"image_name": "9a.png"}}],
    )
    text = notes_in(data)
    assert "missing: LoRA ink: 0.75" in text
    assert "missing: LoRA oil: 1" in text
    assert "ControlNet (its picture is not in the file)" in text
    assert "IP-Adapter (its picture is not in the file)" in text


def test_a_control_layer_is_told_with_its_mode() -> None:
    model = {"key": "5c" * 18, "hash": f"blake3:{'ab' * 32}", "name": "scribble", "base": "sd-1", "type": "controlnet"}
    card = {
        "control_model": model, "control_weight": 0.75, "begin_step_percent": 0, "end_step_percent": 0.8,
        "control_mode": "more_control", "resize_mode": "just_resize", "image": {"image_name": "8f.png"},
        "processed_image": None,
    }  # fmt: skip
    assert notes_in(new(controlnets=[card])) == (
        "ControlNet (its picture is not in the file): control_model: scribble, control_weight: 0.75, "
        "begin_step_percent: 0, end_step_percent: 0.8, control_mode: more_control, resize_mode: just_resize"
    )


def test_seamless_sides_are_taken_over() -> None:
    assert recipe_in(new(seamless_x=True, seamless_y=False)).tiling is Tiling.X
    assert recipe_in(new(seamless_x=True, seamless_y=True)).tiling is Tiling.BOTH
    assert "seamless" not in notes_in(new(seamless_x=True))


def test_what_has_no_place_is_shown() -> None:
    text = notes_in(new(clip_skip=1, strength=0.5, init_image="x.png", generation_mode="img2img", hrf_enabled=True))
    for line in (
        "clip_skip: 1",
        "strength: 0.5",
        "init_image: x.png",
        "Mode: img2img",
        "hrf_enabled: true",
    ):
        assert line in text.split("\n")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("euler", ("euler", Spacing.NORMAL)),
        ("euler_k", ("euler", Spacing.KARRAS)),
        ("kdpm_2_a", ("dpm_2_a", Spacing.NORMAL)),
        ("kdpm_2_k", ("dpm_2", Spacing.KARRAS)),
        ("dpmpp_2s_k", ("dpmpp_2s", Spacing.KARRAS)),
        ("unipc", ("unipc", Spacing.NORMAL)),
        ("lms_k", ("lms", Spacing.KARRAS)),
        ("tcd", ("tcd", Spacing.NORMAL)),
        ("lcm", ("lcm", Spacing.NORMAL)),
    ],
)
def test_its_scheduler_names(name: str, expected: tuple[str, Spacing]) -> None:
    made = recipe_in(new(scheduler=name))
    assert (made.scheduler, made.spacing) == expected


def test_an_unknown_scheduler_is_said() -> None:
    assert "Sampler: er_sde" in notes_in(new(scheduler="er_sde")).split("\n")
    assert recipe_in(new(scheduler="er_sde")).scheduler == "dpmpp_2m"


def test_version_2() -> None:
    found = understood(old())
    made = found.recipe
    assert made is not None
    assert (made.prompt, made.negative_prompt) == ("a mill by a river", "people, cars")
    assert (made.scheduler, made.seed, made.size) == ("euler_a", 1234, Size(width=512, height=448))
    assert (made.model.name, found.not_understood) == ("stable-diffusion-1.5", ())


def test_version_2_prompts_as_text_and_with_weights() -> None:
    assert recipe_in(old(prompt="one [two] [three], four")).prompt == "one, four"
    assert recipe_in(old(prompt="one [two] [three]")).negative_prompt == "two three"
    data = old(prompt=[{"prompt": "a", "weight": 0.7}, {"prompt": "b", "weight": 0.3}])
    assert recipe_in(data).prompt == "a b"
    assert "Weights of the prompt's parts: [0.7, 0.3]" in notes_in(data)


def test_version_2_shows_the_rest() -> None:
    text = notes_in(old(threshold=1.5, hires_fix=True, type="img2img", postprocessing=[{"type": "gfpgan"}]))
    for line in ("threshold: 1.5", "hires_fix: true", "Mode: img2img"):
        assert line in text
    assert "gfpgan" in text


@pytest.mark.parametrize(
    "line",
    [
        '"a cat [dogs], asleep" -s 40 -S 99 -W 512 -H 384 -C 7.5 -A k_lms',
        '"a cat [dogs], asleep" -s40 -S99 -W512 -H384 -C7.5 -Ak_lms',
        "a cat [dogs], asleep -s40 -S99 -W512 -H384 -C7.5 -Ak_lms",
        '"a cat [dogs], asleep" --steps=40 --seed 99 --width 512 --height=384 --cfg_scale=7.5 --sampler k_lms',
    ],
)
def test_version_1_is_a_command_line(line: str) -> None:
    made = recipe_in(dream(line))
    assert made == Recipe(
        prompt="a cat, asleep", negative_prompt="dogs", steps=40, seed=99, size=Size(width=512, height=384),
        guidance_scale=7.5, scheduler="lms",
    )  # fmt: skip


def test_version_1_quotes_hyphens_and_other_options() -> None:
    made = recipe_in(dream('"a \\"blue-green\\" well-lit -- room" -S 5 -G 0.8 --seamless'))
    assert (made.prompt, made.seed) == ('a "blue-green" well-lit -- room', 5)
    text = notes_in(dream('"a" -S 5 -G 0.8 --seamless'))
    assert "-G: 0.8" in text
    assert "--seamless" in text


def test_the_newest_of_several_is_taken() -> None:
    data = png_with(invokeai_metadata=json.dumps(NEW), sd__metadata=json.dumps(OLD), Dream='"x" -S 1')
    assert recipe_in(data).prompt == NEW["positive_prompt"]
    data = png_with(invokeai_metadata="[1]", sd__metadata="{", Dream='"x" -S 1')
    assert recipe_in(data).prompt == "x", "what cannot be read is passed over"


def test_only_a_graph() -> None:
    found = understood(png_with(invokeai_graph='{"nodes": {}}'))
    assert (found.source, found.recipe) == ("InvokeAI", None)
    assert any("Only a node graph" in line for line in found.not_understood)


def test_raw_is_kept() -> None:
    assert json.loads(understood(new()).raw) == NEW


MODEL = {"key": "k" * 36, "hash": "blake3:" + "0" * 64, "base": "sd-1", "type": "controlnet"}
IMAGE = {"image_name": "8f.png", "width": 512, "height": 512}
LINES = [{"type": "brush_line", "points": list(range(3000))}]


def test_layers_of_version_4_are_told_in_words() -> None:
    adapter = {
        "type": "controlnet", "image": IMAGE, "processorConfig": {"type": "canny_image_processor"},
        "model": {**MODEL, "name": "canny-sd15"}, "weight": 0.8, "beginEndStepPct": [0, 0.75], "controlMode": "more_control",
    }  # fmt: skip
    region = {
        "type": "regional_guidance_layer", "isEnabled": False, "maskObjects": LINES, "positivePrompt": "a dog",
        "negativePrompt": "cats", "ipAdapters": [{"image": IMAGE, "model": {**MODEL, "name": "ip-plus"}, "weight": 0.5}],
    }  # fmt: skip
    layers = [
        {"type": "control_adapter_layer", "isEnabled": True, "controlAdapter": adapter, "bbox": None, "x": 0},
        region,
        {"type": "initial_image_layer", "image": IMAGE},
    ]
    assert notes_in(new(controlLayers={"layers": layers, "version": 3})).splitlines() == [
        "ControlNet (its picture is not in the file): canny-sd15, weight 0.8, from 0 to 0.75, more control, "
        "canny image processor",
        "Region (its shape is not in the file): “a dog”, without “cats”, IP-Adapter ip-plus, weight 0.5, switched off",
        "Initial picture (not in the file)",
    ]


def test_the_canvas_is_told_in_words() -> None:
    adapter = {"type": "t2i_adapter", "model": {**MODEL, "name": "depth"}, "weight": 1, "beginEndStepPct": [0, 1]}
    reference = {"type": "ip_adapter", "image": IMAGE, "model": None, "weight": 1, "method": "style"}
    control = {"id": "c", "name": "My lines", "type": "control_layer", "objects": LINES, "controlAdapter": adapter}
    canvas = {
        "controlLayers": [control],
        "rasterLayers": [{"id": "r", "name": None, "isEnabled": True, "type": "raster_layer", "objects": LINES}] * 2,
        "inpaintMasks": [{"id": "m", "name": "sky", "isEnabled": True, "type": "inpaint_mask", "objects": LINES}],
        "regionalGuidance": [],
    }
    references = [{"id": "x", "isEnabled": True, "config": reference}]
    assert notes_in(new(canvas_v2_metadata=canvas, ref_images=references, regions=[])).splitlines() == [
        "T2I-Adapter (its picture is not in the file): “My lines”, depth, weight 1",
        "IP-Adapter (its picture is not in the file): weight 1, style",
        "Inpaint mask (not in the file): “sky”",
        "Painted layer (not in the file)",
    ]
    empty = {key: [] for key in canvas}
    assert notes_in(new(canvas_v2_metadata=empty, ref_images=[], regions=[])) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": None},
        {"seed": [1], "steps": {}, "cfg_scale": "x", "width": float("nan")},
        {"seed": 10**30, "steps": -5, "cfg_scale": float("inf"), "width": 1e300, "height": 0},
        {"model": 7, "loras": "x", "controlnets": {"a": 1}, "positive_prompt": {"b": 2}},
        {"model": {"name": "../../etc/passwd\x00", "hash": 3}},
        {"positive_prompt": "\ud800\x00\r\n", "negative_prompt": ["x"]},
        {"loras": [None, 3, {"model": None}, {"lora": []}] * 500},
        {"controlLayers": "x", "canvas_v2_metadata": 7, "ref_images": {"a": 1}, "regions": [None, [], "x"]},
        {"controlLayers": {"layers": [{"type": []}, {"controlAdapter": {"model": [1], "beginEndStepPct": ["x", {}]}}]}},
        {"ref_images": [{"config": {"weight": 10**400, "type": {}, "model": {"name": 3}, "method": "x" * 900}}] * 900},
        {"regions": [{"positivePrompt": {"a": "b" * 900}, "referenceImages": [{"ipAdapter": "x"}, {}, 3] * 99}] * 900},
        {f"field {i}": "x" * 2000 for i in range(3000)},
        {"scheduler": "k" * 100_000},
    ],
    ids=range(13),
)
def test_hostile_fields(changes: dict[str, object]) -> None:
    for data in (new(**changes), old(**changes)):
        found = understood(data)
        assert len(found.not_understood) <= 201
        assert all(len(line) < 300 and "\x00" not in line for line in found.not_understood)
        if found.recipe is not None:
            assert "/" not in found.recipe.model.name


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"image":' * 50_000, "null", '{"image": 3}', '{"image": {"prompt": [[[]]]}}']
)
def test_hostile_texts(text: str) -> None:
    for data in (png_with(invokeai_metadata=text), png_with(sd__metadata=text)):
        found = read_foreign(data)
        assert found is None or found.recipe is None or not found.recipe.prompt.strip("[]")


@pytest.mark.parametrize(
    "line", ['"' * 50_000, "[" * 50_000, " -" * 50_000, '"a' + " -s" * 30_000, "-s 1 " * 20_000, '" -S 9' * 9000]
)
def test_hostile_command_lines(line: str) -> None:
    assert understood(dream(line)).source == "InvokeAI"
