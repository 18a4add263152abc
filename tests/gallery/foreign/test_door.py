"""The one way in: our own pictures first, then each reader; what is refused; mutants; and the command that prints it."""

from __future__ import annotations

import contextlib
import json
import random
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from studio.cli import main
from studio.core.errors import BadInputImage, BadRecipe, StudioError
from studio.core.installed import Installed
from studio.core.paths import Folders
from studio.core.recipe_text import from_text
from studio.core.schedulers import SCHEDULERS, scheduler_name
from studio.gallery import png
from studio.gallery.foreign.door import read_foreign, read_picture, usable_recipe
from studio.gallery.foreign.reading import match_models, model_title
from studio.gallery.foreign.samplers import sampler_of
from studio.gallery.names import new_id
from studio.gallery.store import GalleryStore
from tests.gallery.foreign import test_comfyui, test_fooocus, test_invokeai, test_novelai
from tests.gallery.foreign.pictures import commented, png_with, saved, stealth, understood, webp_with
from tests.gallery.foreign.pictures import tiff as tiff_block
from tests.gallery.makers import MADE_WITH, noise, recipe

NOW = datetime(2026, 11, 21, tzinfo=UTC)
INFOTEXT = (
    'a cat\nNegative prompt: x\nSteps: 9, Sampler: Euler, Seed: 8, Size: 64x128, Model: dream, Extra: "a: \\"b\\""'
)


def ours() -> bytes:
    return png.encode(noise(8), recipe(), MADE_WITH, new_id(NOW, ""), NOW, {})


def test_our_own_pictures_come_whole() -> None:
    found = read_picture(ours())
    assert (found.source, found.recipe, found.not_understood) == ("Diffusion Studio", recipe(), ())
    assert json.loads(found.raw)["studio_picture"] == 1
    assert set(found.found) >= {"prompt", "seed", "controls"}


def test_a_damaged_record_of_ours_falls_back_on_the_copy_for_others() -> None:
    data = ours().replace(b'"studio_picture"', b'"studio_pictur_"', 1)
    body = bytearray(data)
    at = data.index(b"iTXt")
    length = int.from_bytes(data[at - 4 : at], "big")
    body[at + 4 + length : at + 8 + length] = zlib.crc32(data[at : at + 4 + length]).to_bytes(4, "big")
    found = read_picture(bytes(body))
    assert found.recipe is not None
    assert (found.recipe.prompt, found.recipe.seed) == (recipe().prompt, recipe().seed)
    assert "damaged" in found.not_understood[0]


def test_what_says_nothing_is_refused_in_words(tmp_path: Path) -> None:
    cases = {
        "plain.png": (saved("PNG"), "carries no settings"),
        "plain.jpg": (saved("JPEG"), "carries no settings"),
        "plain.webp": (saved("WEBP"), "carries no settings"),
        "LICENSE": (b"not a picture", "not a PNG"),
        "empty.png": (b"", "not a PNG"),
    }
    for name, (data, words) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadRecipe, match=words) as caught:
            read_picture(tmp_path / name)
        assert name in caught.value.headline
    with pytest.raises(BadInputImage):
        read_picture(tmp_path / "missing.png")
    with pytest.raises(BadInputImage):
        read_picture(tmp_path)


def test_known_but_not_usable_names_the_program(tmp_path: Path) -> None:
    file = tmp_path / "graph.png"
    file.write_bytes(png_with(invokeai_graph="{}"))
    with pytest.raises(BadRecipe, match="made by InvokeAI") as caught:
        usable_recipe(file)
    assert "node graph" in caught.value.detail


def test_dropping_a_foreign_picture_gives_its_recipe(data: Path, tmp_path: Path) -> None:
    store = GalleryStore(Folders(root=data))
    for name, content in (("a.png", png_with(parameters=INFOTEXT)), ("b.jpg", commented(INFOTEXT.encode()))):
        (tmp_path / name).write_bytes(content)
        made = store.recipe_of(tmp_path / name)
        assert (made.prompt, made.seed, made.steps) == ("a cat", 8, 9)
    assert not data.exists(), "asking leaves nothing behind"


def test_models_are_found_by_name_or_said_to_be_missing() -> None:
    match = match_models([Installed(name="mini"), Installed(name="Dream-Shaper 8")])
    for name in ("dream_shaper_8.safetensors", "models/DreamShaper8.ckpt"):
        made = understood(
            png_with(parameters=f"x\nSteps: 1, Seed: 1, Model: {name}, Model hash: 879db523c3"), match
        ).recipe
        assert made is not None
        assert made.model.name == "Dream-Shaper 8"
    found = understood(png_with(parameters="x\nSteps: 1, Seed: 1, Model: other, Model hash: 879db523c3"), match)
    assert "missing: model other [879db523c3]" in found.not_understood
    assert found.recipe is not None
    assert found.recipe.model.name == "other", "shown to the artist, not silently replaced"
    titled = understood(png_with(parameters="x\nSteps: 1, Seed: 1, Model: a.safetensors [372b6a05]"), match)
    assert "missing: model a [372b6a05]" in titled.not_understood
    only = understood(png_with(parameters="x\nSteps: 1, Seed: 1, Model hash: 879db523c3"), match)
    assert "missing: model [879db523c3]" in only.not_understood


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("C:\\models\\sd\\a.safetensors", "a"),
        ("../../etc/passwd", "passwd"),
        ("a.b.ckpt", "a.b"),
        ("/", ""),
        ("x\x00\n:y", "x_y"),
        ("n" * 500, "n" * 200),
    ],
)
def test_model_names_never_are_paths(name: str, title: str) -> None:
    assert model_title(name) == title


