"""A1111's infotext and its relatives: the grammar, its corners, and what becomes of each field."""

from __future__ import annotations

import json
import random
import time

import pytest

from studio.core.choices import Spacing, Tiling
from studio.core.recipe import PROMPT_MAX, Recipe, Size
from studio.gallery.foreign.door import read_foreign
from studio.gallery.foreign.infotext import pairs_of, split_infotext
from studio.gallery.parameters import parameters_text
from tests.gallery.foreign.pictures import notes_in, png_with, recipe_in, understood
from tests.gallery.makers import MADE_WITH

LINE = (
    "Steps: 28, Sampler: Euler a, CFG scale: 6.5, Seed: 77, Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned"
)


def read(text: str) -> Recipe:
    return recipe_in(png_with(parameters=text))


def notes(text: str) -> str:
    return notes_in(png_with(parameters=text))


def test_every_field_arrives() -> None:
    made = read(f"a castle\nNegative prompt: fog\n{LINE}")
    assert made == Recipe(
        prompt="a castle",
        negative_prompt="fog",
        steps=28,
        scheduler="euler_a",
        guidance_scale=6.5,
        seed=77,
        size=Size(width=512, height=768),
        model=made.model,
    )
    assert made.model.name == "v1-5-pruned"
    assert understood(png_with(parameters=f"a\n{LINE}")).not_understood == ()


@pytest.mark.parametrize(
    ("prompt", "negative"),
    [
        ("one line", ""),
        ("", "only a negative"),
        ("two\nlines", "and\nthree\nmore"),
        ("commas, colons: and \"quotes\", {braces} 'too'", "a: b, c: d"),
        ("Steps: 3, Sampler: DDIM, Seed: 1\nthat was only words", ""),
        ("日本語, ünï, 😀", "ó"),
        ("a (b:1.2) [c:d:0.5] BREAK e", "((f))"),
        ("tab\tand  two spaces", "x"),
        ("last line, with: one colon", ""),
        ("back\\slash \\(escaped\\)", ""),
    ],
)
def test_prompts_come_back(prompt: str, negative: str) -> None:
    text = prompt + (f"\nNegative prompt: {negative}" if negative else "") + f"\n{LINE}"
    made = read(text)
    assert (made.prompt, made.negative_prompt, made.seed) == (prompt, negative, 77)


def test_what_the_studio_writes_for_others_comes_back() -> None:
    rng = random.Random(3)
    for seed in range(50):
        made = Recipe(
            prompt=" ".join(rng.choices(["red", "house,", "“x”:", '"y"', "猫", "\n"], k=9)).strip(),
            negative_prompt=" ".join(rng.choices(["bad,", "a: b"], k=3)),
            seed=seed * 85_899_345,
            steps=rng.randint(1, 99),
            scheduler=rng.choice(["dpmpp_2m", "dpm_2", "deis"]),
            spacing=rng.choice([Spacing.NORMAL, Spacing.KARRAS, Spacing.EXPONENTIAL, Spacing.BETA, Spacing.TRAILING]),
            guidance_scale=rng.choice([1.0, 7.5]),
        )
        found = understood(png_with(parameters=parameters_text(made, MADE_WITH)))
        assert (found.recipe, found.source) == (made, "Diffusion Studio")


def test_values_in_quotes_json_and_brackets() -> None:
    line = (
        'Steps: 1, Hires prompt: "a, \\"b\\": c\\nd", Hashes: {"model": "x, y", "n": [1, 2]}, starting/ending: (0, 1), '
        'Lora hashes: "p: 1, q: 2", Civitai resources: [{"a": "b, c"}], Last: z'
    )
    assert pairs_of(line) == [
        ("Steps", "1"),
        ("Hires prompt", 'a, "b": c\nd'),
        ("Hashes", '{"model": "x, y", "n": [1, 2]}'),
        ("starting/ending", "(0, 1)"),
        ("Lora hashes", "p: 1, q: 2"),
        ("Civitai resources", '[{"a": "b, c"}]'),
        ("Last", "z"),
    ]


def test_three_lora_marks_are_no_settings() -> None:
    """stable-diffusion-webui issue 16876: the last line of this prompt has three pairs."""
    made = read("a cat\n<lora: a:1>, <lora: b:1>, <lora: c:1>")
    assert (made.prompt, made.steps) == ("a cat", 20)
    assert "No line of settings" in notes("a cat\n<lora: a:1>, <lora: b:1>, <lora: c:1>")


