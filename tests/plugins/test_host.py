"""The host: what was asked is checked and opened, what was allowed is loaded, what was switched off is taken back."""

from __future__ import annotations

import hashlib
import io
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from studio.core.errors import BadInputImage, PluginProblem
from studio.core.plugins import PartType, PluginState
from studio.core.recipe import ControlUse, FileRef, ImageRef, PluginRef, PluginUse
from studio.engine.protocol import PluginHost
from studio.plugins.host import Host
from studio.plugins.shelf import PluginShelf
from studio.plugins.uses import control_kinds, make_use
from tests.plugins.yard import Yard, allowed

SHOUT = PluginRef(id="shout")
PICTURE = ImageRef(digest="a" * 64)


@pytest.fixture
def shelf(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> PluginShelf:
    """With the plugin `shout`, allowed."""
    monkeypatch.setattr("studio.plugins.host.probe", lambda bundle: None)
    yard.put("shout")
    shelf = yard.shelf()
    allowed(shelf, "shout")
    return shelf


def png(mode: str = "RGBA") -> bytes:
    data = io.BytesIO()
    Image.new(mode, (4, 3), 7 if mode == "L" else (1, 2, 3, 4)).save(data, "PNG")
    return data.getvalue()


def use_of(shelf: PluginShelf, part: str, **kwargs: Any) -> PluginUse:
    manifest = shelf.info("shout").manifest
    assert manifest is not None
    return make_use(manifest, next(p for p in manifest.parts if p.part == part), **kwargs)


def no_picture(ref: ImageRef) -> bytes:
    raise AssertionError("no picture is asked for")


def test_a_part_is_what_the_plugin_registered(shelf: PluginShelf) -> None:
    host: PluginHost = Host(shelf)
    say = host.part(PartType.PROMPT_TOOL, SHOUT, "louder")
    use = host.use(use_of(shelf, "louder", values={"marks": "3"}), no_picture)
    assert say("a cat", 0, 1, use) == ["A CAT!!!"]
    assert host.part(PartType.PROMPT_TOOL, SHOUT, "louder") is say  # loaded once
    with pytest.raises(PluginProblem, match="no prompt_tool “flip”"):
        host.part(PartType.PROMPT_TOOL, SHOUT, "flip")
    with pytest.raises(PluginProblem, match="nobody is not here"):
        host.part(PartType.PROMPT_TOOL, PluginRef(id="nobody"), "louder")


def test_a_use_is_whole_and_read_only(shelf: PluginShelf, yard: Yard, tmp_path: Path) -> None:
    words = tmp_path / "files" / "deep" / "words [1].txt"
    words.parent.mkdir(parents=True)
    words.write_text("a b", "utf-8")
    ref = FileRef(name=words.name, sha256=hashlib.sha256(b"a b").hexdigest())
    use = Host(shelf, (tmp_path / "missing", tmp_path / "files")).use(
        use_of(shelf, "louder", files={"words": ref}), no_picture
    )
    assert dict(use.values) == {"marks": 1, "tone": "merry"} and use.files == {"words": words}
    assert (use.plugin, use.part, use.weight, use.start, use.end) == ("shout", "louder", 1.0, 0.0, 1.0)
    assert use.folder == yard.folders.plugins / "shout" and not use.data.is_relative_to(use.folder)
    with pytest.raises(TypeError):
        use.values["marks"] = 2  # type: ignore[index]


def test_a_use_names_the_places_where_models_lie(shelf: PluginShelf, tmp_path: Path) -> None:
    """Those of the artist's files, unless they are told apart."""
    asked = use_of(shelf, "louder")
    assert Host(shelf, (tmp_path / "files",)).use(asked, no_picture).places == (tmp_path / "files",)
    apart = Host(shelf, (tmp_path / "files",), model_folders=(tmp_path / "models",))
    assert apart.use(asked, no_picture).places == (tmp_path / "models",)


def test_a_use_names_what_an_earlier_picture_was_made_with(shelf: PluginShelf, tmp_path: Path) -> None:
    asked = replace(use_of(shelf, "louder"), found=(FileRef(name="t2i/one.safetensors", sha256="ab" * 32),))
    assert Host(shelf, ()).use(asked, no_picture).found == ("t2i/one.safetensors",)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((("colour", "red"),), "no value named “colour”"),
        ((("marks", 9),), "between 0 and 5"),
        ((("marks", 1.5),), "whole number"),
        ((("marks", True),), "not a number"),
        ((("tone", "sad"),), "one of merry, cross"),
        ((("words", "x"),), "no value named “words”"),
    ],
)
def test_values_of_a_recipe_are_held_against_the_manifest(values: Any, says: str, shelf: PluginShelf) -> None:
    with pytest.raises(PluginProblem, match=says):
        Host(shelf).use(replace(use_of(shelf, "louder"), values=values), no_picture)


