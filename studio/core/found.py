"""What a picture says of how it was made, and what is here to make it with. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.installed import Installed
from studio.core.picture import MadeWith
from studio.core.plugins import PluginInfo
from studio.core.recipe import PluginUse, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLora:
    """A LoRA that another program's picture names; `weight` as it stood there."""

    name: str
    weight: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a picture says of how it was made.

    `source` is the program; `recipe` None when nothing could be used; `given` the fields of the recipe that the file
    gave; `raw` the text as it stood there. `remarks` are (field of the recipe, sentence): what was read differently
    or not at all; `unknown` are lines of which the recipe has no field. `hashes` name the model's weights. For the
    studio's own pictures `picture` is the id. `lost` are the digests of input pictures that are neither in the file
    nor here.
    """

    source: str
    recipe: Recipe | None
    is_ours: bool = False
    given: tuple[str, ...] = ()
    raw: str = ""
    remarks: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    loras: tuple[NamedLora, ...] = ()
    picture: str = ""
    made_with: MadeWith | None = None
    lost: tuple[str, ...] = ()
    name: str = ""  # of the file, to be shown
    damage: str = ""  # what is wrong with the file though its settings could be read: the rest of a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What is installed: base models, plugins, and files that plugins may use. `plugins` None: not looked for yet.

    `lora_uses` are the plugin layers that the picture's `Found.loras` would be here, in their order; None for one whose
    file is not here.
    """

    models: tuple[Installed, ...] = ()
    plugins: tuple[PluginInfo, ...] | None = None
    files: tuple[Installed, ...] = ()
    lora_uses: tuple[PluginUse | None, ...] = ()