def test_three_pairs_without_a_known_key_are_words() -> None:
    made = read("a picture book page\nsky: blue, sea: green, hill: red")
    assert made.prompt == "a picture book page\nsky: blue, sea: green, hill: red"


@pytest.mark.parametrize(
    ("mark", "note"),
    [
        ("<lora:ink>", "missing: LoRA ink"),
        ("<lora:ink:0.8>", "missing: LoRA ink: 0.8"),
        ("<lora:ink:-1:0.5>", "missing: LoRA ink: -1:0.5"),
        ("<lora:ink:te=0.1:unet=1>", "missing: LoRA ink: te=0.1:unet=1"),
        ("<lyco:ink:1>", "missing: LoRA ink (lyco): 1"),
        ("<hypernet:ink:1>", "missing: LoRA ink (hypernet): 1"),
    ],
)
def test_lora_marks_leave_the_prompt_and_are_named(mark: str, note: str) -> None:
    text = f"a cat, {mark}, on a mat\n{LINE}"
    assert read(text).prompt == "a cat, on a mat"
    assert note in notes(text).split("\n")


def test_sd_next_begins_its_line_with_the_version() -> None:
    text = (
        "a cat\nNegative prompt: b\nVersion: 4867dafa, Backend: Original, Parser: Full parser, Steps: 12, Seed: 9, "
        'Sampler: UniPC, CFG scale: 4, Size: 640x384, ControlNet: "preprocessor: canny, starting/ending: (0, 1)"'
    )
    found = understood(png_with(parameters=text))
    assert found.source == "SD.Next"
    assert found.recipe is not None
    assert (found.recipe.steps, found.recipe.scheduler, found.recipe.negative_prompt) == (12, "unipc", "b")
    assert (
        "ControlNet (its picture is not in the file): preprocessor: canny, starting/ending: (0, 1)"
        in found.not_understood
    )


def test_a_control_unit_is_told_by_what_is_special() -> None:
    """Its mode stands last, where a line that says everything is cut."""
    said = (
        "Module: scribble_pidinet, Model: control_v11p_sd15_scribble [d4ba51ff], Weight: 0.75, Resize Mode: Just Resize, "
        "Low Vram: False, Processor Res: 512, Threshold A: -1, Threshold B: -1, Guidance Start: 0, Guidance End: 0.8, "
        "Pixel Perfect: False, Control Mode: ControlNet is more important, Hr Option: Both"
    )
    assert notes(f'x\n{LINE}, ControlNet 0: "{said}"') == (
        "ControlNet 0 (its picture is not in the file): Module: scribble_pidinet, Model: control_v11p_sd15_scribble "
        "[d4ba51ff], Weight: 0.75, Resize Mode: Just Resize, Processor Res: 512, Guidance End: 0.8, Control Mode: "
        "ControlNet is more important"
    )


@pytest.mark.parametrize(
    ("version", "source"),
    [("v1.9.4", "A1111"), ("f2.0.1v1.10.1-previous-1", "Forge"), ("neo", "Forge"), ("", "A1111")],
)
def test_the_program_is_told_by_its_version(version: str, source: str) -> None:
    assert understood(png_with(parameters=f"x\n{LINE}, Version: {version}")).source == source


def test_clip_skip_is_counted_from_none() -> None:
    assert recipe_in(png_with(parameters=f"x\n{LINE}, Clip skip: 2")).clip_skip == 1
    assert recipe_in(png_with(parameters=f"x\n{LINE}, Clip skip: 1")).clip_skip == 0
    assert "Clip skip: 40 cannot be used here; 12 is used" in notes(f"x\n{LINE}, Clip skip: 40")
    assert recipe_in(png_with(parameters=f"x\n{LINE}, Tiling: True")).tiling is Tiling.BOTH


