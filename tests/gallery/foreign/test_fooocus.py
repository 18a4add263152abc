"""Fooocus in both of its schemes, in PNG and in EXIF."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.core.choices import Spacing
from studio.core.recipe import Size
from studio.gallery.foreign.door import read_foreign
from studio.gallery.foreign.fooocus import strings_in
from tests.gallery.foreign.pictures import jpeg_with, notes_in, png_with, recipe_in, tiff, understood, webp_with

CARD: dict[str, Any] = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "juggernautXL_v8",
    "base_model_hash": "aeb7e9e689",
    "full_negative_prompt": ["blurry", "ugly"],
    "full_prompt": ["cinematic still a fox, 狐 . emotional", "a fox, 狐, intricate"],
    "guidance_scale": 4.0,
    "lora_combined_1": "sd_xl_offset : 0.1",
    "loras": [["sd_xl_offset", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus",
    "negative_prompt": "blurry",
    "performance": "Speed",
    "prompt": "a fox, 狐",
    "refiner_model": "None",
    "refiner_switch": 0.5,
    "resolution": "(1152, 896)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "5124052109178442",
    "sharpness": 2.0,
    "steps": 30,
    "styles": "['Fooocus V2', \"Photographer's Choice\"]",
    "vae": "Default (model)",
    "version": "Fooocus v2.5.5",
}
LINES = (
    "cinematic still a fox\nNegative prompt: blurry, ugly\nSteps: 30, Sampler: DPM++ 2M SDE, Scheduler: karras, Seed: 77, "
    'Size: 1152x896, CFG scale: 4, Raw prompt: "a fox, red", Raw negative prompt: "fog: thick", Sharpness: 2, '
    'ADM Guidance: "(1.5, 0.8, 0.3)", Model: juggernautXL_v8, Model hash: aeb7e9e689, Styles: "[\'Fooocus V2\']", '
    'Performance: Speed, Lora weights: "sd_xl_offset: 0.1", Version: Fooocus v2.5.5'
)


def fox(**changes: object) -> bytes:
    card = {key: value for key, value in {**CARD, **changes}.items() if value != "gone"}
    return png_with(parameters=json.dumps(card), fooocus_scheme="fooocus")


def test_the_json_scheme_whole() -> None:
    found = understood(fox())
    made = found.recipe
    assert made is not None
    assert (made.prompt, made.negative_prompt, made.steps) == ("a fox, 狐", "blurry", 30)
    assert (made.scheduler, made.spacing, made.guidance_scale) == ("dpmpp_2m_sde", Spacing.KARRAS, 4.0)
    assert (made.size, made.model.name) == (Size(width=1152, height=896), "juggernautXL_v8")
    assert made.seed == 5124052109178442 % 2**32
    assert found.source == "Fooocus"


def test_what_has_no_place_is_shown() -> None:
    lines = understood(fox()).not_understood
    assert "Styles: Fooocus V2, Photographer's Choice" in lines
    assert "missing: LoRA sd_xl_offset: 0.1" in lines
    assert "sharpness: 2.0" in lines
    assert "Performance: Speed" in lines
    assert "adm_guidance: (1.5, 0.8, 0.3)" in lines
    assert not any("refiner_model" in line or "vae" in line for line in lines), "these say that there is none"


def test_the_styles_prompt_is_kept_as_a_note() -> None:
    assert any(
        line.startswith("The prompt with its styles: cinematic still") for line in understood(fox()).not_understood
    )


def test_the_same_lora_is_named_once_and_those_switched_off_never() -> None:
    text = notes_in(
        fox(
            lora_combined_2="True : ink.safetensors : 0.5",
            lora_combined_3="False : oil : 1",
            lora_combined_4="None : 1",
        )
    )
    assert text.count("LoRA sd_xl_offset") == 1
    assert "missing: LoRA ink: 0.5" in text
    assert "oil" not in text
    assert "LoRA None" not in text


@pytest.mark.parametrize(
    ("performance", "steps"),
    [("Quality", 60), ("Speed", 30), ("Extreme Speed", 8), ("Lightning", 4), ("Hyper-SD", 4)],
)
def test_steps_by_performance_in_older_pictures(performance: str, steps: int) -> None:
    assert recipe_in(fox(steps="gone", performance=performance)).steps == steps


@pytest.mark.parametrize("resolution", ["(832, 1216)", "832x1216", "832×1216", [832, 1216], "832, 1216"])
def test_sizes_as_text_and_list(resolution: object) -> None:
    assert recipe_in(fox(resolution=resolution)).size == Size(width=832, height=1216)


def test_only_the_full_prompt() -> None:
    made = recipe_in(fox(prompt=""))
    assert made.prompt == "cinematic still a fox, 狐 . emotional\na fox, 狐, intricate"
    assert recipe_in(fox(prompt="", negative_prompt="")).negative_prompt == "blurry\nugly"


def test_the_log_of_older_versions() -> None:
    card = {"Prompt": "a fox", "Negative Prompt": "x", "Styles": "[]", "Performance": "Quality", "Resolution": "(512, 640)",
            "Guidance Scale": 5, "Base Model": "m.safetensors", "Seed": 3, "Sampler": "euler", "Scheduler": "normal"}  # fmt: skip
    made = recipe_in(png_with(parameters=json.dumps(card)))
    assert (made.prompt, made.steps, made.size, made.model.name) == ("a fox", 60, Size(width=512, height=640), "m")


def test_the_a1111_scheme() -> None:
    found = understood(png_with(parameters=LINES, fooocus_scheme="a1111"))
    made = found.recipe
    assert made is not None
    assert (made.prompt, made.negative_prompt) == ("a fox, red", "fog: thick"), "the artist's own words"
    assert (made.scheduler, made.spacing, made.seed) == ("dpmpp_2m_sde", Spacing.KARRAS, 77)
    assert found.source == "Fooocus"
    assert "Lora weights: sd_xl_offset: 0.1" in found.not_understood


def test_the_a1111_scheme_is_told_by_its_version_too() -> None:
    assert understood(png_with(parameters=LINES)).source == "Fooocus"


def test_an_empty_sampler() -> None:
    text = LINES.replace("Sampler: DPM++ 2M SDE", "Sampler: ")
    made = recipe_in(png_with(parameters=text, fooocus_scheme="a1111"))
    assert (made.scheduler, made.steps) == ("dpmpp_2m", 30)
    assert "Sampler: not in the picture" in notes_in(png_with(parameters=text, fooocus_scheme="a1111"))


@pytest.mark.parametrize("wrap", [jpeg_with, webp_with])
@pytest.mark.parametrize("inside", [False, True])
def test_in_exif(wrap: Any, inside: bool) -> None:
    tags = {0x9286: json.dumps(CARD).encode(), 0x927C: b"fooocus"}
    block = tiff({0x0131: b"Fooocus v2.5.5"}, tags) if inside else tiff({0x0131: b"Fooocus v2.5.5", **tags})
    assert recipe_in(wrap(block)).prompt == "a fox, 狐"


def test_other_json_is_not_taken_for_it() -> None:
    assert read_foreign(png_with(parameters='{"prompt": "x", "seed": 1}')) is None
    assert understood(png_with(parameters='{"prompt": "x", "seed": 1}', fooocus_scheme="fooocus")).source == "Fooocus"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("['a', 'b c']", ["a", "b c"]),
        ("[\"it's\", 'x']", ["it's", "x"]),
        ("[]", []),
        (["a", 3, "b"], ["a", "b"]),
        ("__import__('os').system('touch /tmp/never')", ["os", "touch /tmp/never"]),
        (None, []),
    ],
)
def test_lists_written_as_text_are_found_not_run(value: object, expected: list[str]) -> None:
    assert strings_in(value) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": "(" * 10_000},
        {"resolution": "__import__('os')"},
        {"resolution": [1, 2, 3]},
        {"styles": "'" * 100_000},
        {"styles": {"a": 1}, "loras": [[[]], [1, 2], ["x"]], "full_prompt": [None, {}]},
        {"seed": "9" * 4000, "steps": "1e3", "guidance_scale": "nan"},
        {"lora_combined_1": " : : : ", "lora_combined_2": 5, "lora_combined_3": ""},
        {"sampler": "", "scheduler": None, "base_model": "C:\\models\\x.safetensors"},
        {"prompt": "\ud800\x00", "negative_prompt": 3},
        {"performance": ["Speed"], "steps": "gone"},
    ],
    ids=range(10),
)
def test_hostile_fields(changes: dict[str, object]) -> None:
    found = understood(fox(**changes))
    assert found.source == "Fooocus"
    assert found.recipe is not None
    assert not set(found.recipe.model.name) & set("/\\:")
