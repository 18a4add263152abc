"""The words of the history: days, counts, sorts, what a tile says of its picture."""

from __future__ import annotations

from datetime import date, timedelta

from PySide6.QtCore import QCoreApplication, QDate, QLocale

from studio.core.library import Sort
from studio.core.picture import Picture
from studio.ui.widgets.text import one_line
from studio.ui.words import facts_line


def tr(text: str) -> str:
    """Translate a whole sentence now."""
    return QCoreApplication.translate("captions", text)


def day_words(day: str, today: date) -> str:
    """A local day "2026-11-20" as people say it: "Today", "Yesterday", "Friday 20 November 2026"."""
    try:
        when = date.fromisoformat(day)
    except ValueError:
        return day
    if when == today:
        return tr("Today")
    if when == today - timedelta(days=1):
        return tr("Yesterday")
    english = QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom)
    return english.toString(QDate(when.year, when.month, when.day), "dddd d MMMM yyyy")


def count_words(count: int) -> str:
    """How many pictures."""
    if count <= 1:
        return tr("1 picture") if count else tr("No pictures")
    return tr("{n} pictures").replace("{n}", f"{count:,}")


def sort_words(sort: Sort) -> str:
    """A sort as its menu says it."""
    return {
        Sort.NEWEST: tr("Newest first"),
        Sort.OLDEST: tr("Oldest first"),
        Sort.RATING: tr("Most stars first"),
        Sort.PROMPT: tr("By prompt"),
        Sort.MODEL: tr("By model"),
        Sort.LARGEST: tr("Largest first"),
    }[sort]


def stars_words(rating: int) -> str:
    """A rating for those who hear it."""
    if not rating:
        return tr("no stars")
    return tr("1 star") if rating == 1 else tr("{n} stars").replace("{n}", str(rating))


def picture_title(picture: Picture) -> str:
    """One line that names a picture: its prompt, or what a sheet shows."""
    sheet = picture.made_with.sheet
    return one_line(sheet.partition("\n")[0] if sheet else picture.recipe.prompt) or tr("(no prompt)")


def picture_facts(picture: Picture) -> str:
    """The figures of a picture in one line; of a sheet its size."""
    if picture.made_with.sheet:
        return f"{tr('Sheet')}  ·  {picture.width} × {picture.height}"
    return facts_line(picture.recipe)


def picture_tip(picture: Picture) -> str:
    """What the pointer is told over a tile."""
    lines = [picture.made_with.sheet or picture.recipe.prompt or tr("(no prompt)"), picture_facts(picture)]
    marks = picture.marks
    said = [stars_words(marks.rating)] if marks.rating else []
    said += [f"#{tag}" for tag in marks.tags]
    if said:
        lines.append("  ".join(said))
    if marks.boards:
        lines.append(tr("On {boards}").replace("{boards}", ", ".join(marks.boards)))
    if marks.note:
        lines.append(one_line(marks.note)[:200])
    return "\n".join(lines)
