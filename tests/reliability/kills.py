"""Kills in the middle of saves, as a process of its own: `python -m tests.reliability.kills good|bad KILLS SEED FOLDER`.

A warm parent forks a child that makes pictures on the whole path - journal, latents, saver, file, row - and announces
each step before it happens; the parent kills it somewhere within a step and then looks at what lies there. "bad" saves
as careless programs do, and must be caught. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from studio.core.events import Finished
from studio.core.job import Kept
from studio.core.paths import Folders
from studio.core.picture import Picture
from studio.core.recipe import Recipe, Size
from studio.engine.fake import FakeEngine
from studio.engine.journal import Journal, left_over
from studio.engine.protocol import OnProgress, Progress, Rendered, Undecoded
from studio.engine.runner import Runner
from studio.engine.spool import Spool
from studio.gallery import png
from studio.gallery.just_saved import was_saved
from studio.gallery.names import file_of, new_id
from studio.gallery.png import is_whole
from studio.gallery.rows import row_of
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise
from tests.reliability.steps import REAL_WRITE, announcing

STEPS = ("encode", "create", "write", "fsync", "rename", "folder", "row", "spool", "unspool", "over")
PER_FOLDER = 25
JOBS = 4
SPREAD_SECONDS = 0.003
PICTURE = noise(160)


class QuickEngine(FakeEngine):
    """One step, and always the same picture, large enough that its file is written in several pieces."""

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        latents = Undecoded(recipe=recipe, shape=(1, 16, 10, 10), dtype="float32", data=bytes(6400))
        on_progress(Progress(step=1, steps=1, phase="decoding", undecoded=latents))
        return Rendered(pixels=PICTURE, made_with=MADE_WITH)


@dataclass
class Seen:
    """What a child said before it was killed: seeds of jobs that were surely queued, ids and seeds reported saved."""

    queued: list[int] = field(default_factory=list)
    saved: dict[str, int] = field(default_factory=dict)
    killed: bool = False


def recipe_of(seed: int) -> Recipe:
    return Recipe(prompt="a red house", seed=seed, steps=1, size=Size(width=160, height=160))


def work(order: str, root: Path, pipe: int, first: int) -> None:
    """In the child: queue jobs, then make them."""
    if order == "bad":
        save_badly(root, pipe, first)
        return
    folders = Folders(root=root)
    store, journal, spool = GalleryStore(folders).open(), Journal(folders.queue), Spool(folders.spool)
    jobs = [Kept(key=f"{seed:08d}", recipe=recipe_of(seed)) for seed in range(first, first + JOBS)]
    journal.add(jobs)
    if journal.wait(5):
        for job in jobs:
            say(pipe, f"Q {job.recipe.seed}")
    announcing(pipe)
    for owner, name, step in ((Spool, "put", "spool"), (Spool, "remove", "unspool"), (Journal, "over", "over")):
        announce(pipe, owner, name, step)
    done = threading.Event()

    def post(event: object) -> None:
        if isinstance(event, Finished):
            say(pipe, f"A {event.picture.id} {event.picture.recipe.seed}")
            if event.job_id == jobs[-1].recipe.seed:
                done.set()

    def save(rendered: Rendered, recipe: Recipe, _parents: object) -> Any:
        return store.add(rendered.pixels, recipe, rendered.made_with)

    runner = Runner(QuickEngine(), save, post, journal, spool)
    for job in jobs:
        runner.submit(job.recipe.seed, job.recipe, (), job.key)
    done.wait(20)
    time.sleep(0.2)


def save_badly(root: Path, pipe: int, first: int) -> None:
    """Row first and the word that it is saved, then straight to the final name; jobs live in memory only."""
    index, last = GalleryStore(Folders(root=root)).open()._shelf.opened(), ""
    for seed in range(first, first + JOBS):
        say(pipe, f"Q {seed}")
    for seed in range(first, first + JOBS):
        last = new_id(datetime.now(UTC), last)
        path = root / "pictures" / file_of(last)
        path.parent.mkdir(exist_ok=True)
        index.insert([row_of(_picture(last, path, seed), file_of(last).as_posix())])
        say(pipe, "S row")
        image = Image.frombytes("RGB", (PICTURE.width, PICTURE.height), PICTURE.data)
        say(pipe, f"A {last} {seed}")
        say(pipe, "S write")
        image.save(path, "PNG", compress_level=1)


def _picture(picture_id: str, path: Path, seed: int) -> Picture:
    return Picture(
        id=picture_id,
        recipe=recipe_of(seed),
        made_with=MADE_WITH,
        file=path,
        width=PICTURE.width,
        height=PICTURE.height,
        created=datetime.now(UTC),
    )


def say(pipe: int, words: str) -> None:
    REAL_WRITE(pipe, f"{words}\n".encode())


def announce(pipe: int, owner: Any, name: str, step: str) -> None:
    real: Callable[..., Any] = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        say(pipe, f"S {step}")
        return real(*args, **kwargs)

    setattr(owner, name, call)


def kill_one(order: str, root: Path, first: int, step: str, turn: int, delay: float) -> Seen:
    """Kill a child `delay` seconds after it announced `step` for the `turn`-th time."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            work(order, root, writer, first)
        finally:
            os._exit(3)
    os.close(writer)
    seen, turns = Seen(), 0
    with os.fdopen(reader) as lines:
        for line in lines:
            kind, *words = line.split()
            if kind == "Q":
                seen.queued.append(int(words[0]))
            elif kind == "A":
                seen.saved[words[0]] = int(words[1])
            elif words[0] == step and not seen.killed:
                turns += 1
                if turns == turn:
                    time.sleep(delay)
                    os.kill(pid, signal.SIGKILL)
                    seen.killed = True
    _, status = os.waitpid(pid, 0)
    seen.killed = seen.killed and os.WIFSIGNALED(status)
    return seen


