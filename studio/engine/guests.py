"""Plugins at work on one recipe: looked up before anything is loaded, called inside their fence, left out or not.

Knows recipes, pictures and the plugin host; no torch, no models, no loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from PIL import Image

from studio.api import Use
from studio.core.choices import ControlKind
from studio.core.errors import ModelMissing, OutOfMemory, PluginProblem, StudioError
from studio.core.events import Suggest
from studio.core.pixels import Pixels
from studio.core.plugins import Part, PartType
from studio.core.recipe import ControlUse, PluginRef, PluginUse, Recipe, Size
from studio.engine.answers import capital, checked_map, checked_pixels, checked_score, checked_texts
from studio.engine.control_maps import image_of, plugin_map
from studio.engine.found_files import FoundFiles, recalled
from studio.engine.protocol import PluginHost, ReadImage

OnFault = Literal["fail", "go_on"]  # what becomes of a picture when a plugin fails: the artist's choice
Tell = Callable[[str], None]  # what happens now; may raise RenderCancelled

_LAYERS = (PartType.ADAPTER, PartType.GUIDE, PartType.PROMPT_TOOL, PartType.PICTURE_TOOL, PartType.SCORER)
_CONTROLS = (PartType.ADAPTER, PartType.GUIDE)
_Asked = TypeVar("_Asked", PluginUse, ControlUse)


@dataclass(frozen=True, slots=True, eq=False)
class Guest:
    """One use of a plugin, looked up. `asked` is None for the scheduler; `use` is None until a layer's map is made."""

    type: PartType
    plugin: str
    part: str
    does: Any  # what the plugin registered: the `studio.api` Protocol of `type`
    asked: PluginUse | ControlUse | None = None
    use: Use | None = None
    declared: Part | None = None  # of a control layer

    @property
    def name(self) -> str:
        return f"{self.plugin}:{self.part}"

    def __str__(self) -> str:
        return f"the plugin “{self.plugin}” ({self.part})"


