"""The whole studio as a process of its own, to be killed: `python -m tests.reliability.process DATA DEED [N]`.

DEED says what becomes of it: "wait" stays until it is killed, "plot" kills itself at the N-th picture of a plot; "segfault" reads
address 0 in the engine thread at a step after the N-th picture; "die_early" ends hard before the window is ready;
"report" prints what a start found, as JSON, and closes; "again" goes on with what waited and decodes what was made, waits
for it, reports and closes.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QTimer

import studio.app.opening
from studio.app import Studio
from studio.core.draft import Draft
from studio.core.job import JobState
from studio.core.plot import Axis, plan
from studio.engine.fake import FakeEngine

WAITING = 4
CELLS = 12
TYPED_MS = 2000  # what was typed so long ago must be kept


class Deeds:
    """What a process does once its window is there."""

    def __init__(self, data: Path, deed: str, number: int) -> None:
        self.data, self.deed, self.number = data, deed, number
        self.engine = FakeEngine(before_step=self.before_step, seconds_per_step=0.002)
        self.begun = self.saved = 0
        self.studio: Studio | None = None

    def before_step(self, step: int) -> None:
        self.begun += step == 0
        if self.deed == "segfault" and step == 2 and self.begun > self.number:
            ctypes.string_at(0)

    def start(self, studio: Studio) -> None:
        self.studio = studio
        studio.queue.picture_added.connect(self.on_picture)
        if self.deed == "die_early":
            os._exit(3)
        elif self.deed in ("wait", "plot", "segfault"):
            studio.queue.engine_ready.connect(lambda _: QTimer.singleShot(0, studio.window, self.work))
        else:
            QTimer.singleShot(50, studio.window, self.look)

    def work(self) -> None:
        assert self.studio is not None
        self.studio.draft.set_prompt(f"typed before {self.deed}")
        if self.deed == "segfault":
            QTimer.singleShot(TYPED_MS, self.studio.window, self.submit)
        else:
            self.submit()

    def submit(self) -> None:
        assert self.studio is not None
        if self.deed == "plot":
            self.plot(self.studio)
            return
        for seed in range(100, 100 + self.number + WAITING):
            self.studio.queue.submit(Draft(prompt="to be kept", seed=seed, steps=4))  # refused to who may only look
        print("ready", flush=True)

    def plot(self, studio: Studio) -> None:
        plots = studio.state.plots
        base = plots.base(Draft(prompt="to be kept", seed=1, steps=4))
        field = next(field for field in plots.fields(base) if field.id == "seed")
        plots.start(plan(base, [Axis(field=field, values=tuple(range(100, 100 + CELLS)))]))

    def on_picture(self, picture: object) -> None:
        print(f"saved {picture.id}", flush=True)  # type: ignore[attr-defined]
        self.saved += 1
        if self.deed == "plot" and self.saved == self.number:
            os.kill(os.getpid(), signal.SIGKILL)

    def look(self) -> None:
        """Once the work that was left is known: go on with it or report."""
        studio = self.studio
        assert studio is not None
        plots = studio.state.plots
        compares = studio.queue.refusal is None and not studio.store._shelf.compared  # rows may be missing till then
        busy = compares or plots._left is not None or plots.is_drawing
        if busy or (studio.queue._background is not None and not studio.queue._background.wait(0)):
            QTimer.singleShot(20, studio.window, self.look)
        elif self.deed == "again" and self.is_left(studio):
            studio.queue.go_on()
            for job in studio.queue.jobs:
                studio.queue.decode_again(job.id)
            QTimer.singleShot(20, studio.window, self.look)
        else:
            QTimer.singleShot(20, studio.window, self.report)

    def is_left(self, studio: Studio) -> bool:
        return any(job.undecoded or not job.state.is_final for job in studio.queue.jobs)

    def report(self) -> None:
        studio = self.studio
        assert studio is not None
        messages = [
            {"level": m.level, "headline": m.headline, "hint": m.hint, "detail": m.detail, "action": m.action}
            for m in studio.state.messages.history()
        ]
        states = {state.value: [j.recipe.seed for j in studio.queue.jobs if j.state is state] for state in JobState}
        card = {
            "messages": messages,
            "undecoded": [job.recipe.seed for job in studio.queue.jobs if job.undecoded],
            "jobs": {state: seeds for state, seeds in states.items() if seeds},
            "prompt": studio.draft.draft.prompt,
            "pictures": studio.store.count(),
            "cells": [cell.state.value for cell in studio.state.plots.cells],
            "sheet": studio.state.plots.sheet is not None,
        }
        print(json.dumps(card), flush=True)
        studio.window.close()


def main() -> int:
    data, deed = Path(sys.argv[1]), sys.argv[2]
    deeds = Deeds(data, deed, int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    real = studio.app.opening.build

    def build(*args: object, **how: object) -> Studio:
        made = real(*args, **how)  # type: ignore[arg-type]
        deeds.start(made)
        return made

    studio.app.opening.build = build  # type: ignore[assignment]
    return studio.app.opening.run(data, engine=deeds.engine)


if __name__ == "__main__":
    sys.exit(main())
