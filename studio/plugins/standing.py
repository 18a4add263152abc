"""Where one plugin stands: what lies there, held against what the artist allowed. Changes nothing."""

from __future__ import annotations

from dataclasses import replace

from studio.core.errors import PluginProblem
from studio.core.plugins import PluginInfo, PluginState
from studio.plugins.bundle import read_bundle
from studio.plugins.consents import Consent
from studio.plugins.sources import Source

SAFE_MODE = "The studio was started in safe mode: no plugin runs."
_WORDS = {
    PluginState.NEW: "never allowed",
    PluginState.CHANGED: "changed since it was allowed",
    PluginState.ENABLED: "on",
    PluginState.DISABLED: "off",
    PluginState.FAULTY: "switched off after three faults",
    PluginState.QUARANTINED: "in quarantine",
    PluginState.BROKEN: "broken",
}


def look(source: Source, known: Consent | None, safe_mode: bool) -> PluginInfo:
    """The plugin as it lies there now; a bad one is BROKEN, with one sentence that says why."""
    bare = PluginInfo(id=source.id, state=PluginState.BROKEN, folder=str(source.folder), shipped=source.shipped)
    if source.problem:
        return replace(bare, problem=source.problem)
    try:
        bundle = read_bundle(source.folder, expected_id(source))
        if bundle.manifest.id != source.id:
            raise PluginProblem(f"Its id is “{bundle.manifest.id}”, but it is announced as “{source.id}”.")
    except PluginProblem as problem:
        return replace(bare, problem=str(problem))
    state, why = _state(source.shipped, bundle.digest, known)
    if safe_mode and state is PluginState.ENABLED:
        state, why = PluginState.DISABLED, SAFE_MODE
    return replace(bare, state=state, manifest=bundle.manifest, digest=bundle.digest, problem=why, files=bundle.listing)


def in_words(info: PluginInfo) -> str:
    """The state as the artist reads it."""
    return _WORDS[info.state] + (f": {info.problem}" if info.problem else "")


def expected_id(source: Source) -> str:
    """The id a manifest must have by its folder's name; packages are named as they like ("")."""
    return source.folder.name if source.shipped or source.own else ""


def _state(shipped: bool, digest: str, known: Consent | None) -> tuple[PluginState, str]:
    if known is None:
        return (PluginState.ENABLED if shipped else PluginState.NEW), ""
    if not shipped and known.digest != digest:
        return PluginState.CHANGED, ""
    return known.state, known.problem
