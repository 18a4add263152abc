"""The page Models …: everything in the artist's model folders, what it is and what it goes with."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QPainter, QPaintEvent, QShortcut
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from studio.core.model_files import Family, Kind, ModelFile
from studio.state.models_model import Filter, ModelsModel
from studio.ui.icons import icon
from studio.ui.models.delegate import ModelRowDelegate
from studio.ui.models.details import ModelDetails
from studio.ui.models.words import family_words, kind_words
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.theme import colors
from studio.ui.widgets.buttons import MenuButton
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip

_KINDS_PX, _DETAILS_PX, _TYPING_MS = 176, 312, 120
_FAMILIES = (Family.UNKNOWN, Family.SD1, Family.SD2, Family.SDXL, Family.REFINER, Family.MINI)
_ALL = ""


class ModelsList(QListView):
    """The rows; says in words when there is nothing to show."""

    empty_words = ""

    # Qt overrides
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.model() is not None and self.model().rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(colors().color("text_faint"))
            place = self.viewport().rect().adjusted(40, 24, -40, -24)
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.drawText(place, flags, self.empty_words)


class ModelsPage(QDialog):
    """Shows what the model knows and sends wishes. Mutable state: which of the widgets say what; the filter.

    Signals: `use_wished(ModelFile)`, `reveal_wished(ModelFile)`, `words_wished(str)`, `folders_wished(tuple)` - look for
    models in these folders of the artist's; `get_wished()` - open “Get models …”.
    """

    use_wished = Signal(object)
    reveal_wished = Signal(object)
    words_wished = Signal(str)
    folders_wished = Signal(object)
    get_wished = Signal()

    def __init__(
        self, models: ModelsModel, own_folders: tuple[Path, ...], model_name: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._models, self._own, self._model_name = models, own_folders, model_name
        self._awaited = ""  # a place that is not among the rows yet
        self.setObjectName("modelsPage")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Models"))
        open_in(self, QSize(1040, 660))
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MS)
        self._typing.timeout.connect(self._filter)
        self.kinds = self._make_kinds()
        self.list = self._make_list()
        self.details = ModelDetails(models)
        self.details.setFixedWidth(_DETAILS_PX)
        for signal, mine in (
            (self.details.use_wished, self.use_wished),
            (self.details.reveal_wished, self.reveal_wished),
            (self.details.words_wished, self.words_wished),
        ):
            signal.connect(mine)
        self.details.answered.connect(self._on_answered)
        self._lay_out()
        models.changed.connect(self._show)
        models.dataChanged.connect(
            self._on_data
        )  # a method: the model outlives the page, a lambda would be called still
        models.modelReset.connect(self._on_reset)
        self._filter()
        self._show()
        self._select_first()

    # Building
    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(12)
        column.addLayout(self._head())
        middle = QHBoxLayout()
        middle.setSpacing(12)
        middle.addWidget(self.kinds)
        rows = QVBoxLayout()
        rows.setSpacing(12)
        rows.addWidget(self.list, 1)
        rows.addWidget(self._welcome())
        middle.addLayout(rows, 1)
        middle.addWidget(self.details)
        column.addLayout(middle, 1)
        column.addLayout(self._foot())
        self.search.setFocus()

    def _head(self) -> QHBoxLayout:
        self.search = QLineEdit()
        self.search.setObjectName("modelSearch")
        self.search.setPlaceholderText(self.tr("Search names, trigger words, notes"))
        self.search.setAccessibleName(self.tr("Search models"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(lambda _: self._typing.start())
        QShortcut(QKeySequence.StandardKey.Find, self, lambda: self.search.setFocus())
        self.family = CalmCombo("modelFamily", self.tr("Family"))
        for family in _FAMILIES:
            self.family.addItem(family_words(family) or self.tr("All families"), family.value)
        self.family.setFixedWidth(140)
        self.family.activated.connect(lambda _: self._filter())
        self.fits = QCheckBox(self.tr("Fits “{name}”").replace("{name}", self._model_name[:28]))
        self.fits.setObjectName("fitsCheck")
        plain_tooltip(self.fits, self.tr("Show only what goes with the model that paints now."))
        self.fits.toggled.connect(lambda _: self._filter())
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.search, 1)
        row.addWidget(self.family)
        row.addWidget(self.fits)
        return row

    def _make_kinds(self) -> QListWidget:
        made = QListWidget()
        made.setObjectName("modelKinds")
        made.setAccessibleName(self.tr("Kinds"))
        made.setFixedWidth(_KINDS_PX)
        made.setIconSize(QSize(16, 16))
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.currentRowChanged.connect(lambda _: self._filter())
        return made

    def _make_list(self) -> ModelsList:
        made = ModelsList()
        made.setObjectName("modelList")
        made.setAccessibleName(self.tr("Models"))
        made.setUniformItemSizes(True)
        made.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.setMouseTracking(True)
        self._delegate = ModelRowDelegate(made)
        self._delegate.current = self._model_name
        made.setItemDelegate(self._delegate)
        made.setModel(self._models)
        made.selectionModel().currentChanged.connect(lambda *_: self._show_details())
        made.doubleClicked.connect(self._use)
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            QShortcut(key, made, lambda: self._use(made.currentIndex()), context=Qt.ShortcutContext.WidgetShortcut)
        return made

    def _welcome(self) -> QFrame:
        """What to do first, while nothing is here but what ships."""
        self.welcome = QFrame()
        self.welcome.setObjectName("offerCard")
        add = QPushButton(icon("folder"), self.tr("Add a folder …"))
        add.clicked.connect(self._on_add)
        get = QPushButton(icon("download"), self.tr("Get models …"))
        get.clicked.connect(self.get_wished)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (add, get):
            button.setAutoDefault(False)
            button.setIconSize(QSize(16, 16))
            buttons.addWidget(button)
        buttons.addStretch(1)
        column = QVBoxLayout(self.welcome)
        column.setContentsMargins(12, 10, 12, 12)
        column.setSpacing(8)
        column.addWidget(PlainLabel(self.tr("Models of your own"), "headline"))
        words = self.tr(
            "Add the folder where they lie; those of A1111, ComfyUI and InvokeAI will do, and no file is moved. Or get"
            " well-known ones. Checkpoints, LoRAs, VAEs and ControlNets then stand here."
        )
        column.addWidget(PlainLabel(words, wrap=True))
        column.addLayout(buttons)
        return self.welcome

    def _foot(self) -> QHBoxLayout:
        self.folders = MenuButton("folder", self.tr("Folders"))
        self.folders.setObjectName("modelFoldersButton")
        self.folders.menu_below.aboutToShow.connect(self.fill_folders)
        self.again = QPushButton(icon("retry"), self.tr("Look again"))
        self.again.setIconSize(QSize(16, 16))
        self.again.clicked.connect(self._models.rescan)
        self.status = ElidedLabel(look="muted")
        self.get = QPushButton(icon("download"), self.tr("Get models …"))
        self.get.setObjectName("getModelsButton")
        self.get.setIconSize(QSize(16, 16))
        self.get.clicked.connect(self.get_wished)
        close = QPushButton(self.tr("Close"))
        close.clicked.connect(self.accept)
        for button in (self.again, self.get, close):
            button.setAutoDefault(False)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.folders)
        row.addWidget(self.again)
        row.addSpacing(8)
        row.addWidget(self.status, 1)
        row.addWidget(self.get)
        row.addWidget(close)
        return row

    def fill_folders(self) -> None:
        """The menu: add one, and each of the artist's own to be taken off the list."""
        menu = self.folders.menu_below
        menu.clear()
        menu.addAction(icon("plus"), self.tr("Add a folder …"), self._on_add)
        menu.addAction(self.tr("Add the folders of a ComfyUI list (extra_model_paths.yaml) …"), self._on_comfy)
        if self._own:
            menu.addSeparator()
        for folder in self._own:
            words = self.tr("Stop looking in {folder}").replace("{folder}", str(folder).replace("&", "&&"))
            menu.addAction(icon("close"), words, partial(self._on_drop_folder, folder))

    # Showing
    def select(self, path: Path) -> None:
        """Show this one."""
        row = self._models.row_of(path)
        if row >= 0:
            self.list.setCurrentIndex(self._models.index(row))

    def show_place(self, place: str) -> None:
        """Show what lies at a place ("loras/x.safetensors") or below it, once it is known."""
        self.search.clear()
        self.fits.setChecked(False)
        self.family.setCurrentIndex(0)
        self.kinds.setCurrentRow(0)
        self._filter()
        row = self._models.row_at(place)
        self._awaited = "" if row >= 0 else place
        if row >= 0:
            self.list.setCurrentIndex(self._models.index(row))

    def _show(self) -> None:
        if self._awaited and self._models.row_at(self._awaited) >= 0:
            self.show_place(self._awaited)
        self._show_kinds()
        models = self._models
        said = [self.tr("{n} files").replace("{n}", f"{sum(models.counts().values()):,}")]
        if models.busy:
            said = [self.tr("Looking through your folders …")]
        elif models.digesting:
            said.append(self.tr("reading “{name}” for its digest").replace("{name}", models.digesting))
        self.status.setText("  ·  ".join(said))
        self.again.setEnabled(not models.busy)
        self.welcome.setVisible(models.known and all(file.ships for file in models.files))
        self.list.empty_words = self._empty_words()
        self.list.viewport().update()
        self._show_details()

    def _empty_words(self) -> str:
        if self._models.busy and not self._models.files:
            return self.tr("Looking through your folders …")
        if self._models.filter != Filter():
            return self.tr("Nothing here matches. Clear the search, or choose another kind or family.")
        return self.tr("No models yet.\nAdd the folder where yours lie, or get some.")

    def _show_kinds(self) -> None:
        counts = self._models.counts()
        chosen = self._chosen_kind()
        usable = sum(count for kind, count in counts.items() if kind is not Kind.UNKNOWN)
        rows: list[tuple[str, str, int]] = [(self.tr("All"), _ALL, usable)]
        rows += [(kind_words(kind)[1], kind.value, counts[kind]) for kind in Kind if counts.get(kind)]
        with QSignalBlocker(self.kinds):
            self.kinds.clear()
            for words, kind, count in rows:
                item = QListWidgetItem(f"{words}   {count:,}")
                item.setData(Qt.ItemDataRole.UserRole, kind)
                self.kinds.addItem(item)
            at = [row for row, (_, kind, _) in enumerate(rows) if kind == chosen]
            self.kinds.setCurrentRow(at[0] if at else 0)

    def _show_details(self) -> None:
        index, base = self.list.currentIndex(), self._models.find(self._model_name)
        self.details.show_base(base.family if base is not None else Family.UNKNOWN, self._model_name)
        self.details.show_file(self._models.file(index) if index.isValid() else None)

    def _chosen_kind(self) -> str:
        item = self.kinds.currentItem()
        return str(item.data(Qt.ItemDataRole.UserRole)) if item is not None else _ALL

    def _filter(self) -> None:
        kind = self._chosen_kind()
        model = self._models.find(self._model_name)
        base = model.family if model is not None and self.fits.isChecked() else Family.UNKNOWN
        self._models.set_filter(
            Filter(
                text=self.search.text(),
                kind=Kind(kind) if kind else None,
                family=Family(str(self.family.currentData() or "")),
                base=base,
            )
        )
        self.list.empty_words = self._empty_words()

    def _on_data(self, *_changed: object) -> None:
        self._show_details()

    def _on_reset(self) -> None:
        shown = self.details.file
        row = self._models.row_of(shown.path) if shown is not None else -1
        if row >= 0:
            self.list.setCurrentIndex(self._models.index(row))
        else:
            self._select_first()
        self._show_details()

    def _select_first(self) -> None:
        """The model that paints now, if it is among the rows; else the first."""
        now = self._models.find(self._model_name)
        row = max(0, self._models.row_of(now.path)) if now is not None else 0
        if self._models.rowCount():
            self.list.setCurrentIndex(self._models.index(row))

    # Wishes
    def _use(self, index: QModelIndex | QPersistentModelIndex) -> None:
        if index.isValid() and not self.details.use.isHidden() and self.details.use.isEnabled():
            self.use_wished.emit(self._models.file(index))

    def _on_answered(self, file: ModelFile, answer: object) -> None:
        if isinstance(answer, tuple):
            self._models.answer(file, prediction=answer[0], zero_snr=answer[1])
        elif isinstance(answer, Family):
            self._models.answer(file, family=answer)

    def _on_add(self) -> None:
        dialog = QFileDialog(self, self.tr("Where do your models lie?"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self._wish_folders((*self._own, Path(name))))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_comfy(self) -> None:
        dialog = QFileDialog(self, self.tr("ComfyUI's list of model folders"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(self.tr("Lists of folders (*.yaml *.yml)"))
        dialog.fileSelected.connect(
            lambda name: self._models.read_comfy(Path(name), lambda found: self._wish_folders((*self._own, *found)))
        )
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_drop_folder(self, folder: Path) -> None:
        self._wish_folders(tuple(one for one in self._own if one != folder))

    def _wish_folders(self, folders: tuple[Path, ...]) -> None:
        self._own = tuple(dict.fromkeys(folders))
        self.folders_wished.emit(self._own)
