"""The family of a picture as the window sees it: gathered off the UI thread, kept up while pictures come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.differences import Difference
from studio.core.errors import StudioError
from studio.core.family import changes_along
from studio.core.family_tree import Family, TreeLayout, lay_out, main_link
from studio.core.library import Link
from studio.core.picture import Picture
from studio.state.background import Background

FamilyOf = Callable[[str], Family]  # called in the background; may raise StudioError


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyView:
    """A family ready to be drawn. `changes` say of each child what differs from the parent it stands with."""

    family: Family
    layout: TreeLayout
    changes: dict[str, tuple[Link, tuple[Difference, ...]]] = field(default_factory=dict)

    def picture(self, picture_id: str) -> Picture | None:
        """The member of this id."""
        return next((picture for picture in self.family.members if picture.id == picture_id), None)


class FamilyModel(QObject):
    """Mutable state: `view`, the last family that was read; `_start`, whose family is wished ("" for none); `_reading`,
    and `_again` if more happened meanwhile.

    Signals: `changed()` - there is another view; `failed(StudioError)`.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, family_of: FamilyOf, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._family_of, self._background = family_of, background
        self.view: FamilyView | None = None
        self._start = ""
        self._reading = self._again = False

    def open(self, picture_id: str) -> None:
        """Read the family of a picture; `changed` follows."""
        self._start = picture_id
        self.refresh()

    def close(self) -> None:
        """Nobody looks any more."""
        self._start, self.view = "", None

    def refresh(self) -> None:
        """Read the family again: a picture came, went or was marked."""
        if self._reading:
            self._again = True  # when it is done: a view that is a moment old is better than none
        elif self._start:
            self._reading = True
            self._background.run(partial(_read, self._family_of, self._start), self._on_read, self._on_failed)

    def take(self, picture: Picture) -> None:
        """A new picture: if it came from one of the family, the family is read again."""
        members = {member.id for member in self.view.family.members} if self.view is not None else set()
        if any(link.parent in members for link in picture.parents):
            self.refresh()

    def _on_read(self, view: FamilyView) -> None:
        self._done()
        if view.family.start == self._start:
            self.view = view
            self.changed.emit()

    def _on_failed(self, error: StudioError) -> None:
        self._done()
        self.failed.emit(error)

    def _done(self) -> None:
        again, self._reading, self._again = self._again, False, False
        if again:
            self.refresh()


def _read(family_of: FamilyOf, start: str) -> FamilyView:
    return view_of(family_of(start))


def view_of(family: Family) -> FamilyView:
    """Places and differences of a family."""
    here = {picture.id: picture for picture in family.members}
    changes = {}
    for picture in family.members:
        link = main_link(picture, here)
        if link is not None:
            changes[picture.id] = (link, changes_along(link, here[link.parent].recipe, picture.recipe))
    return FamilyView(family=family, layout=lay_out(family.members), changes=changes)
