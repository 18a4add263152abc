"""The page Get models …: well-known ones to begin with, any other by name, and what is on its way."""

from __future__ import annotations

from itertools import groupby

from PySide6.QtCore import Qt, Signal
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
from studio.core.hub import RemoteFile, Repository, Transfer, TransferState
from studio.core.model_files import Family
from studio.core.settings import BY_NAME, Settings
from studio.state.models_downloads import OPEN, Downloads
from studio.state.models_model import ModelsModel
from studio.ui.models.starter_row import RepositoryCard, StarterRow
from studio.ui.models.transfer_row import TransferRow
from studio.ui.models.words import family_words, kind_words
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.text import PlainLabel, plain_tooltip

_FAMILIES = (Family.UNKNOWN, Family.SD1, Family.SD2, Family.SDXL)
_TRANSFERS_PX = 190


class GetModelsPage(QDialog):
    """Shows what the downloads know and sends wishes to them. Mutable state: rows by transfer id, what failed last.

    Signals: `setting_changed(str, object)` - wish to keep a setting.
    """

    setting_changed = Signal(str, object)

    def __init__(
        self, downloads: Downloads, models: ModelsModel, settings: Settings, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._downloads, self._models, self._settings = downloads, models, settings
        self._rows: dict[str, TransferRow] = {}
        self.setObjectName("getModelsPage")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Get models"))
        self.resize(820, 700)
        self.starters: list[StarterRow] = []
        self.card = RepositoryCard()
        self.card.wished.connect(self._on_get)
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
        self.name.setPlaceholderText(self.tr("Any other: owner/name, or the address of its page"))
        self.name.setAccessibleName(self.tr("Name of a repository"))
        self.name.returnPressed.connect(self._on_look_up)
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
        self._headings: list[tuple[PlainLabel, list[StarterRow]]] = []
        for kind, group in groupby(self._downloads.starters(), lambda starter: starter.kind):
            known = kind.value != "unknown"
            heading = PlainLabel(kind_words(kind)[1] if known else self.tr("Detectors for control layers"), "title")
            column.addWidget(heading)
            rows = [StarterRow(starter) for starter in group]
            for row in rows:
                row.wished.connect(self._downloads.get)
                column.addWidget(row)
            column.addSpacing(6)
            self._headings.append((heading, rows))
            self.starters += rows
        column.addStretch(1)
        area = QScrollArea()
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
        self.mirror.setPlaceholderText(self.tr("the hub itself"))
        self.mirror.setAccessibleName(self.tr("Address of a mirror"))
        plain_tooltip(self.mirror, self.tr("The address of a mirror of the model hub, also one on your own network."))
        self.mirror.editingFinished.connect(
            lambda: self.setting_changed.emit("hub_endpoint", self.mirror.text().strip())
        )
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
        row.addWidget(PlainLabel(self.tr("Downloads go on while this page is closed."), "faint"))
        row.addStretch(1)
        row.addWidget(close)
        return row

    # Showing
    def _show(self) -> None:
        downloads = self._downloads
        self.look_up.setText(self.tr("Asking …") if downloads.looking else self.tr("Look up"))
        self.look_up.setEnabled(not downloads.looking and not downloads.offline)
        self.name.setEnabled(not downloads.offline)
        self.token.setPlaceholderText(
            self.tr("one is kept") if downloads.has_token else self.tr("none; most need none")
        )
        self.forget.setVisible(downloads.has_token)
        self._show_transfers()
        self._show_starters()

    def _show_starters(self) -> None:
        family = str(self.family.currentData() or "")
        for heading, rows in self._headings:
            for row in rows:
                row.setVisible(not family or row.starter.family in (family, Family.ANY))
            heading.setVisible(any(not row.isHidden() for row in rows))
        for row in self.starters:
            transfer = self._downloads.transfer_of(row.starter.repository, row.starter.into)
            state = transfer.state if transfer is not None and self._same(row, transfer) else None
            here = state is TransferState.DONE or self._is_here(row)
            coming = state in (*OPEN, TransferState.PAUSED)
            row.show_state(here, coming, not self._downloads.offline and not self._downloads.looking)

    def _is_here(self, row: StarterRow) -> bool:
        starter = row.starter
        name = starter.files[-1].rpartition("/")[2] if starter.files else ""
        return self._models.has(f"{starter.into}/{name}".rstrip("/"), starter.into)

    def _same(self, row: StarterRow, transfer: Transfer) -> bool:
        paths = {file.path for file in transfer.files}
        return not row.starter.files or paths == set(row.starter.files)

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
        self._area.setFixedHeight(min(_TRANSFERS_PX, 76 * max(1, len(transfers))))

    # Wishes
    def _on_look_up(self) -> None:
        if self.name.text().strip() and self.look_up.isEnabled():
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
