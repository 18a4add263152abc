"""Joins everything: settings -> store -> engine -> state -> window, and closes it in reverse. Holds no logic of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QApplication

from studio.app.again import known_models, make_family, make_restorer, make_verifier
from studio.app.benches import make_comparison, make_exporter, make_plots, take_up_plot
from studio.app.model_shelf import (
    SCAN_AFTER_MS,
    BaseNames,
    elsewhere,
    make_downloads,
    make_models,
)
from studio.app.work import Opening, make_queue
from studio.core.paths import RESOURCES, Folders
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, Size
from studio.core.settings import Settings, load_settings
from studio.engine import Engine, make_engine
from studio.engine.annotators import Annotators
from studio.engine.estimate.budget import Estimator, finder
from studio.engine.estimate.patches import file_finder
from studio.engine.intake.places import FilePlaces, all_folders, make_library, own_folders
from studio.engine.missing import starters
from studio.engine.models import advice_for, list_models
from studio.engine.protocol import ReadImage
from studio.gallery.store import GalleryStore
from studio.state.aftermath import tell_aftermath, tell_safe_mode
from studio.state.background import Background
from studio.state.budgets import Budgets
from studio.state.control_maps import ControlMaps, Here
from studio.state.draft_keeper import DraftKeeper, load_draft
from studio.state.draft_model import DraftModel
from studio.state.enlarge import Enlarger
from studio.state.forerunner import Forerunners
from studio.state.full_image import FullImage
from studio.state.gallery_model import GalleryModel
from studio.state.garbage import GarbageOnUiThread
from studio.state.imports import Imports
from studio.state.input_images import InputImages
from studio.state.intake import Added, InputIntake
from studio.state.job_list_model import JobListModel
from studio.state.job_queue import JobQueue
from studio.state.late_plugins import LatePlugins
from studio.state.librarian import make_librarian
from studio.state.messages import Messages
from studio.state.own_files import OwnFiles
from studio.state.plot_keeper import PlotKeeper
from studio.state.plugin_room import PluginRoom
from studio.state.plugins_model import PluginsModel
from studio.state.ranking import Ranking
from studio.state.settings_keeper import SettingsKeeper
from studio.state.studio_state import StudioState
from studio.state.thumbnails import Thumbnails
from studio.state.tokens import Tokens

if TYPE_CHECKING:
    from studio.engine.intake.library import Library
    from studio.engine.tokens import TokenCount, TokenCounter
    from studio.ui.main_window import MainWindow

THREADS = (
    "store",
    "files",
    "draft",
    "thumbnails",
    "pictures",
    "control maps",
    "tokens",
    "budget",
    "plugins",
    "models",
    "digests",
    "hub",
    "downloads",
    "sheets",
    "library",
)
PLUGINS_AFTER_MS = 50  # and before plugins are looked for
IMPORTS_AFTER_MS = 150  # the window is painted and answers before torch comes in
MakeEngine = Callable[[PluginRoom, ReadImage], Engine]


@dataclass(kw_only=True)
class Studio:
    """The running studio: what main.py, the journeys and outside checks hold."""

    window: MainWindow
    queue: JobQueue
    draft: DraftModel
    store: GalleryStore
    state: StudioState
    _keepers: tuple[DraftKeeper | PlotKeeper, ...]
    _threads: dict[str, Background]
    _garbage: GarbageOnUiThread
    _closed: bool = False

    def in_background(self, work: Callable[[], object]) -> None:
        """Have something done that touches the disk; what goes wrong is said."""
        self._threads["files"].run(work, lambda _: None)

    def close(self) -> None:
        """Keep the draft and the layout, stop the engine at its next step, save what is made, end all threads.

        Safe to call twice.
        """
        if self._closed:
            return
        self._closed = True
        self.window.close()
        for keeper in self._keepers:
            keeper.flush()
        self.state.librarian.close()
        self.state.exporter.cancel()
        self.state.model_files.close()
        self.state.downloads.close()
        self.draft.undo_stack.clear()  # its commands hold models; freed later, in any order, Qt's destructor crashes
        self.queue.close()
        for thread in self._threads.values():
            thread.close()
        self.store.close()
        self._garbage.close()
        self.state.messages.remove_hooks()
        self.window.deleteLater()
        QCoreApplication.sendPostedEvents(self.window, QEvent.Type.DeferredDelete)


def application() -> QApplication:
    """The one QApplication of this process."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Diffusion Studio")
    return app


