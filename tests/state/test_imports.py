"""Pictures and folders come into the history and go out again, over a real library; each is one undo step."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QUndoStack
from pytestqt.qtbot import QtBot

from studio.core.draft import Draft
from studio.core.errors import StudioError
from studio.core.installed import Installed
from studio.core.library import ImportedFolder
from studio.gallery.foreign.found import lost_of
from studio.gallery.store import GalleryStore
from studio.state.background import Background
from studio.state.draft_model import DraftModel
from studio.state.gallery_model import GalleryModel
from studio.state.imports import Imports, Told
from studio.state.librarian import Librarian
from studio.state.restore import Restorer
from studio.state.thumbnails import Thumbnails
from tests.gallery.makers import MADE_WITH, control, noise, recipe, sketch, store_in
from tests.gallery.test_imported import foreign, print_of


class Room:
    """Imports over a library in a folder."""

    def __init__(self, root: Path, background: Background) -> None:
        self.store: GalleryStore = store_in(root)
        self.stack = QUndoStack()
        self.thumbnails = Thumbnails(self.store.thumbnail, background)
        self.gallery = GalleryModel(self.store, background, self.thumbnails, self.stack)
        self.librarian = Librarian(self.store, background)
        self.librarian.changed.connect(self.gallery.refresh)
        self.imports = Imports(self.store, self.librarian, self.gallery, self.stack, background)
        self.told: list[Told] = []
        self.given: list[tuple[Path, ...]] = []
        self.refused: list[StudioError] = []
        self.imports.told.connect(self.told.append)
        self.imports.folders_given.connect(self.given.append)
        self.imports.failed.connect(self.refused.append)
        self.gallery.refresh()

    def rows(self) -> int:
        return self.gallery.rowCount()


@pytest.fixture
def room(qtbot: QtBot, data: Path, background: Background) -> Iterator[Room]:
    made = Room(data, background)
    yield made
    made.librarian.close()
    background.wait()
    made.store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "renders"
    root.mkdir()
    for seed in (1, 2, 3):
        foreign(root / f"ship {seed}.png", f"a ship {seed}", seed)
    return root


def test_files_are_copied_and_taken_back(qtbot: QtBot, room: Room, folder: Path, tmp_path: Path) -> None:
    before = print_of(folder)
    (tmp_path / "notes.txt").write_text("mine")
    room.imports.take([*folder.iterdir(), tmp_path / "notes.txt"])
    qtbot.waitUntil(lambda: room.rows() == 3)
    qtbot.waitUntil(lambda: bool(room.told))
    (told,) = room.told
    assert told == Told(
        headline="3 pictures were copied into the history.",
        hint="“notes.txt” is no PNG, JPEG or WebP picture.",
        is_step=True,
    )
    assert room.stack.undoText() == "import 3 pictures"
    room.stack.undo()
    qtbot.waitUntil(lambda: room.rows() == 0)
    room.stack.redo()
    qtbot.waitUntil(lambda: room.rows() == 3)
    assert print_of(folder) == before


def test_one_that_is_gone_for_good_does_not_keep_the_others_from_being_taken_back(
    qtbot: QtBot, room: Room, folder: Path
) -> None:
    room.imports.take(sorted(folder.iterdir()))
    qtbot.waitUntil(lambda: room.rows() == 3)
    qtbot.waitUntil(lambda: room.stack.count() == 1)
    first = next(picture for picture in room.store.page(0, 9) if picture.recipe.seed == 1)
    room.store.remove(first.id)
    room.store.empty_trash()
    room.stack.undo()
    qtbot.waitUntil(lambda: len(room.refused) == 1)
    assert "not in the history" in room.refused[0].headline
    qtbot.waitUntil(lambda: room.rows() == 0)
    assert not room.store.page(0, 9)


def test_a_folder_is_asked_about_and_files_beside_it_are_not(qtbot: QtBot, room: Room, folder: Path) -> None:
    room.imports.take([folder, folder / "ship 1.png"])
    qtbot.waitUntil(lambda: room.rows() == 1)
    assert room.given == [(folder,)]
    qtbot.waitUntil(lambda: [known.own for known in room.imports.folders] == [True])  # for the copy, no other


def test_a_folder_comes_in_and_goes_out(qtbot: QtBot, room: Room, folder: Path) -> None:
    before = print_of(folder)
    room.imports.add_folder(folder, watched=True)
    qtbot.waitUntil(lambda: room.imports.folders == (ImportedFolder(path=folder, watched=True, count=3),))
    qtbot.waitUntil(lambda: room.rows() == 3)
    qtbot.waitUntil(lambda: bool(room.told))
    assert "3 pictures came into the history" in room.told[-1].headline and room.told[-1].is_step
    room.imports.take_out(room.imports.folders[0])
    qtbot.waitUntil(lambda: room.rows() == 0 and room.imports.folders == ())
    qtbot.waitUntil(lambda: room.told[-1].headline == "The folder “renders” is out of the history.")
    room.stack.undo()
    qtbot.waitUntil(lambda: room.rows() == 3)
    qtbot.waitUntil(lambda: [known.watched for known in room.imports.folders] == [True])  # as it was
    room.stack.undo()
    qtbot.waitUntil(lambda: room.rows() == 0)
    assert print_of(folder) == before


def test_marks_survive_taking_a_folder_out(qtbot: QtBot, room: Room, folder: Path) -> None:
    room.imports.add_folder(folder, watched=False)
    qtbot.waitUntil(lambda: room.rows() == 3)
    (picture, *_) = room.store.page(0, 9)
    room.store.mark([picture.id], rating=5)
    qtbot.waitUntil(lambda: len(room.imports.folders) == 1)
    room.imports.take_out(room.imports.folders[0])
    qtbot.waitUntil(lambda: room.rows() == 0)
    room.stack.undo()
    qtbot.waitUntil(lambda: room.rows() == 3)
    assert [p.marks.rating for p in room.store.page(0, 9) if p.id == picture.id] == [5]


def test_a_folder_that_is_there_already_is_only_watched(qtbot: QtBot, room: Room, folder: Path) -> None:
    room.imports.add_folder(folder, watched=False)
    qtbot.waitUntil(lambda: len(room.imports.folders) == 1)
    room.imports.add_folder(folder, watched=True)
    qtbot.waitUntil(lambda: len(room.told) == 2 and room.imports.folders[0].watched)
    assert not room.told[-1].is_step and room.stack.count() == 1
    room.imports.watch(room.imports.folders[0], False)
    qtbot.waitUntil(lambda: not room.imports.folders[0].watched)
    assert room.rows() == 3


def test_what_cannot_be_imported_is_refused_in_words(qtbot: QtBot, room: Room, data: Path, tmp_path: Path) -> None:
    room.imports.add_folder(tmp_path / "nowhere", watched=False)
    room.imports.add_folder(data / "pictures", watched=False)
    qtbot.waitUntil(lambda: len(room.refused) == 2)
    assert "is not a folder" in room.refused[0].headline and "own library" in room.refused[1].headline
    assert room.stack.count() == 0 and not room.told


def test_the_control_pictures_in_a_picture_that_came_are_found_when_it_is_restored(
    qtbot: QtBot, data: Path, tmp_path: Path, background: Background
) -> None:
    other = store_in(tmp_path / "other machine")
    ref = other.inputs.take(sketch())[0]
    made = other.add(noise(8), recipe("a house", controls=(control(ref),)), MADE_WITH)
    sent = Path(shutil.copy(made.file, tmp_path / "sent.png"))
    other.close()
    shutil.rmtree(tmp_path / "other machine")
    store = store_in(data)
    (picture_id,) = store.bring([sent]).added
    picture = store.get(picture_id)
    assert picture is not None and lost_of(picture.recipe, store.inputs) == (ref.digest,)
    draft = DraftModel(Draft())
    restorer = Restorer(
        draft,
        store.found_in,
        lambda wanted: lost_of(wanted, store.inputs),
        background,
        models=lambda: (Installed(name=picture.recipe.model.name),),
        plugins=lambda: (),
    )
    with qtbot.waitSignal(restorer.restored):
        restorer.open_picture(picture)
    assert [layer.use.image for layer in draft.draft.controls] == [ref]
    assert lost_of(picture.recipe, store.inputs) == ()
