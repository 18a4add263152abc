"""The prompt panel: what to paint, what to avoid, how much of it the model reads, and the button that starts it."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.core.draft import Draft
from studio.core.job import JobState
from studio.state.draft_model import DraftModel
from studio.state.job_queue import JobQueue
from studio.state.models_model import ModelsModel
from studio.state.plugins_model import PluginsModel
from studio.state.tokens import Tokens
from studio.ui.icons import icon
from studio.ui.panels.lora_mark import LoraMarkButton
from studio.ui.panels.prompt_edit import PromptEdit
from studio.ui.panels.suggest import SuggestButton
from studio.ui.widgets.text import PlainLabel, plain_tooltip


class PromptPanel(QWidget):
    """Two fields with their token counts over Generate and Cancel. Wishes to generate and cancel are the buttons' clicks.

    `below` stands under these.
    """

    def __init__(
        self,
        draft: DraftModel,
        queue: JobQueue,
        tokens: Tokens,
        plugins: PluginsModel,
        models: ModelsModel,
        below: QWidget | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._draft, self._queue, self._tokens = draft, queue, tokens
        self.prompt = PromptEdit("promptEdit", self.tr("Prompt"), self.tr("What shall the picture show?"), 4)
        self.negative = PromptEdit(
            "negativePromptEdit", self.tr("Negative prompt"), self.tr("What shall it not show?"), 2
        )
        self._counts = {"prompt": PlainLabel(look="faint"), "negative": PlainLabel(look="faint")}
        self._asked: dict[str, tuple[str, str]] = {}
        self.prompt_count = self._counts["prompt"]  # stands in the title of the dock
        self.suggest = SuggestButton(draft, queue, plugins)
        self.suggest.picked.connect(draft.take_suggestion)
        self.lora_mark = LoraMarkButton(models)
        self.typed = self._typed_button()
        self.typed.clicked.connect(draft.use_typed_prompt)
        self.generate = self._generate_button()
        self.cancel = self._cancel_button()
        self._lay_out(below)
        self.prompt.edited.connect(draft.set_prompt)
        self.negative.edited.connect(draft.set_negative_prompt)
        self.lora_mark.out_wished.connect(draft.take_out)
        draft.changed.connect(self._show)
        tokens.counted.connect(self._show_count)
        queue.jobs_changed.connect(self._show_jobs)
        self._show(draft.draft)
        self._show_jobs()

    def _lay_out(self, last: QWidget | None) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 12)
        column.setSpacing(4)
        column.addWidget(self.prompt, 3)
        below = QHBoxLayout()
        below.setSpacing(4)
        below.addWidget(self.suggest)
        below.addStretch(1)
        below.addWidget(self.lora_mark)
        below.addWidget(self.typed)
        column.addLayout(below)
        column.addSpacing(4)
        column.addLayout(self._heading(self.tr("Negative prompt"), "negative"))
        column.addWidget(self.negative, 1)
        column.addSpacing(8)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.generate, 1)
        buttons.addWidget(self.cancel)
        column.addLayout(buttons)
        if last is not None:
            column.addSpacing(4)
            column.addWidget(last)

    def _heading(self, text: str, field: str) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(PlainLabel(text, "field"))
        row.addStretch(1)
        row.addWidget(self._counts[field])
        return row

    def _typed_button(self) -> QPushButton:
        button = QPushButton(self.tr("Back to what was typed"))
        button.setObjectName("typedPromptButton")
        button.setProperty("look", "quiet")
        return button

    def _generate_button(self) -> QPushButton:
        button = QPushButton(icon("generate", "accent_text"), self.tr("Generate"))
        button.setObjectName("generateButton")
        button.setProperty("look", "primary")
        button.setIconSize(QSize(18, 18))
        plain_tooltip(button, self.tr("Make the picture (Ctrl+Enter). While one is made, another joins the queue."))
        return button

    def _cancel_button(self) -> QPushButton:
        button = QPushButton(icon("cancel", "text"), self.tr("Cancel"))
        button.setObjectName("cancelButton")
        button.setProperty("look", "big")
        button.setIconSize(QSize(18, 18))
        button.setFixedWidth(124)
        plain_tooltip(button, self.tr("Stop the running picture at its next step (Esc)."))
        return button

    def _show(self, draft: Draft) -> None:
        self.prompt.show_text(draft.prompt)
        self.lora_mark.show_prompt(draft.prompt)
        self.typed.setVisible(bool(draft.raw_prompt))
        plain_tooltip(
            self.typed, self.tr("A prompt tool made this text of: {text}").replace("{text}", draft.raw_prompt)
        )
        self.negative.show_text(draft.negative_prompt)
        self.generate.setText(
            self.tr("Generate") if draft.count == 1 else self.tr("Generate {n}").replace("{n}", str(draft.count))
        )
        for field, text in (("prompt", draft.prompt), ("negative", draft.negative_prompt)):
            self._ask_count(field, draft.model.name, text)

    def _ask_count(self, field: str, model: str, text: str) -> None:
        if self._asked.get(field) != (model, text):
            self._asked[field] = (model, text)
            self._tokens.request(field, model, text)

    def _show_count(self, field: str, count: object) -> None:
        """`count` is a TokenCount (tokens, limit, cut_at)."""
        tokens, limit, cut_at = count.tokens, count.limit, count.cut_at  # type: ignore[attr-defined]  # the engine's value
        label = self._counts[field]
        label.setText(f"{tokens} / {limit}")
        too_long = tokens > limit
        look = "warning" if too_long else "faint"
        if label.property("look") != look:
            label.setProperty("look", look)
            label.style().polish(label)
        says = self.tr(
            "Read in portions of {n} tokens: the marked part stands in the next one and pulls less."
        ).replace("{n}", str(limit))
        plain_tooltip(label, says if too_long else self.tr("Tokens used of those the model reads."))
        (self.prompt if field == "prompt" else self.negative).mark_cut(cut_at)

    def _show_jobs(self) -> None:
        running = self._queue.running
        cancelling = running is not None and running.state is JobState.CANCELLING
        self.cancel.setEnabled(
            (running is not None and not cancelling) or (running is None and bool(self._queue.waiting))
        )
        self.cancel.setText(self.tr("Cancelling …") if cancelling else self.tr("Cancel"))
