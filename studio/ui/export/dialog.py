"""The window for exporting pictures: single files or a contact sheet, how, under which names, and where to."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.core.errors import StudioError
from studio.core.export import (
    PATTERN,
    PLACEHOLDERS,
    Caption,
    ExportFormat,
    ExportReport,
    ExportWish,
    SheetWish,
    check_wish,
    file_stem,
)
from studio.core.picture import Picture
from studio.state.export import Exporter
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.slider_spin import CalmSpin, SliderSpin
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip
from studio.ui.widgets.undo import leave_undo_to_window

_COLUMNS_MAX = 24


class ExportDialog(QDialog):
    """Exports the pictures it is opened with. Mutable state: `_folder`, where to; `_report`, what became of it."""

    def __init__(
        self, exporter: Exporter, pictures: tuple[Picture, ...], folder: Path, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("exportDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Export"))
        open_in(self, QSize(560, 520))
        self._exporter, self._pictures, self._folder = exporter, pictures, folder
        self._report: ExportReport | None = None
        self._grid = QGridLayout()
        self._rows: dict[str, tuple[QWidget, QWidget]] = {}
        self._build()
        exporter.progressed.connect(self._on_progress)
        exporter.finished.connect(self._on_finished)
        exporter.failed.connect(self._on_failed)
        self._show()

    @property
    def wish(self) -> ExportWish:
        """What the fields ask for."""
        return ExportWish(
            format=ExportFormat(str(self.format.currentData())),
            quality=self.quality_spin.value(),
            lossless=self.lossless.isChecked(),
            with_recipe=self.recipe.isChecked(),
            pattern=self.pattern.text(),
        )

    @property
    def sheet(self) -> SheetWish | None:
        """The contact sheet that is asked for, None for single files."""
        if not self.as_sheet.isChecked():
            return None
        caption = Caption(str(self.caption.currentData()))
        return SheetWish(columns=self.columns.value(), caption=caption, title=self.title.text().strip())

    def export(self) -> None:
        """Begin."""
        self._report = None
        self.outcome.setText("")
        self._exporter.export(self._pictures, self.wish, self._folder, self.sheet)
        self._show()

    # Building
    def _build(self) -> None:
        count = len(self._pictures)
        words = self.tr("One picture") if count == 1 else self.tr("{n} pictures").replace("{n}", str(count))
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addWidget(PlainLabel(words, "big"))
        head.addStretch(1)
        self.as_files, self.as_sheet = self._kind(self.tr("Single files")), self._kind(self.tr("Contact sheet"))
        kinds = QButtonGroup(self)
        for button in (self.as_files, self.as_sheet):
            kinds.addButton(button)
            head.addWidget(button)
        self.as_files.setChecked(True)
        kinds.buttonClicked.connect(self._on_kind)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(10)
        self._grid.setColumnMinimumWidth(0, 92)
        self._grid.setColumnStretch(1, 1)
        self._make_rows()
        self.outcome = PlainLabel(wrap=True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress of the export"))
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(14)
        column.addLayout(head)
        column.addLayout(self._grid)
        column.addStretch(1)
        column.addWidget(self.outcome)
        column.addWidget(self.progress)
        column.addLayout(self._foot())

    def _kind(self, words: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName("segment")
        button.setText(words)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _make_rows(self) -> None:
        self.columns = CalmSpin(1, _COLUMNS_MAX)
        self.columns.setValue(min(4, max(1, len(self._pictures))))
        self.columns.setFixedWidth(84)
        self._row("columns", self.tr("Columns"), self.columns)
        self.caption = CalmCombo("exportCaption", self.tr("Captions"))
        for kind, words in self._captions().items():
            self.caption.addItem(words, kind.value)
        self.caption.setCurrentIndex(list(self._captions()).index(Caption.PROMPT))
        self._row("caption", self.tr("Captions"), self.caption)
        self.title = self._line(self.tr("Title"), "")
        self.title.setPlaceholderText(self.tr("Contact sheet"))
        self._row("title", self.tr("Title"), self.title)
        self.format = CalmCombo("exportFormat", self.tr("Format"))
        for format, words in ((ExportFormat.PNG, "PNG"), (ExportFormat.JPEG, "JPEG"), (ExportFormat.WEBP, "WebP")):
            self.format.addItem(words, format.value)
        self.format.activated.connect(self._show)
        self._row("format", self.tr("Format"), self.format)
        self.quality_spin = CalmSpin(1, 100)
        self.quality = SliderSpin(self.quality_spin, (1, 100))
        self.quality.show_value(90)
        self.quality.name_parts(self.tr("Quality"))
        self._row("quality", self.tr("Quality"), self.quality)
        self.lossless = QCheckBox(self.tr("Without any loss"))
        self.lossless.toggled.connect(self._show)
        self._row("lossless", "", self.lossless)
        self.pattern = self._line(self.tr("Names"), PATTERN)
        self.pattern.textEdited.connect(self._show)
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        plain_tooltip(self.pattern, self.tr("In braces, what is filled in:") + f" {known}")
        self._row("pattern", self.tr("Names"), self.pattern)
        self.example = PlainLabel("", "faint", wrap=True)
        self._row("example", "", self.example)
        self.recipe = QCheckBox(self.tr("Write into the files how they were made"))
        self.recipe.setChecked(True)
        self.recipe.toggled.connect(self._show)
        self._row("recipe", self.tr("Recipe"), self.recipe)
        self.promise = PlainLabel("", "faint", wrap=True)
        self._row("promise", "", self.promise)
        self.folder = ElidedLabel(str(self._folder))
        self.choose = QPushButton(self.tr("Choose …"))
        self.choose.setAutoDefault(False)
        self.choose.clicked.connect(self._on_choose)
        where = QWidget()
        row = QHBoxLayout(where)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.folder, 1)
        row.addWidget(self.choose)
        self._row("folder", self.tr("Folder"), where)

    def _captions(self) -> dict[Caption, str]:
        return {
            Caption.NONE: self.tr("none"),
            Caption.NUMBER: self.tr("a number"),
            Caption.PROMPT: self.tr("the prompt"),
            Caption.SEED: self.tr("the seed"),
            Caption.SETTINGS: self.tr("the settings"),
            Caption.FILE: self.tr("the file's name"),
        }

    def _line(self, name: str, text: str) -> QLineEdit:
        made = QLineEdit(text)
        made.setAccessibleName(name)
        made.setMaxLength(200)
        leave_undo_to_window(made)
        return made

    def _row(self, name: str, words: str, field: QWidget) -> None:
        label = PlainLabel(words, "field")
        at = self._grid.rowCount()
        self._grid.addWidget(label, at, 0)
        wide = name not in ("columns",)
        self._grid.addWidget(field, at, 1) if wide else self._grid.addWidget(field, at, 1, Qt.AlignmentFlag.AlignLeft)
        self._rows[name] = (label, field)

    def _foot(self) -> QHBoxLayout:
        self.open_folder = QPushButton(self.tr("Open folder"))
        self.open_folder.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder))))
        self.stop = QPushButton(self.tr("Cancel"))
        self.stop.clicked.connect(self._exporter.cancel)
        self.close_button = QPushButton(self.tr("Close"))
        self.close_button.clicked.connect(self.close)
        self.begin = QPushButton(self.tr("Export"))
        self.begin.setObjectName("exportBegin")
        self.begin.setProperty("look", "primary-small")
        self.begin.setDefault(True)
        self.begin.clicked.connect(self.export)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.open_folder)
        row.addStretch(1)
        for button in (self.stop, self.close_button, self.begin):
            row.addWidget(button)
        for button in (self.open_folder, self.stop, self.close_button):
            button.setAutoDefault(False)
        return row

    def _on_kind(self, _button: object) -> None:
        self._report = None
        self.outcome.setText("")
        self._show()

    # Showing
    def _show(self, _anything: object = None) -> None:
        wish, busy, is_sheet = self.wish, self._exporter.busy, self.as_sheet.isChecked()
        webp, lossy = wish.format is ExportFormat.WEBP, wish.format is not ExportFormat.PNG
        shown = {
            "columns": is_sheet,
            "caption": is_sheet,
            "title": is_sheet,
            "pattern": not is_sheet,
            "example": not is_sheet,
            "quality": lossy and not (webp and wish.lossless),
            "lossless": webp,
        }
        for name, widgets in self._rows.items():
            for widget in widgets:
                widget.setVisible(shown.get(name, True))
                widget.setEnabled(not busy)
        self.promise.setText(self._promise(wish, is_sheet))
        trouble = self._show_example(wish)
        self.begin.setEnabled(not busy and trouble is None and bool(self._pictures))
        self.stop.setVisible(busy)
        self.progress.setVisible(busy)
        self.open_folder.setVisible(self._report is not None and bool(self._report.files))

    def _show_example(self, wish: ExportWish) -> StudioError | None:
        """How the first file will be called, or what is wrong with the pattern."""
        try:
            check_wish(wish)
        except StudioError as error:
            self._look(self.example, "problem", str(error))
            return error
        if self._pictures:
            first = self._pictures[0]
            is_sheet = bool(first.made_with.sheet)
            stem = file_stem(wish.pattern, first.id, first.recipe, first.created, 1, is_sheet)
            self._look(self.example, "faint", f"{stem}.{wish.format.value}")
        return None

    def _look(self, label: PlainLabel, look: str, text: str) -> None:
        if label.property("look") != look:
            label.setProperty("look", look)
            label.style().unpolish(label)
            label.style().polish(label)
        label.setText(text)

    def _promise(self, wish: ExportWish, is_sheet: bool) -> str:
        clean = self.tr("No folder and no user name of this computer goes with them.")
        if not wish.with_recipe:
            return self.tr("Only pixels.") + " " + clean
        if is_sheet:
            return self.tr("A list of the pictures, in words.") + " " + clean
        if wish.format is ExportFormat.PNG:
            return self.tr("With control pictures: they can be made again from the file alone.") + " " + clean
        return self.tr("Control pictures travel in PNG only.") + " " + clean

    def _on_choose(self) -> None:
        dialog = QFileDialog(self, self.tr("Export into a folder"), str(self._folder))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self._take_folder)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _take_folder(self, name: str) -> None:
        self._folder = Path(name)
        self.folder.setText(name)

    def _on_progress(self, done: int, of: int) -> None:
        self.progress.setRange(0, of)
        self.progress.setValue(done)

    def _on_finished(self, report: ExportReport) -> None:
        self._report = report
        self.outcome.setText(self._outcome(report))
        self._show()

    def _on_failed(self, error: StudioError) -> None:
        self.outcome.setText(str(error))
        self._show()

    def _outcome(self, report: ExportReport) -> str:
        count = len(report.files)
        one = self.tr("“{name}” was written.").replace("{name}", report.files[0] if report.files else "")
        many = self.tr("{n} files were written.").replace("{n}", str(count))
        lines = [one if count == 1 else many]
        if report.stopped:
            lines[0] = self.tr("Stopped.") + " " + (lines[0] if count else self.tr("Nothing was written."))
        if report.problems:
            lines.append(" ".join(report.problems[:3]))
        if len(report.problems) > 3:
            lines.append(self.tr("… and {n} more.").replace("{n}", str(len(report.problems) - 3)))
        return "\n".join([*lines, *report.notes[:3]])
