"""What the artist reads after a restart: how it ended, what was kept, and one button for what can go on."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication

from studio.core.job import Job, JobState
from studio.core.library_lock import Holder
from studio.core.session import Before
from studio.state.job_queue import JobQueue
from studio.state.messages import Message, Messages


def tr(text: str) -> str:
    """Translate a whole sentence now."""
    return QCoreApplication.translate("aftermath", text)


def tell_aftermath(messages: Messages, queue: JobQueue, before: Before) -> None:
    """One notice for a crash, or for work that was left; nothing after an ordinary end with an empty queue."""
    held = len(queue.held)
    interrupted = [job for job in queue.jobs if job.state is JobState.INTERRUPTED]
    undecoded = [job for job in interrupted if job.undecoded]
    if not before.crashed and not held and not interrupted:
        return
    buttons = _buttons(queue, held, undecoded)
    kept = _kept(held, len(interrupted) - len(undecoded), len(undecoded))
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


def _kept(held: int, interrupted: int, undecoded: int) -> str:
    counted = (
        (held, tr("1 picture was waiting and waits in the queue until you say so."),
         tr("{n} pictures were waiting and wait in the queue until you say so.")),
        (undecoded, tr("1 picture was made but not decoded; its steps are kept."),
         tr("{n} pictures were made but not decoded; their steps are kept.")),
        (interrupted, tr("1 picture was interrupted; it runs again only if you wish it."),
         tr("{n} pictures were interrupted; they run again only if you wish it.")),
    )  # fmt: skip
    return "\n".join((one if n == 1 else many).replace("{n}", str(n)) for n, one, many in counted if n)


def _buttons(queue: JobQueue, held: int, undecoded: list[Job]) -> list[tuple[str, Callable[[], None]]]:
    buttons: list[tuple[str, Callable[[], None]]] = []
    if held:
        buttons.append((tr("Go on"), lambda: queue.go_on()))
    if undecoded:
        ids = [job.id for job in undecoded]
        buttons.append((tr("Decode again"), lambda: _decode_all(queue, ids)))
    return buttons


def _decode_all(queue: JobQueue, ids: list[int]) -> None:
    for job_id in ids:
        queue.decode_again(job_id)
