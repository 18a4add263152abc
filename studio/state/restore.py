"""Brings the settings of a picture into the panels: read off the UI thread, planned, shown where it needs a decision."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal

from studio.core.errors import StudioError
from studio.core.found import Found, Here, NamedLora
from studio.core.installed import Installed, fold
from studio.core.picture import Picture
from studio.core.plugins import Part, PartType, PluginInfo, PluginState
from studio.core.recipe import FileRef, PluginUse, Recipe
from studio.core.restore import FieldPlan, apply, asks, plan
from studio.state.background import Background
from studio.state.draft_model import DraftModel
from studio.state.intake import local_file

FindIn = Callable[[Path], Found]  # these two are called in the background and may raise StudioError
LostOf = Callable[[Recipe], tuple[str, ...]]
OURS = "Diffusion Studio"
LORA = "lora"  # the plugin, and its part, that other programs’ LoRAs become layers of


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What restoring a picture would do now. `rows` belong to the draft as it was when it was made."""

    found: Found
    here: Here
    rows: tuple[FieldPlan, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """All that can be applied."""
        return tuple(row.key for row in self.rows if row.can_apply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done: the titles of the fields that changed, and the undo stack's index right after it."""

    proposal: Proposal
    titles: tuple[str, ...]
    undo_index: int


class Restorer(QObject):
    """Every method returns at once; one signal follows. Mutable state: none but the draft model's.

    A picture of the studio's own whose fields all apply is restored straight away, as one undo step (what is not quite
    as it was is told with it); everything else, and everything while `always_ask()`, is proposed first.

    Signals: `proposed(Proposal)` - the list must be shown; `restored(Restored)`; `failed(StudioError)`.
    """

    proposed = Signal(object)
    restored = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        draft: DraftModel,
        find_in: FindIn,
        lost_of: LostOf,
        background: Background,
        models: Callable[[], tuple[Installed, ...]],
        plugins: Callable[[], tuple[PluginInfo, ...] | None],
        file_folders: Iterable[Path] = (),
        always_ask: Callable[[], bool] = lambda: False,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._draft, self._find_in, self._lost_of, self._background = draft, find_in, lost_of, background
        self._models, self._plugins, self._always_ask = models, plugins, always_ask
        self._file_folders = file_folders

    def open_url(self, url: QUrl) -> None:
        """A dropped or chosen file; anything that is not a file on this computer is refused in words."""
        try:
            path = local_file(url)
        except StudioError as error:
            self.failed.emit(error)
        else:
            self.open_file(path)

    def open_file(self, path: Path) -> None:
        """The settings in a picture file, of the studio or of another program."""
        here = self._here()
        self._background.run(partial(self._look, partial(self._find_in, path), here), self._on_found, self.failed.emit)

    def open_picture(self, picture: Picture, ask: bool = False) -> None:
        """The settings of a picture of the library; `ask`: show the list in any case."""
        if picture.partly:  # its file says for other programs, too, how it was made, and the list what is left out
            self.open_file(picture.file)
            return
        recipe = picture.recipe
        found = Found(
            source=OURS,
            recipe=recipe,
            is_ours=True,
            given=tuple(Recipe.__dataclass_fields__),
            picture=picture.id,
            made_with=picture.made_with,
            name=picture.file.name,
        )
        here = self._here()
        if recipe.pictures or any(use.files for use in recipe.plugins):
            work = partial(self._look, lambda: replace(found, lost=self._lost_in(picture)), here)
            self._background.run(work, partial(self._on_found, ask=ask), self.failed.emit)
        else:
            self._on_found((found, here), ask)

    def propose(self, proposal: Proposal) -> None:
        """Show the list of a picture again, against the draft as it is now."""
        self.proposed.emit(self._proposal(proposal.found, proposal.here))

    def take(self, proposal: Proposal, keys: Collection[str]) -> None:
        """Take over the fields of these keys, as one undo step; `restored` follows if anything changed."""
        found, before = proposal.found, self._draft.draft
        rows = plan(found, before, proposal.here)
        after = apply(found, before, proposal.here, keys)
        if found.recipe is not None:
            self._draft.take_over(after, found.recipe, found.picture)
        if self._draft.draft != before:
            titles = tuple(row.title for row in rows if row.can_apply and row.key in keys)
            index = self._draft.undo_stack.index()
            self.restored.emit(Restored(proposal=proposal, titles=titles, undo_index=index))

    def _lost_in(self, picture: Picture) -> tuple[str, ...]:
        """The input pictures of a picture that are neither here nor in its file; those in its file are here afterwards.

        A picture that came from another machine carries them. Reads the disk.
        """
        lost = self._lost_of(picture.recipe)
        if lost:
            with contextlib.suppress(StudioError):
                self._find_in(picture.file)
                lost = self._lost_of(picture.recipe)
        return lost

    def _look(self, find: Callable[[], Found], here: Here) -> tuple[Found, Here]:
        """Everything that touches the disk."""
        found = find()
        if found.recipe is not None and any(use.files for use in found.recipe.plugins):
            folders = [Path(info.folder) for info in here.plugins or () if info.folder]
            here = replace(here, files=files_here(found.recipe, (*self._file_folders, *folders)))
        if found.loras:
            here = replace(here, lora_uses=lora_uses(found.loras, here.plugins or (), self._file_folders))
        return found, here

    def _on_found(self, answer: tuple[Found, Here], ask: bool = False) -> None:
        proposal = self._proposal(*answer)
        quick = proposal.found.is_ours and not asks(proposal.rows)
        if quick and not ask and not self._always_ask():
            self.take(proposal, proposal.keys)
        else:
            self.proposed.emit(proposal)

    def _proposal(self, found: Found, here: Here) -> Proposal:
        return Proposal(found=found, here=here, rows=plan(found, self._draft.draft, here))

    def _here(self) -> Here:
        return Here(models=self._models(), plugins=self._plugins())


def lora_uses(
    loras: Iterable[NamedLora], plugins: Iterable[PluginInfo], folders: Iterable[Path]
) -> tuple[PluginUse | None, ...]:
    """The plugin layers that LoRAs named in a picture would be here; None where no file has the name. Reads the disk."""
    info = next((i for i in plugins if i.id == LORA and i.state is PluginState.ENABLED), None)
    part = info.manifest.part(PartType.ADAPTER, LORA) if info is not None and info.manifest is not None else None
    if info is None or part is None:
        return ()
    files: dict[str, Path] = {}
    for folder in (*folders, Path(info.folder)):
        with contextlib.suppress(OSError):
            for file in sorted(folder.rglob("*.safetensors")):
                files.setdefault(fold(file.name), file)
    return tuple(_lora_use(info, part, lora, files.get(fold(lora.name))) for lora in loras)


def _lora_use(info: PluginInfo, part: Part, lora: NamedLora, file: Path | None) -> PluginUse | None:
    from studio.plugins.files import digest_of
    from studio.plugins.uses import make_use

    number = re.search(r"-?[0-9]*\.?[0-9]+", lora.weight)
    values = {"weight": float(number[0])} if number is not None else {}
    if file is None or info.manifest is None:
        return None
    try:
        ref = FileRef(name=file.name, sha256=digest_of(file))
        return make_use(info.manifest, part, values, files={"file": ref}, digest=info.digest)
    except (OSError, StudioError):  # a weight that the plugin does not take, a file that vanished: as if not here
        return None


def files_here(recipe: Recipe, folders: Iterable[Path]) -> tuple[Installed, ...]:
    """Of the files that a recipe's plugins work with, those that are here by name, with their digests. Reads the disk."""
    from studio.plugins.files import digest_of

    names = {ref.name for use in recipe.plugins for _, ref in use.files}
    found: dict[str, set[str]] = {}
    for folder in folders:
        try:
            fit = [file for file in folder.rglob("*") if file.name in names and file.is_file()]
            for file in fit:
                found.setdefault(file.name, set()).add(digest_of(file))
        except OSError:
            continue
    return tuple(Installed(name=name, digests=tuple(sorted(digests))) for name, digests in found.items())
