"""The line under Generate: calm, amber, red, and gone while nothing is known; asked off the UI thread."""

from __future__ import annotations

import threading

import pytest
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.budget import Budget, Level
from studio.core.events import EngineReady
from studio.core.recipe import Recipe, Size
from studio.state.background import Background
from studio.state.budgets import Budgets
from studio.ui.panels.budget_line import BudgetLine

GB = 1_000_000_000
NEEDS = ((Level.WHOLE, 9 * GB), (Level.TILES, 7 * GB), (Level.EIGHT, 6 * GB), (Level.PARTS, 5 * GB), (Level.LAYERS, GB))


@pytest.mark.parametrize(
    ("free", "look", "says"),
    [
        (20 * GB, "faint", "Takes about 9.0 of 20.0 GB free"),
        (0, "faint", "Takes about 9.0 GB of memory"),
        (8 * GB, "warning", "Needs 9.0 of 8.0 GB: will be decoded in tiles"),
        (6 * GB, "warning", "Needs 9.0 of 6.0 GB: weights rest in 8 bits"),
        (5 * GB, "warning", "Needs 9.0 of 5.0 GB: its parts will take turns"),
        (2 * GB, "warning", "Needs 9.0 of 2.0 GB: layer by layer, very slow"),
        (GB // 2, "error", "Needs 1.0 of 0.5 GB: too large for this device"),
    ],
)
def test_three_colours(studio: Studio, free: int, look: str, says: str) -> None:
    line = studio.window.findChild(BudgetLine, "budgetLine")
    assert line is not None
    assert line.isHidden()  # the fake engine has no memory
    studio.state.budgets._show(Budget(needs=NEEDS, free=free, total=24 * GB))
    assert not line.isHidden()
    assert line.text() == line.accessibleName() == says
    assert line.property("look") == look
    assert "5.0 GB  part after part" in line.toolTip()
    studio.state.budgets._show(None)
    assert line.isHidden()


def test_it_follows_the_draft_off_the_ui_thread(studio: Studio, qtbot: QtBot) -> None:
    asked: list[tuple[Recipe, str]] = []

    def tell(recipe: Recipe, ready: EngineReady) -> Budget | None:
        asked.append((recipe, threading.current_thread().name))
        return Budget(needs=((Level.WHOLE, recipe.size.width * GB),), free=GB, total=GB)

    background = Background("budget test")
    budgets = Budgets(studio.draft, studio.queue, tell, background)
    for width in (512, 520, 528):
        studio.draft.set_size(Size(width=width, height=512))
    qtbot.waitUntil(lambda: budgets.budget is not None, timeout=5000)
    assert budgets.budget is not None
    assert budgets.budget.best == 528 * GB
    assert [(recipe.size.width, thread) for recipe, thread in asked] == [(528, "budget test")]  # once it rested
    studio.draft.set_prompt("words decide nothing here")
    qtbot.wait(300)
    assert len(asked) == 1
    background.close()
