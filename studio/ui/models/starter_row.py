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
from studio.ui.widgets.text import PlainLabel, plain_tooltip


class StarterRow(QFrame):
    """Mutable state: `_here`. Signals: `wished(Starter)` - fetch it; `show_wished(Starter)` - it is here: show it."""

    wished = Signal(object)
    show_wished = Signal(object)

    def __init__(self, starter: Starter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.starter, self._here = starter, False
        self.setObjectName("starterRow")
        self.get = QPushButton(self.tr("Get"))
        self.get.setAutoDefault(False)
        self.get.setFixedWidth(92)
        self.get.setAccessibleName(self.tr("Get {title}").replace("{title}", starter.title))
        self.get.clicked.connect(lambda: (self.show_wished if self._here else self.wished).emit(self.starter))
        words = QVBoxLayout()
        words.setSpacing(2)
        pickle = self.tr("a pickle, made safe in a process of its own") if starter.pickle else ""
        told = (family_words(starter.family), size_words(starter.size), starter.licence, pickle)
        facts = "  ·  ".join(filter(None, told))
        words.addWidget(PlainLabel(starter.title, "headline"))
        words.addWidget(PlainLabel(starter.about, wrap=True))
        words.addWidget(PlainLabel(facts, "faint"))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(12)
        row.addWidget(IconSign(icon_of(starter.kind), "text_faint", 20), 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addWidget(self.get, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_state(self, here: bool, coming: str, possible: bool) -> None:
        """Whether its files are here, on their way (and how, in a word), or may be fetched."""
        self._here = here
        words = self.tr("Show") if here else coming or self.tr("Get")
        self.get.setText(words)
        self.get.setIcon(icon("check", "accent") if here else icon("download"))
        self.get.setIconSize(QSize(14, 14))
        self.get.setEnabled(here or (possible and not coming))
        plain_tooltip(self.get, self.tr("It is here already. Shows it among your models.") if here else "")
        name = self.tr("Show {title}") if here else self.tr("Get {title}")
        self.get.setAccessibleName(name.replace("{title}", self.starter.title))

    def says(self, words: list[str]) -> bool:
        """Whether all these words, in small letters, stand in it somewhere."""
        starter = self.starter
        text = f"{starter.title}\n{starter.about}\n{starter.repository}\n{family_words(starter.family)}".casefold()
        return all(word in text for word in words)


class RepositoryCard(QFrame):
    """What a looked-up repository offers. Mutable state: `repository`, None while hidden.

    Signals: `wished(Repository, tuple)` - fetch these files of it; `page_wished(str)` - open this address; `closed()`.
    """

    wished = Signal(object, object)
    page_wished = Signal(str)
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
        self.page = QPushButton(self.tr("Read its page"))
        self.page.setAutoDefault(False)
        plain_tooltip(self.page, self.tr("Licence, examples, and terms to accept: opens in your browser."))
        self.page.clicked.connect(self._on_page)
        row.addWidget(self.choice, 1)
        row.addWidget(self.get)
        row.addWidget(self.page)
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
            self.tr("It asks you to accept its terms first: read its page, accept them there, put your token in below.")
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

    def _on_page(self) -> None:
        if self.repository is not None:
            self.page_wished.emit(f"{self.repository.endpoint.rstrip('/')}/{self.repository.id}")

    def _on_get(self) -> None:
        if self.repository is not None:
            paths = set(self.choice.currentData() or ())
            files: tuple[RemoteFile, ...] = tuple(file for file in self.repository.files if file.path in paths)
            self.wished.emit(self.repository, files)
