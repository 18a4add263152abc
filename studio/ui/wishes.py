"""What the artist wishes where more than one state object takes part: generate, drop, paste, reuse, remove, reveal.

No widgets here: panels and actions call these, and every wish can be undone or is said to have failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication, QImage

from studio.core.choices import ControlKind
from studio.core.errors import BadInputImage, StudioError
from studio.core.job import Job
from studio.core.picture import Picture
from studio.core.recipe import ImageRef, Recipe
from studio.state.gallery_model import PICTURE_MIME, mime_of
from studio.state.intake import Added, local_file
from studio.state.studio_state import StudioState

_NEW: tuple[ControlKind | None, str] = (None, "")  # a picture from outside, of a kind that its look decides


class Wishes(QObject):
    """Mutable state: `_kinds`, what the control pictures on their way through the intake are to become, in order, and of
    which pictures of the library they are made ("" for others); `_asked`, the headline that said what Generate still needs.

    Signals: `generating()` - jobs were queued by hand; `layer_added()` - a picture became a control layer;
    `heeded(str)` - what this headline asked for was done.
    """

    generating = Signal()
    layer_added = Signal()
    heeded = Signal(str)

    def __init__(self, state: StudioState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._kinds: deque[tuple[ControlKind | None, str]] = deque()
        self._asked = ""
        intake, queue, messages = state.intake, state.queue, state.messages
        intake.added.connect(self._on_added)
        intake.seed_found.connect(self._on_seed)
        intake.failed.connect(self._answered)
        queue.job_failed.connect(self.tell_failure)
        queue.engine_failed.connect(messages.error)

    # Making
    def generate(self) -> None:
        """Queue the draft's pictures, unless a plugin that they need is known to be missing."""
        draft = self._state.draft.draft
        if problem := self._state.plugins.problem(draft):
            self._asked = problem.headline
            self._state.messages.error(problem)
            return
        try:
            jobs = self._state.queue.submit(draft)
        except StudioError as error:
            self._state.messages.error(error)
        else:
            self._state.ranking.begin(jobs)
            self.heeded.emit(self._asked)
            self._asked = ""
            self.generating.emit()

    def cancel(self) -> None:
        """Stop the running picture; if none runs yet, take the next one out."""
        queue = self._state.queue
        if queue.running is not None:
            queue.cancel_current()
        elif queue.waiting:
            queue.cancel(queue.waiting[0].id)

    def tell_failure(self, job: Job) -> None:
        """Say why a job failed; a picture that could not be saved or decoded can be so again."""
        if job.error is None:
            return
        queue, tell = self._state.queue, self._state.messages.error
        if queue.unsaved(job.id) is not None:
            tell(job.error, self.tr("Save again"), partial(queue.retry_save, job.id))
        elif job.undecoded:
            tell(job.error, self.tr("Decode again"), partial(queue.decode_again, job.id))
        else:
            tell(job.error)

    # Reusing
    def use_settings(self, recipe: Recipe) -> None:
        """Everything of a recipe into the panels."""
        self._state.draft.load(recipe)

    def use_picture(self, picture: Picture, ask: bool = False) -> None:
        """Everything of a picture into the panels; what is made from here on comes from it. `ask`: choose first."""
        self._state.restorer.open_picture(picture, ask)

    def use_seed(self, recipe: Recipe) -> None:
        """Only the seed of a recipe."""
        self._state.draft.set_seed(recipe.seed)

    def use_as_control(self, picture: Picture) -> None:
        """A picture of the gallery as a control layer: a painted picture steers by its edges."""
        self._kinds.append((ControlKind.CANNY, picture.id))
        self._state.intake.add_file(picture.file)

    def copy_picture(self, picture: Picture, image: QImage) -> None:
        """The picture to the clipboard, as pixels, as a file and as one of ours."""
        mime = mime_of([picture])
        if not image.isNull():
            mime.setImageData(image)
        QGuiApplication.clipboard().setMimeData(mime)

    def copy_prompt(self, recipe: Recipe) -> None:
        """The prompt to the clipboard."""
        QGuiApplication.clipboard().setText(recipe.prompt)

    def reveal(self, picture: Picture) -> None:
        """Open the folder the picture lies in."""
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(picture.file.parent))):
            self._state.messages.warn(self.tr("No file manager could be opened."), str(picture.file))

    def delete(self, pictures: Iterable[Picture]) -> None:
        """Pictures to the trash; undo brings them back."""
        gone = tuple(pictures)
        if gone:
            self._state.gallery.remove([picture.id for picture in gone])
            one = self.tr("The picture was moved to the trash.")
            words = one if len(gone) == 1 else self.tr("%n pictures were moved to the trash.", "", len(gone))
            stays = self.tr("Files in folders of your own stay where they are; the history shows them no longer.")
            self.tell_with_undo(words, stays if self._state.imports.shown_in_place(gone) else "")

    # Dropping and pasting
    def paste(self) -> None:
        """What the clipboard holds, if it is a picture, as a control layer."""
        self.drop_control(QGuiApplication.clipboard().mimeData())

    def drop_control(self, mime: QMimeData) -> None:
        """Dropped pictures become control layers."""
        pictures = self._own_pictures(mime)
        if pictures:
            for picture in pictures:
                self.use_as_control(picture)
        elif _has_file(mime) or (mime.hasUrls() and not mime.hasImage()):
            for url in mime.urls():
                self.open_control(url)
        elif mime.hasImage():
            self._kinds.append(_NEW)
            self._state.intake.add_image(QImage(mime.imageData()))
        else:
            self._state.messages.info(self.tr("There is no picture to paste."))

    def open_control(self, url: QUrl) -> None:
        """A file as a control layer."""
        path = self._checked(url)
        if path:
            self._kinds.append(_NEW)
            self._state.intake.add_url(url)

    def begin_with(self, source: object) -> None:
        """A dropped or chosen picture (QMimeData or Path) to begin with; None: noise again."""
        if source is None:
            self._state.draft.set_init(None)
        else:
            self.keep_picture(source, self._state.draft.set_init)

    def keep_picture(self, source: object, done: Callable[[ImageRef], None]) -> None:
        """A dropped or chosen picture (QMimeData or Path) for a plugin's parameter; `done(ref)` follows if it can be kept."""
        own = self._own_pictures(source)[:1] if isinstance(source, QMimeData) else []
        picture = self._picture_in(source) if isinstance(source, QMimeData) else source

        def kept(added: Added) -> None:
            for parent in own:
                self._state.draft.remember_source(added.ref, parent.id)
            done(added.ref)

        if isinstance(picture, Path | QImage):
            self._state.intake.keep(picture, kept, self._on_error)
        else:
            self._state.messages.info(self.tr("There is no picture in what was dropped."))

    def _picture_in(self, mime: QMimeData) -> Path | QImage | None:
        pictures = self._own_pictures(mime)
        if pictures:
            return pictures[0].file
        if _has_file(mime):
            return next((local_file(url) for url in mime.urls() if self._checked(url)), None)
        return QImage(mime.imageData()) if mime.hasImage() else None

    def drop_seed(self, mime: QMimeData) -> None:
        """The seed of a dropped picture."""
        pictures = self._own_pictures(mime)
        if pictures:
            self.use_seed(pictures[0].recipe)
        else:
            for url in self._first_file(mime):
                self._kinds.append(_NEW)
                self._state.intake.take_seed_url(url)

    def drop_settings(self, mime: QMimeData) -> None:
        """All settings of a dropped picture."""
        pictures = self._own_pictures(mime)
        if pictures:
            self.use_picture(pictures[0])
        else:
            for url in self._first_file(mime):
                self.open_settings(url)

    def open_settings(self, url: QUrl) -> None:
        """All settings of a picture file."""
        self._state.restorer.open_url(url)

    def _own_pictures(self, mime: QMimeData) -> list[Picture]:
        """The gallery's pictures that a drag names, as far as they are known."""
        named = bytes(mime.data(PICTURE_MIME).data()) if mime.hasFormat(PICTURE_MIME) else b""
        ids = named.decode("utf-8", "replace").split()
        return [found for picture_id in ids if (found := self._state.gallery.known(picture_id)) is not None]

    def _first_file(self, mime: QMimeData) -> list[QUrl]:
        urls = mime.urls()[:1] if mime.hasUrls() else []
        if not urls:
            hint = self.tr("Drop the file itself: pixels alone do not say how they were made.")
            self._on_error(BadInputImage(self.tr("There is no recipe in what was dropped."), hint))
        return [url for url in urls if self._checked(url)]

    def _checked(self, url: QUrl) -> bool:
        """Refuse here what the intake would refuse at once, so that its answers come in the order of the questions."""
        try:
            local_file(url)
        except StudioError as error:
            self._on_error(error)
            return False
        return True

    # Answers of the intake, one for each question, in order
    def _on_added(self, added: Added) -> None:
        kind, picture = self._kinds.popleft() if self._kinds else _NEW
        drawing = kind is None or added.invert
        wanted = ControlKind.SCRIBBLE if drawing else kind or ControlKind.SCRIBBLE
        self.add_layer(added.ref, wanted, added.invert, picture)
        if added.note:
            self._state.messages.info(added.note)

    def add_layer(self, ref: ImageRef, kind: ControlKind, invert: bool, picture: str = "") -> None:
        """Put a kept picture on top of the control layers; `picture`: the id of the library picture it was made of."""
        try:
            self._state.draft.add_control(ref, kind, invert, picture)
        except StudioError as error:
            self._on_error(error)
        else:
            self.layer_added.emit()

    def tell_with_undo(self, words: str, hint: str = "") -> None:
        """Say what was done, with a button that takes back just this, not what came after it."""
        stack = self._state.draft.undo_stack
        self._state.messages.info(words, hint, self.tr("Undo"), partial(self._undo_if_last, stack.index()))

    def _undo_if_last(self, index: int) -> None:
        stack = self._state.draft.undo_stack
        if stack.index() == index:
            stack.undo()
        elif stack.index() > index:
            hint = self.tr("Edit > Undo takes the steps back one by one.")
            self._state.messages.info(self.tr("Other changes were made since; nothing was undone."), hint)

    def _on_seed(self, seed: int) -> None:
        self._answered()
        self._state.draft.set_seed(seed)

    def _answered(self, _error: StudioError | None = None) -> None:
        if self._kinds:
            self._kinds.popleft()

    def _on_error(self, error: StudioError) -> None:
        self._state.messages.error(error)


def _has_file(mime: QMimeData) -> bool:
    return mime.hasUrls() and any(url.isLocalFile() for url in mime.urls())
