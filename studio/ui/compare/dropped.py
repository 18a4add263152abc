"""What was dropped, as something to compare or to look at: a picture of the history, or a file of this computer."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData

from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.state.gallery_model import PICTURE_MIME, GalleryModel
from studio.state.intake import local_file


def pictures_in(mime: QMimeData, gallery: GalleryModel) -> tuple[Picture | Path, ...]:
    """The pictures of a drag, ours as what they are. Raises `StudioError` for a file that is not on this computer."""
    if mime.hasFormat(PICTURE_MIME):
        ids = bytes(mime.data(PICTURE_MIME).data()).decode("utf-8", "replace").split()
        indexes = (gallery.find(picture_id) for picture_id in ids)
        known = [gallery.picture(index) for index in indexes if index.isValid()]
        if known and all(known):  # otherwise their rows are not read yet, and the files do as well
            return tuple(picture for picture in known if picture is not None)
    found: list[Picture | Path] = []
    trouble: StudioError | None = None
    for url in mime.urls() if mime.hasUrls() else ():
        try:
            found.append(local_file(url))
        except StudioError as error:
            trouble = error
    if not found and trouble is not None:
        raise trouble
    return tuple(found)
