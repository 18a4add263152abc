"""Pictures of everything about plugins in the window; registers with screenshots.py, which takes them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screenshots import Shot


def plugin_shot(theme: str = "dark", size: tuple[int, int] = (1280, 800), own: bool = False) -> Shot:
    """A studio over plugins in several states; `own`: over the real ones in the project's folder."""
    from screenshots import Shot

    from studio.core.plugins import PluginState
    from studio.state.plugin_room import PluginRoom
    from tests.state.plugin_fakes import FRIEND, SHIPPED, MemoryShelf, info_of

    real = PluginRoom.shelf
    if not own:
        broken = replace(info_of("palette", state=PluginState.BROKEN, shipped=False), manifest=None)
        broken = replace(broken, problem="plugin.toml: “api” is 7, but this studio speaks version 1.")
        off = info_of("upscale", name="Upscale twice", state=PluginState.QUARANTINED, shipped=False)
        shelf = MemoryShelf(*SHIPPED, FRIEND, broken, off)
        PluginRoom.shelf = lambda self: shelf  # type: ignore[method-assign,assignment,return-value]
    made = Shot(size, theme)
    PluginRoom.shelf = real  # type: ignore[method-assign]  # this studio holds the other one; the next shall not
    made.wait(lambda: made.studio.state.plugins.known)
    return made


def grab(made: Shot, widget: object, name: str) -> None:
    """A picture of one widget."""
    made.wait(seconds=0.4)
    widget.grab().save(str(Path(sys.argv[1]) / f"{name}.png"))  # type: ignore[attr-defined]


def page(theme: str) -> None:
    made = plugin_shot(theme)
    made.window.guests.show_page()
    made.wait(seconds=0.3)
    found = made.window.guests.page
    found.select("guidance")
    grab(made, found, f"plugins_page_{theme}")
    found.select("friend")
    grab(made, found, f"plugins_page_new_{theme}")
    found.select("palette")
    grab(made, found, f"plugins_page_broken_{theme}")
    _browse(made, found, theme)
    found.close()
    made.close()


def own_page(theme: str) -> None:
    """The page over the plugins that ship: the longest texts it has to show."""
    made = plugin_shot(theme, own=True)
    made.window.guests.show_page()
    made.wait(seconds=0.3)
    found = made.window.guests.page
    for plugin_id in ("t2i_adapter", "wildcards"):
        found.select(plugin_id)
        grab(made, found, f"plugins_page_{plugin_id}_{theme}")
    found.close()
    made.close()


def _browse(made: Shot, page: object, theme: str) -> None:
    from PySide6.QtWidgets import QDialog

    from studio.state.plugin_index import Offer

    found = page.browse  # type: ignore[attr-defined]
    page.tabs.setCurrentWidget(found)  # type: ignore[attr-defined]
    grab(made, page, f"plugins_browse_empty_{theme}")
    rows = (
        ("invert", "Invert", "1.0.0", "Light becomes dark."),
        ("grain", "Film grain", "0.3.1", "Adds the grain of a film, finer in the light than in the dark."),
        (
            "clip_rank",
            "CLIP ranking",
            "1.2.0",
            "Says how well picture and prompt agree, so that variants can be sorted.",
        ),
    )
    offers = tuple(
        Offer(id=id, name=name, version=version, description=about, source=None) for id, name, version, about in rows
    )
    found._index = "https://plugins.example.org/index.json"
    made.studio.state.plugins.changed.emit()
    grab(made, page, f"plugins_browse_network_{theme}")
    found._on_choose_address()
    grab(made, found.findChild(QDialog, "indexAddressDialog"), f"plugins_browse_address_{theme}")
    found.findChild(QDialog, "indexAddressDialog").close()
    found._index = "friends.json"
    made.studio.state.plugins._on_offers(offers)
    grab(made, page, f"plugins_browse_{theme}")


def consent(theme: str) -> None:
    from PySide6.QtWidgets import QDialog

    from studio.core.plugins import PluginState
    from tests.state.plugin_fakes import CLIP, INVERT, SKETCH, info_of

    files = [(f"grain/part_{n}.py", 2143 * (n + 1)) for n in range(9)]
    made = plugin_shot(theme)
    info = replace(
        info_of("friend", INVERT, CLIP, SKETCH, name="Film grain", about="Grain, guidance and a kind of control."),
        state=PluginState.NEW,
        files=(*files, ("mini/weights.safetensors", 3_412_000)),
    )
    made.window.guests.ask(info)
    made.wait(seconds=0.3)
    grab(made, made.window.findChild(QDialog, "consentDialog"), f"consent_{theme}")
    made.window.findChild(QDialog, "consentDialog").close()
    made.close()


