"""Pictures of what the artist meets after a restart: `python tests/bench/work_shots.py FOLDER`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import screenshots
from screenshots import PROMPTS, Shot

from studio.core.errors import BadPicture, StorageProblem
from studio.core.job import Kept
from studio.core.library_lock import Holder
from studio.core.recipe import Recipe
from studio.core.session import Before
from studio.state.aftermath import read_only_words, tell_aftermath, tell_safe_mode

LOG = (
    'Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f2c0c7146c0 (most recent call first):\n  File "…"'
)


def left(count: int, started: int, undecoded: int) -> list[Kept]:
    """Jobs of an earlier session: the last `started` had begun, the last `undecoded` of them were made."""
    jobs = [Kept(key=f"job-{n}", recipe=Recipe(prompt=PROMPTS[n % 6], seed=4_000_000_000 + n)) for n in range(count)]
    return [replace(job, started=count - n <= started, undecoded=count - n <= undecoded) for n, job in enumerate(jobs)]


def after_a_crash(theme: str, size: tuple[int, int] = (1280, 800)) -> None:
    shot = Shot(size, theme)
    shot.paint(2)
    shot.window.centre.messages.clear()
    shot.studio.queue.clear_finished()
    shot.studio.queue.restore(left(5, 2, 1))
    shot.window.docks["queueDock"].raise_()
    tell_aftermath(
        shot.studio.state.messages, shot.studio.queue, Before(crashed=True, at="decoding with mini", log=LOG)
    )
    shot.take(f"after_a_crash_{theme}_{size[1]}")
    shot.close()


def after_an_end(theme: str) -> None:
    shot = Shot(theme=theme)
    shot.paint(2)
    shot.window.centre.messages.clear()
    shot.studio.queue.restore(left(3, 0, 0))
    tell_aftermath(shot.studio.state.messages, shot.studio.queue, Before())
    shot.take(f"work_was_left_{theme}")
    shot.close()


def queue_rows(theme: str) -> None:
    """The queue panel by itself: waiting for the artist, interrupted with and without latents, failed, done."""
    shot = Shot(theme=theme)
    shot.paint(1)
    shot.studio.queue.restore(left(4, 3, 1))
    dock = shot.window.docks["queueDock"]
    dock.setFloating(True)
    dock.resize(330, 320)
    shot.wait(seconds=0.4)
    dock.grab().save(str(Path(sys.argv[1]) / f"queue_rows_{theme}.png"))
    shot.close()


def trouble(theme: str) -> None:
    shot = Shot(theme=theme)
    shot.window.centre.messages.clear()
    tell_safe_mode(shot.studio.state.messages, Before(crashed=True, failed_starts=2))
    words = read_only_words(Holder(pid=4711, host="elsewhere"))
    shot.studio.state.messages.error(StorageProblem(*words))
    hint = "Its steps are kept: it can be decoded again."
    shot.studio.state.messages.error(BadPicture("The model gave numbers that are not a picture.", hint), "Decode again")
    shot.take(f"trouble_{theme}")
    shot.close()


def main() -> None:
    """Take all, dark and light; QT_SCALE_FACTOR=2 gives them at twice the size."""
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    after_a_crash("dark", (1280, 1040))
    for theme in ("dark", "light"):
        for take in (after_a_crash, after_an_end, queue_rows, trouble):
            take(theme)
            print("took", take.__name__, theme)


if __name__ == "__main__":
    assert screenshots.ROOT
    main()
