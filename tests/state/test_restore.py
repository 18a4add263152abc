"""The quick way is one undo step, the other way asks first; nothing changes before it is wished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from pytestqt.qtbot import QtBot

from studio.core.draft import Draft, draft_of
from studio.core.errors import BadInputImage
from studio.core.family import origin_of, parents_of
from studio.core.found import Found
from studio.core.installed import Installed
from studio.core.library import Link, LinkKind
from studio.core.recipe import FileRef, ModelRef, PluginRef, PluginUse, Recipe
from studio.state.background import Background
from studio.state.draft_model import DraftModel
from studio.state.restore import Restorer, files_here
from tests.state.fakes import picture_of

RECIPE = Recipe(prompt="a cat", seed=7, steps=12)
GIVEN = tuple(Recipe.__dataclass_fields__)
OURS = Found(source="Diffusion Studio", recipe=RECIPE, is_ours=True, given=GIVEN, picture="p1")
FOREIGN = Found(source="A1111", recipe=RECIPE, given=("prompt", "seed", "model"), unknown=("Clip skip: 2",))


@pytest.fixture
def draft(qtbot: QtBot) -> DraftModel:
    return DraftModel(Draft(prompt="a dog", count=3))


@pytest.fixture
def files() -> Background:
    background = Background("files")
    yield background
    background.close()


def restorer(draft: DraftModel, files: Background, found: Found | Exception, **options: object) -> Restorer:
    def find(_path: Path) -> Found:
        if isinstance(found, Exception):
            raise found
        return found

    return Restorer(
        draft,
        find,
        lambda _: (),
        files,
        lambda: (Installed(name="mini"),),
        lambda: (),
        **options,  # type: ignore[arg-type]
    )


def test_a_picture_of_ours_is_restored_at_once_and_undone_in_one_step(
    qtbot: QtBot, draft: DraftModel, files: Background
) -> None:
    made = restorer(draft, files, OURS)
    before = draft.draft
    with qtbot.waitSignal(made.restored) as restored:
        made.open_file(Path("cat.png"))
    assert draft.draft == replace(draft_of(RECIPE), origin=origin_of("p1", RECIPE))
    assert set(restored.args[0].titles) == {"Prompt", "Seed", "Steps"}
    assert draft.undo_stack.count() == 1
    draft.undo_stack.undo()
    assert draft.draft == before


def test_a_foreign_picture_is_proposed_and_changes_nothing_by_itself(
    qtbot: QtBot, draft: DraftModel, files: Background
) -> None:
    made = restorer(draft, files, FOREIGN)
    with qtbot.waitSignal(made.proposed) as proposed:
        made.open_url(QUrl.fromLocalFile("/folder/cat.png"))
    assert draft.draft == Draft(prompt="a dog", count=3)
    made.take(proposed.args[0], ["prompt"])
    assert draft.draft == Draft(prompt="a cat", count=3)


def test_what_cannot_be_applied_opens_the_list(qtbot: QtBot, draft: DraftModel, files: Background) -> None:
    lost = replace(OURS, recipe=replace(RECIPE, model=ModelRef(name="away")))
    made = restorer(draft, files, lost)
    with qtbot.waitSignal(made.proposed):
        made.open_file(Path("cat.png"))
    assert draft.draft.prompt == "a dog"


def test_the_list_can_be_wished_every_time(qtbot: QtBot, draft: DraftModel, files: Background) -> None:
    made = restorer(draft, files, OURS, always_ask=lambda: True)
    with qtbot.waitSignal(made.proposed):
        made.open_file(Path("cat.png"))
    asked = restorer(draft, files, OURS)
    with qtbot.waitSignal(asked.proposed):
        asked.open_picture(picture_of(RECIPE), ask=True)
    assert draft.draft.prompt == "a dog"


def test_a_picture_of_the_library_is_restored_before_the_call_returns_and_becomes_the_parent(
    draft: DraftModel, files: Background
) -> None:
    picture = picture_of(RECIPE, 5)
    restorer(draft, files, OURS).open_picture(picture)
    assert draft.draft.prompt == "a cat"
    link = Link(kind=LinkKind.REMADE, parent=picture.id)
    assert parents_of(draft.draft, RECIPE) == (link,)
    draft.set_steps(13)
    assert parents_of(draft.draft, replace(RECIPE, steps=13))[0].kind is LinkKind.VARIED
    draft.set_prompt("")
    assert parents_of(draft.draft, replace(RECIPE, steps=13)) == ()


def test_a_picture_of_a_newer_studio_is_asked_of_its_file(qtbot: QtBot, draft: DraftModel, files: Background) -> None:
    """What the library understands of its recipe is not all, so it is never taken over without a word."""
    made, before = restorer(draft, files, FOREIGN), draft.draft
    with qtbot.waitSignal(made.proposed) as proposed:
        made.open_picture(replace(picture_of(RECIPE, 3), partly=True))
    assert proposed.args[0].found == FOREIGN and draft.draft == before


def test_a_file_that_cannot_be_read_is_told(qtbot: QtBot, draft: DraftModel, files: Background) -> None:
    made = restorer(draft, files, BadInputImage("It cannot be read."))
    with qtbot.waitSignal(made.failed):
        made.open_file(Path("cat.png"))
    with qtbot.waitSignal(made.failed):
        made.open_url(QUrl("https://example.org/cat.png"))
    assert draft.undo_stack.count() == 0


def test_files_of_plugins_are_looked_for_by_name_with_their_digests(tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "ink.safetensors").write_bytes(b"ink")
    (tmp_path / "loras" / "other.safetensors").write_bytes(b"other")
    file = FileRef(name="ink.safetensors", sha256="e" * 64)
    use = PluginUse(plugin=PluginRef(id="lora"), type="adapter", part="lora", files=(("file", file),))
    found = files_here(replace(RECIPE, plugins=(use,)), (tmp_path, tmp_path / "nowhere"))
    assert [one.name for one in found] == ["ink.safetensors"]
    assert len(found[0].digests[0]) == 64
