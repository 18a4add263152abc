"""One download: how far it is, how fast, what went wrong, and pause, continue, cancel."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from studio.core.hub import Transfer, TransferState
from studio.ui.icons import icon
from studio.ui.models.words import size_words, tr
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip

_BAR = 10_000


class TransferRow(QFrame):
    """Shows one transfer and sends wishes. Mutable state: `transfer`.

    Signals: `pause_wished(str)`, `go_on_wished(str)`, `cancel_wished(str)` - with the transfer's id.
    """

    pause_wished = Signal(str)
    go_on_wished = Signal(str)
    cancel_wished = Signal(str)

    def __init__(self, transfer: Transfer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.transfer = transfer
        self.setObjectName("transferRow")
        self.title = ElidedLabel(look="headline")
        self.facts = ElidedLabel(look="muted")
        self.problem = PlainLabel(look="warning", wrap=True)
        self.bar = QProgressBar()
        self.bar.setRange(0, _BAR)
        self.bar.setTextVisible(False)
        self.part = ElidedLabel(look="faint")
        self.pause = icon_button("pause", self.tr("Pause; what came is kept"), px=16)
        self.go_on = QPushButton(icon("play"), self.tr("Continue"))
        self.go_on.setAutoDefault(False)
        self.go_on.setIconSize(QSize(14, 14))
        plain_tooltip(self.go_on, self.tr("Go on where it stopped."))
        self.cancel = icon_button("close", self.tr("Cancel"), px=16)
        self.pause.clicked.connect(lambda: self.pause_wished.emit(self.transfer.id))
        self.go_on.clicked.connect(lambda: self.go_on_wished.emit(self.transfer.id))
        self.cancel.clicked.connect(lambda: self.cancel_wished.emit(self.transfer.id))
        words = QVBoxLayout()
        words.setSpacing(3)
        for part in (self.title, self.facts, self.bar, self.part, self.problem):
            words.addWidget(part)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(8)
        row.addLayout(words, 1)
        for button in (self.pause, self.go_on, self.cancel):
            row.addWidget(button)
        self.show_transfer(transfer)

    def show_transfer(self, transfer: Transfer) -> None:
        """Show how far it is now."""
        self.transfer = transfer
        state = transfer.state
        self.title.setText(transfer.title)
        self.facts.setText(facts_of(transfer))
        self.part.setText(part_of(transfer))
        self.part.setVisible(bool(self.part.text()))
        self.bar.setValue(round(_BAR * transfer.done / transfer.total) if transfer.total else 0)
        self.bar.setVisible(state is not TransferState.DONE)
        self.problem.setText(f"{transfer.headline} {transfer.hint}".strip())
        self.problem.setVisible(bool(self.problem.text()))
        self.pause.setVisible(state in (TransferState.WAITING, TransferState.RUNNING, TransferState.CHECKING))
        self.go_on.setVisible(state in (TransferState.PAUSED, TransferState.FAILED))
        done = state is TransferState.DONE
        plain_tooltip(
            self.cancel, self.tr("Off the list") if done else self.tr("Cancel; what came is thrown away"), name=True
        )


def facts_of(transfer: Transfer) -> str:
    """State, bytes of the file and in all, speed and time left."""
    if transfer.state is TransferState.DONE:
        return "  ·  ".join((tr("All there"), size_words(transfer.total)))
    said = [
        {
            TransferState.WAITING: tr("Waiting for its turn"),
            TransferState.CHECKING: tr("Checking that it came whole"),
            TransferState.PAUSED: tr("Paused"),
            TransferState.FAILED: tr("Stopped"),
        }.get(transfer.state, ""),
        tr("{done} of {all}").replace("{done}", size_words(transfer.done)).replace("{all}", size_words(transfer.total)),
    ]
    if transfer.state is TransferState.RUNNING and transfer.bytes_per_second > 0:
        said.append(tr("{speed} a second").replace("{speed}", size_words(round(transfer.bytes_per_second))))
        said.append(left_words((transfer.total - transfer.done) / transfer.bytes_per_second))
    return "  ·  ".join(filter(None, said))


def part_of(transfer: Transfer) -> str:
    """The file at work and how far it is, where there are several."""
    paths = [file.path for file in transfer.files]
    if transfer.state not in (TransferState.RUNNING, TransferState.CHECKING) or len(paths) < 2:
        return ""
    if transfer.file not in paths:
        return ""
    number = paths.index(transfer.file)
    words = tr("File {n} of {count}: {name}, {done} of {all}").replace("{n}", str(number + 1))
    words = words.replace("{count}", str(len(paths))).replace("{done}", size_words(transfer.file_done))
    return words.replace("{all}", size_words(transfer.files[number].size)).replace("{name}", transfer.file)


def left_words(seconds: float) -> str:
    """About how long it still takes."""
    if seconds < 60:
        return tr("less than a minute left")
    if seconds < 5400:
        return tr("about {n} min left").replace("{n}", str(round(seconds / 60)))
    return tr("about {n} h left").replace("{n}", f"{seconds / 3600:.1f}")
