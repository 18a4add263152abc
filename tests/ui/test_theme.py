"""Colours that can be read, fonts that ship, icons that follow the theme."""

import re

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QFontInfo, QFontMetrics, QImage
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from studio.core.paths import RESOURCES
from studio.ui import icons, theme
from studio.ui.main_window import MainWindow

TEXTS = ("text", "text_muted", "text_faint", "accent", "danger", "warning", "success")
GROUNDS = ("window", "panel", "raised", "canvas")


@pytest.mark.parametrize("name", theme.THEMES)
def test_texts_can_be_read_everywhere(name: str) -> None:
    tokens = theme.load_colors(name)
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS]
    pairs += [
        ("text", "danger_soft"),
        ("text_muted", "danger_soft"),
        ("text_muted", "warning_soft"),
        ("text", "accent_soft"),
    ]
    pairs += [("accent_text", fill) for fill in ("accent_fill", "accent_fill_hover", "accent_fill_press")]
    bad = {pair: theme.contrast(getattr(tokens, pair[0]), getattr(tokens, pair[1])) for pair in pairs}
    assert {pair: round(value, 2) for pair, value in bad.items() if value < 4.5} == {}


@pytest.mark.parametrize("name", theme.THEMES)
def test_the_stylesheet_is_filled(name: str) -> None:
    sheet = theme.stylesheet_of(theme.load_colors(name))
    assert "@" not in sheet
    assert "#generateButton" in sheet or "primary" in sheet


def test_the_theme_changes_at_run_time(window: MainWindow) -> None:
    before = window.grab().toImage().pixelColor(window.width() // 2, 60)
    window.commands["theme"].trigger()
    after = window.grab().toImage().pixelColor(window.width() // 2, 60)
    assert after.lightness() > before.lightness() + 80
    window.commands["theme"].trigger()
    assert window.grab().toImage().pixelColor(window.width() // 2, 60) == before


def test_latin_and_chinese_have_a_font_of_ours(window: MainWindow) -> None:
    assert QFontInfo(QApplication.font()).family() == "Inter"
    metrics = QFontMetrics(theme.ui_font())
    for word in "红房子绿山蓝天猫夜晚":
        assert metrics.inFontUcs4(ord(word)) or metrics.horizontalAdvance(word) >= 12


def test_every_icon_is_drawn(qtbot: QtBot) -> None:
    names = sorted(file.stem for file in (RESOURCES / "icons").glob("*.svg"))
    assert len(names) >= 35
    for name in names:
        image = icons.render(name, 24, "#ffffff")
        assert any(image.pixelColor(x, y).alpha() for x in range(24) for y in range(24)), name


def test_icons_are_drawn_at_the_pixels_of_the_screen(window: MainWindow) -> None:
    for ratio in (1.0, 1.5, 2.0):
        pixmap = icons.icon("trash").pixmap(QSize(16, 16), ratio)
        assert (pixmap.width(), pixmap.devicePixelRatio()) == (round(16 * ratio), ratio)
    dark = icons.icon("trash").pixmap(QSize(16, 16), 1.0).toImage()
    window.commands["theme"].trigger()
    assert icons.icon("trash").pixmap(QSize(16, 16), 1.0).toImage() != dark


def tick(menu: QMenu, ratio: int) -> QImage:
    """What stands in the icon column of a menu's first row, drawn for a screen of this pixel ratio."""
    image = QImage(menu.size() * ratio, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    menu.render(image)
    row = menu.actionGeometry(menu.actions()[0])
    return image.copy(6 * ratio, (row.top() + 4) * ratio, 20 * ratio, (row.height() - 8) * ratio)


def shades(image: QImage) -> set[str]:
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


@pytest.mark.parametrize("name", theme.THEMES)
def test_the_ticks_of_menus_are_drawn_at_the_pixels_of_the_screen(window: MainWindow, name: str) -> None:
    if name == "light":
        window.commands["theme"].trigger()
    menu = QMenu(window)
    action = menu.addAction("Prompt")
    action.setCheckable(True)
    menu.ensurePolished()
    menu.resize(menu.sizeHint())
    ground = theme.colors().raised
    assert shades(tick(menu, 2)) == {ground}
    action.setChecked(True)
    drawn = shades(tick(menu, 2))
    assert len(drawn) > 4, "Fusion's own tick is a bitmap of two colours"
    assert max(theme.contrast(color, ground) for color in drawn) > 10


def test_every_picture_of_the_stylesheet_ships() -> None:
    for name in theme.THEMES:
        sheet = theme.stylesheet_of(theme.load_colors(name))
        files = re.findall(r"url\(studio:([^)]+)\)", sheet)
        assert len(files) >= 5
        assert [file for file in files if not (RESOURCES / file).is_file()] == []