class Guests:
    """The plugins of one recipe. State: `recipe` as it is really made, `notes` and `files` for the artist, who failed last.

    `as_lack` turns an error into `OutOfMemory` if it is one: that is no fault of a plugin.
    """

    def __init__(
        self,
        host: PluginHost | None,
        read_image: ReadImage,
        recipe: Recipe,
        on_fault: OnFault = "fail",
        as_lack: Callable[[MemoryError | RuntimeError, Recipe], OutOfMemory | None] = lambda _error, _recipe: None,
    ) -> None:
        self._host, self._read_image, self._on_fault, self._as_lack = host, read_image, on_fault, as_lack
        self.asked_for = recipe
        # Copies, so that each use is an object of its own and can be left out by identity.
        self.recipe = replace(
            recipe,
            controls=tuple(replace(use) for use in recipe.controls),
            plugins=tuple(replace(use) for use in recipe.plugins),
        )
        self.files = FoundFiles(self._digest)
        self._notes: list[str] = []
        self.faults = 0
        self._guests: list[Guest] = []
        self._sampler: Guest | None = None
        self.sampler_version: PluginRef | None = None  # of the plugin behind the scheduler, which a recipe only names
        self._culprit: tuple[StudioError, object] | None = None

    def look_up(self) -> None:
        """Find every plugin that the recipe names and check what is asked of it. Raises `StudioError` in words."""
        self._look_up_sampler()
        while True:
            try:
                self._guests = self._looked_up()
                return
            except StudioError as error:
                if not self.leave_out(error):
                    raise

    def of(self, *types: PartType) -> tuple[Guest, ...]:
        """The guests of these types in the order of work: control layers, then plugin layers."""
        return tuple(guest for guest in self._guests if guest.type in types)

    def sampler(self) -> Guest | None:
        """The plugin behind the recipe's scheduler, None for one of the studio's own."""
        return self._sampler

    @contextmanager
    def calling(self, guest: Guest, hook: str) -> Iterator[None]:
        """Around every call into a plugin: its faults become `PluginProblem`s that name it, and it is remembered."""
        with self._blaming(guest.asked), self._needed(guest.plugin).fence(guest.plugin, hook):
            lack = None
            try:
                yield
            except (MemoryError, RuntimeError) as error:
                lack = self._as_lack(error, self.recipe)
                if lack is None:
                    raise
            if lack is not None:  # outside of `except`: as its context the error would keep frames, and their tensors
                raise lack

    def leave_out(self, error: StudioError) -> bool:
        """Whether the picture can go on without the guest that raised this; then the recipe has lost it."""
        found, self._culprit = self._culprit, None
        if found is None or found[0] is not error or found[1] is None or self._on_fault == "fail":
            return False
        use = found[1]
        self._guests = [guest for guest in self._guests if guest.asked is not use]
        self.recipe = replace(
            self.recipe,
            controls=tuple(kept for kept in self.recipe.controls if kept is not use),
            plugins=tuple(kept for kept in self.recipe.plugins if kept is not use),
        )
        self.note_once(f"Made without {_words(use)}: {error.headline}")
        self.faults += 1
        return True

    @property
    def notes(self) -> list[str]:
        """Sentences for the artist about this picture, those on files that are not what they were among them."""
        return list(dict.fromkeys((*self._notes, *self.files.differences(self.recipe))))

    def made_recipe(self) -> Recipe:
        """The recipe as it is really made, with the files that plugins found by themselves."""
        return self.files.with_found(self.recipe)

    def changed_recipe(self, made: Recipe | None = None) -> Recipe | None:
        """The same, or `made` where an equal recipe was made before; None if that is exactly as asked."""
        made = made or self.made_recipe()
        return made if made != self.asked_for else None

    def note_once(self, sentence: str) -> None:
        """Keep a sentence for the artist beside the picture."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    def write_prompt(self, tell: Tell) -> None:
        """Let the prompt tools make the prompt of what was typed, one after the other; not if they did so before."""
        tools = () if self.recipe.raw_prompt else self.of(PartType.PROMPT_TOOL)
        typed = text = self.recipe.prompt
        for guest in tools:
            tell(f"plugin {guest.plugin}")
            try:
                text = self._texts(guest, text, self.recipe.seed, 1)[0]
            except StudioError as error:
                if not self.leave_out(error):
                    raise
        if tools and self.of(PartType.PROMPT_TOOL):
            # A blank for a text that was empty: an empty one would say that no tool has run, and they would run again.
            self.recipe = replace(self.recipe, prompt=text, raw_prompt=typed or " ")

    def suggest(self, errand: Suggest) -> tuple[str, ...]:
        """What a prompt tool makes of a text. Raises `StudioError`."""
        return self._texts(self._guest(self._referred(errand.use)), errand.prompt, errand.seed, errand.count)

    def use_of(self, guest: Guest, size: Size) -> Use:
        """What is asked of an adapter or guide; of a control layer with its map, `size` pixels, as images["map"]."""
        if guest.use is not None:
            return guest.use
        asked, declared = guest.asked, guest.declared
        if not isinstance(asked, ControlUse) or declared is None or asked.plugin is None:
            raise PluginProblem(f"There is nothing that {guest} could follow.")
        source = self._read_image(asked.image)
        own = declared.preprocess if declared.preprocess not in ("", "grey", "canny") else ""
        picture = plugin_map(asked, size, source, "" if own else declared.preprocess)
        if own:
            picture = self._preprocessed(asked, asked.plugin, own, picture)
        with self._blaming(asked):
            use = self._needed(guest.plugin).use(asked, self._read_image, map=picture)
        return self.files.noting(asked, use)

    def retouch(self, pixels: Pixels, tell: Tell) -> Pixels:
        """The finished picture after all picture tools, in their order."""
        for guest in self.of(PartType.PICTURE_TOOL):
            tell(f"plugin {guest.plugin}")
            try:
                with self.calling(guest, "picture_tool"):
                    pixels = checked_pixels(str(guest), guest.does(image_of(pixels), guest.use))
            except StudioError as error:
                if not self.leave_out(error):
                    raise
        return pixels

    def score(self, pixels: Pixels, tell: Tell) -> tuple[tuple[str, float], ...]:
        """What all scorers say of the finished picture: ("plugin_id:part", score), in their order."""
        scores = []
        for guest in self.of(PartType.SCORER):
            tell(f"plugin {guest.plugin}")
            try:
                with self.calling(guest, "scorer"):
                    scores.append(
                        (guest.name, checked_score(str(guest), guest.does(image_of(pixels), self.recipe, guest.use)))
                    )
            except StudioError as error:
                if not self.leave_out(error):
                    raise
        return tuple(scores)

    def _look_up_sampler(self) -> None:
        plugin, colon, part = self.recipe.scheduler.partition(":")
        if not colon:
            return
        host = self._needed(plugin)
        does = host.part(PartType.SAMPLER, PluginRef(id=plugin), part)
        self._sampler, self.sampler_version = Guest(PartType.SAMPLER, plugin, part, does), host.reference(plugin)

    def _looked_up(self) -> list[Guest]:
        own = [isinstance(use.kind, ControlKind) for use in self.recipe.controls]
        controls = tuple(
            use if ours else self._referred(use) for use, ours in zip(self.recipe.controls, own, strict=True)
        )
        plugins = tuple(self._referred(use) for use in self.recipe.plugins)
        self.recipe = replace(self.recipe, controls=controls, plugins=plugins)
        uses: list[PluginUse | ControlUse] = [use for use, ours in zip(controls, own, strict=True) if not ours]
        return [self._guest(use) for use in (*uses, *plugins)]

    def _referred(self, use: _Asked) -> _Asked:
        """The same use, naming version and digest of the plugin that is here."""
        named = use.plugin
        if named is None:
            return use
        with self._blaming(use):
            here = self._needed(named.id).reference(named.id)
        if named.version and named.version != here.version:
            self.note_once(f"The recipe names version {named.version} of “{here.id}”; {here.version} was used.")
        elif named.digest and named.digest != here.digest:
            self.note_once(f"The plugin “{here.id}” has changed since this recipe was made, under the same version.")
        return replace(use, plugin=here)

    def _guest(self, asked: PluginUse | ControlUse) -> Guest:
        with self._blaming(asked):
            plugin = asked.plugin
            if plugin is None:
                raise PluginProblem(f"No plugin is named for {_words(asked)}.")
            host = self._needed(plugin.id)
            if isinstance(asked, ControlUse):
                declared = host.control_part(asked)
                type, part = _known(declared.type, _CONTROLS, asked), declared.part
                return Guest(type, plugin.id, part, host.part(type, plugin, part), asked, None, declared)
            type = _known(asked.type, _LAYERS, asked)
            use = self.files.noting(asked, host.use(asked, self._read_image))
            return Guest(type, plugin.id, asked.part, host.part(type, plugin, asked.part), asked, use)

    def _digest(self, file: Path) -> str:
        return self._needed("").digest(file)

    def _needed(self, plugin: str) -> PluginHost:
        if self._host is None:
            raise PluginProblem(
                f"This picture needs the plugin “{plugin}”, but the studio is running without plugins.",
                "Start it with plugins, or take the plugin's layers out.",
            )
        return self._host

    @contextmanager
    def _blaming(self, asked: PluginUse | ControlUse | None) -> Iterator[None]:
        try:
            yield
        except OutOfMemory:
            raise
        except StudioError as error:
            told = recalled(error, asked) if isinstance(error, ModelMissing) else error
            self._culprit = (told, asked)
            if told is error:
                raise
            raise told from None

    def _preprocessed(self, asked: ControlUse, plugin: PluginRef, part: str, picture: Image.Image) -> Image.Image:
        host, type = self._needed(plugin.id), PartType.PREPROCESSOR
        with self._blaming(asked):
            use = host.use(PluginUse(plugin=plugin, type=type.value, part=part), self._read_image)
            use = self.files.noting(asked, use)
            guest = Guest(type, plugin.id, part, host.part(type, plugin, part), asked, use)
        with self.calling(guest, "preprocessor"):
            answer = guest.does(picture.copy(), use)
            return checked_map(str(guest), answer, picture.size)

    def _texts(self, guest: Guest, prompt: str, seed: int, count: int) -> tuple[str, ...]:
        if guest.type is not PartType.PROMPT_TOOL:
            raise PluginProblem(f"{capital(str(guest))} does not write prompts.")
        with self.calling(guest, "prompt_tool"):
            return checked_texts(str(guest), guest.does(prompt, seed, count, guest.use), count)


def _known(type: str, allowed: Sequence[PartType], asked: object) -> PartType:
    if type not in {part.value for part in allowed}:
        raise PluginProblem(f"{capital(_words(asked))} is of the type {type!r}, which cannot work in a recipe.")
    return PartType(type)


def _words(use: object) -> str:
    match use:
        case PluginUse():
            return f"the plugin “{use.plugin.id}” ({use.part})"
        case ControlUse():
            return f"the control layer “{use.kind}”"
    return "a plugin"
