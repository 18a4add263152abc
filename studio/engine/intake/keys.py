"""The tensor names of a header as something to ask questions of."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from math import prod

from studio.core.weights import WeightHeader

_BYTES = {"8": 1, "16": 2, "32": 4, "64": 8}


class Keys:
    """Names and shapes of one file. `under(prefix)` gives those below a prefix, with the prefix taken off."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> None:
        self.shapes, self.metadata = shapes, metadata or {}
        self._sorted = sorted(shapes)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def __len__(self) -> int:
        return len(self._sorted)

    def starts(self, *prefixes: str) -> bool:
        """Whether any name begins with one of these."""
        return any(self._from(prefix) is not None for prefix in prefixes)

    def under(self, prefix: str) -> Keys:
        """The names below `prefix`."""
        if not prefix:
            return self
        cut = len(prefix)
        inside = {name[cut:]: shape for name, shape in self.shapes.items() if name.startswith(prefix)}
        return Keys(inside, self.metadata)

    def size(self, name: str, axis: int) -> int:
        """One side of a tensor, 0 if there is no such tensor or side."""
        shape = self.shapes.get(name, ())
        return shape[axis] if -len(shape) <= axis < len(shape) else 0

    def find(self, pattern: re.Pattern[str]) -> str:
        """The first name in order of the alphabet that the pattern is found in, or ""."""
        return next((name for name in self._sorted if pattern.search(name)), "")

    def _from(self, prefix: str) -> str | None:
        at = bisect_left(self._sorted, prefix)
        return self._sorted[at] if at < len(self._sorted) and self._sorted[at].startswith(prefix) else None


def main_dtype(header: WeightHeader) -> str:
    """The number format that most bytes are in."""
    total: Counter[str] = Counter()
    for name, dtype in header.dtypes.items():
        total[dtype] += prod(header.shapes[name])
    for dtype in total:
        total[dtype] *= _BYTES.get("".join(ch for ch in dtype.split("_")[0] if ch.isdigit()), 1)
    return total.most_common(1)[0][0] if total else ""
