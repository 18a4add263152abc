"""NovelAI's chunks, in old and new layouts, and hidden in pixels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.core.choices import Spacing
from studio.core.recipe import Size
from studio.gallery.foreign.door import read_foreign
from tests.gallery.foreign.pictures import commented, notes_in, png_with, recipe_in, stealth, understood, webp_with
from tests.gallery.foreign.pictures import tiff as tiff_block

COMMENT: dict[str, Any] = {
    "steps": 28,
    "sampler": "k_euler_ancestral",
    "seed": 3409203451,
    "strength": 0.0,
    "noise": 0.0,
    "scale": 11.0,
    "uc": "lowres, bad hands",
}
V4: dict[str, Any] = {
    **COMMENT,
    "prompt": "a garden",
    "width": 832,
    "height": 1216,
    "noise_schedule": "karras",
    "request_type": "PromptGenerateRequest",
    "v4_prompt": {
        "caption": {
            "base_caption": "a garden, 花園",
            "char_captions": [{"char_caption": "girl, red hat", "centers": [{"x": 0.5, "y": 0.5}]}],
        },
        "use_coords": True,
    },
    "v4_negative_prompt": {"caption": {"base_caption": "fog", "char_captions": []}},
}


def chunks(comment: object = COMMENT, description: str = "a girl, (smiling)", **more: str) -> dict[str, str]:
    card = comment if isinstance(comment, str) else json.dumps(comment)
    fixed = {"Software": "NovelAI", "Title": "AI generated image", "Source": "Stable Diffusion 1D44365E"}
    return {**fixed, "Description": description, "Comment": card, **more}


def test_the_old_layout() -> None:
    found = understood(png_with(**chunks()))
    made = found.recipe
    assert made is not None
    assert (made.prompt, made.negative_prompt) == ("a girl, (smiling)", "lowres, bad hands")
    assert (made.steps, made.scheduler, made.guidance_scale, made.seed) == (28, "euler_a", 11.0, 3409203451)
    assert (made.size, made.model.name) == (Size(width=96, height=64), "Stable Diffusion 1D44365E")
    assert found.source == "NovelAI"


def test_the_new_layout() -> None:
    made = recipe_in(png_with(**chunks(V4, description="other")))
    assert (made.prompt, made.negative_prompt) == ("a garden, 花園, girl, red hat", "fog")
    assert made.size == Size(width=832, height=1216)
    assert "Characters with places of their own" in notes_in(png_with(**chunks(V4)))


def test_emphasis_is_said_not_changed() -> None:
    data = png_with(**chunks(description="{{big}} [small] (as is)"))
    assert recipe_in(data).prompt == "{{big}} [small] (as is)"
    assert "Emphasis in the prompt is read as plain text here: {big}" in notes_in(data)
    assert not recipe_in(data).weights
    assert "1.5::tall::" in notes_in(png_with(**chunks(description="1.5::tall:: tree")))
    assert "Emphasis" not in notes_in(png_with(**chunks()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("k_euler", "euler"),
        ("k_dpmpp_2m", "dpmpp_2m"),
        ("k_dpmpp_sde", "dpmpp_sde"),
        ("k_dpmpp_2m_sde", "dpmpp_2m_sde"),
        ("k_lms", "lms"),
        ("k_dpm_2", "dpm_2"),
        ("plms", "pndm"),
        ("ddim_v3", "ddim"),
        ("ddim", "ddim"),
        ("k_dpmpp_2s_ancestral", "dpmpp_2s"),
    ],
)
def test_its_sampler_names(name: str, expected: str) -> None:
    assert recipe_in(png_with(**chunks({**COMMENT, "sampler": name}))).scheduler == expected


def test_a_near_relative_is_said() -> None:
    text = notes_in(png_with(**chunks({**COMMENT, "sampler": "k_dpmpp_2s_ancestral"})))
    assert "k_dpmpp_2s_ancestral is not here; DPM++ 2S is used" in text


def test_schedules() -> None:
    for name, spacing in (
        ("native", Spacing.NORMAL),
        ("exponential", Spacing.EXPONENTIAL),
        ("polyexponential", Spacing.EXPONENTIAL),
    ):
        card = {**COMMENT, "sampler": "k_dpmpp_2m", "noise_schedule": name}
        assert recipe_in(png_with(**chunks(card))).spacing is spacing


def test_from_another_picture_and_other_fields() -> None:
    card = {**COMMENT, "strength": 0.7, "noise": 0.2, "sm": True, "request_type": "Img2ImgRequest", "cfg_rescale": 0.4}
    lines = understood(png_with(**chunks(card))).not_understood
    for line in ("strength: 0.7", "noise: 0.2", "sm: true", "Mode: Img2ImgRequest", "cfg_rescale: 0.4"):
        assert line in lines


def test_without_a_readable_comment() -> None:
    data = png_with(**chunks("{broken"))
    assert recipe_in(data).prompt == "a girl, (smiling)"
    assert "The settings in Comment cannot be read: {broken" in notes_in(data)


def test_told_by_its_comment_when_software_is_lost() -> None:
    assert understood(png_with(Comment=json.dumps(COMMENT), Description="x")).source == "NovelAI"


def test_comments_of_others_are_left_alone() -> None:
    assert read_foreign(png_with(Comment="Created with GIMP")) is None
    assert read_foreign(png_with(Comment='{"uc": 1}')) is None
    assert read_foreign(png_with(Software="Adobe ImageReady", Description="holiday")) is None


def test_hidden_in_the_alpha_channel() -> None:
    found = understood(stealth(json.dumps(chunks()).encode(), size=(128, 128)))
    assert found.source == "NovelAI"
    assert found.recipe is not None
    assert (found.recipe.prompt, found.recipe.seed) == ("a girl, (smiling)", 3409203451)


def test_as_one_object_in_exif() -> None:
    body = json.dumps(chunks()).encode()
    assert recipe_in(commented(b"ASCII\0\0\0" + body)).seed == 3409203451
    assert (
        recipe_in(webp_with(tiff_block({}, {0x9286: b"UNICODE\0" + body.decode().encode("utf-16-be")}))).seed
        == 3409203451
    )


def test_raw_keeps_all_of_it() -> None:
    raw = understood(png_with(**chunks())).raw
    assert "a girl, (smiling)" in raw
    assert json.dumps(COMMENT) in raw


@pytest.mark.parametrize(
    "changes",
    [
        {"v4_prompt": {"caption": None}},
        {"v4_prompt": {"caption": {"base_caption": 3, "char_captions": [None, {}, {"char_caption": []}]}}},
        {"v4_prompt": [], "v4_negative_prompt": "x"},
        {"v4_prompt": {"caption": {"base_caption": "x", "char_captions": [{"char_caption": "y" * 9000}] * 900}}},
        {"seed": None, "steps": "many", "scale": float("nan"), "sampler": 3},
        {"seed": -7, "steps": 0, "scale": 10**400, "width": "1e9", "height": [1]},
        {"uc": "\ud800\x00", "noise_schedule": {"a": 1}},
        {"request_type": ["x"], "n_samples": {}, "extra": [[[[]]]]},
    ],
    ids=range(8),
)
def test_hostile_fields(changes: dict[str, object]) -> None:
    found = understood(png_with(**chunks({**V4, **changes})))
    assert found.source == "NovelAI"
    assert found.recipe is not None


@pytest.mark.parametrize("comment", ["[" * 100_000, '{"v4_prompt":' * 50_000, "null", "[1]", "x" * 3_000_000, ""])
def test_hostile_comments(comment: str) -> None:
    assert recipe_in(png_with(**chunks(comment))).prompt == "a girl, (smiling)"
