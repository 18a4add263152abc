"""The digest of what was really loaded stands in the recipe of the picture, and finds a moved model again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.core.model_files import Kind
from studio.core.recipe import ModelRef, Recipe, Size
from studio.engine.intake import library as library_module
from studio.engine.intake.library import Library
from studio.engine.protocol import Rendered

PLAIN = Recipe(
    prompt="a red house", seed=5, steps=1, exact=True, size=Size(width=64, height=64), model=ModelRef(name="river")
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    import studio.engine.diffusion  # noqa: F401
    from tests.engine.tiny_models import build_sd1

    build_sd1(tmp_path / "models" / "river", controlnet=False)
    return tmp_path / "models"


def make(models: Path, library: Library | None, recipe: Recipe = PLAIN) -> Rendered:
    from studio.engine.diffusion.engine import DiffusionEngine

    engine = DiffusionEngine((models,), lambda ref: b"", "cpu", library=library)
    try:
        return engine.render(recipe, lambda progress: True)
    finally:
        engine.close()


def as_made(rendered: Rendered, recipe: Recipe = PLAIN) -> Recipe:
    return rendered.recipe or recipe


def test_a_saved_recipe_names_the_bytes_and_the_library_learns_them(models: Path) -> None:
    library = Library((models,), models.parent / "memory.json")
    rendered = make(models, library)
    (file,) = library.installed()
    assert as_made(rendered) == replace(PLAIN, model=ModelRef(name="river", sha256=file.sha256))
    assert file.sha256 == rendered.made_with.model_digest and len(file.sha256) == 64
    assert library.undigested() == ()  # not read once more in the background
    alone = make(models, None)  # as `render --model PATH` works
    assert as_made(alone).model == as_made(rendered).model


def test_what_is_known_is_not_read_again(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library((models,), models.parent / "memory.json")
    sha256 = library.digest(library.scan()[0]).sha256

    def digest_folder(*_arguments: object) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr(library_module, "digest_folder", digest_folder)
    assert as_made(make(models, library)).model.sha256 == sha256


def test_a_model_that_was_moved_and_renamed_makes_the_same_picture(models: Path) -> None:
    first = make(models, Library((models,), models.parent / "memory.json"))
    (models / "sub").mkdir()
    (models / "river").rename(models / "sub" / "brook")
    library = Library((models,), models.parent / "memory.json")
    again = make(models, library, as_made(first))
    assert again.pixels == first.pixels and again.made_with.notes == ()
    assert as_made(again, as_made(first)) == as_made(first)  # the recipe is the same, wherever its model lies


def test_a_moved_model_is_found_by_reading_where_no_digest_is_known(models: Path) -> None:
    first = make(models, Library((models,)))
    (models / "river").rename(models / "brook")
    library = Library((models,))
    again = make(models, library, as_made(first))
    assert again.pixels == first.pixels
    asked: list[int] = []
    fresh = Library((models,))
    assert fresh.find("river", as_made(first).model.sha256, poll=lambda: asked.append(1)).name == "brook" and asked


def test_other_bytes_under_the_name_are_said_and_written_down(models: Path) -> None:
    library = Library((models,), models.parent / "memory.json")
    asked = replace(PLAIN, model=ModelRef(name="river", sha256="ab" * 32))
    rendered = make(models, library, asked)
    assert as_made(rendered, asked).model.sha256 == rendered.made_with.model_digest
    assert rendered.made_with.notes == (
        f"“river” has other bytes here than the recipe names: {rendered.made_with.model_digest[:10]} instead of ababababab.",
    )


def test_weights_replaced_since_the_last_scan_are_digested_anew(models: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    library = Library((models,), models.parent / "memory.json")
    before = library.digest(library.scan()[0]).sha256
    weights = models / "river" / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    save_file({name: torch.zeros_like(tensor) for name, tensor in tensors.items()}, weights, {"format": "pt"})
    rendered = make(models, library)
    assert as_made(rendered).model.sha256 == rendered.made_with.model_digest != before


def test_what_ships_is_known_by_its_name(models: Path) -> None:
    rendered = make(models, Library((models,), ships=models))
    assert rendered.recipe is None and rendered.made_with.model_digest


def test_the_vae_is_named_too_and_reading_can_be_stopped(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (models / "river" / "vae").rename(models / "kept")
    (models / "river" / "vae").mkdir()
    for file in (models / "kept").iterdir():
        (models / "river" / "vae" / file.name).write_bytes(file.read_bytes())
    library = Library((models,), models.parent / "memory.json")
    asked = replace(PLAIN, vae=ModelRef(name="kept"))
    vae = as_made(make(models, library, asked), asked).vae
    assert vae is not None and vae.sha256 == library.find("kept", kind=Kind.VAE).sha256 != ""
    alone = as_made(make(models, None, asked), asked).vae
    assert alone == vae

    def stop() -> None:
        raise KeyboardInterrupt

    fresh = Library((models,))
    with pytest.raises(KeyboardInterrupt):
        fresh.known_digest(fresh.find("river"), stop)
