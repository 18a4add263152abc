"""An experiment run as its own process: SIGKILL a saving child many times, then count what is lost, corrupt or a ghost.

`python -m tests.gallery.kills ORDER KILLS SEED FOLDER` prints one JSON object. ORDER is "good" for the store itself, or
"bad" for the control that must fail: the row first, then the PNG written straight to its final name.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from studio.core.paths import Folders
from studio.core.picture import Picture
from studio.gallery import png
from studio.gallery.index import Index
from studio.gallery.names import file_of, new_id
from studio.gallery.png import is_whole
from studio.gallery.rows import row_of
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe

STEPS = {"good": ("encode", "create", "write", "fsync", "rename", "folder", "row"), "bad": ("row", "write")}
PER_FOLDER = 25
SPREAD_SECONDS = 0.003
PIECE = 16_384
PICTURE = noise(192)
REAL_WRITE = os.write


def announcing(pipe: int) -> None:
    """Make each step of a save say its name before it happens, and writing slow enough to be hit in the middle."""

    def say(step: str) -> None:
        REAL_WRITE(pipe, f"S {step}\n".encode())

    def wrapped(owner: object, name: str, step_of: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def call(*args: object, **kwargs: object) -> object:
            step = step_of(*args)
            if step:
                say(step)
            return real(*args, **kwargs)

        setattr(owner, name, call)

    wrapped(png, "encode", lambda *_: "encode")
    wrapped(os, "open", lambda _path, flags, *_: "create" if flags & os.O_EXCL else "")
    wrapped(os, "fsync", lambda fd: "folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "fsync")
    wrapped(os, "link", lambda *_: "rename")
    wrapped(Index, "insert", lambda _index, rows: "row" if rows else "")

    def slow_write(descriptor: int, data: bytes) -> int:
        say("write")
        return REAL_WRITE(descriptor, bytes(data[:PIECE]))

    os.write = slow_write


def save_good(root: Path, pipe: int) -> None:
    store = GalleryStore(Folders(root=root)).open()
    announcing(pipe)
    while True:
        picture = store.add(PICTURE, recipe(), MADE_WITH)
        REAL_WRITE(pipe, f"A {picture.id}\n".encode())


def save_bad(root: Path, pipe: int) -> None:
    """What must not be done: the row is there before the file, and the file has its name before it has its bytes."""
    store = GalleryStore(Folders(root=root)).open()
    index, last = store._opened(), ""
    while True:
        last = new_id(datetime.now(UTC), last)
        path = root / "pictures" / file_of(last)
        path.parent.mkdir(exist_ok=True)
        index.insert([row_of(_picture(last, path), file_of(last).as_posix())])
        REAL_WRITE(pipe, b"S row\n")
        image = Image.frombytes("RGB", (PICTURE.width, PICTURE.height), PICTURE.data)
        REAL_WRITE(pipe, b"S write\n")
        image.save(path, "PNG", compress_level=1)
        REAL_WRITE(pipe, f"A {last}\n".encode())


def _picture(picture_id: str, path: Path) -> Picture:
    return Picture(
        id=picture_id,
        recipe=recipe(),
        made_with=MADE_WITH,
        file=path,
        width=PICTURE.width,
        height=PICTURE.height,
        created=datetime.now(UTC),
    )


def kill_one(order: str, root: Path, step: str, save: int, delay: float) -> tuple[list[str], bool]:
    """Fork a child, kill it `delay` seconds after it announced `step` in its `save`-th save: the ids it reported."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            (save_good if order == "good" else save_bad)(root, writer)
        finally:
            os._exit(3)
    os.close(writer)
    reported: list[str] = []
    killed = False
    with os.fdopen(reader) as lines:
        for line in lines:
            kind, _, word = line.strip().partition(" ")
            if kind == "A":
                reported.append(word)
            elif not killed and word == step and len(reported) >= save - 1:
                time.sleep(delay)
                os.kill(pid, signal.SIGKILL)
                killed = True
    _, status = os.waitpid(pid, 0)
    return reported, killed and os.WIFSIGNALED(status)


def look(root: Path, seen: set[Path]) -> Counter[str]:
    """What lies there right after a kill, before any repair: corrupt final files, rows without file and the reverse."""
    counts: Counter[str] = Counter()
    pictures = root / "pictures"
    files = set(pictures.rglob("*.png"))
    for file in files - seen:
        counts["corrupt"] += not is_whole(file.read_bytes())
    seen |= files
    with closing(sqlite3.connect(root / "index.sqlite3")) as index:
        rows = {pictures / row[0] for row in index.execute("SELECT file FROM pictures")}
    counts["ghosts"] = len(rows - files)
    counts["unlisted"] = len(files - rows)
    counts["parts"] = len(list(pictures.rglob("*.part")))
    return counts


def judge(root: Path, reported: list[str]) -> Counter[str]:
    """After a normal start: is every reported picture there, whole and with its recipe, and nothing else left?"""
    counts: Counter[str] = Counter()
    with_store = GalleryStore(Folders(root=root)).open()
    for picture_id in reported:
        picture = with_store.get(picture_id)
        whole = picture is not None and picture.file.is_file() and is_whole(picture.file.read_bytes())
        counts["lost"] += not (whole and picture.recipe == recipe())
    counts["rows_off"] = abs(with_store.count() - len(list((root / "pictures").rglob("*.png"))))
    counts["parts_left"] = sum(1 for part in (root / "pictures").rglob("*.part") if part.stat().st_size)
    with_store.close()
    return counts


def main(order: str, kills: int, seed: int, folder: Path) -> dict[str, object]:
    rng = random.Random(seed)
    total: Counter[str] = Counter()
    aimed: Counter[str] = Counter()
    png.encode(
        PICTURE, recipe(), MADE_WITH, "warm", datetime.now(UTC), {}
    )  # Pillow imports lazily: once, before forking
    for number, first in enumerate(range(0, kills, PER_FOLDER)):
        root, seen, reported = folder / str(number), set(), []
        for _ in range(first, min(first + PER_FOLDER, kills)):
            step, save = rng.choice(STEPS[order]), rng.choice((1, 2, 2, 3))
            ids, killed = kill_one(order, root, step, save, rng.random() ** 3 * SPREAD_SECONDS)
            reported += ids
            aimed[step] += killed
            total.update(kills=int(killed), after_report=int(killed and bool(ids)), reported=len(ids))
            now = look(root, seen)
            total.update({key: now[key] for key in ("corrupt", "unlisted", "parts")})
        total["ghosts"] += now["ghosts"]  # a ghost stays one: later starts only mark it as missing
        total.update(judge(root, reported))
    return {**total, "aimed": aimed, "seed": seed}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
