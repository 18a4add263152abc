"""Files that a plugin finds by itself: in the recipe by digest, noticed when they change, named when they are gone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.api import Denoiser, Steering, Use
from studio.core.errors import ModelMissing
from studio.core.plugins import PartType
from studio.core.recipe import FileRef, Recipe
from studio.core.recipe_text import from_text, to_text
from studio.engine.found_files import still_there
from studio.engine.guests import Guest, Guests
from tests.engine.guest_host import Attaching, ToyHost

RECIPE = Recipe(prompt="a boat", seed=1)


class Weighted:
    """A toy adapter that finds its weights in a folder of its own, and what stands in for the engine."""

    def __init__(self, root: Path) -> None:
        self.folder, self.data = root / "toy", root / "data"
        for folder in (self.folder, self.data / "sd1"):
            folder.mkdir(parents=True)
        self.file = self.data / "sd1" / "sketch.safetensors"
        self.file.write_bytes(b"weights")
        self.host = ToyHost(folder=self.folder, data=self.data)
        self.use = self.host.add(PartType.ADAPTER, "sketch", Attaching(self.attach))

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        found = sorted((use.data / "sd1").glob("*.safetensors"))
        if not found:
            raise ModelMissing("There is no sketch adapter.", "Put one there.")
        use.reads(found[0])
        yield Steering()

    def make(self, recipe: Recipe) -> Guests:
        """The guests of a recipe after their adapters were attached once."""
        guests = Guests(self.host, lambda ref: b"", recipe)
        guests.look_up()
        for guest in guests.of(PartType.ADAPTER):
            self._attach(guests, guest)
        return guests

    @staticmethod
    def _attach(guests: Guests, guest: Guest) -> None:
        denoiser: Any = None
        with guests.calling(guest, "attach"), guest.does.attach(denoiser, guests.use_of(guest, RECIPE.size)):
            pass


@pytest.fixture
def toy(tmp_path: Path) -> Weighted:
    return Weighted(tmp_path)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def made(toy: Weighted, *uses: Any) -> Recipe:
    recipe = toy.make(replace(RECIPE, plugins=uses or (toy.use,))).changed_recipe()
    assert recipe is not None
    return recipe


def test_what_a_plugin_finds_is_in_the_recipe(toy: Weighted) -> None:
    recipe = made(toy)
    assert recipe.plugins[0].found == (FileRef(name="sd1/sketch.safetensors", sha256=digest(b"weights")),)
    assert from_text(to_text(recipe)) == recipe
    again = toy.make(recipe)
    assert again.changed_recipe() is None and again.notes == [], "made again of itself, nothing is to be said"


def test_each_layer_has_its_own(toy: Weighted) -> None:
    other = toy.host.add(PartType.ADAPTER, "plain", Attaching(lambda _denoiser, _use: _nothing()))
    recipe = made(toy, toy.use, other, toy.use)
    assert [len(use.found) for use in recipe.plugins] == [1, 0, 1]


def test_other_bytes_under_the_name_are_told_and_written_down(toy: Weighted) -> None:
    recipe = made(toy)
    toy.file.write_bytes(b"others")
    guests = toy.make(recipe)
    assert len(guests.notes) == 1
    assert "sd1/sketch.safetensors" in guests.notes[0] and "other bytes" in guests.notes[0]
    changed = guests.changed_recipe()
    assert changed is not None and changed.plugins[0].found[0].sha256 == digest(b"others")


def test_another_file_is_told_by_both_names(toy: Weighted) -> None:
    recipe = made(toy)
    toy.file.rename(toy.file.with_name("sketch_v2.safetensors"))
    assert toy.make(recipe).notes == [], "the same bytes under another name are the same weights"
    toy.file.with_name("sketch_v2.safetensors").write_bytes(b"others")
    (note,) = toy.make(recipe).notes
    assert "sd1/sketch.safetensors" in note and "sketch_v2.safetensors” was used instead" in note


def test_a_missing_one_is_named_with_its_digest(toy: Weighted) -> None:
    recipe = made(toy)
    toy.file.unlink()
    with pytest.raises(ModelMissing, match=r"no sketch adapter.*sd1/sketch\.safetensors") as caught:
        toy.make(recipe)
    assert digest(b"weights") in caught.value.detail
    with pytest.raises(ModelMissing) as bare:
        toy.make(replace(RECIPE, plugins=(toy.use,)))
    assert "made with" not in bare.value.hint


def test_the_plugins_own_files_stand_for_themselves(toy: Weighted) -> None:
    own = toy.folder / "mini" / "own.safetensors"
    own.parent.mkdir()
    own.write_bytes(b"own")
    use = toy.host.add(PartType.ADAPTER, "own", Attaching(lambda _denoiser, use: _reading(use, own)))
    assert made(toy, use).plugins[0].found == ()


def test_a_file_beside_the_model_names_no_folder_of_the_artist(toy: Weighted, tmp_path: Path) -> None:
    beside = tmp_path / "home" / "ann" / "models" / "dream" / "t2i_adapter" / "model.safetensors"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(b"beside")
    use = toy.host.add(PartType.ADAPTER, "beside", Attaching(lambda _denoiser, use: _reading(use, beside)))
    assert made(toy, use).plugins[0].found[0].name == "t2i_adapter/model.safetensors"


def test_stamps_say_whether_a_picture_may_be_given_again(toy: Weighted) -> None:
    stamps = tuple(toy.make(replace(RECIPE, plugins=(toy.use,))).files.stamps)
    assert stamps and still_there(stamps)
    toy.file.write_bytes(b"longer than before")
    assert not still_there(stamps)
    toy.file.unlink()
    assert not still_there(stamps)


@contextmanager
def _nothing() -> Iterator[Steering]:
    yield Steering()


@contextmanager
def _reading(use: Use, file: Path) -> Iterator[Steering]:
    use.reads(file)
    yield Steering()
