"""Export: three formats with and without the recipe, nothing of this machine in any of them, nothing ever overwritten."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from studio.core.errors import BadRecipe, StorageProblem, StudioError
from studio.core.export import BadName, ExportFormat, ExportWish
from studio.core.picture import MadeWith, Picture
from studio.core.recipe import FileRef, ImageRef, PluginRef, PluginUse, Recipe
from studio.gallery import png
from studio.gallery.export import export_all
from studio.gallery.exported import exif_with
from studio.gallery.foreign.door import read_picture
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, control, encoded, noise, recipe, sketch, store_in

HOME = "/home/alice"
SECRETS = (b"alice", "alice".encode("utf-16-be"), b"/home", "/home".encode("utf-16-be"), b"Users")
FORMATS = list(ExportFormat)


@pytest.fixture
def store(tmp_path: Path) -> GalleryStore:
    return store_in(tmp_path / "home" / "alice" / "data")


def saved(store: GalleryStore, made: Recipe | None = None, made_with: MadeWith = MADE_WITH) -> Picture:
    return store.add(noise(), made or recipe(), made_with)


def out(tmp_path: Path, picture: Picture | Path, **wish: object) -> Path:
    file = picture.file if isinstance(picture, Picture) else picture
    report = export_all([file], ExportWish(**wish), tmp_path / "out")
    assert report.problems == () and len(report.files) == 1
    return tmp_path / "out" / report.files[0]


def pixels_of(file: Path) -> bytes:
    with Image.open(file) as image:
        return image.convert("RGB").tobytes()


@pytest.mark.parametrize("format", FORMATS)
def test_the_recipe_comes_back_out_of_every_format(store: GalleryStore, tmp_path: Path, format: ExportFormat) -> None:
    picture = saved(store, recipe("一只猫，\na red house", seed=4_294_967_295))
    file = out(tmp_path, picture, format=format)
    assert file.suffix == f".{format}" and "4294967295" in file.name
    reading = read_picture(file)
    assert reading.source == "Diffusion Studio" and reading.recipe == picture.recipe
    assert store.recipe_of(file) == picture.recipe  # as a drop onto the window reads it


@pytest.mark.parametrize("format", FORMATS)
def test_without_the_recipe_nothing_is_said(store: GalleryStore, tmp_path: Path, format: ExportFormat) -> None:
    file = out(tmp_path, saved(store, recipe("zanzibar")), format=format, with_recipe=False, pattern="{n}")
    data = file.read_bytes()
    with pytest.raises(BadRecipe):
        read_picture(file)
    with Image.open(file) as image:
        assert not image.getexif() and "parameters" not in image.info
    assert b"zanzibar" not in data and b"tudio" not in data and MADE_WITH.model_digest.encode() not in data
    # the control: with the recipe it is there
    assert b"tudio" in out(tmp_path, saved(store, recipe("zanzibar")), format=format).read_bytes()


def test_pixels_are_the_same_where_the_format_can(store: GalleryStore, tmp_path: Path) -> None:
    picture = saved(store)
    for wish in ({"format": ExportFormat.PNG}, {"format": ExportFormat.WEBP, "lossless": True}):
        assert pixels_of(out(tmp_path, picture, **wish)) == pixels_of(picture.file)
    small = out(tmp_path, picture, format=ExportFormat.JPEG, quality=20).stat().st_size
    assert small < out(tmp_path, picture, format=ExportFormat.JPEG, quality=95).stat().st_size
    assert pixels_of(out(tmp_path, picture, format=ExportFormat.WEBP, quality=50)) != pixels_of(picture.file)


def test_other_programs_find_their_text_in_exif(store: GalleryStore, tmp_path: Path) -> None:
    file = out(tmp_path, saved(store), format=ExportFormat.JPEG)
    with Image.open(file) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"UNICODE\0"
    text = comment[8:].decode("utf-16-be")
    assert text.startswith("a red house\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M")


@pytest.mark.parametrize("with_recipe", [True, False])
@pytest.mark.parametrize("format", FORMATS)
def test_no_path_and_no_user_in_any_shared_file(
    store: GalleryStore, tmp_path: Path, format: ExportFormat, with_recipe: bool
) -> None:
    """S15: prompts, plugin values, notes, control pictures with metadata of their own."""
    note = PngImagePlugin.PngInfo()
    note.add_itxt("Comment", f"{HOME}/sketches/secret.png")
    told = encoded(Image.open(io.BytesIO(sketch())), pnginfo=note)
    import hashlib

    ref = store.inputs.restore(hashlib.sha256(told).hexdigest(), told)
    use = PluginUse(
        plugin=PluginRef(id="wildcards"), type="prompt_tool", part="wildcards",
        values=(("folder", f"{HOME}/lists"), ("list", "C:\\Users\\alice\\colours.txt")),
        files=(("file", FileRef(name="ink.safetensors", sha256="ef" * 32)),),
    )  # fmt: skip
    made = replace(recipe(f"a house like {HOME}/pics/house.png", controls=(control(ref),)), plugins=(use,))
    card = replace(MADE_WITH, device=f"cpu {HOME}/x", notes=(f"“{HOME}/lists” was left out.",))
    picture = saved(store, made, card)
    assert any(secret in picture.file.read_bytes() for secret in SECRETS)  # the control: our own file may say so
    file = out(tmp_path, picture, format=format, with_recipe=with_recipe, pattern="{prompt}")
    data = file.read_bytes()
    assert not [secret for secret in SECRETS if secret in data]
    assert "alice" not in file.name
    if not with_recipe:
        return
    found = read_picture(file).recipe
    assert found is not None and found.prompt == "a house like house.png"
    assert dict(found.plugins[0].values) == {"folder": "lists", "list": "colours.txt"}
    assert found.plugins[0].files == use.files
    if format is ExportFormat.PNG:  # the control picture travels, without what it said of itself
        again = store_in(tmp_path / "elsewhere")
        kept = again.inputs.read(again.recipe_of(file).controls[0].image)
        assert pixels_like(kept) == pixels_like(told) and b"secret" not in kept


def pixels_like(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").tobytes()


def test_a_clean_control_picture_keeps_its_digest(store: GalleryStore, tmp_path: Path) -> None:
    picture = saved(store, recipe(controls=(control(store.inputs.add(sketch())),)))
    assert read_picture(out(tmp_path, picture)).recipe == picture.recipe


def test_jpeg_and_webp_say_that_control_pictures_stay_behind(store: GalleryStore, tmp_path: Path) -> None:
    picture = saved(store, recipe(controls=(control(store.inputs.add(sketch())),)))
    report = export_all([picture.file], ExportWish(format=ExportFormat.WEBP), tmp_path / "out")
    assert "PNG" in report.notes[0]
    assert export_all([picture.file], ExportWish(), tmp_path / "out").notes == ()


def test_a_recipe_too_long_for_a_jpeg_is_said_and_the_picture_written(store: GalleryStore, tmp_path: Path) -> None:
    for length, says in ((3_000, "other programs"), (19_999, "left out")):
        long = saved(store, replace(recipe("word " * 3_999), negative_prompt="x" * length))
        report = export_all([long.file], ExportWish(format=ExportFormat.JPEG), tmp_path / "out")
        assert len(report.files) == 1 and says in report.notes[0]
        assert read_picture(out(tmp_path, long, format=ExportFormat.WEBP)).recipe == long.recipe


def test_exif_of_any_length_is_never_above_the_room() -> None:
    for size in (10, 20_000, 40_000, 90_000):
        block, notes = exif_with("{" + "x" * size, "y" * 100, 65_000)
        assert len(block) <= 65_000 and bool(notes) == (size == 90_000)


def test_nothing_is_overwritten_and_nothing_half_written(store: GalleryStore, tmp_path: Path) -> None:
    picture = saved(store)
    first = out(tmp_path, picture)
    before = first.read_bytes()
    report = export_all([picture.file] * 3, ExportWish(), tmp_path / "out")
    assert report.files == ("a red house 7 2.png", "a red house 7 3.png", "a red house 7 4.png")
    assert first.read_bytes() == before
    assert [file for file in (tmp_path / "out").iterdir() if file.suffix not in (".png",)] == []


def test_progress_and_cancel(store: GalleryStore, tmp_path: Path) -> None:
    picture = saved(store)
    seen: list[tuple[int, int]] = []

    def on_progress(done: int, of: int) -> bool:
        seen.append((done, of))
        return done < 2

    report = export_all([picture.file] * 4, ExportWish(), tmp_path / "out", on_progress)
    assert report.stopped and len(report.files) == 2 and seen == [(0, 4), (1, 4), (2, 4)]


def test_what_cannot_be_read_is_left_out_and_said(store: GalleryStore, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(saved(store).file.read_bytes()[:5000])
    report = export_all([broken, tmp_path / "gone.png", saved(store).file], ExportWish(), tmp_path / "out")
    assert len(report.files) == 1 and len(report.problems) == 2
    assert "broken.png" in report.problems[0] and "gone.png" in report.problems[1]


def test_a_folder_that_refuses_is_said(store: GalleryStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageProblem, match="could not be exported"):
        export_all([saved(store).file], ExportWish(), tmp_path / "file")
    if os.getuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(StorageProblem, match="does not allow"):
            export_all([saved(store).file], ExportWish(), tmp_path / "closed")


def test_a_bad_pattern_is_refused_before_anything_is_written(store: GalleryStore, tmp_path: Path) -> None:
    with pytest.raises(BadName):
        export_all([saved(store).file], ExportWish(pattern="{nonsense}"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_of_others_leave_as_pixels_and_it_is_said(tmp_path: Path) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64")
    foreign = tmp_path / "theirs.png"
    Image.new("RGB", (64, 64), "red").save(foreign, pnginfo=note)
    report = export_all([foreign], ExportWish(format=ExportFormat.WEBP, pattern="{prompt}"), tmp_path / "out")
    assert report.files == ("picture 001.webp",) and "another program" in report.notes[0]


def test_a_picture_with_a_damaged_control_picture_inside_leaves_without_it(store: GalleryStore, tmp_path: Path) -> None:
    rubbish = b"no picture"
    made = recipe(controls=(control(ImageRef(digest=hashlib.sha256(rubbish).hexdigest())),))
    good = saved(store)
    bad = tmp_path / "sent.png"
    inputs = {made.controls[0].image.digest: rubbish}
    bad.write_bytes(png.encode(noise(), made, MADE_WITH, good.id, good.created, inputs))
    report = export_all([bad, good.file], ExportWish(), tmp_path / "out")
    assert len(report.files) == 2 and report.notes == ("A control picture is damaged and is left out.",)
    assert png.read_imprint(tmp_path / "out" / report.files[0]).recipe == made


def test_what_was_exported_can_be_exported_again(store: GalleryStore, tmp_path: Path) -> None:
    picture = saved(store)
    jpeg = out(tmp_path, picture, format=ExportFormat.JPEG)
    assert read_picture(out(tmp_path, jpeg, format=ExportFormat.WEBP)).recipe == picture.recipe


def test_a_damaged_note_falls_back_to_the_text_for_others(store: GalleryStore, tmp_path: Path) -> None:
    file = out(tmp_path, saved(store), format=ExportFormat.WEBP)
    data = file.read_bytes().replace(b'"studio_picture"', b'"studio_pictxre"')
    reading = read_picture(data)
    assert reading.recipe is not None and reading.recipe.prompt == "a red house"


def test_a_sheet_says_in_words_what_it_is_and_nothing_else(store: GalleryStore, tmp_path: Path) -> None:
    words = "XY plot: Steps × Guidance\nColumns: Steps 5, 10"
    picture = saved(store, made_with=replace(MADE_WITH, sheet=words))
    file = out(tmp_path, picture)
    assert file.name == "a red house 7 sheet.png"
    with Image.open(file) as image:
        assert image.info["Description"] == words and "parameters" not in image.info
    with Image.open(out(tmp_path, picture, format=ExportFormat.JPEG)) as image:
        assert image.getexif().get_ifd(0x8769)[0x9286][8:].decode("utf-16-be") == words
    assert json.loads(png.made_with_text(picture.made_with))["sheet"] == words


@pytest.mark.parametrize("format", [ExportFormat.JPEG, ExportFormat.WEBP])
def test_mutants_of_exported_files_raise_nothing_but_sentences(
    store: GalleryStore, tmp_path: Path, format: ExportFormat
) -> None:
    data = out(tmp_path, saved(store), format=format).read_bytes()
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    read = 0
    for _ in range(150):
        mutant = bytearray(data)
        for _ in range(chance.randint(1, 12)):
            mutant[chance.randrange(min(len(mutant), 3000))] = chance.randrange(256)
        if chance.random() < 0.3:
            del mutant[chance.randrange(len(mutant)) :]
        try:
            read += read_picture(bytes(mutant)).recipe is not None
        except StudioError:
            continue
        except Exception as error:
            pytest.fail(f"seed {seed}: {error!r}")
    assert read, f"seed {seed}: no mutant could be read, so none of them came near the reader"