def test_pictures_are_opened_in_rgb_and_asked_for_when_required(shelf: PluginShelf) -> None:
    host = Host(shelf)
    asked: list[ImageRef] = []
    use = host.use(use_of(shelf, "flip", images={"beside": PICTURE}), lambda ref: asked.append(ref) or png())  # type: ignore[func-returns-value]
    assert asked == [PICTURE] and use.images["beside"].mode == "RGB" and use.images["beside"].size == (4, 3)
    with pytest.raises(PluginProblem, match="needs “Picture beside it”"):
        host.use(use_of(shelf, "flip"), no_picture)
    with pytest.raises(BadInputImage):
        host.use(use_of(shelf, "flip", images={"beside": PICTURE}), lambda ref: b"no picture")
    with pytest.raises(PluginProblem, match="takes no picture named “beside”"):
        host.use(replace(use_of(shelf, "louder"), images=(("beside", PICTURE),)), lambda ref: png())


def test_a_file_is_found_by_name_and_digest_or_said_to_be_missing(
    shelf: PluginShelf, yard: Yard, tmp_path: Path
) -> None:
    host = Host(shelf, (tmp_path / "files",))
    ref = FileRef(name="w.txt", sha256=hashlib.sha256(b"mine").hexdigest())
    with pytest.raises(PluginProblem, match="not in the models folder"):
        host.use(use_of(shelf, "louder", files={"words": ref}), no_picture)
    other = tmp_path / "files" / "w.txt"
    other.parent.mkdir()
    other.write_bytes(b"others")
    with pytest.raises(PluginProblem, match="other bytes"):
        host.use(use_of(shelf, "louder", files={"words": ref}), no_picture)
    other.write_bytes(b"mine")
    assert host.use(use_of(shelf, "louder", files={"words": ref}), no_picture).files["words"] == other
    with pytest.raises(PluginProblem, match="takes no file named “tone”"):
        host.use(replace(use_of(shelf, "louder"), files=(("tone", ref),)), no_picture)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"weights", ""), (b"wEights", "not the one"), (b"more weights", "not the one"), (None, "cannot be read")],
)
def test_own_weights_are_checked_before_use(content: bytes | None, says: str, shelf: PluginShelf, yard: Yard) -> None:
    folder = yard.folders.plugins / "shout"
    with (folder / "plugin.toml").open("a", encoding="utf-8") as manifest:
        manifest.write(
            f'\n[[files]]\npath = "mini/w.bin"\nbytes = 7\nsha256 = "{hashlib.sha256(b"weights").hexdigest()}"\n'
        )
    (folder / "mini").mkdir()
    if content is not None:
        (folder / "mini" / "w.bin").write_bytes(content)
    shelf.rescan()
    allowed(shelf, "shout")
    if not says:
        assert Host(shelf).use(use_of(shelf, "louder"), no_picture).part == "louder"
        return
    with pytest.raises(PluginProblem, match=says):
        Host(shelf).use(use_of(shelf, "louder"), no_picture)