def build(
    data: Path, engine: Engine | MakeEngine | None = None, safe_mode: bool = False, opening: Opening | None = None
) -> Studio:
    """The whole studio over the folder `data`, its window not yet shown. `safe_mode`: see `Opening`.

    `engine` replaces the real one in tests; a function makes it of the plugin room and of what reads input pictures.
    """
    application()
    opening = opening or Opening(safe_mode=safe_mode)
    safe_mode, read_only = opening.safe_mode, opening.holder is not None
    folders = Folders(root=data)
    messages = Messages()
    messages.install_hooks()
    settings, notice = (Settings(), "") if safe_mode else load_settings(folders.settings)
    draft, draft_notice = load_draft(folders.draft)
    for sentence in filter(None, (notice, draft_notice)):
        messages.warn(sentence)
    places, shelf = all_folders(folders, settings), make_library(folders, settings)
    room = PluginRoom(folders, FilePlaces(settings, folders.models, folders.files), safe_mode)
    store = GalleryStore(folders, room.read_metadata, read_only)
    threads = {name: Background(name) for name in THREADS}
    for thread in threads.values():
        thread.failed.connect(messages.error)
    draft_model = DraftModel(draft)
    device = "cpu" if safe_mode else "auto"
    annotators = Annotators(partial(all_folders, folders, settings), folders.maps, shelf, device)
    if engine is None:
        engine = make_engine(places, store.inputs.read, device, plugins=room, library=shelf, annotators=annotators)
        engine.compiled_folder = folders.compiled
    elif callable(engine):
        engine = engine(room, store.inputs.read)
    _obey_settings(settings, engine)
    queue = make_queue(folders, engine, store, messages, threads["files"], opening)
    plugins = PluginsModel(room.shelf, threads["plugins"], _foreign_picture)
    room.on_change, room.on_late = plugins.tell, LatePlugins(room, queue, messages).tell
    keep_settings = not safe_mode and not read_only
    kept = SettingsKeeper(settings, folders.settings, threads["files"]) if keep_settings else None
    if kept is not None:
        kept.failed.connect(messages.error)
    saver = partial(_save_settings, settings, kept, engine)
    state = _state(
        folders, store, settings, saver, messages, draft_model, queue, threads, plugins, engine, shelf, annotators
    )
    keepers: tuple[DraftKeeper | PlotKeeper, ...] = ()
    if not read_only:
        drafts = DraftKeeper(draft_model, folders.draft, threads["draft"])
        keepers = (PlotKeeper(state.plots, folders.plot, threads["draft"]), drafts)  # the draft's flush waits for both
        for keeper in keepers:
            keeper.failed.connect(messages.error)
    from studio.ui.main_window import MainWindow

    window = MainWindow(state)
    garbage = _garbage(queue)
    studio = Studio(
        window=window,
        queue=queue,
        draft=draft_model,
        store=store,
        state=state,
        _keepers=keepers,
        _threads=threads,
        _garbage=garbage,
    )
    threads["store"].run(partial(_open, store), partial(_on_opened, state, store), messages.error)
    if not read_only:
        told = partial(tell_aftermath, messages, queue, opening.before, state.plots)
        take_up_plot(store, state.plots, messages, threads, told)
    QTimer.singleShot(PLUGINS_AFTER_MS, window, plugins.read)
    QTimer.singleShot(SCAN_AFTER_MS, window, state.model_files.rescan)
    QTimer.singleShot(SCAN_AFTER_MS, window, state.downloads.read_kept)
    if safe_mode:
        garbage.start()
        tell_safe_mode(messages, opening.before)
    else:
        QTimer.singleShot(IMPORTS_AFTER_MS, window, queue.prepare)
    return studio


def _garbage(queue: JobQueue) -> GarbageOnUiThread:
    garbage = GarbageOnUiThread()
    garbage.hold()
    queue.engine_ready.connect(lambda _: garbage.freeze())
    for loaded in (queue.engine_ready, queue.engine_failed):
        loaded.connect(lambda _: garbage.start())
    return garbage


