"""The drawings of Studio Mini: same scene same bytes, exact occlusion, masks, captions that name what is there,
balance of random scenes. Needs no torch and no Qt."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from studio.mini.drawings import (
    COLOURS,
    FIXED_PROMPTS,
    KINDS,
    SETTINGS,
    STYLES,
    TIMES,
    Drawing,
    Scene,
    Thing,
    attributes,
    caption,
    random_scene,
    render,
)  # fmt: skip
from studio.mini.drawings.captions_en import SYNONYMS
from studio.mini.drawings.captions_zh import COLOUR_WORDS, KIND_WORDS
from studio.mini.drawings.scene import ASPECT

COUNT_WORDS = {"en": {2: ("two", "2"), 3: ("three", "3")}, "zh": {2: ("两", "2"), 3: ("三", "3")}}


def scenes(level: int, count: int, seed: int = 0) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [random_scene(rng, level) for _ in range(count)]


def plain(*things: Thing, style: str = "flat", background: str = "white") -> Scene:
    return Scene("plain", "day", style, background, things, 1)


def test_same_scene_gives_same_bytes() -> None:
    for scene in scenes(2, 9):
        first, second = render(scene, 128), render(scene, 128)
        for name in ("image", "outline", "objects"):
            assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_same_generator_gives_same_scenes_and_captions() -> None:
    def story() -> list[tuple[Scene, str, str]]:
        rng = np.random.default_rng(4)
        drawn = [random_scene(rng) for _ in range(20)]
        return [(scene, caption(scene, rng), caption(scene, rng, "zh")) for scene in drawn]

    assert story() == story()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_in_every_style(kind: str, style: str) -> None:
    size = min(0.6, 0.8 / ASPECT[kind])
    drawing = render(plain(Thing(kind, "red", 0.5, 0.5, size), style=style), 96)
    assert drawing.image.shape == (96, 96, 3)
    assert drawing.image.dtype == np.uint8
    assert drawing.outline.shape == drawing.objects.shape == (96, 96)
    assert set(np.unique(drawing.objects)) == {0, 1}
    assert drawing.outline.max() > 200, "no line is drawn"
    _, top, width, height = cv2.boundingRect(drawing.objects)
    assert abs(height / 96 - size) < 0.07
    assert abs(width / 96 - size * ASPECT[kind]) < 0.13
    assert abs((top + height / 2) / 96 - 0.5) < 0.06


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("time", TIMES)
def test_every_setting_draws_at_every_time_with_and_without_things(setting: str, time: str) -> None:
    background = "teal" if setting in ("plain", "table") else ""
    for things in ((), (Thing("star", "red", 0.5, 0.4, 0.4),)):
        drawing = render(Scene(setting, time, "flat", background, things, 3), 64)
        assert bool(drawing.objects.any()) == bool(things)


@pytest.mark.parametrize("kind", ["balloon", "heart", "butterfly", "fish", "cloud"])
def test_mask_is_where_the_thing_changed_the_picture(kind: str) -> None:
    size = min(0.6, 0.8 / ASPECT[kind])
    with_it, without = render(plain(Thing(kind, "blue", 0.5, 0.5, size)), 192), render(plain(), 192)
    changed = np.abs(with_it.image.astype(int) - without.image).max(2) > 24
    mask = with_it.objects == 1
    near = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert (changed[mask]).mean() > 0.9
    assert not changed[~near].any()


def test_named_colour_covers_most_of_each_thing() -> None:
    for colour in COLOURS:
        background = "white" if colour not in ("white", "gray") else "blue"
        drawing = render(plain(Thing("star", colour, 0.5, 0.5, 0.6), background=background), 96)
        inside = drawing.image[cv2.erode(drawing.objects, np.ones((3, 3), np.uint8)) == 1].mean(0)
        palette = {name: _mean_colour(name) for name in COLOURS}
        assert min(palette, key=lambda name: float(np.abs(palette[name] - inside).sum())) == colour


def _mean_colour(name: str) -> np.ndarray:
    from studio.mini.drawings.palette import NAMED

    return np.array(NAMED[name])


def test_hidden_lines_do_not_show() -> None:
    back, front = Thing("house", "red", 0.42, 0.5, 0.6), Thing("star", "blue", 0.58, 0.55, 0.6)
    both, alone = render(plain(back, front), 192), render(plain(front), 192)
    inside = cv2.erode((both.objects == 2).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert inside.sum() > 2000
    assert np.array_equal(both.outline[inside], alone.outline[inside])
    assert not both.outline[inside].any(), "a star has no line inside"
    assert render(plain(back), 192).outline[inside].any(), "the house would have shown lines there"


def test_waves_hide_the_keel() -> None:
    boat = Thing("sailboat", "red", 0.5, 0.53, 0.55)
    sea, dry = Scene("sea", "day", "flat", "", (boat,), 1), Scene("meadow", "day", "flat", "", (boat,), 1)
    assert render(sea, 128).objects.sum() < render(dry, 128).objects.sum()


def test_outlines_are_about_two_pixels_wide() -> None:
    outline = render(plain(Thing("heart", "red", 0.5, 0.5, 0.6)), 256).outline.astype(float) / 255
    contours, _ = cv2.findContours((outline > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    assert 1.4 < outline.sum() / cv2.arcLength(contours[0], True) < 2.8


def test_things_stay_in_the_picture() -> None:
    for scene in scenes(2, 60, seed=3):
        objects = render(scene, 64).objects
        edge = np.concatenate((objects[0], objects[-1], objects[:, 0], objects[:, -1]))
        assert not edge.any(), scene
        assert set(range(1, len(scene.things) + 1)) <= set(np.unique(objects).tolist())


def test_counts_are_separate_objects() -> None:
    for kind in KINDS:
        for count in (2, 3):
            size = min(0.3, 0.28 / ASPECT[kind])
            drawing = render(plain(Thing(kind, "red", 0.5, 0.5, size, count)), 192)
            closed = cv2.morphologyEx(drawing.objects, cv2.MORPH_CLOSE, np.ones((5, 3), np.uint8))
            columns = closed.any(0)
            assert int((np.diff(columns.astype(int)) == 1).sum()) == count, kind


@pytest.mark.parametrize("level", [0, 1, 2])
def test_random_scenes_are_balanced(level: int) -> None:
    drawn = scenes(level, 2500)
    things = [thing for scene in drawn for thing in scene.things]
    for chosen, names in ((Counter(t.kind for t in things), KINDS), (Counter(t.colour for t in things), COLOURS)):
        assert set(chosen) == set(names)
        assert max(chosen.values()) < 2.5 * min(chosen.values())
    used = Counter(scene.setting for scene in drawn)
    assert set(used) == set(SETTINGS) - ({"mountains"} if level == 0 else set())
    assert min(used.values()) > 0.05 * len(drawn)
    assert {scene.style for scene in drawn} == set(STYLES)
    assert {scene.time for scene in drawn} == set(TIMES)
    singles = sum(len(scene.things) == 1 and scene.things[0].count == 1 for scene in drawn) / len(drawn)
    assert singles == 1.0 if level == 0 else 0.4 < singles < 0.7


def test_random_scenes_can_be_told_apart_from_their_ground() -> None:
    for scene in scenes(2, 800):
        assert bool(scene.background) == (scene.setting in ("plain", "table"))
        assert scene.background not in {thing.colour for thing in scene.things}
        assert list(scene.things) == sorted(scene.things, key=lambda thing: thing.x)


def _names(thing: Thing, text: str, language: str) -> bool:
    if language == "zh":
        kinds = tuple(kind for _, kind in KIND_WORDS[thing.kind])
        colours: tuple[str, ...] = COLOUR_WORDS[thing.colour]
    else:
        kinds = SYNONYMS.get(thing.kind, (thing.kind,))
        kinds = (*kinds, "butterflies", "cacti", "snowmen", "bunnies")
        colours = ("gray", "grey") if thing.colour == "gray" else (thing.colour,)
    counted = thing.count == 1 or any(word in text for word in COUNT_WORDS[language][thing.count])
    return counted and any(word in text for word in kinds) and any(word in text for word in colours)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_captions_name_what_is_there(language: str) -> None:
    rng = np.random.default_rng(8)
    texts = []
    for scene in scenes(2, 600):
        text = caption(scene, rng, language)
        texts.append(text)
        assert all(_names(thing, text.lower(), language) for thing in scene.things), (text, scene)
        assert "  " not in text
        assert text.strip(" ,，") == text
        assert "a orange" not in text
        assert len(text.split() if language == "en" else text) <= (30 if language == "en" else 45)
    assert len(set(texts)) > 560


def test_left_and_right_are_said_as_they_are_drawn() -> None:
    scene = plain(Thing("apple", "red", 0.27, 0.5, 0.4), Thing("cup", "blue", 0.73, 0.5, 0.35))
    rng = np.random.default_rng(0)
    for _ in range(60):
        text = caption(scene, rng).lower()
        assert (text.index("apple") < text.index("blue")) != ("to the right of" in text), text
        chinese = caption(scene, rng, "zh")
        assert chinese.index("苹果") < chinese.index("杯子")


def test_settings_and_hours_are_usually_said() -> None:
    rng = np.random.default_rng(1)
    night = Scene("sea", "night", "ink", "", (Thing("sailboat", "red", 0.5, 0.5, 0.5),), 0)
    said: Callable[[str, str], bool] = lambda text, words: any(word in text for word in words.split())  # noqa: E731
    english = [caption(night, rng) for _ in range(200)]
    for words in ("night star", "sea water", "ink"):
        assert 0.75 < np.mean([said(text, words) for text in english]) < 0.97
    chinese = [caption(night, rng, "zh") for _ in range(200)]
    for words in ("夜 晚 星", "海", "钢笔 墨线 线描"):
        assert 0.75 < np.mean([said(text, words) for text in chinese]) < 0.97


def test_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no captions"):
        caption(plain(Thing("cup", "red", 0.5, 0.5, 0.5)), np.random.default_rng(0), "xx")


def test_attributes_go_from_left_to_right() -> None:
    right, left = Thing("cup", "blue", 0.7, 0.5, 0.4), Thing("apple", "red", 0.3, 0.5, 0.4)
    labels = attributes(Scene("table", "day", "ink", "yellow", (right, left), 0))
    assert KINDS[labels["kind0"]] == "apple"
    assert KINDS[labels["kind1"]] == "cup"
    assert labels["place"] == 1
    single = attributes(Scene("sea", "night", "flat", "", (Thing("cloud", "red", 0.5, 0.3, 0.3, 3),), 0))
    assert single == {
        "kind0": KINDS.index("cloud"), "colour0": 0, "count0": 2, "kind1": len(KINDS), "colour1": len(COLOURS),
        "setting": SETTINGS.index("sea"), "time": 2, "style": 0, "background": len(COLOURS), "place": 0,
    }  # fmt: skip


def test_fixed_prompts_come_in_two_languages() -> None:
    assert len(FIXED_PROMPTS) == 12
    for english, chinese in FIXED_PROMPTS:
        assert english.isascii()
        assert not any(letter.isascii() and letter.isalpha() for letter in chinese)


def test_drawing_needs_neither_torch_nor_qt() -> None:
    script = (
        "import sys, studio.mini.drawings as d, numpy as np;"
        "d.render(d.random_scene(np.random.default_rng(0)), 64);"
        "sys.exit(any(n.split('.')[0] in ('torch', 'PySide6', 'diffusers', 'transformers') for n in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_drawing_is_what_render_returns() -> None:
    assert isinstance(render(plain(Thing("cup", "red", 0.5, 0.5, 0.5)), 32), Drawing)
