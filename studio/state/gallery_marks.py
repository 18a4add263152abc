"""Stars, tags, boards and notes as changes that can be taken back, and the undo steps of the gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from PySide6.QtGui import QUndoCommand

from studio.core.library import Marks
from studio.core.picture import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkChange:
    """What is to become of the marks of some pictures; None and () leave as it is."""

    rating: int | None = None
    note: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    add_boards: tuple[str, ...] = ()
    remove_boards: tuple[str, ...] = ()

    def on(self, marks: Marks) -> Marks:
        """The marks after the change."""
        return Marks(
            rating=marks.rating if self.rating is None else self.rating,
            note=marks.note if self.note is None else self.note,
            tags=_changed(marks.tags, self.add_tags, self.remove_tags),
            boards=_changed(marks.boards, self.add_boards, self.remove_boards),
        )


MarkStep = tuple[tuple[str, ...], MarkChange]  # ids, and what is done to all of them


def back(pictures: Iterable[Picture], change: MarkChange) -> tuple[MarkStep, ...]:
    """The steps that undo a change of these pictures, one for each group of them that takes the same one."""
    groups: dict[MarkChange, list[str]] = {}
    for picture in pictures:
        before, after = picture.marks, change.on(picture.marks)
        step = MarkChange(
            rating=None if before.rating == after.rating else before.rating,
            note=None if before.note == after.note else before.note,
            add_tags=_missing(before.tags, after.tags),
            remove_tags=_missing(after.tags, before.tags),
            add_boards=_missing(before.boards, after.boards),
            remove_boards=_missing(after.boards, before.boards),
        )
        groups.setdefault(step, []).append(picture.id)
    return tuple((tuple(ids), step) for step, ids in groups.items())


def _changed(names: tuple[str, ...], add: Sequence[str], remove: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted((set(names) | set(add)) - set(remove))) if add or remove else names


def _missing(wanted: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name not in there)


def marked(picture: Picture, change: MarkChange) -> Picture:
    """The picture with its marks changed."""
    return replace(picture, marks=change.on(picture.marks))


class MarkCommand(QUndoCommand):
    """Marks set, and back."""

    def __init__(
        self,
        words: str,
        forth: MarkStep,
        back: tuple[MarkStep, ...],
        put: Callable[[tuple[str, ...], MarkChange], None],
    ) -> None:
        super().__init__(words)
        self._forth, self._back, self._put = forth, back, put

    def redo(self) -> None:
        self._put(*self._forth)

    def undo(self) -> None:
        for ids, change in self._back:
            self._put(ids, change)


class RemovalCommand(QUndoCommand):
    """Pictures to the trash, and back."""

    def __init__(
        self,
        words: str,
        ids: tuple[str, ...],
        away: Callable[[tuple[str, ...]], None],
        again: Callable[[tuple[str, ...]], None],
    ) -> None:
        super().__init__(words)
        self._ids, self._away, self._again = ids, away, again

    def redo(self) -> None:
        self._away(self._ids)

    def undo(self) -> None:
        self._again(self._ids)
