"""Detectors and ControlNets by name: every kind has its own, recipes from before read the same, wrong ones are refused."""

from __future__ import annotations

import json

import pytest

from studio.core.choices import ControlKind, Detector
from studio.core.control_nets import kind_of_net, reads
from studio.core.detectors import (
    DETECTORS,
    FITTING,
    detector_of,
    named,
    takes_drawing,
    thresholds,
)
from studio.core.errors import BadRecipe
from studio.core.recipe import ControlUse, ImageRef, PluginRef, Recipe
from studio.core.recipe_text import from_text, to_text

IMAGE = ImageRef(digest="ab" * 32)


def test_every_kind_has_detectors_and_takes_a_finished_map() -> None:
    assert set(FITTING) == set(ControlKind)
    assert set(DETECTORS) == set(Detector)
    for fitting in FITTING.values():
        assert Detector.NONE in fitting
        assert len(set(fitting)) == len(fitting)
    assert {one for fitting in FITTING.values() for one in fitting} == set(Detector)
    for info in DETECTORS.values():
        assert bool(info.files) == bool(info.starter)


@pytest.mark.parametrize(("kind", "means"), [("scribble", Detector.NONE), ("canny", Detector.CANNY)])
def test_a_recipe_from_before_means_what_it_meant(kind: str, means: Detector) -> None:
    text = to_text(Recipe(prompt="a", seed=1, controls=(ControlUse(kind=ControlKind(kind), image=IMAGE),)))
    assert "detector" not in json.loads(text)["controls"][0]
    use = from_text(text).controls[0]
    assert isinstance(use.kind, ControlKind)
    assert detector_of(use.kind, use.detector) is means


def test_a_detector_is_named_unless_it_is_the_usual_one() -> None:
    for kind, fitting in FITTING.items():
        for detector in fitting:
            said = named(kind, detector)
            assert detector_of(kind, said) is detector
            recipe = Recipe(prompt="", seed=1, controls=(ControlUse(kind=kind, image=IMAGE, detector=said),))
            assert from_text(to_text(recipe)) == recipe


@pytest.mark.parametrize("detector", ["midas", "no such thing", "None"])
def test_a_detector_that_does_not_fit_is_refused(detector: str) -> None:
    with pytest.raises(BadRecipe, match="is not a detector of canny layers"):
        Recipe(prompt="", seed=1, controls=(ControlUse(kind=ControlKind.CANNY, image=IMAGE, detector=detector),))
    text = to_text(Recipe(prompt="", seed=1, controls=(ControlUse(kind=ControlKind.CANNY, image=IMAGE),)))
    with pytest.raises(BadRecipe):
        from_text(text.replace('"kind": "canny"', f'"detector": "{detector}", "kind": "canny"'))


def test_a_kind_of_a_plugin_has_none() -> None:
    use = ControlUse(kind="t2i-depth", image=IMAGE, plugin=PluginRef(id="t2i_adapter"), detector="midas")
    with pytest.raises(BadRecipe, match="has no detector"):
        Recipe(prompt="", seed=1, controls=(use,))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("control_v11p_sd15_scribble", ControlKind.SCRIBBLE),
        ("control_v11p_sd15_canny_fp16", ControlKind.CANNY),
        ("control_v11p_sd15s2_lineart_anime", ControlKind.LINEART_ANIME),
        ("control_v11p_sd15_lineart", ControlKind.LINEART),
        ("control_v11p_sd15_softedge", ControlKind.SOFTEDGE),
        ("control_sd15_hed", ControlKind.SOFTEDGE),
        ("control_v11p_sd15_mlsd", ControlKind.MLSD),
        ("control_v11f1p_sd15_depth", ControlKind.DEPTH),
        ("diffusers_xl_depth_full", ControlKind.DEPTH),
        ("control_v11p_sd15_normalbae", ControlKind.NORMAL),
        ("thibaud_xl_openpose", ControlKind.POSE),
        ("control_v11p_sd15_seg", ControlKind.SEGMENTATION),
        ("control_v11e_sd15_shuffle", ControlKind.SHUFFLE),
        ("control_v11f1e_sd15_tile", ControlKind.TILE),
        ("my_first_try", None),
    ],
)
def test_published_names_tell_what_a_network_reads(name: str, kind: ControlKind | None) -> None:
    assert kind_of_net(name) is kind
    assert kind is None or reads(name, "", kind)


def test_a_union_reads_all_but_shuffle() -> None:
    assert {kind for kind in ControlKind if not reads("controlnet-union-sdxl-1.0", "union", kind)} == {
        ControlKind.SHUFFLE
    }


def test_only_drawings_are_turned_round() -> None:
    assert takes_drawing(ControlKind.SCRIBBLE, Detector.NONE)
    assert takes_drawing(ControlKind.CANNY, Detector.CANNY)
    assert not takes_drawing(ControlKind.SCRIBBLE, Detector.HED)
    assert not takes_drawing(ControlKind.DEPTH, Detector.NONE)
    assert thresholds(ControlKind.MLSD)[0] == 10
