"""The look: colour tokens of resources/themes become a palette and one stylesheet; the shipped fonts are made known.

One process has one theme: `apply_theme` is the only writer, `colors()` is what painting code reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import Template

from PySide6.QtCore import QDir
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from studio.core.paths import RESOURCES

THEMES = ("dark", "light")
FONT_FAMILIES = ("Inter", "Studio Sans SC")
FONT_PX = 13
_FONT_FILES = ("Inter-Regular.otf", "Inter-Medium.otf", "Inter-SemiBold.otf", "StudioSansSC-Regular.otf")
_FONTS_ADDED = "studioFontsAdded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Colors:
    """The colour tokens of one theme, each "#rrggbb". Text tokens reach a contrast of 4.5 on window, panel and raised."""

    dark: bool
    window: str
    panel: str
    canvas: str  # behind the picture
    raised: str  # fields and cards
    raised_hover: str
    raised_press: str
    border: str
    border_strong: str
    text: str
    text_muted: str
    text_faint: str
    accent: str  # lines, slider fill, icons that are on
    accent_fill: str  # buttons and selections; carries accent_text
    accent_fill_hover: str
    accent_fill_press: str
    accent_text: str
    accent_soft: str  # quiet tint behind a selected row
    danger: str
    danger_soft: str
    warning: str
    warning_soft: str
    success: str
    handle: str
    track: str
    scroll: str
    shadow: str

    def color(self, token: str, alpha: int = 255) -> QColor:
        """A token as QColor; `alpha` 0 ... 255."""
        color = QColor(getattr(self, token))
        color.setAlpha(alpha)
        return color


class _Template(Template):
    delimiter = "@"


def load_colors(name: str) -> Colors:
    """The tokens of a theme ("dark" or "light"). Raises OSError or TypeError for a damaged installation."""
    text = (RESOURCES / "themes" / f"{name}.json").read_text("utf-8")
    return Colors(**json.loads(text))


_current = load_colors("dark")


def colors() -> Colors:
    """The tokens in use."""
    return _current


def apply_theme(app: QApplication, name: str) -> Colors:
    """Dress the whole application; may be called again at any time with another name."""
    global _current
    _current = load_colors(name)
    _add_fonts(app)
    if app.style().objectName().lower() != "fusion":
        app.setStyle(QStyleFactory.create("Fusion"))
    QDir.setSearchPaths("studio", [str(RESOURCES)])
    app.setPalette(palette_of(_current))
    app.setStyleSheet(stylesheet_of(_current))
    return _current


def stylesheet_of(tokens: Colors) -> str:
    """All numbered templates of resources/styles in order, with @token replaced."""
    values = {name: getattr(tokens, name) for name in Colors.__dataclass_fields__}
    values["check"] = "check" if tokens.dark else "check-light"  # a picture, as a stylesheet cannot colour one
    parts = [file.read_text("utf-8") for file in sorted((RESOURCES / "styles").glob("[0-9]*.qss"))]
    return _Template("\n".join(parts)).substitute(values)


def palette_of(tokens: Colors) -> QPalette:
    """The palette for everything the stylesheet does not touch."""
    role = QPalette.ColorRole
    table = {
        role.Window: tokens.panel, role.WindowText: tokens.text, role.Base: tokens.raised,
        role.AlternateBase: tokens.panel, role.Text: tokens.text, role.Button: tokens.raised,
        role.ButtonText: tokens.text, role.BrightText: tokens.accent_text, role.Highlight: tokens.accent_fill,
        role.HighlightedText: tokens.accent_text, role.ToolTipBase: tokens.raised, role.ToolTipText: tokens.text,
        role.PlaceholderText: tokens.text_faint, role.Link: tokens.accent, role.LinkVisited: tokens.accent,
        role.Light: tokens.raised_hover, role.Midlight: tokens.raised_hover, role.Mid: tokens.border,
        role.Dark: tokens.border_strong, role.Shadow: tokens.shadow, role.Accent: tokens.accent_fill,
    }  # fmt: skip
    palette = QPalette()
    for color_role, value in table.items():
        palette.setColor(color_role, QColor(value))
    for color_role in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, color_role, QColor(tokens.text_faint))
    return palette


def ui_font(px: int = FONT_PX, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The interface font with digits of equal width, so that running numbers do not dance."""
    font = QFont()
    font.setFamilies(list(FONT_FAMILIES))
    font.setPixelSize(px)
    font.setWeight(weight)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1 ... 21 (WCAG 2.2, relative luminance)."""
    a, b = sorted((_luminance(QColor(first)), _luminance(QColor(second))), reverse=True)
    return (a + 0.05) / (b + 0.05)


def _luminance(color: QColor) -> float:
    parts = (color.redF(), color.greenF(), color.blueF())
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _add_fonts(app: QApplication) -> None:
    if app.property(_FONTS_ADDED):
        return
    for file in _FONT_FILES:
        QFontDatabase.addApplicationFont(str(RESOURCES / "fonts" / file))
    app.setFont(ui_font())
    app.setProperty(_FONTS_ADDED, True)