def look(root: Path, known: set[Path]) -> Counter[str]:
    """Right after a kill, before any repair: corrupt final files, rows without a file and the reverse."""
    counts: Counter[str] = Counter()
    pictures = root / "pictures"
    files = set(pictures.rglob("*.png"))
    counts["corrupt"] = sum(not is_whole(file.read_bytes()) for file in files - known)
    known |= files
    with closing(sqlite3.connect(root / "index.sqlite3")) as index:
        rows = {pictures / row[0] for row in index.execute("SELECT file FROM pictures")}
    counts["ghosts"] = len(rows - files)
    counts["unlisted"] = len(files - rows)
    counts["parts"] = len(list(pictures.rglob("*.part")))
    return counts


def judge(root: Path, all_seen: list[Seen]) -> Counter[str]:
    """After a normal start: is every picture there that was reported, and every job either made or in the queue?"""
    counts: Counter[str] = Counter()
    folders = Folders(root=root)
    store, journal, spool = GalleryStore(folders).open(), Journal(folders.queue), Spool(folders.spool)
    for seen in all_seen:
        for picture_id, seed in seen.saved.items():
            picture = store.get(picture_id)
            whole = picture is not None and picture.file.is_file() and is_whole(picture.file.read_bytes())
            counts["lost"] += not (whole and picture is not None and picture.recipe.seed == seed)
    left = left_over(journal, spool, lambda job: was_saved(folders, job.recipe, job.since))
    made = [picture.recipe.seed for picture in store.page(0, 100_000)]
    queued = {seed for seen in all_seen for seed in seen.queued}
    waiting = [job.recipe.seed for job in left]
    counts["jobs"] = len(queued)
    counts["jobs_lost"] = len(queued - set(made) - set(waiting))
    counts["jobs_twice"] = len(made) + len(waiting) - len(set(made) | set(waiting))
    counts["undecoded"] = sum(job.undecoded for job in left)
    counts["rows_off"] = abs(store.count() - len(list((root / "pictures").rglob("*.png"))))
    counts["parts_left"] = sum(1 for part in (root / "pictures").rglob("*.part") if part.stat().st_size)
    journal.close()
    store.close()
    return counts


def main(order: str, kills: int, seed: int, folder: Path) -> dict[str, object]:
    rng, began = random.Random(seed), time.monotonic()
    total: Counter[str] = Counter()
    aimed: Counter[str] = Counter()
    png.encode(PICTURE, recipe_of(0), MADE_WITH, "warm", datetime.now(UTC), {})  # Pillow imports lazily: before forking
    steps = STEPS if order == "good" else ("row", "write")
    for number, first in enumerate(range(0, kills, PER_FOLDER)):
        root, known, all_seen = folder / str(number), set[Path](), list[Seen]()
        for turn in range(first, min(first + PER_FOLDER, kills)):
            step, delay = rng.choice(steps), rng.random() ** 3 * SPREAD_SECONDS
            seen = kill_one(order, root, turn * JOBS, step, rng.choice((1, 1, 2, 3)), delay)
            all_seen.append(seen)
            aimed[step] += seen.killed
            total.update(kills=int(seen.killed), after_report=int(seen.killed and bool(seen.saved)))
            total.update(reported=len(seen.saved))
            now = look(root, known)
            total.update({key: now[key] for key in ("corrupt", "unlisted", "parts")})
        total["ghosts"] += now["ghosts"]  # a ghost stays one: later starts only mark it as missing
        total.update(judge(root, all_seen))
    return {**total, "aimed": aimed, "seed": seed, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    run = partial(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps(run(Path(sys.argv[4]))))
