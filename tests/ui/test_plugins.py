"""The plugins panel through real widgets: cards from declared parameters, the menu, control kinds, what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.choices import ControlKind
from studio.core.draft import ControlLayer
from studio.core.plugins import Parameter, ParameterType, Part, PartType
from studio.core.recipe import ControlUse, ImageRef, PluginRef, PluginUse, Recipe, Size
from studio.state.plugin_room import PluginRoom
from studio.ui.panels.control_card import ControlCard
from studio.ui.panels.fields import CheckField, ChoiceField, LineField, NumberField
from studio.ui.panels.input_fields import FileField, PictureField, field_of
from studio.ui.panels.plugin_card import PluginCard
from studio.ui.panels.plugins import _shortened
from studio.ui.widgets.text import sentences
from tests.state.plugin_fakes import SHIPPED, MemoryShelf, info_of
from tests.ui.conftest import MakeStudio, drop, file_mime


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> MemoryShelf:
    """Plugins that exist in memory only."""
    made = MemoryShelf(*SHIPPED)
    monkeypatch.setattr(PluginRoom, "shelf", lambda _self: made)
    return made


@pytest.fixture
def studio(shelf: MemoryShelf, make_studio: MakeStudio, qtbot: QtBot) -> Studio:
    made = make_studio()
    qtbot.waitUntil(lambda: made.state.plugins.known, timeout=5000)
    return made


def add(studio: Studio, plugin_id: str) -> PluginCard:
    """A card for the first layer part of a plugin, put there by the menu's own action."""
    panel = studio.window.plugin_panel
    panel.fill_menu()
    title = next(parts[0].title for info, parts in studio.state.plugins.layer_parts() if info.id == plugin_id)
    next(action for action in panel.menu.actions() if action.text().startswith(title)).trigger()
    return panel.cards[-1]


def values(studio: Studio, index: int = 0) -> dict[str, object]:
    return dict(studio.draft.draft.plugins[index].use.values)


@pytest.mark.parametrize(
    ("about", "shown"),
    [
        ("Turns the picture into its negative.", "Turns the picture into its negative"),
        (
            "A reference picture works like words: what it shows, its colours and its style come into the new picture.",
            "A reference picture works like words",
        ),
        (
            "Makes the picture more like a text, a reference picture, or both, as a network that was trained on both sees it.",
            "Makes the picture more like a text, a reference picture, or both",
        ),
        ("word " * 40, "word word word word word word word word word word word word word word word word …"),
    ],
)
def test_the_menu_shortens_a_description_where_a_clause_ends(about: str, shown: str) -> None:
    assert _shortened(about) == shown


def test_the_menu_offers_parts_of_enabled_plugins_only(studio: Studio, qtbot: QtBot) -> None:
    panel = studio.window.plugin_panel
    panel.fill_menu()
    assert any(action.text().startswith("Wildcards") for action in panel.menu.actions())
    assert not any("T2I" in action.text() for action in panel.menu.actions()), "a control kind is no plugin layer"
    studio.state.plugins.disable("wildcards")
    qtbot.waitUntil(lambda: not studio.state.plugins.busy)
    panel.fill_menu()
    assert not any(action.text().startswith("Wildcards") for action in panel.menu.actions())


def test_a_card_is_built_from_what_is_declared_and_its_knobs_reach_the_draft(studio: Studio, qtbot: QtBot) -> None:
    card = add(studio, "guidance")
    assert {name: type(field) for name, field in card.fields.items()}["exact"] is CheckField
    assert values(studio)["scale"] == 2.0
    scale = card.fields["scale"]
    assert isinstance(scale, NumberField)
    steps = studio.draft.undo_stack.count()
    for number in (3.0, 4.5):
        scale.spin.setValue(number)  # type: ignore[arg-type]
    assert values(studio)["scale"] == 4.5
    assert studio.draft.undo_stack.count() == steps + 1
    exact = card.fields["exact"]
    assert isinstance(exact, CheckField)
    qtbot.mouseClick(exact.box, Qt.MouseButton.LeftButton)
    assert values(studio)["exact"] is True
    assert card.range is not None
    card.range.slider.edited.emit(10, 80)
    assert (values(studio)["start"], values(studio)["end"]) == (0.1, 0.8)
    assert "start" not in card.fields
    studio.draft.undo_stack.undo()
    assert card.range.words.text() == "0% – 100%"


