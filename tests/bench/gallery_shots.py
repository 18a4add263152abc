"""The history in all its states, over a library of many days: called by screenshots.py, `... FOLDER gallery_dock_dark` etc."""

from __future__ import annotations

import random
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

PROMPTS = (
    "a red house on green hills, blue sky", "a sailboat at sunset, watercolour", "一只橙色的猫，草地，夜晚",
    "two balloons over the sea, day", "a lighthouse in the evening, ink", "a yellow umbrella on the table, flat",
    "a small village in the snow, evening, lit windows", "a river between hills, early morning, mist",
)  # fmt: skip
DAYS = (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 8, 8, 11, 11)


def library(folder: Path, count: int = 60) -> None:
    """Pictures of many days, some with stars, tags, notes and on boards."""
    from demo_pictures import landscape, pixels_of

    from studio.core.choices import Spacing
    from studio.core.paths import Folders
    from studio.core.picture import MadeWith
    from studio.core.recipe import Recipe, Size
    from studio.gallery import png
    from studio.gallery.names import file_of, new_id
    from studio.gallery.store import GalleryStore

    rng = random.Random(4)
    folders, ids = Folders(root=folder), []
    made_with = MadeWith(
        studio="0.1.0",
        device="cpu",
        dtype="float32",
        seconds=6.2,
        versions=(("torch", "2.15.0"), ("diffusers", "0.42.1")),
    )
    for number in reversed(range(count)):
        day = DAYS[number] if number < len(DAYS) else 11 + number // 7
        created = datetime.now(UTC) - timedelta(days=day, minutes=number % 9)
        size = (Size(width=384, height=256), Size(width=256, height=256), Size(width=256, height=384))[number % 3]
        recipe = Recipe(
            prompt=PROMPTS[number % 3 if number < 9 else rng.randrange(len(PROMPTS))],
            negative_prompt="blurred" if number % 4 else "",
            seed=rng.randrange(2**32),
            steps=rng.choice((20, 20, 30)),
            spacing=rng.choice((Spacing.NORMAL, Spacing.KARRAS)),
            size=size,
        )
        picture_id = new_id(created, ids[-1] if ids else "")
        ids.append(picture_id)
        file = folders.pictures / file_of(picture_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = pixels_of(landscape(recipe, size.width, size.height))
        file.write_bytes(png.encode(pixels, recipe, made_with, picture_id, created, {}))
    store = GalleryStore(folders).open()
    newest = ids[::-1]
    for picture_id in newest[::4]:
        store.mark([picture_id], rating=rng.choice((3, 4, 5)))
    store.mark(newest[2:18:3], add_boards=["Houses for Anna"], add_tags=["house", "warm light"])
    store.mark(newest[5:30:5], add_boards=["Best of November"], add_tags=["for print"])
    store.mark(newest[9:20:2], add_boards=["Sea and boats"], add_tags=["sea", "sketchbook"])
    store.mark(
        newest[1:2], add_tags=["evening", "house"], note="The light in the windows is right. Try it larger.", rating=5
    )
    store.close()


def open_shot(theme: str, size: tuple[int, int] = (1280, 800), count: int = 60):
    """A studio over such a library, shown and read."""
    from screenshots import Shot

    folder = Path(tempfile.mkdtemp(prefix="gallery-shot-"))
    library(folder, count)
    made = Shot(size, theme, folder=folder)
    made.wait(lambda: made.window.gallery.model().rowCount() >= count)
    settle(made, 1.0)
    return made


def dock(theme: str) -> None:
    """The dock as it opens, then with a search, a board, an error, the filters."""
    made = open_shot(theme)
    window, panel = made.window, made.window.history.panel
    made.take(f"gallery_dock_{theme}")
    type_into(made, panel.search, "house rat")
    made.take(f"gallery_dock_completion_{theme}")
    shoot_popup(panel.search.offers, f"gallery_completion_{theme}")
    type_into(made, panel.search, "house steps:many")
    made.take(f"gallery_dock_error_{theme}")
    type_into(made, panel.search, "house rating:>=3")
    made.take(f"gallery_dock_found_{theme}")
    panel.search.clear_all()
    panel.filter.click()
    made.wait(seconds=0.5)
    shoot_popup(panel.filter.popup, f"gallery_filter_{theme}")
    panel.filter.popup.close()
    window.do.toggle_details()
    made.take(f"gallery_centre_details_{theme}")
    made.close()


def whole(theme: str) -> None:
    """The library page."""
    made = open_shot(theme, (1600, 1000))
    window = made.window
    window.history.toggle_library()
    window.history.choice.choose(1)
    settle(made)
    made.take(f"gallery_library_{theme}")
    window.history.grid._hover(4)
    window.history.choice.select(window.state.gallery.index(2), window.history.choice.SelectionFlag.Select)
    made.take(f"gallery_library_hover_{theme}")
    window.history.choice.choose(1)
    window.history.look()
    made.take(f"gallery_quick_look_{theme}")
    window.history.quick.end()
    page = window.history.stack.currentWidget()
    type_into(made, page.panel.search, "colour:")
    made.take(f"gallery_library_search_{theme}")
    type_into(made, page.panel.search, "")
    page.side.boards.itemAt(0).widget().click()
    settle(made)
    window.history.grid.select_all()
    made.take(f"gallery_library_board_{theme}")
    window.state.gallery.set_query(replace(window.state.gallery.query, board=""))
    made.wait(seconds=0.4)
    page.panel.foot.size_slider.setValue(96)
    settle(made)
    made.take(f"gallery_library_small_{theme}")
    made.close()


def narrow(theme: str) -> None:
    """The library page in the smallest window that is usual."""
    made = open_shot(theme, (1024, 700))
    made.window.history.toggle_library()
    made.window.history.choice.choose(3)
    settle(made)
    made.take(f"gallery_library_1024_{theme}")
    made.close()


def coming_in(theme: str) -> None:
    """Days and the scroll bar, folders beside the library, what is dropped, what is asked and said."""
    from PIL import Image, PngImagePlugin
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QContextMenuEvent, QDragEnterEvent
    from PySide6.QtWidgets import QApplication, QMenu

    made = open_shot(theme, (1400, 880))
    window = made.window
    others = made.folder.parent / f"{made.folder.name}-others"
    for name, count in (("renders 2025", 5), ("comfy output", 2)):
        for number in range(count):
            texts = PngImagePlugin.PngInfo()
            texts.add_text(
                "parameters", f"a ship {number}\nSteps: 28, Sampler: Euler a, CFG scale: 7, Seed: {number}, Size: 64x64"
            )
            file = others / name / f"ship {number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), (60 + number * 30, 90, 120)).save(file, pnginfo=texts)
    for name in ("renders 2025", "comfy output"):
        window.state.imports.add_folder(others / name, name == "renders 2025")
    made.wait(lambda: len(window.state.imports.folders) == 2)
    made.wait(seconds=1.0)
    for card in window.centre.messages.cards():
        card.hide()
    window.history.toggle_library()
    page = window.history.stack.currentWidget()
    settle(made)
    bar = page.grid.verticalScrollBar()
    bar.setValue(page.grid.grid().sections[0].tiles + 120)
    settle(made)
    made.take(f"gallery_day_{theme}")
    bar.setSliderDown(True)
    bar.setValue(page.grid.grid().sections[2].top - 16)
    settle(made)
    made.take(f"gallery_bubble_{theme}")
    bar.setSliderDown(False)
    bar.setValue(0)
    mime = _files(others / "renders 2025")
    keys = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(page, QDragEnterEvent(page.rect().center(), *keys))
    made.take(f"gallery_drop_{theme}")
    window.zones.end()
    row = page.folders.made_rows()[1]
    at = row.mapToGlobal(row.rect().bottomLeft())
    QApplication.sendEvent(row, QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, row.rect().center(), at))
    made.wait(seconds=0.3)
    (menu,) = page.folders.findChildren(QMenu)
    shoot_popup(menu, f"gallery_folder_menu_{theme}")
    menu.close()
    window.imports.ask((others / "renders 2025",))
    made.wait(seconds=0.3)
    shoot_popup(window.imports.question, f"gallery_question_{theme}")
    window.imports.question.cancel.click()
    window.imports.drop(_files(others / "comfy output" / "ship 0.png", *(Path(__file__), others / "gone.png")))
    made.wait(seconds=1.2)
    window.state.imports.take_out(window.state.imports.folders[-1])
    made.wait(seconds=1.2)
    made.take(f"gallery_imported_{theme}")
    made.close()


def _files(*files: Path):
    from PySide6.QtCore import QMimeData, QUrl

    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    return mime


def settle(made, seconds: float = 0.5) -> None:
    """Wait until what is in sight is there, however slow the machine is."""
    thumbnails = made.window.state.gallery.thumbnails
    made.wait(seconds=seconds)
    made.wait(lambda: not thumbnails._tiles and not thumbnails._making, 60)


def type_into(made, field, text: str) -> None:
    """As the artist types it."""
    field.setFocus()
    field.setText(text)
    field._on_edited(text)
    settle(made)


def shoot_popup(popup, name: str) -> None:
    """A popup is a window of its own."""
    popup.grab().save(str(Path(sys.argv[1]) / f"{name}.png"))


ALL = (dock, whole, narrow, coming_in)