def panels(theme: str) -> None:
    """The real plugins: guidance, LoRA and wildcards, then ranking and the prompt expander."""
    from demo_pictures import sketch
    from PySide6.QtCore import Qt

    made = plugin_shot(theme, (1280, 900), own=True)
    made.paint(6)
    plugins, window = made.studio.state.plugins, made.window
    window.docks["pluginsDock"].raise_()
    docks = [window.docks["pluginsDock"], window.docks["historyDock"]]
    window.resizeDocks(docks, [620, 120], Qt.Orientation.Vertical)
    made.take(f"plugins_empty_{theme}")
    for number, ids in enumerate((("guidance", "lora"), ("clip_rank", "wildcards", "invert"), ("prompt_expander",))):
        for info, parts in plugins.layer_parts():
            if info.id in ids:
                window.plugin_panel.add_part(info, parts[min(1, len(parts) - 1)] if info.id == "guidance" else parts[0])
        if number == 0:
            file = made.folder / "sketch.png"
            sketch(480, 360).save(str(file))
            name = next(name for name, field in window.plugin_panel.cards[0].fields.items() if name == "picture")
            window.plugin_panel.cards[0]._on_edited(name, file)
            made.wait(lambda: bool(made.studio.draft.draft.plugins[0].use.images))
        window.centre.messages.clear()
        made.take(f"plugin_panels_{number}_{theme}")
        while number < 2 and made.studio.draft.draft.plugins:
            made.studio.draft.remove_plugin(0)
    window.plugin_panel.add.open_menu()
    grab(made, window.plugin_panel.menu, f"plugin_menu_{theme}")
    window.plugin_panel.menu.close()
    plugins.disable("prompt_expander")
    made.wait(lambda: not plugins.busy)
    made.take(f"plugin_missing_{theme}")
    made.close()


def crowded(theme: str) -> None:
    """More layers than fit: the longest titles beside a scroll bar, in a low window."""
    made = plugin_shot(theme, (1180, 700), own=True)
    window = made.window
    window.docks["pluginsDock"].raise_()
    for info, parts in made.studio.state.plugins.layer_parts():
        if info.id in ("guidance", "lora", "clip_rank"):
            for part in parts:
                window.plugin_panel.add_part(info, part)
    window.centre.messages.clear()
    made.wait(seconds=0.6)  # the layout of many new cards takes its turn
    made.take(f"plugin_panels_crowded_{theme}")
    window.plugin_panel._scroll.verticalScrollBar().setValue(820)
    grab(made, window.plugin_panel, f"plugin_panels_scrolled_{theme}")
    made.close()


def kinds(theme: str) -> None:
    made = plugin_shot(theme, own=True)
    made.sketch()
    made.window.centre.messages.clear()
    card = made.window.control.cards[0]
    made.take(f"control_tab_{theme}")
    card.kind.showPopup()
    grab(made, card.kind.view().window(), f"control_kinds_{theme}")
    card.kind.hidePopup()
    for kind in ("t2i-sketch", "uni-mlsd"):
        card._on_kind(kind)
        made.wait(seconds=0.6)
        grab(made, made.window.control, f"control_{kind}_{theme}")
    made.close()


def ranked(theme: str) -> None:
    made = plugin_shot(theme)
    made.engine.scores = True
    made.paint(3)
    draft = made.studio.draft
    draft.set_prompt("a lighthouse in the evening, ink")
    draft.set_seed(7)
    draft.set_count(6)
    made.window.prompt.generate.click()
    made.wait(lambda: len(made.studio.state.ranking.rows) == 6, 30)
    made.window.centre.messages.clear()
    made.take(f"ranked_{theme}")
    made.close()


def suggest(theme: str) -> None:
    made = plugin_shot(theme)
    made.paint(2)
    made.studio.draft.set_prompt("a red house")
    made.window.prompt.suggest.click()
    made.wait(lambda: made.window.prompt.suggest.popup.list.count() > 0)
    made.window.centre.messages.clear()
    made.take(f"suggest_window_{theme}")
    grab(made, made.window.prompt.suggest.popup, f"suggest_{theme}")
    made.window.prompt.suggest.popup.close()
    made.close()


ALL = (page, own_page, consent, panels, crowded, kinds, ranked, suggest)
