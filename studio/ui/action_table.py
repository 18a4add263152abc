"""The table of commands: what each is called, its keys, its icon, what it does and when it is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QKeySequence

from studio.ui.actions import ActionRow

if TYPE_CHECKING:
    from studio.ui.commands import Commands

_KEY = QKeySequence.StandardKey


def tr(text: str) -> str:
    """Translate now."""
    return QCoreApplication.translate("actions", text)


def menus() -> tuple[tuple[str, str], ...]:
    """Menu ids and titles in their order."""
    return (
        ("file", tr("&File")), ("edit", tr("&Edit")), ("view", tr("&View")),
        ("picture", tr("&Picture")), ("queue", tr("&Queue")), ("plugins", tr("Pl&ugins")), ("help", tr("&Help")),
    )  # fmt: skip


def rows(do: Commands) -> tuple[ActionRow, ...]:
    """All commands of a window."""
    return (*_file(do), *_edit(do), *_view(do), *_picture(do), *_queue(do), *_plugins(do), *_help(do))


def _file(do: Commands) -> tuple[ActionRow, ...]:
    imports = do.window.imports
    return (
        ActionRow(id="open_control", menu="file", text=tr("Open a &control picture …"), icon="open", shortcut=_KEY.Open,
                  slot=do.open_control),
        ActionRow(id="open_settings", menu="file", text=tr("&Restore settings from a picture …"), icon="reuse",
                  shortcut="Ctrl+Shift+O", slot=do.open_settings),
        ActionRow(id="models", menu="file", text=tr("&Models …"), icon="model", shortcut="Ctrl+M", slot=do.window.models.show_page,
                  tip=tr("What lies in your model folders, and what it goes with"), line=True),
        ActionRow(id="get_models", menu="file", text=tr("&Get models …"), icon="download", shortcut="Ctrl+Shift+M",
                  slot=do.window.models.show_get, tip=tr("Well-known models, or any other by its name")),
        ActionRow(id="import_pictures", menu="file", text=tr("&Import pictures …"), icon="history", slot=imports.choose_files,
                  tip=tr("Copies of picture files come into the history, with their settings"), line=True),
        ActionRow(id="add_folder", menu="file", text=tr("&Add a folder's pictures to the history …"), icon="folder",
                  slot=imports.add_folder, tip=tr("Its pictures are shown and searched; the files stay where they are")),
        ActionRow(id="watch_folder", menu="file", text=tr("&Watch a folder …"), slot=imports.watch_folder,
                  tip=tr("As above, and new pictures in it come by themselves")),
        ActionRow(id="export", menu="file", text=tr("&Export …"), icon="export", shortcut="Ctrl+E", slot=do.window.benches.show_export,
                  tip=tr("Files or a contact sheet, for other people"), enabled=do.has_picture),
        ActionRow(id="quit", menu="file", text=tr("&Quit"), icon="exit", shortcut=_KEY.Quit, slot=do.window.quit, line=True),
    )  # fmt: skip


def _edit(do: Commands) -> tuple[ActionRow, ...]:
    undo = do.state.draft.undo_stack
    wishes = do.wishes
    return (
        ActionRow(id="undo", menu="edit", text=tr("&Undo"), icon="undo", shortcut=_KEY.Undo, slot=undo.undo, enabled=undo.canUndo),
        ActionRow(id="redo", menu="edit", text=tr("&Redo"), icon="redo", shortcut=(_KEY.Redo, "Ctrl+Shift+Z"), slot=undo.redo,
                  enabled=undo.canRedo),
        ActionRow(id="paste", menu="edit", text=tr("&Paste picture as control layer"), icon="paste", shortcut=_KEY.Paste,
                  slot=wishes.paste, line=True),
        ActionRow(id="copy", menu="edit", text=tr("&Copy picture"), icon="copy", shortcut=_KEY.Copy, slot=do.copy_picture,
                  enabled=do.has_picture),
        ActionRow(id="copy_prompt", menu="edit", text=tr("Copy its p&rompt"), shortcut="Ctrl+Shift+C", slot=do.copy_prompt,
                  enabled=do.has_picture),
        ActionRow(id="focus_prompt", menu="edit", text=tr("&Write the prompt"), icon="prompt", shortcut="Ctrl+L",
                  slot=do.focus_prompt, line=True),
    )  # fmt: skip


def _view(do: Commands) -> tuple[ActionRow, ...]:
    view, history = do.window.centre.view, do.window.history
    return (
        ActionRow(id="zoom_out", menu="view", text=tr("Zoom &out"), icon="zoom-out", shortcut=_KEY.ZoomOut, slot=view.zoom_out,
                  enabled=do.has_image),
        ActionRow(id="zoom_in", menu="view", text=tr("Zoom &in"), icon="zoom-in", shortcut=(_KEY.ZoomIn, "Ctrl+="), slot=view.zoom_in,
                  enabled=do.has_image),
        ActionRow(id="fit", menu="view", text=tr("&Fit"), icon="fit", shortcut="Ctrl+0", slot=view.fit,
                  tip=tr("Show all of the picture"), enabled=do.has_image),
        ActionRow(id="actual", menu="view", text=tr("&Actual size"), icon="actual", shortcut="Ctrl+1", slot=view.actual_size,
                  tip=tr("One picture pixel on one screen pixel"), enabled=do.has_image),
        ActionRow(id="library", menu="view", text=tr("Li&brary"), icon="library", shortcut="Ctrl+G", slot=history.toggle_library,
                  tip=tr("The history over the whole window, with boards and details"), checked=history.in_library, line=True),
        ActionRow(id="find", menu="view", text=tr("&Search the history"), icon="search", shortcut=_KEY.Find, slot=history.find),
        ActionRow(id="details", menu="view", text=tr("&Details of the picture"), icon="details", shortcut="Ctrl+I",
                  slot=do.toggle_details, enabled=do.has_picture, checked=do.details_shown, line=True),
        ActionRow(id="preview", menu="view", text=tr("&Live preview"), slot=do.toggle_preview,
                  checked=do.previews),
        ActionRow(id="reset_layout", menu="view", text=tr("&Reset the panels"), slot=do.window.reset_layout, line=True),
        ActionRow(id="theme", menu="view", text=tr("Light &theme"), icon="sun", shortcut="Ctrl+Shift+L", slot=do.toggle_theme,
                  checked=do.is_light, line=True),
    )  # fmt: skip


def _picture(do: Commands) -> tuple[ActionRow, ...]:
    history = do.window.history
    return (
        ActionRow(id="use_settings", menu="picture", text=tr("&Use these settings"), icon="reuse", shortcut="Ctrl+U",
                  slot=do.use_settings, enabled=do.has_picture),
        ActionRow(id="choose_settings", menu="picture", text=tr("Use &some of its settings …"), slot=do.choose_settings,
                  enabled=do.has_picture),
        ActionRow(id="use_seed", menu="picture", text=tr("Use its &seed"), icon="seed", shortcut="Ctrl+Shift+U", slot=do.use_seed,
                  enabled=do.has_picture),
        ActionRow(id="use_control", menu="picture", text=tr("Use as &control layer"), icon="control", shortcut="Ctrl+K",
                  slot=do.use_as_control, enabled=do.has_picture),
        ActionRow(id="tree", menu="picture", text=tr("&Family tree …"), icon="tree", shortcut="Ctrl+T", slot=do.show_tree,
                  tip=tr("What it came from, and what came of it"), enabled=do.has_picture, line=True),
        ActionRow(id="verify", menu="picture", text=tr("Make again and &verify"), icon="verify", shortcut="Ctrl+Shift+V",
                  slot=do.verify, tip=tr("Runs its recipe once more and says whether every pixel is the same"),
                  enabled=do.has_picture),
        ActionRow(id="enlarge", menu="picture", text=tr("En&large …"), icon="enlarge", shortcut="Ctrl+Shift+E",
                  slot=do.window.benches.show_enlarge, tip=tr("The same picture larger, with more detail"), enabled=do.has_picture),
        ActionRow(id="compare", menu="picture", text=tr("Com&pare the two selected"), icon="compare", shortcut="Ctrl+D",
                  slot=do.window.benches.compare_selected, enabled=do.window.benches.can_compare, line=True),
        ActionRow(id="compare_previous", menu="picture", text=tr("Compare with the pre&vious one"), shortcut="Ctrl+Shift+D",
                  slot=do.window.benches.compare_with_previous, enabled=do.window.benches.has_previous),
        ActionRow(id="open_picture", menu="picture", text=tr("O&pen it large"), icon="image", slot=history.open_picture,
                  enabled=history.has_choice, line=True),
        ActionRow(id="quick_look", menu="picture", text=tr("&Quick look"), icon="eye", slot=history.look,
                  tip=tr("The picture over the whole page (Space in the history)"), enabled=history.has_choice),
        ActionRow(id="similar", menu="picture", text=tr("&Find similar pictures"), icon="similar", shortcut="Ctrl+Shift+F",
                  slot=history.show_similar, enabled=do.has_picture),
        ActionRow(id="older", menu="picture", text=tr("&Older picture"), shortcut="Alt+Right", slot=lambda: do.window.gallery.leaf(1),
                  enabled=do.has_picture, line=True),
        ActionRow(id="newer", menu="picture", text=tr("&Newer picture"), shortcut="Alt+Left", slot=lambda: do.window.gallery.leaf(-1),
                  enabled=do.has_picture),
        ActionRow(id="reveal", menu="picture", text=tr("&Reveal in folder"), icon="folder", shortcut="Ctrl+Shift+R", slot=do.reveal,
                  enabled=do.has_picture, line=True),
        ActionRow(id="empty_trash", menu="picture", text=tr("&Empty the trash …"), slot=history.empty_trash, enabled=history.in_trash),
        ActionRow(id="bring_back", menu="picture", text=tr("&Bring back from the trash"), icon="undo", slot=history.bring_back,
                  enabled=history.in_trash),
        ActionRow(id="delete", menu="picture", text=tr("&Delete to trash"), icon="trash", shortcut="Ctrl+Del", slot=do.delete_pictures,
                  enabled=do.has_picture),
    )  # fmt: skip


def _queue(do: Commands) -> tuple[ActionRow, ...]:
    queue, jobs = do.state.queue, do.window.jobs
    return (
        ActionRow(id="generate", menu="queue", text=tr("&Generate"), icon="generate", shortcut=("Ctrl+Return", "Ctrl+Enter"),
                  slot=do.wishes.generate),
        ActionRow(id="plot", menu="queue", text=tr("&Plot …"), icon="plot", shortcut="Ctrl+Shift+G", slot=do.window.benches.show_plot,
                  tip=tr("Two or three settings varied, all pictures on one sheet")),
        ActionRow(id="cancel", menu="queue", text=tr("&Cancel the running picture"), icon="cancel", shortcut="Esc", slot=do.escape),
        ActionRow(id="cancel_all", menu="queue", text=tr("Cancel &all"), icon="close", shortcut="Ctrl+Shift+Esc",
                  slot=queue.cancel_all, enabled=lambda: queue.running is not None or bool(queue.waiting or queue.held)),
        ActionRow(id="job_up", menu="queue", text=tr("Move job &up"), icon="up", slot=lambda: jobs.move_selected(-1),
                  tip=tr("Run the selected job earlier (Alt+Up)"), enabled=lambda: len(queue.waiting) > 1, line=True),
        ActionRow(id="job_down", menu="queue", text=tr("Move job &down"), icon="down", slot=lambda: jobs.move_selected(1),
                  tip=tr("Run the selected job later (Alt+Down)"), enabled=lambda: len(queue.waiting) > 1),
        ActionRow(id="go_on", menu="queue", text=tr("Let the jobs run that waited &since last time"), icon="play", slot=queue.go_on,
                  enabled=lambda: bool(queue.held)),
        ActionRow(id="clear_jobs", menu="queue", text=tr("C&lear what is over"), icon="check", slot=queue.clear_finished,
                  enabled=lambda: any(job.state.is_final for job in queue.jobs)),
        ActionRow(id="compile", menu="queue", text=tr("Co&mpile the model (NVIDIA)"), slot=do.toggle_compile, checked=do.compiles,
                  tip=tr("The second picture of a size and those after it are made quicker, but not to the last bit the same"),
                  line=True),
    )  # fmt: skip


def _plugins(do: Commands) -> tuple[ActionRow, ...]:
    guests = do.window.guests
    return (
        ActionRow(id="plugins", menu="plugins", text=tr("&Plugins …"), icon="plugin", shortcut="Ctrl+Shift+P", slot=guests.show_page,
                  tip=tr("What is installed, what it adds, and whether it may run")),
        ActionRow(id="add_plugin_layer", menu="plugins", text=tr("&Add a plugin layer …"), icon="plus", slot=do.add_plugin_layer,
                  line=True),
        ActionRow(id="rescan_plugins", menu="plugins", text=tr("&Look for plugins again"), icon="retry",
                  slot=do.state.plugins.rescan, enabled=lambda: not do.state.plugins.busy),
    )  # fmt: skip


def _help(do: Commands) -> tuple[ActionRow, ...]:
    return (
        ActionRow(id="shortcuts", menu="help", text=tr("&Keyboard shortcuts"), icon="keyboard", shortcut="F1", slot=do.show_shortcuts),
        ActionRow(id="messages", menu="help", text=tr("&Messages so far"), icon="prompt", slot=do.show_messages),
        ActionRow(id="about", menu="help", text=tr("&About Diffusion Studio"), icon="info", slot=do.show_about, line=True),
    )  # fmt: skip