def test_text_and_choices(studio: Studio, qtbot: QtBot) -> None:
    card = add(studio, "wildcards")
    line = card.fields["list"]
    assert isinstance(line, LineField)
    qtbot.keyClicks(line.line, "cats")
    assert values(studio)["list"] == "cats"
    blocks = add(studio, "lora").fields["blocks"]
    assert isinstance(blocks, ChoiceField)
    blocks.combo.setCurrentText("mid")
    blocks.combo.textActivated.emit("mid")
    assert values(studio, 1)["blocks"] == "mid"


def test_a_dropped_picture_and_a_chosen_file_are_taken_in(
    studio: Studio, qtbot: QtBot, sketch: Path, tmp_path: Path
) -> None:
    field = add(studio, "guidance").fields["picture"]
    assert isinstance(field, PictureField)
    assert drop(field, file_mime(sketch))
    qtbot.waitUntil(lambda: bool(studio.draft.draft.plugins[0].use.images), timeout=5000)
    qtbot.waitUntil(lambda: not field.thumb.image.isNull(), timeout=5000)
    qtbot.mouseClick(field.clear, Qt.MouseButton.LeftButton)
    assert studio.draft.draft.plugins[0].use.images == ()
    assert field.thumb.image.isNull()
    weights = tmp_path / "style.safetensors"
    weights.write_bytes(b"not really")
    chosen = add(studio, "lora").fields["file"]
    assert isinstance(chosen, FileField)
    chosen.edited.emit(weights)
    qtbot.waitUntil(lambda: bool(studio.draft.draft.plugins[1].use.files), timeout=5000)
    assert chosen.name.text() == "style"
    assert studio.draft.draft.plugins[1].use.files[0][1].name == "style.safetensors"


def test_what_generate_still_needs_is_said_until_it_is_given(studio: Studio, qtbot: QtBot) -> None:
    add(studio, "lora")
    studio.draft.set_prompt("a house")
    studio.window.wishes.generate()
    said = [card.message.headline for card in studio.window.centre.messages.cards()]
    assert len(said) == 1
    assert studio.queue.jobs == ()
    studio.draft.remove_plugin(0)
    studio.window.wishes.generate()
    assert len(studio.queue.jobs) == 1
    assert not [card for card in studio.window.centre.messages.cards() if card.message.headline in said]


def test_help_and_titles_are_kept_short_on_cards(studio: Studio) -> None:
    card = add(studio, "guidance")
    assert card.under.text() == "Guidance", "the plugin's name is not said twice"
    one, other = (
        Parameter(name=unit or "n", type=ParameterType.INT, title="N", maximum=200.0, unit=unit)
        for unit in ("", "tokens")
    )
    alike = PluginCard(Part(type=PartType.GUIDE, part="p", title="P", parameters=(one, other)))
    widths = {field.spin.maximumWidth() for field in alike.fields.values() if isinstance(field, NumberField)}
    assert len(widths) == 1, "sliders end in one line"
    alike.deleteLater()
    assert sentences("One thing. Another · a third for SD 1.5 only.") == "One thing.\nAnother\na third for SD 1.5 only."


def test_cards_are_switched_moved_and_removed(studio: Studio, qtbot: QtBot) -> None:
    add(studio, "guidance")
    second = add(studio, "invert")
    qtbot.mouseClick(second.up, Qt.MouseButton.LeftButton)
    assert [layer.use.plugin.id for layer in studio.draft.draft.plugins] == ["invert", "guidance"]
    first = studio.window.plugin_panel.cards[0]
    assert first.title.text() == "Invert"
    qtbot.mouseClick(first.eye, Qt.MouseButton.LeftButton)
    assert not studio.draft.draft.plugins[0].enabled
    qtbot.mouseClick(first.remove, Qt.MouseButton.LeftButton)
    assert [card.title.text() for card in studio.window.plugin_panel.cards] == ["Guidance by CLIP"]


