"""What a verification found, in sentences."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from studio.core.verify import Verdict, Verification


def tr(text: str) -> str:
    """Translate now."""
    return QCoreApplication.translate("verify", text)


def headline(found: Verification) -> str:
    """The verdict in one sentence."""
    if found.verdict is Verdict.IDENTICAL:
        return tr("Made again: identical to the last pixel.")
    if found.verdict is Verdict.CLOSE and found.distance is not None:
        words = tr("Made again: close, but not identical. PSNR {psnr} dB, at most {largest} of 255 apart.")
        return words.replace("{psnr}", f"{found.distance.psnr:.1f}").replace("{largest}", str(found.distance.largest))
    if found.distance is None:
        return tr("Made again: different, another size.")
    words = tr("Made again: different. PSNR {psnr} dB, at most {largest} of 255 apart.")
    return words.replace("{psnr}", f"{found.distance.psnr:.1f}").replace("{largest}", str(found.distance.largest))


def hint(found: Verification) -> str:
    """What to know about it."""
    said = []
    if found.retouched:
        said.append(tr("The file was edited after it was saved; the verdict is about what was saved."))
    if found.changes:
        names = ", ".join(change.name for change in found.changes)
        said.append(tr("Changed since it was made: {names}.").replace("{names}", names))
    elif not found.holds:
        said.append(tr("Nothing that was recorded has changed since."))
    elif found.verdict is Verdict.IDENTICAL:
        said.append(tr("Same libraries, device, number format, model and plugins as then."))
    return " ".join(said)


def details(found: Verification) -> str:
    """Every figure and circumstance, a line each."""
    lines = []
    if found.distance is not None and found.verdict is not Verdict.IDENTICAL:
        words = tr("{share} of all values differ.").replace("{share}", f"{found.distance.share:.2%}")
        lines.append(words)
    for change in found.changes:
        words = tr("{name}: {before} then, {after} now")
        lines.append(
            words.replace("{name}", change.name).replace("{before}", change.before).replace("{after}", change.after)
        )
    return "\n".join(lines)