def _state(
    folders: Folders,
    store: GalleryStore,
    settings: Settings,
    saver: Callable[[], None],
    messages: Messages,
    draft: DraftModel,
    queue: JobQueue,
    threads: dict[str, Background],
    plugins: PluginsModel,
    engine: Engine,
    shelf: Library,
    annotators: Annotators,
) -> StudioState:
    thumbnails = Thumbnails(store.thumbnail, threads["thumbnails"])
    gallery = GalleryModel(store, threads["store"], thumbnails, draft.undo_stack)
    gallery.failed.connect(messages.error)
    queue.picture_added.connect(gallery.insert)
    intake = InputIntake(partial(_add_input, store), store.recipe_of, threads["files"])
    intake.failed.connect(messages.error)
    images = InputImages(store.inputs.read, threads["pictures"])
    full_image = FullImage(threads["pictures"])
    control_maps = ControlMaps(
        partial(_control_map, store, plugins, annotators), threads["control maps"], partial(_look_here, annotators)
    )
    for source in (images.failed, full_image.failed):  # a control map that fails says so on its card
        source.connect(lambda _, error: messages.error(error))
    queue.cancel_stalled.connect(
        lambda _: messages.warn("The picture does not stop.", "Its step is still computing; the studio stays usable.")
    )
    places = all_folders(folders, settings)
    models = list_models((RESOURCES,)) or ("mini",)  # the artist's own come with the first scan
    files = make_models(shelf, threads["models"], threads["digests"])
    plots = make_plots(store, queue, plugins, BaseNames(files, models), threads["sheets"])
    plots.sheet_added.connect(gallery.insert)
    queue.jobs_changed.connect(lambda: files.hold(queue.running is not None))
    queue.picture_added.connect(lambda _: files.learn())  # loading a model told its digest
    exporter = make_exporter(threads["sheets"])
    comparison = make_comparison(threads["pictures"])
    for source in (plots.failed, exporter.failed, comparison.failed):
        source.connect(messages.error)
    installed = known_models(files, models)
    restorer = make_restorer(folders, store, settings, draft, plugins, installed, threads["files"])
    librarian = make_librarian(store, gallery, queue, messages, threads["library"])
    imports = Imports(store, librarian, gallery, draft.undo_stack, threads["files"])
    imports.failed.connect(messages.error)
    return StudioState(
        messages=messages,
        draft=draft,
        queue=queue,
        jobs_model=JobListModel(queue),
        gallery=gallery,
        thumbnails=thumbnails,
        full_image=full_image,
        control_maps=control_maps,
        intake=intake,
        tokens=Tokens(_CountTokens(places, shelf), threads["tokens"]),
        budgets=Budgets(
            draft, queue, Estimator(finder(shelf), files=file_finder(shelf), shelf=shelf.installed), threads["budget"]
        ),
        settings=settings,
        settings_saver=saver,
        read_input=images.read,
        plugins=plugins,
        own_files=OwnFiles(
            folders.files,
            FilePlaces(settings, folders.models),
            threads["files"],
            shown=FilePlaces(settings, folders.loras),
        ),
        model_files=files,
        downloads=make_downloads(folders, settings, threads["hub"], threads["downloads"]),
        own_model_folders=partial(own_folders, settings),
        look_for_models=elsewhere(folders, settings, saver, files),
        ranking=Ranking(queue),
        plots=plots,
        exporter=exporter,
        comparison=comparison,
        restorer=restorer,
        verifier=make_verifier(queue, engine, threads["sheets"], installed),
        family=make_family(store, threads["store"]),
        forerunners=Forerunners(gallery, store.get, threads["store"]),
        enlarger=Enlarger(intake, queue, plugins),
        librarian=librarian,
        imports=imports,
        plugins_folder=folders.plugins,
        models=models,
        advice=advice_for(models, (RESOURCES,)),
        models_folder=folders.models,
    )


def _open(store: GalleryStore) -> None:
    store.open_quickly()


def _on_opened(state: StudioState, store: GalleryStore, _nothing: None) -> None:
    notices = store.notices
    for notice in notices:
        state.messages.warn(notice)
    for settled in (state.gallery.listed, state.gallery.failed):
        settled.connect(lambda *_: state.librarian.start(len(notices)))
    state.gallery.refresh()


def _obey_settings(settings: Settings, engine: Engine) -> None:
    if hasattr(engine, "on_fault"):  # an engine without plugins has no such choice
        engine.on_fault = settings.get("plugin_fault")
    if hasattr(engine, "compile"):
        engine.compile = settings.get("compile")


def _save_settings(settings: Settings, keeper: SettingsKeeper | None, engine: Engine) -> None:
    _obey_settings(settings, engine)
    if keeper is not None:
        keeper.save()


def _add_input(store: GalleryStore, source: bytes | Path) -> Added:
    from studio.engine.control_maps import looks_black_on_white

    ref, loaded = store.inputs.take(source)
    return Added(ref=ref, invert=looks_black_on_white(loaded.png), note=loaded.note)


def _look_here(annotators: Annotators) -> Here:
    return Here(annotators.here(), starters())


def _control_map(
    store: GalleryStore, plugins: PluginsModel, annotators: Annotators, use: ControlUse, size: Size
) -> Pixels:
    """What a card shows. A plugin's own preprocessor does not run for it: the picture is shown as it goes in."""
    from studio.engine.control_maps import control_map, plugin_map

    source = store.inputs.read(use.image)
    if use.plugin is None:
        return control_map(use, size, source, annotators)
    part = plugins.control_part(use)
    image = plugin_map(use, size, source, part.preprocess if part is not None else "")
    return Pixels(width=size.width, height=size.height, data=image.tobytes())


def _foreign_picture(file: Path | bytes) -> bytes:
    from studio.gallery.intake import load

    return load(file).png


class _CountTokens:
    """The token counter, imported at the first count, in the thread that counts."""

    def __init__(self, folders: tuple[Path, ...], shelf: Library) -> None:
        self._folders, self._shelf = folders, shelf
        self._counter: TokenCounter | None = None

    def __call__(self, model: str, text: str) -> TokenCount:
        if self._counter is None:
            from studio.engine.tokens import TokenCounter

            self._counter = TokenCounter(self._folders, self._shelf)
        return self._counter.count(model, text)
