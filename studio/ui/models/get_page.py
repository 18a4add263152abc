"""The page Get models …: well-known ones to begin with, any other by name, and what is on its way."""

from __future__ import annotations

from itertools import groupby

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from studio.core.errors import StudioError
from studio.core.hub import (
    NetworkProblem,
    RemoteFile,
    Repository,
    Starter,
    TransferState,
    clean_endpoint,
    offline_problem,
)
from studio.core.model_files import Family
from studio.core.settings import BY_NAME, Settings
from studio.state.models_downloads import OPEN, Downloads
from studio.state.models_model import ModelsModel
from studio.ui.models.starter_row import RepositoryCard, StarterRow
from studio.ui.models.transfer_row import TransferRow
from studio.ui.models.words import family_words, kind_words
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip

_FAMILIES = (Family.UNKNOWN, Family.SD1, Family.SD2, Family.SDXL)
_TRANSFERS_PX = 220
_PLAIN_NAMES = (
    "diffusion_pytorch_model",
    "pytorch_lora_weights",
    "model.",
    "config.",
)  # told apart by their folder only


class GetModelsPage(QDialog):
    """Shows what the downloads know and sends wishes to them. Mutable state: rows by transfer id, what failed last.

    Signals: `setting_changed(str, object)` - wish to keep a setting; `show_wished(str)` - show what lies below this
    path within the models folder; `page_wished(str)` - open this address in the browser.
    """

    setting_changed = Signal(str, object)
    show_wished = Signal(str)
    page_wished = Signal(str)

    def __init__(
        self, downloads: Downloads, models: ModelsModel, settings: Settings, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._downloads, self._models, self._settings = downloads, models, settings
        self._rows: dict[str, TransferRow] = {}
        self.setObjectName("getModelsPage")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Get models"))
        open_in(self, QSize(820, 700))
        self.starters: list[StarterRow] = []
        self.card = RepositoryCard()
        self.card.wished.connect(self._on_get)
        self.card.page_wished.connect(self.page_wished)
        self.card.closed.connect(lambda: self.card.show_repository(None))
        self.problem = PlainLabel(look="warning", wrap=True)
        self.problem.hide()
        self._lay_out()
        downloads.changed.connect(self._show)
        models.changed.connect(self._show_starters)
        downloads.found.connect(self._on_found)
        downloads.failed.connect(self._on_failed)
        self._show()

    # Building
    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(10)
        column.addLayout(self._head())
        column.addWidget(self.problem)
        column.addWidget(self.card)
        column.addWidget(self._starters(), 1)
        self._transfers_title = PlainLabel(self.tr("On their way"), "title")
        column.addWidget(self._transfers_title)
        column.addWidget(self._transfers())
        column.addLayout(self._network())
        column.addLayout(self._foot())

    def _head(self) -> QHBoxLayout:
        self.name = QLineEdit()
        self.name.setObjectName("hubName")
        self.name.setPlaceholderText(self.tr("Search these; or owner/name of any other, or the address of its page"))
        self.name.setAccessibleName(self.tr("Search, or the name of a repository"))
        self.name.setClearButtonEnabled(True)
        self.name.returnPressed.connect(self._on_look_up)
        self.name.textChanged.connect(lambda _: self._show())
        self.name.textEdited.connect(self.problem.hide)  # it was about what stood there
        self.look_up = QPushButton(self.tr("Look up"))
        self.look_up.setAutoDefault(False)
        self.look_up.clicked.connect(self._on_look_up)
        self.family = CalmCombo("starterFamily", self.tr("Family"))
        for family in _FAMILIES:
            self.family.addItem(family_words(family) or self.tr("All families"), family.value)
        self.family.setFixedWidth(140)
        self.family.activated.connect(lambda _: self._show_starters())
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.name, 1)
        row.addWidget(self.look_up)
        row.addSpacing(8)
        row.addWidget(self.family)
        return row

    def _starters(self) -> QScrollArea:
        body = QWidget()
        body.setObjectName("scrollBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 8, 0)
        column.setSpacing(6)
        self.nothing = PlainLabel(look="muted", wrap=True)
        self.nothing.hide()
        column.addWidget(self.nothing)
        self._headings: list[tuple[PlainLabel, list[StarterRow]]] = []
        for kind, group in groupby(self._downloads.starters(), lambda starter: starter.kind):
            known = kind.value != "unknown"
            heading = PlainLabel(kind_words(kind)[1] if known else self.tr("Detectors for control layers"), "title")
            heading.setContentsMargins(0, 6 if self._headings else 0, 0, 0)
            column.addWidget(heading)
            rows = [StarterRow(starter) for starter in group]
            for row in rows:
                row.wished.connect(self._downloads.get)
                row.show_wished.connect(lambda starter: self.show_wished.emit(_place_of(starter)))
                column.addWidget(row)
            self._headings.append((heading, rows))
            self.starters += rows
        column.addStretch(1)
        self._list = area = QScrollArea()
        area.setWidget(body)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return area

    def _transfers(self) -> QScrollArea:
        body = QWidget()
        body.setObjectName("scrollBody")
        self._column = QVBoxLayout(body)
        self._column.setContentsMargins(0, 0, 8, 0)
        self._column.setSpacing(6)
        self._column.addStretch(1)
        self._area = QScrollArea()
        self._area.setWidget(body)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return self._area

    def _network(self) -> QHBoxLayout:
        offline = BY_NAME["offline"]
        self.offline = QCheckBox(offline.title)
        self.offline.setObjectName("offlineCheck")
        plain_tooltip(self.offline, offline.help)
        self.offline.setChecked(bool(self._settings.get("offline")))
        self.offline.toggled.connect(self._on_offline)
        self.mirror = QLineEdit(str(self._settings.get("hub_endpoint")))
        self.mirror.setObjectName("hubEndpoint")
        self.mirror.setPlaceholderText(self.tr("the hub itself (huggingface.co)"))
        self.mirror.setAccessibleName(self.tr("Address of a mirror"))
        plain_tooltip(self.mirror, self.tr("The address of a mirror of the model hub, also one on your own network."))
        self.mirror.editingFinished.connect(self._on_mirror)
        self.token = QLineEdit()
        self.token.setObjectName("hubToken")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.token.setAccessibleName(self.tr("Token"))
        plain_tooltip(
            self.token,
            self.tr("Only for models that ask for it. Kept in the system's keyring, or in a file only you can read."),
        )
        self.token.editingFinished.connect(self._on_token)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(PlainLabel(self.tr("Mirror"), "field"))
        row.addWidget(self.mirror, 3)
        row.addSpacing(8)
        row.addWidget(PlainLabel(self.tr("Token"), "field"))
        row.addWidget(self.token, 2)
        self.forget = QPushButton(self.tr("Forget it"))
        self.forget.setAutoDefault(False)
        self.forget.clicked.connect(lambda: self._downloads.keep_token(""))
        row.addWidget(self.forget)
        return row

    def _foot(self) -> QHBoxLayout:
        close = QPushButton(self.tr("Close"))
        close.setAutoDefault(False)
        close.clicked.connect(self.accept)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.offline)
        words = self.tr("Goes to {folder}, also while this page is closed.")
        place = ElidedLabel(look="faint")
        place.setText(words.replace("{folder}", str(self._downloads.folder)))
        row.addWidget(place, 1)
        row.addWidget(close)
        return row

    # Showing
    def _show(self) -> None:
        downloads = self._downloads
        self.look_up.setText(self.tr("Asking …") if downloads.looking else self.tr("Look up"))
        self.look_up.setEnabled("/" in self.name.text() and not downloads.looking and not downloads.offline)
        self.token.setPlaceholderText(
            self.tr("one is kept") if downloads.has_token else self.tr("none; most need none")
        )
        self.forget.setVisible(downloads.has_token)
        self._show_transfers()
        self._show_starters()

    def _show_starters(self) -> None:
        family, text = str(self.family.currentData() or ""), self.name.text().casefold()
        words = [] if "/" in text else text.split()  # with a slash it is the name of a repository
        for heading, rows in self._headings:
            for row in rows:
                row.setVisible(_goes_with(row.starter, family) and row.says(words))
            heading.setVisible(any(not row.isHidden() for row in rows))
        none = all(row.isHidden() for row in self.starters)
        hint = self.tr(
            "None of the well-known ones is called so. Any other is fetched by its name on the hub: owner/name."
        )
        self.nothing.setText(hint)
        self.nothing.setVisible(none)
        for row in self.starters:
            self._show_starter(row)

    def _show_starter(self, row: StarterRow) -> None:
        paths, starter = set(row.starter.files), row.starter
        same = [
            one
            for one in self._downloads.transfers
            if (one.repository, one.folder) == (starter.repository, starter.into)
            and (not paths or {file.path for file in one.files} == paths)
        ]
        state = same[-1].state if same else None
        here = state is TransferState.DONE or self._is_here(row)
        coming = self.tr("Coming …") if state in OPEN else self.tr("Paused") if state is TransferState.PAUSED else ""
        if self._downloads.is_asked(starter):
            coming = self.tr("Asking …")
        row.show_state(here, coming, not self._downloads.offline)

    def _is_here(self, row: StarterRow) -> bool:
        starter = row.starter
        name = starter.last
        if self._models.has(f"{starter.into}/{name}".rstrip("/"), starter.into):
            return True
        return bool(name) and not name.startswith(_PLAIN_NAMES) and self._models.has(name)

    def _show_transfers(self) -> None:
        transfers = self._downloads.transfers
        known = {one.id for one in transfers}
        for gone in [row_id for row_id in self._rows if row_id not in known]:
            row = self._rows.pop(gone)
            self._column.removeWidget(row)
            row.deleteLater()
        for transfer in transfers:
            if transfer.id in self._rows:
                self._rows[transfer.id].show_transfer(transfer)
                continue
            row = self._rows[transfer.id] = TransferRow(transfer)
            row.pause_wished.connect(self._downloads.pause)
            row.go_on_wished.connect(self._downloads.go_on)
            row.cancel_wished.connect(self._downloads.cancel)
            self._column.insertWidget(self._column.count() - 1, row)
        self._transfers_title.setVisible(bool(transfers))
        self._area.setVisible(bool(transfers))
        self._area.setFixedHeight(min(_TRANSFERS_PX, self._column.sizeHint().height()))

    def show_starter(self, id: str) -> None:
        """Bring one of the well-known things into sight, whatever was looked for."""
        row = next((row for row in self.starters if row.starter.id == id), None)
        if row is None:
            return
        self.name.clear()
        self.family.setCurrentIndex(0)
        self._show_starters()
        if (layout := self.layout()) is not None:
            layout.activate()
        QTimer.singleShot(0, row, lambda: self._bring_into_sight(row))

    def _bring_into_sight(self, row: StarterRow) -> None:
        self._list.ensureWidgetVisible(row, 0, 80)
        row.get.setFocus(Qt.FocusReason.OtherFocusReason)

    # Wishes
    def _on_mirror(self) -> None:
        try:
            address = clean_endpoint(self.mirror.text())
        except NetworkProblem as error:
            self._on_failed(error)
            return
        self.problem.hide()
        self.mirror.setText(address)
        self.setting_changed.emit("hub_endpoint", address)

    def _on_look_up(self) -> None:
        if self._downloads.offline:
            self._on_failed(offline_problem())
        elif self.look_up.isEnabled():
            self.problem.hide()
            self._downloads.look_up(self.name.text())

    def _on_found(self, repository: Repository) -> None:
        self.problem.hide()
        self.card.show_repository(repository)

    def _on_failed(self, error: StudioError) -> None:
        self.problem.setText(f"{error.headline} {error.hint}".strip())
        self.problem.show()

    def _on_get(self, repository: Repository, files: tuple[RemoteFile, ...]) -> None:
        name = repository.id.partition("/")[2]
        folder = name if len(files) > 1 else "fetched"
        self._downloads.start(repository, files, folder, repository.id, flat=len(files) == 1)
        self.card.show_repository(None)
        self.name.clear()

    def _on_offline(self, on: bool) -> None:
        self.setting_changed.emit("offline", on)
        self._show()

    def _on_token(self) -> None:
        if self.token.text().strip():
            self._downloads.keep_token(self.token.text())
            self.token.clear()


def _place_of(starter: Starter) -> str:
    """Where a starter lies, below a models folder."""
    last = starter.last if starter.last.endswith(".safetensors") else ""
    return f"{starter.into}/{last}".rstrip("/")


def _goes_with(starter: Starter, family: str) -> bool:
    """Whether a starter is shown for a family; SDXL's refiner stands with SDXL."""
    own = Family.SDXL if starter.family is Family.REFINER else starter.family
    return not family or own in (family, Family.ANY)
