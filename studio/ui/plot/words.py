"""A half done plot in words."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

from studio.state.plot import CellNow, CellState


def tr(text: str) -> str:
    """Translate a whole sentence now."""
    return QCoreApplication.translate("plot", text)


def count_made(cells: Sequence[CellNow]) -> str:
    """ "23 of 30 pictures are made": how far a plot has come."""
    made = sum(cell.picture is not None for cell in cells)
    return tr("{a} of {b} pictures are made").replace("{a}", str(made)).replace("{b}", str(len(cells)))


def what_is_missing(cells: Sequence[CellNow]) -> str:
    """What became of the others, as one line; "" where none is missing."""
    counted = (
        (CellState.HELD, tr("{n} waits"), tr("{n} wait")),
        (CellState.INTERRUPTED, tr("{n} was interrupted"), tr("{n} were interrupted")),
        (CellState.FAILED, tr("{n} could not be made"), tr("{n} could not be made")),
        (CellState.CANCELLED, tr("{n} was cancelled"), tr("{n} were cancelled")),
    )
    told = []
    for state, one, many in counted:
        number = sum(cell.state is state for cell in cells)
        if number:
            told.append((one if number == 1 else many).replace("{n}", str(number)))
    return ", ".join(told)


def offer(cells: Sequence[CellNow]) -> tuple[str, str]:
    """Headline and hint of the notice after a restart."""
    headline = tr("A plot of last time is half done: {made}.").replace("{made}", count_made(cells))
    hint = f"{what_is_missing(cells)}."
    if any(cell.state is CellState.INTERRUPTED for cell in cells):
        hint += " " + tr("What was interrupted may have ended the studio: it is made again only if you wish it.")
    return headline, hint
