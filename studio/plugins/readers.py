"""Metadata readers of plugins: asked about a picture whose settings the studio itself cannot read, inside their fence."""

from __future__ import annotations

import threading
from dataclasses import replace

from studio.api import Reading
from studio.core.errors import StudioError, WrongAnswer
from studio.core.plugins import PartType, PluginState
from studio.core.recipe import PluginRef, Recipe
from studio.plugins.host import Host
from studio.plugins.shelf import PluginShelf

RAW_MAX, NOTE_MAX, NOTES_MAX = 2_000_000, 500, 200  # characters of the original text and of a note; notes
HOOK = "metadata_reader"


class Readers:
    """All metadata readers of enabled plugins, in the order of the plugins. Any thread, one picture at a time."""

    def __init__(self, shelf: PluginShelf, host: Host) -> None:
        self._shelf, self._host = shelf, host
        self._lock = threading.Lock()

    def __call__(self, data: bytes, name: str) -> Reading:
        """The first answer with a recipe, else the first at all, else one without a `source`.

        `data` is the whole file, `name` its name without the folder. Raises nothing: a reader that fails is named in
        `not_understood`, and the others are asked all the same.
        """
        known = Reading(recipe=None)
        faults: list[str] = []
        with self._lock:
            for id, part, title in self._parts():
                try:
                    reading = self._ask(id, part, data, name)
                except StudioError as error:
                    faults.append(error.headline)
                    continue
                if reading is not None and (reading.recipe is not None or not known.source):
                    known = replace(reading, source=reading.source.strip() or title)
                if known.recipe is not None:
                    break
        return replace(known, not_understood=(*known.not_understood, *faults))

    def _parts(self) -> list[tuple[str, str, str]]:
        """(plugin, part, title) of every reader that may run."""
        enabled = () if self._shelf.safe_mode else self._shelf.infos()
        return [
            (info.id, part.part, part.title)
            for info in enabled
            if info.state is PluginState.ENABLED and info.manifest is not None
            for part in info.manifest.parts
            if part.type is PartType.METADATA_READER
        ]

    def _ask(self, id: str, part: str, data: bytes, name: str) -> Reading | None:
        reader = self._host.part(PartType.METADATA_READER, PluginRef(id=id), part)
        with self._host.fence(id, HOOK):
            return _checked(id, part, reader(data, name))


def _checked(id: str, part: str, answer: object) -> Reading | None:
    """The answer, its texts cut to what is kept. Raises `WrongAnswer`."""
    if answer is None:
        return None
    if not isinstance(answer, Reading):
        raise _wrong(id, part, f"a {type(answer).__name__}")
    recipe, texts, notes = answer.recipe, (answer.raw, answer.source), answer.not_understood
    fits = isinstance(notes, tuple) and all(isinstance(text, str) for text in (*texts, *notes))
    if not fits or not (recipe is None or isinstance(recipe, Recipe)):
        raise _wrong(id, part, "a Reading with something else in it than it declares")
    return Reading(
        recipe=recipe,
        source=answer.source[:80],
        raw=answer.raw[:RAW_MAX],
        not_understood=tuple(note[:NOTE_MAX] for note in notes[:NOTES_MAX]),
    )


def _wrong(id: str, part: str, given: str) -> WrongAnswer:
    return WrongAnswer(
        f"The plugin “{id}” ({part}) did not answer with a reading of the picture.",
        "Nothing was changed; tell its author the details.",
        f"given {given}",
    )