def test_a_restored_layer_of_a_missing_plugin_is_shown_and_generate_says_it(studio: Studio) -> None:
    use = PluginUse(plugin=PluginRef(id="gone"), type="guide", part="thing", values=(("scale", 1.0),))
    studio.draft.load(Recipe(prompt="a", seed=1, plugins=(use,)))
    card = studio.window.plugin_panel.cards[0]
    assert "needs the plugin gone" in card.problem.text().lower()
    studio.window.wishes.generate()
    assert studio.queue.jobs == ()
    assert "gone" in studio.state.messages.history()[-1].headline
    assert studio.draft.draft.plugins[0].use == use, "what is not known here is kept"


def test_plugin_kinds_stand_below_the_built_in_ones(studio: Studio, qtbot: QtBot, sketch: Path) -> None:
    control = studio.window.control
    assert drop(control, file_mime(sketch))
    qtbot.waitUntil(lambda: bool(control.cards), timeout=5000)
    kind = control.cards[0].kind
    built_in = len(ControlKind)
    assert [kind.itemData(row) for row in range(kind.count())] == [*ControlKind, None, "t2i-sketch"]
    heading, row = built_in, built_in + 1
    assert (kind.itemText(heading), kind.itemText(row)) == ("T2I-Adapter", "Sketch"), "a heading names the plugin"
    assert not kind.model().flags(kind.model().index(heading, 0)), "which is no choice"
    kind.setCurrentIndex(row)
    kind.activated.emit(row)
    use = studio.draft.draft.controls[0].use
    assert (use.kind, use.plugin) == (
        "t2i-sketch",
        PluginRef(id="t2i_adapter", version="1.0.0", digest=SHIPPED[-1].digest),
    )
    qtbot.waitUntil(lambda: not control.cards[0].map.image.isNull(), timeout=5000)
    assert control.cards[0].caption.text().startswith("What T2I-Adapter sees")
    assert "Sketch (T2I-Adapter)" in kind.toolTip(), "the whole title, which the closed list has no room for"
    studio.state.plugins.disable("t2i_adapter")
    qtbot.waitUntil(lambda: "“T2I-Adapter”" in control.cards[0].problem.text(), timeout=5000)
    assert kind.currentData() == "t2i-sketch", "shown as it is, not changed in silence"
    kind.setCurrentIndex(0)
    kind.activated.emit(0)
    use = studio.draft.draft.controls[0].use
    assert (use.kind, use.plugin) == (ControlKind.SCRIBBLE, None)
    assert not control.cards[0].problem.isVisible()


def test_a_sketch_that_was_inverted_is_no_negative_for_a_kind_that_takes_a_picture(qtbot: QtBot) -> None:
    kinds = tuple(
        Part(type=PartType.ADAPTER, part=name, title=name, control=name, preprocess=preprocess)
        for name, preprocess in (("lines", "grey"), ("whole", ""))
    )
    info = info_of("p", *kinds)
    card = ControlCard()
    qtbot.addWidget(card)
    card.show_kinds(tuple((part.control, part, info) for part in kinds))
    use = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="0" * 64), invert=True)
    card.edited.connect(lambda layer, _words: card.show_layer(0, 1, layer, Size(width=64, height=64)))
    card.show_layer(0, 1, ControlLayer(use=use), Size(width=64, height=64))
    seen = []
    for kind in ("lines", "whole", "canny"):
        card.kind.activated.emit(card.kind.setCurrentIndex(card.kind.findData(kind)) or 0)
        assert card.layer is not None
        seen.append((card.layer.use.kind, card.layer.use.invert, card.caption.text().split("  ")[0]))
    assert seen == [
        ("lines", True, "What p sees"), ("whole", False, "Taken as it is"), ("canny", True, "What the model sees"),
    ]  # fmt: skip