def test_every_scheduler_of_ours_is_found_by_its_own_name() -> None:
    for info in SCHEDULERS.values():
        for spacing in info.spacings:
            for name, schedule in ((info.title, spacing.value), (info.id, spacing.value)):
                found = sampler_of(name, schedule)
                assert found is not None, name
                assert (found.scheduler, found.spacing, found.note) == (info.id, spacing, ""), scheduler_name(
                    info.id, spacing
                )


def zoo() -> list[bytes]:
    """One picture of every kind."""
    graph = json.dumps(test_comfyui.graph())
    return [
        ours(),
        png_with(parameters=INFOTEXT),
        commented(b"UNICODE\0" + INFOTEXT.encode("utf-16-be")),
        webp_with(tiff_block({0x0110: b"prompt:" + graph.encode()})),
        png_with(prompt=graph),
        png_with(workflow=json.dumps(test_comfyui.workflow())),
        test_invokeai.new(),
        test_invokeai.old(),
        test_invokeai.dream('"a cat [bad]" -s 40 -S 99 -W 512 -H 384 -C 7.5 -A k_lms'),
        test_fooocus.fox(),
        png_with(parameters=test_fooocus.LINES, fooocus_scheme="a1111"),
        png_with(**test_novelai.chunks(test_novelai.V4)),
        stealth(INFOTEXT.encode(), "stealth_pngcomp"),
        stealth(INFOTEXT.encode(), "stealth_rgbinfo"),
    ]


def ends_well(data: bytes) -> None:
    """A reading or a sentence; anything else is raised on."""
    with contextlib.suppress(StudioError):
        assert read_picture(data).source


def test_600_mutants_of_files_end_in_a_reading_or_a_sentence() -> None:
    rng = random.Random(11)
    animals = zoo()
    start = time.process_time()
    for i in range(600):
        data = bytearray(animals[i % len(animals)])
        for _ in range(rng.choice((1, 2, 8, 40))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        ends_well(bytes(data))
    assert time.process_time() - start < 20


def test_600_mutants_of_texts_reach_the_parsers() -> None:
    """Chunks whose checksum is right, so that damage is not stopped at the file."""
    rng = random.Random(12)
    texts = [
        ("parameters", INFOTEXT),
        ("prompt", json.dumps(test_comfyui.graph())),
        ("workflow", json.dumps(test_comfyui.workflow())),
        ("invokeai_metadata", json.dumps(test_invokeai.NEW)),
        ("sd-metadata", json.dumps(test_invokeai.OLD)),
        ("Dream", '"a cat [bad]" -s 40 -S 99 -W 512 -H 384 -C 7.5 -A k_lms'),
        ("Comment", json.dumps(test_novelai.V4)),
        ("parameters", json.dumps(test_fooocus.CARD)),
    ]
    bits = [
        '"',
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        "null",
        "NaN",
        "-1",
        "1e999",
        "\\ud800",
        "true",
        "猫",
        "9" * 30,
        "(",
        "<lora:",
    ]
    read = 0
    for i in range(600):
        key, text = texts[i % len(texts)]
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(bits) + text[at + rng.choice((0, 1, 1, 6)) :]
        start = time.process_time()
        found = read_foreign(png_with(**{key: text}))
        assert time.process_time() - start < 2
        read += found is not None and found.recipe is not None
    assert read > 150


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_the_command_prints_json(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png_with(parameters=INFOTEXT))
    card = json.loads(run(capsys, "recipe", str(file), "--json", "--data", str(data)))
    assert card["source"] == "A1111"
    assert card["raw"] == INFOTEXT
    assert card["not_understood"] == [
        "missing: model dream",
        'Extra: a: "b"',
        "Guidance: not in the picture; 5.0 is used",
    ]
    assert from_text(json.dumps(card["recipe"])).seed == 8
    file.write_bytes(png_with(invokeai_graph="{}"))
    assert json.loads(run(capsys, "recipe", str(file), "--json", "--data", str(data)))["recipe"] is None


def test_the_command_prints_words(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(commented(INFOTEXT.encode()))
    said = run(capsys, "recipe", str(file), "--data", str(data))
    assert said.startswith("Made by A1111.\na cat\nNegative prompt: x\nEuler, 9 steps")
    assert "missing: model dream" in said
    file.write_bytes(ours())
    said = run(capsys, "recipe", str(file), "--data", str(data))
    assert said.startswith("a red house\n")
    assert "Not understood" not in said
