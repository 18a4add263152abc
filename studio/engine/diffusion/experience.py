"""What pictures that lacked memory have taught: at which level the next ones begin, and when a better one is tried again.

A lack may pass: another program held the card. So after some pictures one of them begins a level better. Where that fails
it goes on as before, and the next attempt waits twice as long: the models were let go and had to be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio.core.budget import Level

PATIENCE, PATIENCE_MAX = 8, 128  # pictures between two attempts at a better level: at first, and at most
Demand = tuple[object, ...]


@dataclass(slots=True)
class _Lesson:
    """Where to begin; how many pictures were made so, and how many there are to be before something better is tried."""

    level: Level
    made: int = 0
    patience: int = PATIENCE


class Experience:
    """For one engine, by what decides how much memory a picture takes. State: `_lessons`."""

    def __init__(self) -> None:
        self._lessons: dict[Demand, _Lesson] = {}

    @property
    def levels(self) -> dict[Demand, Level]:
        """What was learnt; pictures that never lacked memory are not in it."""
        return {demand: lesson.level for demand, lesson in self._lessons.items()}

    def begin(self, demand: Demand, foreseen: Level, levels: Sequence[Level]) -> Level:
        """The level for the next attempt at a picture: `foreseen` where nothing was learnt, and never tried again above
        it."""
        lesson = self._lessons.get(demand)
        if lesson is None:
            return foreseen
        if lesson.made < lesson.patience:
            return lesson.level
        return min(lesson.level, max(_better(lesson.level, levels), foreseen))

    def lacked(self, demand: Demand, level: Level, levels: Sequence[Level]) -> Level | None:
        """The level to go on with after a lack of memory at `level`; None: there is none, and the next picture begins
        anew."""
        lesson = self._lessons.get(demand)
        if lesson is not None and level < lesson.level:  # a better one was tried
            lesson.made, lesson.patience = 0, min(2 * lesson.patience, PATIENCE_MAX)
            return lesson.level
        if level == levels[-1]:
            self._lessons.pop(demand, None)
            return None
        slower = levels[levels.index(level) + 1]
        self._lessons[demand] = _Lesson(slower)
        return slower

    def made(self, demand: Demand, level: Level, levels: Sequence[Level]) -> None:
        """A picture was computed at this level."""
        lesson = self._lessons.get(demand)
        if lesson is None:
            return
        if level >= lesson.level:
            lesson.made += 1
        elif level == levels[0]:
            del self._lessons[demand]
        else:
            self._lessons[demand] = _Lesson(level)


def _better(level: Level, levels: Sequence[Level]) -> Level:
    """The next quicker level that loses no bits; the same one if there is none."""
    quicker = [known for known in levels if known < level and known is not Level.EIGHT]
    return quicker[-1] if quicker else level
