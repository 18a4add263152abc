"""Text on a sheet: the shipped fonts, Latin and Chinese in one line, wrapped and cut to a width. Pillow only."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

from PIL import ImageDraw, ImageFont

from studio.core.paths import RESOURCES

Color = tuple[int, int, int]
_CJK_FROM = 0x2E80  # where the radicals of Han begin; before that Inter has what there is
ELLIPSIS = "…"


class Lettering:
    """One size and weight of the interface's fonts. `line` is the height of a line, `px` that of the letters."""

    def __init__(self, px: int, weight: str = "Regular") -> None:
        self.px, self.line = px, round(px * 1.35)
        self._latin, self._han = _font(f"Inter-{weight}.otf", px), _font("StudioSansSC-Regular.otf", px)

    def width(self, text: str) -> float:
        """The width of a line in pixels."""
        return sum(self._font_of(is_han).getlength(run) for is_han, run in _runs(text))

    def draw(self, on: ImageDraw.ImageDraw, x: float, top: float, text: str, fill: Color) -> None:
        """One line from `x` on; its letters stand in the line whose upper edge is `top`."""
        baseline = top + self.px * 1.08
        for is_han, run in _runs(text):
            font = self._font_of(is_han)
            on.text((x, baseline), run, font=font, fill=fill, anchor="ls")
            x += font.getlength(run)

    def wrap(self, text: str, width: float, lines: int) -> tuple[str, ...]:
        """The text in at most so many lines of at most so many pixels; what does not fit ends in "…"."""
        words = _pieces(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
        made: list[str] = []
        line = ""
        while words:
            word = words.pop(0)
            if self.width((line + word).rstrip()) <= width:
                line += word
            elif line:
                made.append(line.rstrip())
                line = ""
                words.insert(0, word.lstrip())
            else:
                head, rest = self._split(word, width)
                made.append(head)
                words.insert(0, rest)
            if len(made) == lines:
                return (*made[:-1], self._cut(made[-1] + ELLIPSIS, width)) if line or any(words) else tuple(made)
        return (*made, line.rstrip()) if line.strip() else tuple(made)

    def _split(self, word: str, width: float) -> tuple[str, str]:
        """As much of a single word as fits (one letter at least), and the rest."""
        count = 1
        while count < len(word) and self.width(word[: count + 1]) <= width:
            count += 1
        return word[:count], word[count:]

    def _cut(self, line: str, width: float) -> str:
        while len(line) > 1 and self.width(line) > width:
            line = line[:-2].rstrip() + ELLIPSIS
        return line

    def _font_of(self, is_han: bool) -> ImageFont.FreeTypeFont:
        return self._han if is_han else self._latin


def _is_han(c: str) -> bool:
    return ord(c) >= _CJK_FROM


def _runs(text: str) -> list[tuple[bool, str]]:
    return [(is_han, "".join(run)) for is_han, run in groupby(text, _is_han)]


def _pieces(text: str) -> list[str]:
    """Where a line may break: behind a space, and behind any Han letter."""
    made = [""]
    for c in text:
        made[-1] += c
        if c == " " or _is_han(c):
            made.append("")
    return [piece for piece in made if piece]


@lru_cache(maxsize=32)
def _font(name: str, px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(RESOURCES / "fonts" / name), px, layout_engine=ImageFont.Layout.BASIC)
