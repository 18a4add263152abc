"""What the artist reads after a restart: how it ended, what was kept, and one button for what can go on."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication

from studio.core.job import Job, JobState
from studio.core.library_lock import Holder
from studio.core.session import Before
from studio.state.job_queue import JobQueue
from studio.state.messages import Message, Messages
from studio.state.plot import Plots

SEEDS_NAMED = 5


def tr(text: str) -> str:
    """Translate a whole sentence now."""
    return QCoreApplication.translate("aftermath", text)


def tell_aftermath(messages: Messages, queue: JobQueue, before: Before, plots: Plots | None = None) -> None:
    """One notice for a crash, or for work that was left; nothing after an ordinary end with an empty queue.

    The cells of a half done plot are told of by whoever offers to go on with it.
    """
    plot = plots.note.plot if plots is not None else None
    apart = {cell.key for cell in plot.cells} if plot is not None else set()
    held = [job for job in queue.held if job.key not in apart]
    left = [job for job in queue.jobs if job.state is JobState.INTERRUPTED and job.key not in apart]
    undecoded = [job for job in left if job.undecoded]
    interrupted = [job for job in left if not job.undecoded]
    if not before.crashed and not held and not left:
        return
    buttons = _buttons(queue, held, undecoded)
    kept = _kept(held, interrupted, undecoded)
    if before.crashed:
        at = tr(" It was {at}.").replace("{at}", before.at) if before.at else ""
        words = [tr("All saved pictures and what stood in the panels are kept."), kept]
        headline, hint = tr("The studio ended unexpectedly last time.") + at, "\n".join(filter(None, words))
    else:
        headline, hint = tr("Work was left from last time."), kept
    (action, on_action), (other, on_other) = (*buttons, ("", None), ("", None))[:2]
    messages.post(
        Message(
            level="warning" if before.crashed else "info",
            headline=headline,
            hint=hint,
            detail=before.log,
            action=action,
            on_action=on_action,
            other=other,
            on_other=on_other,
            stays=True,
        )
    )


def tell_safe_mode(messages: Messages, before: Before) -> None:
    """Why the studio does without plugins and settings, and how they come back."""
    hint = tr("Settings are the defaults and are not kept, and no model is loaded before it is needed.")
    if before.safe_mode:
        words = tr("Safe mode: {n} starts in a row did not succeed, so no plugin runs.")
        headline = words.replace("{n}", str(before.failed_starts))
        hint += " " + tr("Close the studio and start it again to leave safe mode.")
    else:
        headline = tr("Safe mode: no plugin runs.")
        hint += " " + tr("Start the studio without --safe-mode to have all back.")
    messages.post(Message(level="warning" if before.safe_mode else "info", headline=headline, hint=hint, stays=True))


def read_only_words(holder: Holder) -> tuple[str, str]:
    """Headline and hint of a window that may only look."""
    headline = tr("Read-only: another Diffusion Studio ({who}) has this library open and does not answer.")
    hint = tr("You can look at and export pictures. To make or change some, close the other one, then start again.")
    return headline.replace("{who}", str(holder)), hint


def _kept(held: list[Job], interrupted: list[Job], undecoded: list[Job]) -> str:
    counted = (
        (held, tr("1 picture was waiting and waits in the queue until you say so."),
         tr("{n} pictures were waiting and wait in the queue until you say so.")),
        (undecoded, tr("1 picture was made but not decoded ({seeds}); its steps are kept."),
         tr("{n} pictures were made but not decoded ({seeds}); their steps are kept.")),
        (interrupted, tr("1 picture was interrupted ({seeds}); it runs again only if you wish it."),
         tr("{n} pictures were interrupted ({seeds}); they run again only if you wish it.")),
    )  # fmt: skip
    return "\n".join(
        (one if len(jobs) == 1 else many).replace("{n}", str(len(jobs))).replace("{seeds}", _seeds(jobs))
        for jobs, one, many in counted
        if jobs
    )


def _seeds(jobs: list[Job]) -> str:
    """Which ones are meant, as far as that can be read at a glance."""
    named = ", ".join(str(job.recipe.seed) for job in jobs[:SEEDS_NAMED])
    words = tr("seed {n}") if len(jobs) == 1 else tr("seeds {n}")
    return words.replace("{n}", named + (" …" if len(jobs) > SEEDS_NAMED else ""))


def _buttons(queue: JobQueue, held: list[Job], undecoded: list[Job]) -> list[tuple[str, Callable[[], None]]]:
    buttons: list[tuple[str, Callable[[], None]]] = []
    if held:
        buttons.append((tr("Go on"), lambda: _each(queue.go_on, held)))
    if undecoded:
        buttons.append((tr("Decode again"), lambda: _each(queue.decode_again, undecoded)))
    return buttons


def _each(wish: Callable[[int], None], jobs: list[Job]) -> None:
    for job in jobs:
        wish(job.id)
