"""The measures tell good from bad: true renders score high, other scenes' renders low."""

from __future__ import annotations

import numpy as np
import torch

from studio.mini.data import scene_number
from studio.mini.drawings import render
from studio.mini.evaluate import GROUPS, full_caption, held_out_scenes
from studio.mini.metrics import edge_f1, psnr
from studio.mini.scorer import Scorer, load_scorer, read, save_scorer


def test_edge_f1_knows_the_sketch_from_another() -> None:
    drawings = [render(scene_number(n, 0), 256) for n in range(6)]
    own = np.mean([edge_f1(drawing.image, drawing.outline) for drawing in drawings])
    other = np.mean([edge_f1(drawings[n].image, drawings[n - 1].outline) for n in range(6)])
    assert own > 0.6 and own > 3 * other


def test_psnr_of_a_known_error() -> None:
    black, nearly = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr(black, nearly) == 0.0
    assert psnr(black, black) > 100


def test_held_out_scenes_are_of_their_group() -> None:
    for group, wanted in GROUPS.items():
        scenes = held_out_scenes(wanted, 6, balanced=group == "count")
        assert len(scenes) == 6 and all(wanted(scene) for scene in scenes)
        if group == "count":
            assert [scene.things[0].count for scene in scenes] == [1, 2, 3, 1, 2, 3]
    assert full_caption(scenes[0], "zh") == full_caption(scenes[0], "zh")


def test_a_scorer_survives_its_file(tmp_path) -> None:  # type: ignore[no-untyped-def]  # pytest's own fixture
    torch.manual_seed(0)
    scorer = Scorer().eval()
    save_scorer(scorer, tmp_path, {"kind0": 0.5})
    pictures = [render(scene_number(n, 0), 256).image for n in range(3)]
    before, after = read(scorer, pictures), read(load_scorer(tmp_path), pictures)
    assert all((before[name] == after[name]).mean() > 0.6 for name in before), "half precision may flip a near tie"