def test_a_control_layer_of_a_plugin(shelf: PluginShelf) -> None:
    host = Host(shelf)
    layer = ControlUse(kind="shout-still", image=PICTURE, weight=2.0, start=0.25, end=0.5, plugin=SHOUT)
    assert host.control_part(layer).part == "still"
    picture = Image.new("RGB", (8, 8))
    use = host.use(layer, no_picture, map=picture)
    assert use.images["map"] is picture and (use.weight, use.start, use.end, use.part) == (2.0, 0.25, 0.5, "still")
    with pytest.raises(PluginProblem, match="no kind of control layer “shout-loud”"):
        host.control_part(replace(layer, kind="shout-loud"))
    with pytest.raises(PluginProblem, match="not here"):
        host.control_part(replace(layer, plugin=PluginRef(id="nobody")))


def test_kinds_of_control_layers_come_and_go_with_their_plugin(shelf: PluginShelf) -> None:
    kinds = control_kinds(shelf.infos())
    assert [(kind, part.part, info.id) for kind, part, info in kinds] == [("shout-still", "still", "shout")]
    shelf.disable("shout")
    assert control_kinds(shelf.infos()) == ()


def test_declared_range_parameters_become_the_range_of_a_use(yard: Yard) -> None:
    number = '[[adds.parameters]]\nname = "{}"\ntype = "float"\ntitle = "X"\nmaximum = 4.0\n'
    adds = 'type = "adapter"\npart = "tool"\ntitle = "T"\n' + "".join(
        number.format(n) for n in ("end", "start", "weight")
    )
    folder = yard.write("invert", "", adds='type = "scorer"\npart = "x"', shipped=True)
    head = (folder / "plugin.toml").read_text("utf-8").split("[[adds]]")[0]
    (folder / "plugin.toml").write_text(f"{head}[[adds]]\n{adds}", "utf-8")
    shelf = yard.shelf()
    manifest = shelf.info("invert").manifest
    assert manifest is not None
    use = make_use(manifest, manifest.parts[0], {"weight": "2", "start": "0.25", "end": "0.75"})
    given = Host(shelf).use(use, no_picture)
    assert (given.weight, given.start, given.end) == (2.0, 0.25, 0.75)
    with pytest.raises(PluginProblem, match=r"starts at 0\.9"):
        Host(shelf).use(make_use(manifest, manifest.parts[0], {"start": 0.9, "end": 0.5}), no_picture)


def test_make_use_says_what_does_not_fit(shelf: PluginShelf) -> None:
    ref = FileRef(name="words.bin", sha256="b" * 64)
    for kwargs, says in (
        ({"values": {"volume": "3"}}, "no value named “volume”"),
        ({"values": {"marks": "many"}}, "not a whole number"),
        ({"images": {"words": PICTURE}}, "takes no picture"),
        ({"files": {"marks": ref}}, "takes no file"),
        ({"files": {"words": ref}}, "“words.bin” is no file for “Words”.*takes .txt"),
    ):
        with pytest.raises(PluginProblem, match=says):
            use_of(shelf, "louder", **kwargs)
    use = use_of(shelf, "louder", values={"tone": "cross", "marks": "2"})
    assert use.values == (("marks", 2), ("tone", "cross")) and use.plugin.version == "1.0.0"


def test_switching_off_takes_everything_back(shelf: PluginShelf) -> None:
    host = Host(shelf)
    host.part(PartType.PROMPT_TOOL, SHOUT, "louder")
    assert "studio_guests.shout.words" in sys.modules
    assert shelf.disable("shout").state is PluginState.DISABLED
    for call in (
        lambda: host.part(PartType.PROMPT_TOOL, SHOUT, "louder"),
        lambda: host.use(use_of(shelf, "louder"), no_picture),
        lambda: host.control_part(ControlUse(kind="shout-still", image=PICTURE, plugin=SHOUT)),
        lambda: host.reference("shout"),
    ):
        with pytest.raises(PluginProblem, match="not switched on"):
            call()
    assert [name for name in sys.modules if name.startswith("studio_guests.shout")] == []
    shelf.enable("shout")
    assert callable(host.part(PartType.PROMPT_TOOL, SHOUT, "louder"))


