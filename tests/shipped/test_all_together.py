"""Everything in one recipe on Studio Mini, through the real engine: in a defined order, each of it seen, nothing left."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from studio.commands.render_plugins import PluginRoom, read_lora, read_plugin
from studio.core.choices import ControlKind
from studio.core.errors import StudioError
from studio.core.paths import RESOURCES, Folders
from studio.core.recipe import ControlUse, ImageRef, Recipe, Size
from studio.core.recipe_text import from_text, to_text
from studio.engine.protocol import Progress, RenderCancelled
from studio.gallery.store import GalleryStore

pytestmark = pytest.mark.skipif(
    not (RESOURCES / "mini" / "model_index.json").is_file(), reason="Studio Mini is not trained yet"
)
WISHES = (
    "wildcards", "lora:ink_wash=0.9", "guidance:class=house,scale=4", "clip_rank:part=clip", "invert:strength=0.2",
)  # fmt: skip
KINDS = ("scribble", "t2i-sketch", "canny", "t2i-lineart", "scribble", "uni-line")


@dataclass
class Bench:
    """The engine with the plugins that ship, and a library of its own."""

    store: GalleryStore
    room: PluginRoom
    engine: Any
    image: ImageRef

    def recipe(self, kinds: tuple[str, ...] = KINDS, wishes: tuple[str, ...] = WISHES) -> Recipe:
        offered = self.room.control_kinds()
        own = set(ControlKind)
        controls = tuple(
            ControlUse(kind=ControlKind(kind), image=self.image, weight=0.5)
            if kind in own
            else ControlUse(kind=kind, image=self.image, weight=0.5, plugin=offered[kind][1])
            for kind in kinds
        )
        asked = [read_lora(wish[5:]) if wish.startswith("lora:") else read_plugin(wish) for wish in wishes]
        uses = tuple(self.room.use(wish, self.store) for wish in asked)
        return Recipe(prompt="a {red|blue} house", seed=3, steps=3, size=Size(width=128, height=128), controls=controls,
                      plugins=uses, exact=True)  # fmt: skip

    def make(self, recipe: Recipe) -> tuple[Any, list[str]]:
        """The picture, and the phases that were told on the way."""
        phases: list[str] = []

        def hear(progress: Progress) -> bool:
            if progress.phase and phases[-1:] != [progress.phase]:
                phases.append(progress.phase)
            return True

        return self.engine.render(recipe, hear), phases

    def weights(self) -> str:
        """A digest over every number of the loaded model."""
        found = hashlib.sha256()
        model = self.engine._made_ready().pool.get(self.recipe((), ()).model, True, lambda: None)
        for network in (model.unet, model.vae, *(tower.model for tower in model.text.towers)):
            for name, value in sorted(network.state_dict().items()):
                found.update(name.encode())
                found.update(value.numpy().tobytes())
            assert not [hook for part in network.modules() for hook in part._forward_pre_hooks]
        return found.hexdigest()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    import studio.engine.diffusion  # noqa: F401  (loads the libraries quietly)
    from studio.engine.diffusion.engine import DiffusionEngine

    folders = Folders(root=tmp_path_factory.mktemp("data"))
    store, room = GalleryStore(folders), PluginRoom(folders)
    drawing, stream = Image.new("RGB", (128, 128)), io.BytesIO()
    ImageDraw.Draw(drawing).polygon([(30, 100), (30, 55), (64, 25), (98, 55), (98, 100)], outline="white", width=2)
    drawing.save(stream, "PNG")
    image, _ = store.inputs.take(stream.getvalue())
    made = Bench(store, room, None, image)
    made.recipe()  # the links to files exist before the host looks
    made.engine = DiffusionEngine((RESOURCES,), store.inputs.read, "cpu", room.host())
    yield made
    made.engine.close()
    room.close()
    store.close()


@pytest.fixture(scope="module")
def made(bench: Bench) -> tuple[Any, list[str], str, str]:
    """The picture of everything, its phases, and the model's numbers before and after."""
    bench.make(bench.recipe((), ()))
    before = bench.weights()
    rendered, phases = bench.make(bench.recipe())
    return rendered, phases, before, bench.weights()


def test_they_work_in_the_order_of_the_recipe(made: tuple[Any, list[str], str, str]) -> None:
    """Prompt tools; adapters: control layers, then plugin layers; guides; after decoding picture tools, then scorers."""
    rendered, phases, _, _ = made
    told = [phase.removeprefix("plugin ") for phase in phases if phase.startswith("plugin ")]
    assert told == ["wildcards", "t2i_adapter", "uni_controlnet", "lora", "guidance", "invert", "clip_rank"]
    assert rendered.made_with.notes == (), "nobody failed, nothing was left on the model"
    assert [name for name, _ in rendered.made_with.scores] == ["clip_rank:clip"]


def test_the_recipe_holds_all_of_it(bench: Bench, made: tuple[Any, list[str], str, str]) -> None:
    recipe = made[0].recipe
    assert recipe.raw_prompt == "a {red|blue} house" and recipe.prompt in ("a red house", "a blue house")
    assert tuple(str(use.kind) for use in recipe.controls) == KINDS
    assert [use.plugin.id for use in recipe.plugins] == ["wildcards", "lora", "guidance", "clip_rank", "invert"]
    assert all(len(use.plugin.digest) == 64 for use in recipe.plugins)
    t2i = [use for use in recipe.controls if use.kind in ("t2i-sketch", "t2i-lineart")]
    assert all(len(use.found) == 1 and use.found[0].name.endswith(".safetensors") for use in t2i), "Mini's own adapter"
    again, _ = bench.make(replace(from_text(to_text(recipe)), seed=recipe.seed))
    assert again.pixels.data == made[0].pixels.data and again.made_with.notes == ()


def test_the_model_is_what_it_was_to_the_bit(made: tuple[Any, list[str], str, str]) -> None:
    assert made[2] == made[3]


@pytest.mark.parametrize("without", ["t2i-lineart", "canny", "uni-line", "lora", "guidance", "invert"])
def test_each_of_them_shows(bench: Bench, made: tuple[Any, list[str], str, str], without: str) -> None:
    kinds = tuple(kind for kind in KINDS if kind != without)
    wishes = tuple(wish for wish in WISHES if wish.partition(":")[0] != without)
    assert bench.make(bench.recipe(kinds, wishes))[0].pixels.data != made[0].pixels.data


@pytest.mark.parametrize("how", ["cancel", "fault"])
def test_an_early_end_leaves_the_model_as_it_was(
    bench: Bench, made: tuple[Any, list[str], str, str], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(bench.recipe(), seed=4)
    if how == "cancel":
        with pytest.raises(RenderCancelled):
            bench.engine.render(recipe, lambda progress: progress.step < 1)
    else:
        pull = "studio.engine.diffusion.guides._checked"
        monkeypatch.setattr(pull, lambda *_: (_ for _ in ()).throw(ValueError("a guide breaks")))
        with pytest.raises(StudioError, match="guidance"):
            bench.engine.render(recipe, lambda _: True)
    assert bench.weights() == made[2]
