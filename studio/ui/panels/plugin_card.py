"""One plugin layer on a card: what it is, on or off, and a field for each parameter that the plugin declares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from studio.core.draft import PluginLayer
from studio.core.plugins import Parameter, ParameterType, Part
from studio.core.recipe import FileRef, ImageRef
from studio.state.plugin_uses import default_of
from studio.ui.panels.fields import CheckField, Field, NumberField, RangeField
from studio.ui.panels.input_fields import FileField, PictureField, field_of
from studio.ui.plugin_words import part_words
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip, sentences

_RANGE = ("start", "end")
_LABEL_PX = 80


class PluginCard(QFrame):
    """Shows the layer at `index`. Made for one declared part; `part` None: the plugin is not here.

    Signals: `edited(PluginLayer, str)` - wish to replace the layer, with words for undo; `moved(int, int)`; `removed(int)`;
    `picture_wished(str, object)` and `file_wished(str, Path)` - take these in for the parameter of this name;
    `offers_wished(FileField, tuple)` - which files with these suffixes are at hand?
    """

    edited = Signal(object, str)
    moved = Signal(int, int)
    removed = Signal(int)
    picture_wished = Signal(str, object)
    file_wished = Signal(str, object)
    offers_wished = Signal(object, object)

    def __init__(self, part: Part | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pluginCard")
        self.part = part
        self.index = 0
        self.fields: dict[str, Field] = {}
        self._layer: PluginLayer | None = None
        self._labels: list[PlainLabel] = []
        self.range: RangeField | None = None
        self._make_head()
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 8, 10)
        column.setSpacing(6)
        column.addLayout(self._head())
        self.problem = PlainLabel(look="warning", wrap=True)
        column.addWidget(self.problem)
        if part is not None and part.parameters:
            column.addSpacing(2)
            column.addLayout(self._grid(part))
        elif part is not None and part.description:
            column.addWidget(
                PlainLabel(sentences(part.description), "faint", wrap=True)
            )  # all there is to know about it

    @property
    def layer(self) -> PluginLayer | None:
        """The layer on show."""
        return self._layer

    def show_layer(self, index: int, count: int, layer: PluginLayer, plugin_name: str, problem: str) -> None:
        """Show a layer, the `index`-th of `count`; tells nobody. `problem` says in words why it cannot work now."""
        self.index, self._layer = index, layer
        use = layer.use
        self.title.setText(self.part.title if self.part else use.part)
        kind = part_words(use.type)
        self.under.setText(kind if plugin_name in (kind, self.title.text()) else f"{kind}  ·  {plugin_name}")
        self.setAccessibleName(
            self.tr("Plugin layer {n}: {t}").replace("{n}", str(index + 1)).replace("{t}", self.title.text())
        )
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.eye.setChecked(layer.enabled)
        self.up.setEnabled(index > 0)
        self.down.setEnabled(index < count - 1)
        self._show_values(layer)
        for part in (self.title, self.under, *self._labels, *self.fields.values(), *filter(None, (self.range,))):
            part.setEnabled(layer.enabled)

    def show_picture(self, name: str, image: QImage | None) -> None:
        """Show a parameter's picture, None: it has none."""
        field = self.fields.get(name)
        if isinstance(field, PictureField):
            field.show_image(image)

    def set_value(self, name: str, value: object) -> None:
        """Wish a value, picture or file for a parameter; None takes a picture or file away."""
        if self._layer is None:
            return
        use = self._layer.use
        title = next((p.title for p in self.part.parameters if p.name == name), name) if self.part else name
        words = self.tr("change {what}").replace("{what}", title.lower())
        if value is None or isinstance(value, ImageRef | FileRef):
            if isinstance(value, FileRef) or name in dict(use.files):
                use = replace(use, files=_with(use.files, name, value))
            else:
                use = replace(use, images=_with(use.images, name, value))
        else:
            use = replace(use, values=_with(use.values, name, value))
        if not isinstance(value, int | float):  # another word or file may mean other weights; a number does not
            use = replace(use, found=())
        self.edited.emit(replace(self._layer, use=use), words)

    # Building
    def _make_head(self) -> None:
        self.title = PlainLabel(look="headline", wrap=True)  # beside a scroll bar a title may need two lines
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.under = ElidedLabel(look="faint")
        self.eye = icon_button("eye-off", self.tr("Switch this layer on or off"), icon_on="eye")
        self.up = icon_button("up", self.tr("Move up: layers of one kind work in this order"), px=16)
        self.down = icon_button("down", self.tr("Move down: layers of one kind work in this order"), px=16)
        self.remove = icon_button("trash", self.tr("Remove this layer"))
        self.eye.clicked.connect(self._on_eye)
        self.up.clicked.connect(lambda: self.moved.emit(self.index, self.index - 1))
        self.down.clicked.connect(lambda: self.moved.emit(self.index, self.index + 1))
        self.remove.clicked.connect(lambda: self.removed.emit(self.index))
        if self.part is not None and self.part.description:
            plain_tooltip(
                self, sentences(self.part.description)
            )  # not on the labels: they use theirs when they are cut

    def _head(self) -> QHBoxLayout:
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self.title)
        words.addWidget(self.under)
        head = QHBoxLayout()
        head.setSpacing(2)
        head.addWidget(self.eye, 0, Qt.AlignmentFlag.AlignVCenter)
        head.addSpacing(6)
        head.addLayout(words, 1)
        for button in (self.up, self.down, self.remove):
            head.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        return head

    def _grid(self, part: Part) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.setColumnMinimumWidth(0, _LABEL_PX)
        grid.setColumnStretch(1, 1)
        ranged = _has_range(part)
        for parameter in part.parameters:
            if ranged and parameter.name in _RANGE:
                if parameter.name == _RANGE[0]:
                    self._add_range(grid)
                continue
            self._add_field(grid, parameter)
        self._align_boxes()
        return grid

    def _align_boxes(self) -> None:
        numbers = [field for field in self.fields.values() if isinstance(field, NumberField)]
        widest = max((field.box_px for field in numbers if field.both is not None), default=0)
        for field in numbers:
            field.align_box(widest)
        if self.range is not None and widest:
            self.range.align_box(widest)

    def _add_range(self, grid: QGridLayout) -> None:
        words = self.tr("During which part of the steps this layer works.")
        self.range = RangeField(words)
        plain_tooltip(self.range, words)
        self.range.edited.connect(self._on_range)
        self._put(grid, self.tr("Steers"), self.range, words)

    def _add_field(self, grid: QGridLayout, parameter: Parameter) -> None:
        says = sentences(parameter.help) or parameter.title
        field = self.fields[parameter.name] = field_of(parameter)
        field.setObjectName(f"field_{parameter.name}")
        plain_tooltip(field, says)
        field.edited.connect(lambda value, name=parameter.name: self._on_edited(name, value))
        if isinstance(field, FileField):
            field.offers_wished.connect(lambda: self.offers_wished.emit(field, parameter.suffixes))
        stacked = parameter.type is ParameterType.TEXT and parameter.lines > 1
        if isinstance(field, CheckField):
            grid.addWidget(field, grid.rowCount(), 1)
        elif stacked:
            label = self._label(parameter.title, says)
            grid.addWidget(label, grid.rowCount(), 0, 1, 2)
            grid.addWidget(field, grid.rowCount(), 0, 1, 2)
        else:
            self._put(grid, parameter.title, field, says)

    def _put(self, grid: QGridLayout, title: str, field: Field, says: str) -> None:
        row = grid.rowCount()
        label = self._label(title, says)
        label.setBuddy(field)
        grid.addWidget(label, row, 0)
        grid.addWidget(field, row, 1)

    def _label(self, title: str, says: str) -> PlainLabel:
        label = PlainLabel(title, "field", wrap=True)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        plain_tooltip(label, says)
        self._labels.append(label)
        return label

    # Showing and wishing
    def _show_values(self, layer: PluginLayer) -> None:
        if self.part is None:
            return
        values, files = dict(layer.use.values), dict(layer.use.files)
        for parameter in self.part.parameters:
            field = self.fields.get(parameter.name)
            if isinstance(field, FileField):
                field.show_name(files[parameter.name].name if parameter.name in files else "")
            elif field is not None and not isinstance(field, PictureField):
                field.show_value(values.get(parameter.name, default_of(parameter)))
        if self.range is not None:
            defaults = {p.name: default_of(p) for p in self.part.parameters if p.name in _RANGE}
            start, end = (values.get(name, defaults[name]) for name in _RANGE)
            self.range.show_range(float(start), float(end))

    def _on_edited(self, name: str, value: object) -> None:
        if isinstance(value, QMimeData) or (isinstance(value, Path) and isinstance(self.fields[name], PictureField)):
            self.picture_wished.emit(name, value)
        elif isinstance(value, Path):
            field = self.fields[name]
            assert isinstance(field, FileField)
            field.show_busy()
            self.file_wished.emit(name, value)
        else:
            self.set_value(name, value)

    def _on_range(self, ends: tuple[float, float]) -> None:
        if self._layer is not None:
            values = self._layer.use.values
            for name, value in zip(_RANGE, ends, strict=True):
                values = _with(values, name, value)
            use = replace(self._layer.use, values=values)
            self.edited.emit(replace(self._layer, use=use), self.tr("change when it steers"))

    def _on_eye(self, enabled: bool) -> None:
        if self._layer is not None:
            words = self.tr("switch plugin layer on") if enabled else self.tr("switch plugin layer off")
            self.edited.emit(replace(self._layer, enabled=enabled), words)


def _has_range(part: Part) -> bool:
    """Whether start and end are declared as fractions of the steps, so that one slider holds both."""
    found = {p.name: p for p in part.parameters if p.name in _RANGE and p.type is ParameterType.FLOAT}
    return len(found) == len(_RANGE) and all((p.minimum, p.maximum) == (0.0, 1.0) for p in found.values())


def _with(pairs: tuple[tuple[str, Any], ...], name: str, value: object) -> tuple[tuple[str, Any], ...]:
    """The sorted pairs with this one set, or taken out for None."""
    kept = {**dict(pairs), name: value}
    return tuple(sorted((key, item) for key, item in kept.items() if item is not None))