def test_a_plugins_scheduler_stands_in_the_list_and_goes_with_it(
    studio: Studio, shelf: MemoryShelf, qtbot: QtBot
) -> None:
    part = Part(type=PartType.SAMPLER, part="slow", title="Slow and steady", description="Takes its time.")
    shelf.kept["slowly"] = info_of("slowly", part)
    studio.state.plugins.rescan()
    combo = studio.window.settings.scheduler.scheduler
    qtbot.waitUntil(lambda: combo.findData("slowly:slow") >= 0)
    combo.setCurrentIndex(combo.findData("slowly:slow"))
    combo.activated.emit(combo.currentIndex())
    assert studio.draft.draft.scheduler == "slowly:slow"
    assert studio.state.plugins.problem(studio.draft.draft) is None
    studio.state.plugins.disable("slowly")
    qtbot.waitUntil(lambda: not studio.state.plugins.busy)
    assert combo.currentData() == "slowly:slow", "shown by its id, not changed in silence"
    studio.window.wishes.generate()
    assert "slowly" in studio.state.messages.history()[-1].headline


@pytest.mark.parametrize(
    ("low", "high", "step", "value"),
    [
        (0.0, 1.0, 0.0, 0.37),
        (-4.0, 4.0, 0.05, -1.25),
        (0.0, 1000.0, 10.0, 640.0),
        (0.0, 1e9, 0.001, 12.5),
        (0.0, 0.01, 0.0, 0.003),
    ],
)
def test_number_fields_hold_any_declared_range(
    qtbot: QtBot, low: float, high: float, step: float, value: float
) -> None:
    parameter = Parameter(
        name="x", type=ParameterType.FLOAT, title="X", minimum=low, maximum=high, step=step, unit="px"
    )
    field = field_of(parameter)
    qtbot.addWidget(field)
    assert isinstance(field, NumberField)
    told: list[float] = []
    field.edited.connect(told.append)
    field.show_value(value)
    assert told == []
    assert field.spin.value() == pytest.approx(value)
    field.spin.stepUp()
    assert low <= told[-1] <= high


def test_whole_numbers_beyond_qt_are_held(qtbot: QtBot) -> None:
    parameter = Parameter(name="seed", type=ParameterType.INT, title="Seed", maximum=2**32 - 1)
    field = field_of(parameter)
    qtbot.addWidget(field)
    assert isinstance(field, NumberField)
    told: list[object] = []
    field.edited.connect(told.append)
    field.spin.setValue(2**32 - 1)  # type: ignore[arg-type]
    assert told == [2**32 - 1]
    assert isinstance(told[0], int)


def test_what_plugins_say_stays_plain_text(studio: Studio, shelf: MemoryShelf, qtbot: QtBot) -> None:
    evil = '<img src="file://host/x" width=30000><b>bold</b>'
    part = Part(
        type=PartType.GUIDE,
        part="p",
        title=evil,
        description=evil,
        parameters=(
            Parameter(name="x", type=ParameterType.TEXT, title=evil, help=evil),
            Parameter(name="y", type=ParameterType.BOOL, title="very long words " * 9, default=False),
        ),
    )
    shelf.kept["evil"] = info_of("evil", part, name=evil)
    studio.state.plugins.rescan()
    qtbot.waitUntil(lambda: studio.state.plugins.find("evil") is not None)
    panel = studio.window.plugin_panel
    panel.add_part(shelf.kept["evil"], part)
    card = panel.cards[0]
    assert card.title.text() == evil
    tips = [widget.toolTip() for widget in card.findChildren(object) if hasattr(widget, "toolTip")]
    assert all("&lt;img" in tip for tip in tips if "img" in tip)
    assert card.minimumSizeHint().width() < 320, "a long title pushes nothing out of sight"
