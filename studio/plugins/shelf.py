"""The shelf: which plugins there are, where each stands, and every wish of the artist about them. Runs none of them.

Everything here may be called from any thread; `rescan`, `install` and their like work on the disk.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from studio.core.errors import PluginProblem, StorageProblem
from studio.core.paths import SHIPPED_PLUGINS, Folders
from studio.core.plugins import PluginInfo, PluginState
from studio.plugins import archive
from studio.plugins.breadcrumbs import Breadcrumbs
from studio.plugins.bundle import Bundle, read_bundle
from studio.plugins.consents import Consent, Consents
from studio.plugins.fence import said_by
from studio.plugins.sources import Source, sources
from studio.plugins.standing import SAFE_MODE, expected_id, in_words, look

FAULTS_MAX = 3
OPEN_PAGE = "Look under Plugins > Plugins …"


class PluginShelf:
    """Mutable state, guarded by a lock: what was found at the last `rescan`, and the faults of this session.

    `on_change` is called, in whatever thread, after a plugin came, went or changed its state.
    """

    def __init__(
        self,
        folders: Folders,
        shipped: Path = SHIPPED_PLUGINS,
        safe_mode: bool = False,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._folders, self._shipped, self.safe_mode = folders, shipped, safe_mode
        self._on_change = on_change or _nothing
        self._consents = Consents(folders.consents)
        self._trash = folders.plugins.with_name("plugins-trash")  # not `trash`: the gallery reads every PNG in there
        self.breadcrumbs = Breadcrumbs(folders.consents.with_name("plugins-running"))
        self._lock = threading.RLock()  # for values; never held while the disk works
        self._disk = threading.RLock()  # one change of the folders at a time
        self._sources: dict[str, Source] = {}
        self._infos: dict[str, PluginInfo] = {}
        self._faults: dict[str, int] = {}
        self._generation: dict[str, int] = {}

    # What is known
    def infos(self) -> tuple[PluginInfo, ...]:
        """All plugins as last found, by id: those that ship first."""
        with self._lock:
            return tuple(sorted(self._infos.values(), key=lambda info: (not info.shipped, info.id)))

    def info(self, id: str) -> PluginInfo:
        """One plugin. Raises `PluginProblem` if it is not here."""
        with self._lock:
            found = self._infos.get(id)
        if found is None:
            raise PluginProblem(f"The plugin {id} is not here.", "Install it, or take its layer away.")
        return found

    def generation(self, id: str) -> int:
        """Grows whenever code of this plugin that was loaded before must not be used again."""
        with self._lock:
            return self._generation.get(id, 0)

    def data_folder(self, id: str) -> Path:
        """Where a plugin may write; not created here."""
        return self._folders.root / "plugin-data" / id

    def rescan(self) -> tuple[PluginInfo, ...]:
        """Read all folders again, and what an earlier session left behind. Never raises for a bad plugin."""
        with self._disk:
            self._take_breadcrumbs()
            found, infos = self._look_everywhere()
            changed = self._take(found, infos)
        if changed:
            self._on_change()
        return self.infos()

    def _look_everywhere(self) -> tuple[dict[str, Source], dict[str, PluginInfo]]:
        found = {source.id: source for source in sources(self._shipped, self._folders.plugins)}
        consents = self._consents.all()
        return found, {id: look(source, consents.get(id), self.safe_mode) for id, source in found.items()}

    def _take(self, found: dict[str, Source], infos: dict[str, PluginInfo]) -> bool:
        with self._lock:
            for id in {*infos, *self._infos}:
                before, now = self._infos.get(id), infos.get(id)
                if before is not None and (now is None or now.digest != before.digest or now.state != before.state):
                    self._bump(id)
            changed = infos != self._infos
            self._sources, self._infos = found, infos
            return changed

    # Wishes
    def allow(self, id: str, digest: str) -> PluginInfo:
        """Consent to exactly these bytes, and switch on. Raises `PluginProblem` if they are others by now."""
        info = self._read_again(id)
        if info.state is PluginState.BROKEN:
            raise PluginProblem(f"The plugin {id} cannot be used: {info.problem}", "Nothing was changed.")
        if not digest or info.digest != digest:
            raise PluginProblem(f"The files of the plugin {id} changed since you were asked.", "Look at it again.")
        with self._lock:
            self._faults.pop(id, None)
        return self._put(id, Consent(digest=info.digest, state=PluginState.ENABLED))

    def enable(self, id: str) -> PluginInfo:
        """Switch on what was allowed before. Raises `PluginProblem` if it never was, or its bytes are others now."""
        info = self._read_again(id)
        if info.state is PluginState.BROKEN:
            raise PluginProblem(f"The plugin {id} cannot be used: {info.problem}", "Nothing was changed.")
        known = self._consents.all().get(id)
        if not info.shipped and (known is None or known.digest != info.digest):
            raise PluginProblem(f"The plugin {id} was not allowed yet, or has changed.", f"Allow it first: {OPEN_PAGE}")
        with self._lock:
            self._faults.pop(id, None)
        probed = known.probed if known is not None and known.state is not PluginState.QUARANTINED else False
        return self._put(id, Consent(digest=info.digest, state=PluginState.ENABLED, probed=probed))

    def disable(self, id: str) -> PluginInfo:
        """Switch off: what it registered is taken back, and no picture uses it from now on."""
        info = self.info(id)
        known = self._consents.all().get(id)
        if info.state in (PluginState.NEW, PluginState.CHANGED, PluginState.BROKEN):
            return info  # it cannot run anyway, and this must not become a consent
        digest = info.digest if info.shipped or known is None else known.digest
        probed = known.probed if known is not None else False
        return self._put(id, Consent(digest=digest, state=PluginState.DISABLED, probed=probed))

    def install(self, source: Path) -> PluginInfo:
        """Copy a folder or .zip into the artist's plugins folder. It does not run before it is allowed.

        Raises `PluginProblem` with one sentence, and nothing is left, if any entry of it is bad or its id is taken by
        a plugin that ships. An older copy of the artist's own goes to the trash.
        """
        with archive.staged(source, self._folders.plugins) as (folder, bundle), self._disk:
            id = bundle.manifest.id
            if (self._shipped / id / "plugin.toml").exists():
                raise PluginProblem(f"A plugin {id} comes with the studio; this one was not installed.")
            self._put_in_place(folder, id)
        self._bump(id)
        self.rescan()
        return self.info(id)

    def _put_in_place(self, folder: Path, id: str) -> None:
        target, older = self._folders.plugins / id, None
        try:
            if target.exists() or target.is_symlink():
                older = archive.to_trash(target, self._trash)
            folder.rename(target)
        except OSError as error:
            if older is not None:
                with contextlib.suppress(OSError):
                    older.rename(target)
            raise _refused(id, "installed", error) from error

    def remove(self, id: str) -> None:
        """Move an own plugin into the trash folder and forget what was allowed. Raises `PluginProblem`."""
        with self._disk:
            source = self._sources.get(id)
            if source is None or not source.own:
                why = "comes with the studio" if source and source.shipped else "does not lie in your plugins folder"
                raise PluginProblem(f"The plugin {id} {why}, so it cannot be removed here.", "Switch it off instead.")
            try:
                archive.to_trash(source.folder, self._trash)
            except OSError as error:
                raise _refused(id, "removed", error) from error
            self._consents.put(id, None)
            self._bump(id)
        self.rescan()

    def reload(self, id: str) -> PluginInfo:
        """Forget the loaded code; the next use imports what lies there now, after consent if it is not shipped."""
        self.info(id)
        with self._lock:
            self._faults.pop(id, None)
        self._bump(id)
        info = self._read_again(id)
        self._on_change()
        return info

    # What the host tells
    def fault(self, id: str, hook: str, error: BaseException) -> PluginProblem:
        """Count what a plugin did wrong; at the third in a session it is switched off. Gives the sentence to raise."""
        problem = said_by(id, hook, error)
        if not self.note_fault(id, hook):
            return problem
        return PluginProblem(problem.headline + " It was switched off.", problem.hint, problem.detail)

    def note_fault(self, id: str, hook: str) -> bool:
        """Count a fault that was put into words already; whether it was one too many."""
        with self._lock:
            self._faults[id] = count = self._faults.get(id, 0) + 1
        if count >= FAULTS_MAX:
            self.switch_off(id, PluginState.FAULTY, f"It failed {count} times in one session, last in “{hook}”.")
        return count >= FAULTS_MAX

    def switch_off(self, id: str, state: PluginState, why: str) -> None:
        """FAULTY or QUARANTINED, until the artist switches it on again.

        What was allowed stays what it was: other bytes may lie there by now, and nobody was asked about those.
        """
        with self._lock:
            info = self._infos.get(id)
        if info is None:
            return
        known = self._consents.all().get(id)
        allowed = known.digest if known is not None else info.digest if info.shipped else ""
        try:
            self._put(id, Consent(digest=allowed, state=state, problem=why))
        except StorageProblem:  # a full disk: off for this session at least
            self._set(replace(info, state=state, problem=why))

    def probed(self, info: PluginInfo) -> bool:
        """Whether these very bytes were imported in a throw-away process before."""
        known = self._consents.all().get(info.id)
        return info.shipped or (known is not None and known.probed and known.digest == info.digest)

    def set_probed(self, info: PluginInfo) -> None:
        """They were, and survived it."""
        with self._disk:  # or it would undo a switching off that comes in between
            known = self._consents.all().get(info.id)
            if known is not None and known.digest == info.digest:
                self._consents.put(info.id, replace(known, probed=True))

    def code(self, id: str) -> Bundle:
        """The bytes of an enabled plugin, read now and equal to those that were allowed.

        Raises `PluginProblem`: not here, not enabled, safe mode, or changed (then it is asked about again).
        """
        info = self.info(id)
        if self.safe_mode:
            raise PluginProblem(f"{SAFE_MODE} This picture needs the plugin {id}.", "Start the studio without it.")
        if info.state is not PluginState.ENABLED:
            raise PluginProblem(f"The plugin {id} is not switched on ({in_words(info)}).", OPEN_PAGE)
        with self._lock:
            source = self._sources[id]
        bundle = read_bundle(source.folder, expected_id(source))
        if bundle.digest != info.digest:
            now = self._read_again(id)
            if now.state is not PluginState.ENABLED or now.digest != bundle.digest:
                raise PluginProblem(f"The files of the plugin {id} have changed; it did not run.", OPEN_PAGE)
        return bundle

    # Inside
    def _read_again(self, id: str) -> PluginInfo:
        with self._disk:
            source = self._sources.get(id)
            if source is None:
                return self.info(id)
            return self._set(look(source, self._consents.all().get(id), self.safe_mode))

    def _put(self, id: str, consent: Consent) -> PluginInfo:
        with self._disk:
            self._consents.put(id, consent)
            return self._read_again(id)

    def _set(self, info: PluginInfo) -> PluginInfo:
        with self._lock:
            before = self._infos.get(info.id)
            self._infos[info.id] = info
            if before != info:
                self._bump(info.id)
        if before != info:
            self._on_change()
        return info

    def _bump(self, id: str) -> None:
        with self._lock:
            self._generation[id] = self._generation.get(id, 0) + 1

    def _take_breadcrumbs(self) -> None:
        left = self.breadcrumbs.left()
        known = self._consents.all()
        for id, hook in left:
            consent = known.get(id) or Consent(digest="", state=PluginState.ENABLED)
            why = f"The studio ended while it was running “{hook}”."
            self._consents.put(id, replace(consent, state=PluginState.QUARANTINED, problem=why, probed=False))
        self.breadcrumbs.sweep()


def _refused(id: str, what: str, error: OSError) -> StorageProblem:
    return StorageProblem(f"The plugin {id} could not be {what}.", "Nothing was changed.", str(error))


def _nothing() -> None:
    """Nobody listens."""