def test_what_has_no_place_is_shown() -> None:
    extra = "Denoising strength: 0.4, Hires upscale: 2, Hires resize: 1024x1536, RNG: CPU, Eta: 0.67"
    found = notes(f"x\n{LINE}, {extra}").split("\n")
    assert found == extra.split(", ")
    assert notes(f"x\n{LINE}, Clip skip: 1, RNG: GPU") == "", "these are what A1111 takes when nothing is said"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Steps: 5000, Seed: 1, Size: 64x64", "Steps: 5000 cannot be used here; 1000 is used"),
        ("Steps: 5, Seed: 99999999999, Size: 64x64", "99999999999 does not fit into 32 bits; 1215752191 is used"),
        ("Steps: 5, Seed: -1, Size: 64x64", "Seed: -1 does not fit into 32 bits; 4294967295 is used"),
        ("Steps: 5, Seed: abc, Size: 64x64", "Seed: abc"),
        ("Steps: 5, Seed: 1, Size: 513x4096", "513x4096 cannot be made here; 512x2048 is used"),
        ("Steps: 5, Seed: 1, Size: big", "Size: big"),
        ("Steps: 5, Seed: 1, CFG scale: nan", "Guidance: nan"),
        ("Steps: 5, Seed: 1, CFG scale: 1e400", "Guidance: 1e400"),
        ("Steps: 5, Seed: 1, CFG scale: 300", "Guidance: 300.0 cannot be used here; 50.0 is used"),
        ("Steps: 5, Seed: 1, Sampler: Undefined", "Sampler: Undefined"),
        ("Steps: 5, Seed: 1, Sampler: Euler a, Schedule type: Karras", "Euler a Karras is not here; Euler a is used"),
        ("Steps: 5, Seed: 1, Seed: 2", "Seed: 2"),
        ("Steps: 5, Sampler: Euler, Size: 64x64", "Seed: not in the picture; 0 is used"),
    ],
)
def test_what_does_not_fit_is_said(line: str, expected: str) -> None:
    assert expected in notes(f"x\n{line}")


def test_old_and_new_ways_to_name_a_schedule() -> None:
    for line in ("Sampler: DPM++ 2M Karras", "Sampler: DPM++ 2M, Schedule type: Karras"):
        made = read(f"x\nSteps: 5, Seed: 1, {line}")
        assert (made.scheduler, made.spacing) == ("dpmpp_2m", Spacing.KARRAS)
    assert read("x\nSteps: 5, Seed: 1, Sampler: DPM++ 2M, Schedule type: Automatic").spacing is Spacing.KARRAS
    assert read("x\nSteps: 5, Seed: 1, Sampler: DPM++ 2M").spacing is Spacing.NORMAL


def test_two_negative_lines_and_text_behind_the_settings() -> None:
    text = f"a\nNegative prompt: b\nNegative prompt: c\n{LINE}\nTemplate: __x__"
    made = read(text)
    assert (made.prompt, made.negative_prompt) == ("a", "b\nNegative prompt: c")
    assert "several lines" in notes(text)
    assert "Behind the settings: Template: __x__" in notes(text)


def test_only_words() -> None:
    found = understood(png_with(parameters="just a cat\nin two lines"))
    assert found.recipe is not None
    assert (found.recipe.prompt, found.found) == ("just a cat\nin two lines", ("prompt", "size"))
    assert found.recipe.size == Size(width=96, height=64), "the picture's own"


def test_windows_lines_and_utf8_where_latin1_belongs() -> None:
    mojibake = f"ein Hügel, 山\r\nNegative prompt: grün\r\n{LINE}".encode().decode("latin-1")
    made = read(mojibake)
    assert (made.prompt, made.negative_prompt, made.steps) == ("ein Hügel, 山", "grün", 28)


def test_the_raw_text_is_kept() -> None:
    text = f"a <lora:b:1>\n{LINE}, Unknown: 1"
    assert understood(png_with(parameters=text)).raw == text


def test_a_long_prompt_is_cut_with_a_word() -> None:
    assert len(read("x" * 30_000 + f"\n{LINE}").prompt) == PROMPT_MAX
    assert "30,000 characters" in notes("x" * 30_000 + f"\n{LINE}")


@pytest.mark.parametrize(
    "text",
    [
        "a: " * 300_000,
        "aa: [" * 50_000,
        'aa: "' * 100_000,
        "aa: {" + '"a":{' * 50_000,
        "x\n" * 400_000,
        "(" * 500_000,
        "[:" * 300_000,
        "<lora:" * 100_000,
        "Negative prompt:\n" * 50_000,
        ", " * 400_000 + LINE,
        " " * 900_000 + "Steps: 1, Seed: 2, Sampler: 3",
        "Steps: " + "9" * 500_000 + ", Seed: 1, Size: 1x1",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1") + LINE,
        "Steps: 5, Seed: ١٢, Size: ٦٤x٦٤",
        json.dumps({"Steps": 1}),
    ],
    ids=range(15),
)
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.process_time()
    split_infotext(text)
    data = png_with(parameters=text)
    read_foreign(data)
    assert time.process_time() - start < 2
