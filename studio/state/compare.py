"""Two pictures to be compared: read, measured and subtracted off the UI thread. Knows no widgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from studio.core.differences import Difference, differences
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe
from studio.core.verify import Distance
from studio.state.background import Background
from studio.state.images import image_of

GAINS = (1.0, 4.0, 16.0, 64.0)
ReadSide = Callable[[Path], tuple[Pixels, Recipe | None, str]]  # these three are called in the background
Measure = Callable[[Pixels, Pixels], Distance | None]
Subtract = Callable[[Pixels, Pixels, float], Pixels | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two. `picture` is None for a file that is not of the history; `image` is null until it is read."""

    file: Path
    picture: Picture | None = None
    image: QImage
    pixels: Pixels | None = None
    recipe: Recipe | None = None
    note: str = ""

    @property
    def title(self) -> str:
        """What it is called: its prompt's first line, otherwise its file's name."""
        if self.picture is not None and self.picture.made_with.sheet:
            return self.picture.made_with.sheet.split("\n")[0]
        return (
            " ".join(self.recipe.prompt.split()) if self.recipe is not None and self.recipe.prompt else self.file.name
        )


class Comparison(QObject):
    """Mutable state: `_sides` (A and B, None where none was chosen), `_distance` and `_shown` (figures and the image of
    the difference, of just these two), `_gain`.

    Signals: `changed()` - a side, the figures or the difference; `failed(StudioError)` - a file cannot be compared, the
    side stays what it was.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(
        self,
        read: ReadSide,
        measure: Measure,
        subtract: Subtract,
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._read, self._measure, self._subtract, self._background = read, measure, subtract, background
        self._sides: list[Side | None] = [None, None]
        self._distance: Distance | None = None
        self._shown = QImage()
        self._gain = GAINS[1]

    @property
    def sides(self) -> tuple[Side | None, Side | None]:
        return self._sides[0], self._sides[1]

    @property
    def distance(self) -> Distance | None:
        """The figures; None while they are being counted, and where sizes differ."""
        return self._distance

    @property
    def difference(self) -> QImage:
        """The absolute difference times `gain`; null while it is being made, and where sizes differ."""
        return self._shown

    @property
    def gain(self) -> float:
        return self._gain

    @property
    def same_size(self) -> bool:
        """Whether both are read and pixels can be set against pixels."""
        a, b = self._sides
        return a is not None and b is not None and a.image.size() == b.image.size() and not a.image.isNull()

    @property
    def settings(self) -> tuple[Difference, ...] | None:
        """What the recipes differ in, from A to B; None where a side has none."""
        a, b = self._sides
        if a is None or b is None or a.recipe is None or b.recipe is None:
            return None
        return differences(a.recipe, b.recipe)

    def show(self, a: Picture | Path, b: Picture | Path) -> None:
        """Compare these two."""
        self._sides = [None, None]
        self._forget_figures()
        self.changed.emit()
        self.put(0, a)
        self.put(1, b)

    def put(self, place: int, source: Picture | Path) -> None:
        """Another picture on side A (0) or B (1); it is there once it is read."""
        file = source.file if isinstance(source, Picture) else source
        work = partial(_side_of, self._read, file, source if isinstance(source, Picture) else None)
        self._background.run_latest(f"compare {place}", work, partial(self._take, place), self.failed.emit)

    def swap(self) -> None:
        """A becomes B and B becomes A; figures and difference are the same from both sides."""
        self._sides.reverse()
        self.changed.emit()

    def set_gain(self, gain: float) -> None:
        """How much the difference is amplified."""
        if gain != self._gain:
            self._gain = gain
            self._make_difference()

    def clear(self) -> None:
        """Forget both: their pixels are large."""
        for key in ("compare 0", "compare 1", "compare figures", "compare difference"):
            self._background.drop(key)
        self._sides = [None, None]
        self._forget_figures()
        self.changed.emit()

    def _take(self, place: int, side: Side) -> None:
        self._sides[place] = side
        self._forget_figures()
        pair = self._pixels()
        if pair is not None:
            self._background.run_latest("compare figures", partial(self._measure, *pair), self._take_figures)
            self._make_difference()
        self.changed.emit()

    def _make_difference(self) -> None:
        pair = self._pixels()
        if pair is not None:
            work = partial(_image_between, self._subtract, *pair, self._gain)
            self._background.run_latest("compare difference", work, self._take_difference)

    def _pixels(self) -> tuple[Pixels, Pixels] | None:
        a, b = self._sides
        if not self.same_size or a is None or b is None or a.pixels is None or b.pixels is None:
            return None
        return a.pixels, b.pixels

    def _take_figures(self, figures: Distance | None) -> None:
        self._distance = figures
        self.changed.emit()

    def _take_difference(self, image: QImage) -> None:
        self._shown = image
        self.changed.emit()

    def _forget_figures(self) -> None:
        self._distance, self._shown = None, QImage()


def _side_of(read: ReadSide, file: Path, picture: Picture | None) -> Side:
    pixels, recipe, note = read(file)
    return Side(
        file=file,
        picture=picture,
        image=image_of(pixels).convertToFormat(QImage.Format.Format_RGB32),
        pixels=pixels,
        recipe=recipe,
        note=note,
    )


def _image_between(subtract: Subtract, first: Pixels, second: Pixels, gain: float) -> QImage:
    made = subtract(first, second, gain)
    return QImage() if made is None else image_of(made).convertToFormat(QImage.Format.Format_RGB32)