def test_reload_imports_what_lies_there_now_after_consent(shelf: PluginShelf, yard: Yard) -> None:
    host = Host(shelf)
    old = host.part(PartType.PROMPT_TOOL, SHOUT, "louder")
    before = host.reference("shout")
    words = yard.folders.plugins / "shout" / "words.py"
    words.write_text('def louder(text, marks):\n    return "new"\n', "utf-8")
    assert host.part(PartType.PROMPT_TOOL, SHOUT, "louder") is old  # nothing happens by itself
    assert shelf.reload("shout").state is PluginState.CHANGED
    with pytest.raises(PluginProblem, match="changed since"):
        host.part(PartType.PROMPT_TOOL, SHOUT, "louder")
    allowed(shelf, "shout")
    use = host.use(use_of(shelf, "louder"), no_picture)
    assert host.part(PartType.PROMPT_TOOL, SHOUT, "louder")("a", 0, 1, use) == ["new"]
    assert host.reference("shout").digest != before.digest and host.reference("shout").version == "1.0.0"


def test_reload_of_one_that_ships_asks_nobody(yard: Yard) -> None:
    code = "def enable(registry):\n    registry.prompt_tool('tool', lambda *a: [{!r}])\n"
    folder = yard.write("invert", code.format("old"), shipped=True)
    shelf = yard.shelf()
    host = Host(shelf)
    ref = PluginRef(id="invert")
    assert host.part(PartType.PROMPT_TOOL, ref, "tool")() == ["old"]
    (folder / "__init__.py").write_text(code.format("new"), "utf-8")
    assert shelf.reload("invert").state is PluginState.ENABLED
    assert host.part(PartType.PROMPT_TOOL, ref, "tool")() == ["new"]


def test_removing_moves_into_the_trash_and_forgets_the_consent(shelf: PluginShelf, yard: Yard) -> None:
    shelf.remove("shout")
    assert shelf.infos() == () and [p.name[:6] for p in yard.folders.plugins.with_name("plugins-trash").iterdir()] == [
        "shout-"
    ]
    yard.put("shout")
    shelf.rescan()
    assert shelf.info("shout").state is PluginState.NEW
    yard.write("invert", "", shipped=True)
    shelf.rescan()
    with pytest.raises(PluginProblem, match="comes with the studio"):
        shelf.remove("invert")


def test_a_broken_manifest_is_shown_and_harms_no_other(shelf: PluginShelf, yard: Yard) -> None:
    yard.put("wrong_api")
    (yard.folders.plugins / "empty").mkdir()
    yard.put("raises", "other_name")
    shelf.rescan()
    states = {info.id: (info.state, info.problem) for info in shelf.infos()}
    assert states["shout"][0] is PluginState.ENABLED
    assert states["wrong_api"][0] is PluginState.BROKEN and "“api” is 2" in states["wrong_api"][1]
    assert states["empty"][0] is PluginState.BROKEN and "plugin.toml" in states["empty"][1]
    assert states["other_name"][0] is PluginState.BROKEN and "other_name" in states["other_name"][1]
    for call in (shelf.enable, lambda id: shelf.allow(id, "")):
        with pytest.raises(PluginProblem, match="cannot be used"):
            call("wrong_api")


def test_infos_come_at_once_while_another_thread_works(shelf: PluginShelf, yard: Yard) -> None:
    changes = yard.changes
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            shelf.disable("shout")
            shelf.enable("shout")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(20):
            shelf.rescan()
            assert [info.id for info in shelf.infos()] == ["shout"]
    finally:
        stop.set()
        worker.join()
    assert shelf.info("shout").state is PluginState.ENABLED and yard.changes > changes
