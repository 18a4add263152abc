"""One axis of a plot: which field, which values, what was understood of them, or what is wrong with them."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from studio.core.errors import StudioError
from studio.core.plot import Axis
from studio.core.plot_fields import FieldKind, PlotField, read_values
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.plot.chips import Chips
from studio.ui.widgets.buttons import MenuButton
from studio.ui.widgets.text import PlainLabel, plain_tooltip
from studio.ui.widgets.undo import leave_undo_to_window

_NAME_PX = 64


class AxisRow(QFrame):
    """Mutable state: the chosen field, the typed text, `axis` as read of them or None, `_kept` texts of other fields.

    Signals: `edited()` - another field or other values.
    """

    edited = Signal()

    def __init__(self, name: str, optional: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("axisCard")
        self._fields: tuple[PlotField, ...] = ()
        self._kept: dict[str, str] = {}
        self._optional, self._shown = optional, ""
        self._wrong: StudioError | None = None
        self._trouble: StudioError | None = None
        self.axis: Axis | None = None
        self.field = CalmCombo(f"axisField{name}", self.tr("Field of {n}").replace("{n}", name))
        self.field.setMaxVisibleItems(24)
        self.values = QLineEdit()
        self.values.setObjectName(f"axisValues{name}")
        self.values.setAccessibleName(self.tr("Values of {n}").replace("{n}", name))
        self.values.setMaxLength(4000)
        leave_undo_to_window(self.values)
        self.choices = MenuButton("plus", "")
        plain_tooltip(self.choices, self.tr("Add a value"), name=True)
        self.choices.setFixedWidth(34)
        self.chips = Chips()
        self.problem = PlainLabel(look="problem", wrap=True)
        self._lay_out(name)
        self.field.activated.connect(self._on_field)
        self.values.textEdited.connect(self._on_text)
        self._show()

    def set_fields(self, fields: tuple[PlotField, ...]) -> None:
        """Offer these; the chosen one stays if it is still among them."""
        chosen = self.field_id
        if fields == self._fields:
            return
        self._fields = fields
        with QSignalBlocker(self.field):
            self.field.clear()
            if self._optional:
                self.field.addItem(self.tr("none"), "")
            for field in fields:
                self.field.addItem(field.title, field.id)
            self.field.setCurrentIndex(max(0, self.field.findData(chosen)))
        self._show()

    def choose(self, field_id: str, text: str) -> None:
        """Put a field and its values here. One that cannot be varied now changes nothing."""
        if self.field.findData(field_id) < 0:
            return
        with QSignalBlocker(self.field):
            self.field.setCurrentIndex(self.field.findData(field_id))
        self.values.setText(text)
        self._kept[field_id] = text
        self._show()

    def tell(self, error: StudioError | None) -> None:
        """Say what is wrong with these values together with the others."""
        self._trouble = error
        self._show_problem()

    @property
    def typed(self) -> tuple[str, str]:
        """The field's id and the text, as they stand."""
        return self.field_id, self.values.text() if self.field_id else ""

    @property
    def field_id(self) -> str:
        return str(self.field.currentData() or "")

    @property
    def wrong(self) -> StudioError | None:
        """What is wrong with the values by themselves."""
        return self._wrong

    def _lay_out(self, name: str) -> None:
        title = PlainLabel(name, "field")
        title.setFixedWidth(_NAME_PX)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(title)
        head.addWidget(self.field, 1)
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addSpacing(_NAME_PX + 8)
        line.addWidget(self.values, 1)
        line.addWidget(self.choices)
        below = QVBoxLayout()
        below.setContentsMargins(_NAME_PX + 8, 0, 0, 0)
        below.setSpacing(4)
        below.addWidget(self.chips)
        below.addWidget(self.problem)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(8)
        column.addLayout(head)
        column.addLayout(line)
        column.addLayout(below)

    def _current(self) -> PlotField | None:
        return next((field for field in self._fields if field.id == self.field_id), None)

    def _on_field(self, _row: int) -> None:
        self._kept[self._shown] = self.values.text()
        field = self._current()
        self.values.setText(self._kept.get(field.id, "") if field is not None else "")
        self._show()
        self.edited.emit()

    def _on_text(self, _text: str) -> None:
        self._show()
        self.edited.emit()

    def _add_choice(self, title: str) -> None:
        before = self.values.text().rstrip(" ,")
        self.values.setText(f"{before}, {title}" if before else title)
        self._on_text("")

    def _show(self) -> None:
        field = self._current()
        self.axis, self._wrong, self._trouble = None, None, None
        self.values.setVisible(field is not None)
        self.choices.setVisible(field is not None and field.kind is FieldKind.CHOICE)
        if field is not None:
            self.values.setPlaceholderText(field.example)
            plain_tooltip(self.values, self._help(field))
            self._read(field)
            if field.id != self._shown:
                self._fill_menu(field)
        self._shown = field.id if field is not None else ""
        self.chips.show_texts(self.axis.labels if self.axis is not None else ())
        self.chips.setVisible(self.axis is not None and bool(self.axis.values))
        self._show_problem()

    def _read(self, field: PlotField) -> None:
        try:
            self.axis = Axis(field=field, values=read_values(field, self.values.text()))
        except StudioError as error:
            self._wrong = error

    def _fill_menu(self, field: PlotField) -> None:
        menu = self.choices.menu_below
        menu.clear()
        for _value, title in field.choices:
            menu.addAction(title.replace("&", "&&"), partial(self._add_choice, title))
        menu.addSeparator()
        menu.addAction(self.tr("All of them"), partial(self._take_all, field))

    def _take_all(self, field: PlotField) -> None:
        self.values.setText(", ".join(title for _value, title in field.choices))
        self._on_text("")

    def _show_problem(self) -> None:
        error = self._wrong or self._trouble
        self.problem.setText(str(error) if error is not None else "")
        self.problem.setVisible(error is not None)
        if self.values.property("bad") != (error is not None):
            self.values.setProperty("bad", error is not None)
            self.values.style().unpolish(self.values)
            self.values.style().polish(self.values)

    def _help(self, field: PlotField) -> str:
        numbers = self.tr("A list: 5, 10, 20\nA range: 1-5\nWith a step: 1-10 (+3)\nWith a count: 1-9 [5]")
        texts = self.tr('A list: red, blue\nQuotes keep a comma: "green, dark"\n"" is an empty text')
        search = self.tr("First what stands in the prompt, then what comes in its place: red, blue, green")
        return {
            FieldKind.WHOLE: numbers,
            FieldKind.NUMBER: numbers,
            FieldKind.TEXT: texts,
            FieldKind.REPLACE: search,
            FieldKind.SIZE: self.tr("A list of width x height: 256x256, 384x256"),
            FieldKind.CHOICE: self.tr("A list of names"),
        }[field.kind]
