"""One well-known model that can be fetched, and a repository that was looked up."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.core.hub import RemoteFile, Repository, Starter
from studio.ui.icons import icon
from studio.ui.models.delegate import icon_of
from studio.ui.models.words import family_words, size_words
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.buttons import IconSign
from studio.ui.widgets.text import PlainLabel


class StarterRow(QFrame):
    """Signals: `wished(Starter)` - fetch it."""

    wished = Signal(object)

    def __init__(self, starter: Starter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.starter = starter
        self.setObjectName("starterRow")
        self.get = QPushButton(self.tr("Get"))
        self.get.setAutoDefault(False)
        self.get.setFixedWidth(92)
        self.get.setAccessibleName(self.tr("Get {title}").replace("{title}", starter.title))
        self.get.clicked.connect(lambda: self.wished.emit(self.starter))
        words = QVBoxLayout()
        words.setSpacing(2)
        facts = "  ·  ".join(filter(None, (family_words(starter.family), size_words(starter.size), starter.licence)))
        words.addWidget(PlainLabel(starter.title, "headline"))
        words.addWidget(PlainLabel(starter.about, wrap=True))
        words.addWidget(PlainLabel(facts, "faint"))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(12)
        row.addWidget(IconSign(icon_of(starter.kind), "text_faint", 20), 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addWidget(self.get, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_state(self, here: bool, coming: bool, possible: bool) -> None:
        """Whether its files are here, are on their way, or may be fetched."""
        self.get.setText(self.tr("Here") if here else self.tr("Coming …") if coming else self.tr("Get"))
        self.get.setIcon(icon("check", "accent") if here else icon("download"))
        self.get.setIconSize(QSize(14, 14))
        self.get.setEnabled(possible and not here and not coming)


class RepositoryCard(QFrame):
    """What a looked-up repository offers. Mutable state: `repository`, None while hidden.

    Signals: `wished(Repository, tuple)` - fetch these files of it; `closed()`.
    """

    wished = Signal(object, object)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offerCard")
        self.repository: Repository | None = None
        self.title = PlainLabel(look="headline", wrap=True)
        self.facts = PlainLabel(look="muted", wrap=True)
        self.gate = PlainLabel(look="warning", wrap=True)
        self.choice = CalmCombo("repositoryChoice", self.tr("What to fetch"))
        self.get = QPushButton(icon("download", "accent_text"), self.tr("Get"))
        self.get.setProperty("look", "primary-small")
        self.get.setAutoDefault(False)
        self.get.clicked.connect(self._on_get)
        close = QPushButton(self.tr("Not now"))
        close.setAutoDefault(False)
        close.clicked.connect(self.closed)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.choice, 1)
        row.addWidget(self.get)
        row.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(6)
        for part in (self.title, self.facts, self.gate):
            column.addWidget(part)
        column.addLayout(row)
        self.hide()

    def show_repository(self, repository: Repository | None) -> None:
        """Show what it offers, or hide."""
        self.repository = repository
        self.setVisible(repository is not None)
        if repository is None:
            return
        self.title.setText(repository.id)
        licence = self.tr("Licence: {name}").replace("{name}", repository.licence or self.tr("not told"))
        self.facts.setText(licence)
        self.gate.setText(
            self.tr("It asks you to accept its terms on its page first, and for your token below.")
            if repository.gate
            else ""
        )
        self.gate.setVisible(bool(repository.gate))
        self._fill(repository)

    def _fill(self, repository: Repository) -> None:
        self.choice.clear()
        whole = repository.whole_model()
        if len(whole) > 1:
            count, size = str(len(whole)), size_words(sum(file.size for file in whole))
            words = self.tr("All it takes to use it: {n} files, {size}").replace("{n}", count).replace("{size}", size)
            self.choice.addItem(words, tuple(file.path for file in whole))
        singles = sorted(
            (file for file in repository.files if file.path.endswith(".safetensors")), key=lambda f: f.path
        )
        for file in singles:
            self.choice.addItem(f"{file.path}  ·  {size_words(file.size)}", (file.path,))
        none = not self.choice.count()
        if none:
            self.choice.addItem(self.tr("Nothing here is safe to open: only pickles, no .safetensors"), ())
        self.choice.setEnabled(not none)
        self.get.setEnabled(not none)

    def _on_get(self) -> None:
        if self.repository is not None:
            paths = set(self.choice.currentData() or ())
            files: tuple[RemoteFile, ...] = tuple(file for file in self.repository.files if file.path in paths)
            self.wished.emit(self.repository, files)
