"""A damaged picture is said to be damaged, with what could be read of it; a whole one never is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from studio.core.errors import BadRecipe
from studio.gallery.damage import damage_of
from studio.gallery.foreign.found import found_in
from studio.gallery.inputs import Inputs
from tests.gallery.makers import MADE_WITH, encoded, noise, recipe, store_in


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_whole_picture_is_not_damaged_and_a_cut_one_is(kind: str) -> None:
    image = Image.frombytes("RGB", (64, 64), noise(64).data)
    data = encoded(image, kind)
    assert damage_of(data) == ""
    for share in (0.3, 0.6, 0.95):
        assert damage_of(data[: int(len(data) * share)]), share


def test_every_changed_byte_behind_the_signature_of_a_png_is_seen() -> None:
    data = encoded(Image.new("RGB", (5, 5), "red"))
    for at in range(8, len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        assert damage_of(bytes(changed)), at


def test_pictures_of_other_programs_with_something_behind_their_end_are_whole() -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        assert damage_of(encoded(Image.new("RGB", (5, 5)), kind) + b"\0\0\0\0") == ""


def test_a_damaged_picture_says_so_and_what_could_be_read(data: Path, tmp_path: Path) -> None:
    whole = encoded(Image.frombytes("RGB", (64, 64), noise(64).data))
    cut, head = tmp_path / "cut.png", tmp_path / "head.png"
    cut.write_bytes(whole[: len(whole) // 2])
    head.write_bytes(whole[:20])
    inputs = Inputs(data / "inputs")
    with pytest.raises(BadRecipe, match=r"“cut\.png” is damaged: .*Only its size could be read \(64 x 64 pixels\)"):
        found_in(cut, inputs)
    with pytest.raises(BadRecipe, match=r"“head\.png” is damaged: .*Nothing of it could be read"):
        found_in(head, inputs)


def test_the_settings_of_a_damaged_picture_are_still_found(data: Path, tmp_path: Path) -> None:
    store = store_in(data)
    file = store.add(noise(64), recipe("a red house", seed=5), MADE_WITH).file
    assert store.found_in(file).damage == ""
    cut = tmp_path / "cut.png"
    cut.write_bytes(file.read_bytes()[:-500])
    found = store.found_in(cut)
    assert found.recipe is not None and found.recipe.seed == 5
    assert found.damage == "it breaks off in the middle of its pixels"


def test_what_has_no_settings_and_is_whole_is_not_called_damaged(data: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (5, 5)).save(stream, "PNG")
    (tmp_path / "plain.png").write_bytes(stream.getvalue())
    with pytest.raises(BadRecipe, match="carries no settings"):
        found_in(tmp_path / "plain.png", Inputs(data / "inputs"))
