"""Damaged files through every door that takes files of strangers: `python -m tests.reliability.mutants KIND COUNT SEED FOLDER`.

KIND is png, jpeg, webp or recipe. Memory is limited, so that a bomb shows; whoever starts this kills it if it hangs. Each
mutant must be read or refused in words (StudioError): anything else that is raised counts. Prints one JSON object.
"""

from __future__ import annotations

import io
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from studio.core.errors import StudioError
from studio.core.paths import Folders
from studio.core.recipe_text import draft_from_text, from_text, to_text
from studio.engine.journal import Journal
from studio.gallery.foreign.door import read_picture
from studio.gallery.png import encode
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, control, noise, recipe, store_in

MEMORY_BYTES = 3_000_000_000
HOSTILE = (
    b"\xff" * 8, bytes(8), b"../../../etc/passwd", b"{0.__class__}", b"%s%n", b"'; DROP TABLE pictures;--", b"1e999", b"NaN",
    b"[" * 3000, b'"seed": -1', b'"steps": 1000000000', b'"width": 1000000', "\u202e\ud7ff".encode(), b"<img src=x>", b"null",
)  # fmt: skip


def mutant(good: bytes, rng: random.Random) -> bytes:
    """One to eight changes: bits flipped, bytes put in, taken out, doubled, the end cut off, hostile words."""
    bad = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(max(1, len(bad)))
        match rng.randrange(7):
            case 0:
                bad[at : at + 1] = bytes([bad[at] ^ 1 << rng.randrange(8)]) if bad else b""
            case 1:
                bad[at:at] = rng.randbytes(rng.randrange(1, 40))
            case 2:
                del bad[at : at + rng.randrange(1, 40)]
            case 3:
                bad[at:at] = bad[at : at + rng.randrange(1, 400)]
            case 4:
                del bad[at:]
            case 5:
                bad[at : at + 4] = rng.choice((b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", bytes(4), b"\x00\x00\x40\x00"))
            case _:
                words = rng.choice(HOSTILE)
                bad[at : at + rng.choice((0, len(words)))] = words
    return bytes(bad)


def originals(kind: str, folder: Path) -> list[bytes]:
    """Good files to begin with: of the studio and of strangers, with and without embedded pictures."""
    store = store_in(folder / "source")
    layered = recipe(controls=(control(store.inputs.add(saved("PNG"))),))
    store.close()
    if kind == "recipe":
        return [to_text(layered).encode(), to_text(recipe("(a:1.2) [b] 雪山")).encode()]
    if kind == "png":
        ref = layered.controls[0].image
        data = {ref.digest: store.inputs.read(ref)}
        ours = [encode(noise(24), r, MADE_WITH, "", datetime.now(UTC), data) for r in (layered, recipe())]
        return [*ours, saved("PNG"), saved("PNG", "P"), saved("PNG", "RGBA")]
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        saved(kind.upper(), mode, exif=exif) for mode in (("RGB", "CMYK", "L") if kind == "jpeg" else ("RGB", "RGBA"))
    ]


def doors(kind: str, folder: Path) -> list[Callable[[bytes], object]]:
    """What becomes of such a file in the studio: dropped for its recipe, dropped as a picture, found in a folder."""
    if kind == "recipe":
        return [
            lambda data: from_text(text(data)),
            lambda data: draft_from_text(text(data)),
            lambda data: journal(data, folder),
        ]
    store = GalleryStore(Folders(root=folder / "data")).open()
    file = folder / f"mutant.{kind}"

    def as_recipe(data: bytes) -> object:
        file.write_bytes(data)
        return store.recipe_of(file)

    def as_foreign(data: bytes) -> object:
        file.write_bytes(data)
        return read_picture(file)

    return [as_recipe, as_foreign, lambda data: store.inputs.take(data)]


def journal(data: bytes, folder: Path) -> None:
    """The damaged text as a line of the queue's journal: it is passed over."""
    place = folder / "queue"
    place.mkdir(exist_ok=True)
    line = json.dumps({"job": "x", "recipe": text(data)})
    (place / "20260101-000000-000000-00000000.jsonl").write_text(line + "\n" + text(data), "utf-8", "replace")
    left = Journal(place)
    left.open()
    left.close()
    for rest in place.iterdir():
        rest.unlink()


def main(kind: str, count: int, seed: int, folder: Path) -> dict[str, object]:
    rng, counts, raised = random.Random(seed), Counter[str](), Counter[str]()
    good = originals(kind, folder)
    ways = doors(kind, folder)
    for way in ways:
        for data in good:
            try:
                way(data)
            except StudioError:
                counts["good_refused"] += 1  # a JPEG has no recipe
    before, slowest = memory(), 0.0
    limit_memory()
    for _ in range(count):
        data = mutant(rng.choice(good), rng)
        counts["mutants"] += 1
        for way in ways:
            began = time.process_time()
            try:
                way(data)
                counts["read"] += 1
            except StudioError as error:
                counts["refused"] += 1
                counts["without_words"] += not error.headline
            except Exception as error:
                raised[f"{type(error).__name__}: {error}"[:100]] += 1
            slowest = max(slowest, time.process_time() - began)
    grown = memory() - before
    touched = [path.name for path in folder.iterdir() if path.name not in ("source", "data", "queue", f"mutant.{kind}")]
    return {
        **counts,
        "raised": raised,
        "slowest": round(slowest, 3),
        "grown_mb": round(grown / 1e6),
        "strange_files": touched,
        "seed": seed,
    }


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    noise_image().convert(mode).save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def noise_image() -> Image.Image:
    pixels = noise(40)
    return Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)


def memory() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * 4096


def limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
