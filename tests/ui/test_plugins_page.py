"""The page Plugins …, the consent dialog, dropping a plugin on the window, and the choice when a plugin fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.errors import PluginProblem
from studio.core.plugins import PluginState
from studio.state.plugin_index import Offer
from studio.state.plugin_room import PluginRoom
from studio.ui.dialogs.consent import ConsentDialog
from studio.ui.dialogs.index_address import IndexAddressDialog
from studio.ui.dialogs.plugins_page import PluginsPage
from tests.state.plugin_fakes import FRIEND, INVERT, SHIPPED, MemoryShelf, info_of
from tests.ui.conftest import MakeStudio, drop, file_mime


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> MemoryShelf:
    """Plugins that exist in memory only."""
    broken = replace(info_of("broken", state=PluginState.BROKEN, shipped=False), manifest=None, problem="No “id”.")
    made = MemoryShelf(*SHIPPED, FRIEND, broken)
    monkeypatch.setattr(PluginRoom, "shelf", lambda _self: made)
    return made


@pytest.fixture
def studio(shelf: MemoryShelf, make_studio: MakeStudio, qtbot: QtBot) -> Studio:
    made = make_studio()
    qtbot.waitUntil(lambda: made.state.plugins.known, timeout=5000)
    return made


@pytest.fixture
def page(studio: Studio, qtbot: QtBot) -> PluginsPage:
    studio.window.commands["plugins"].trigger()
    found = studio.window.guests.page
    assert found is not None
    qtbot.waitUntil(lambda: not studio.state.plugins.busy)
    return found


def consent(studio: Studio) -> ConsentDialog | None:
    found = studio.window.findChildren(ConsentDialog)
    return found[-1] if found else None


def test_every_plugin_is_listed_with_its_state_in_words(page: PluginsPage) -> None:
    assert page.list.count() == len(SHIPPED) + 2
    page.select("friend")
    assert page.details.state.text() == "Not allowed yet"
    assert page.details.allow.isVisible()
    assert not page.details.switch.isVisible()
    assert "A friend" in page.details.by.text()
    page.select("broken")
    assert page.details.problem.text() == "No “id”."
    assert not page.details.switch.isVisible()
    page.select("guidance")
    assert page.details.switch.isChecked()
    assert not page.details.remove.isVisible(), "what ships is switched off, not removed"
    assert "Guidance by CLIP" in page.details.adds.text()


def test_the_switch_takes_a_plugin_away_and_back(studio: Studio, page: PluginsPage, qtbot: QtBot) -> None:
    page.select("t2i_adapter")
    qtbot.mouseClick(page.details.switch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: studio.state.plugins.control_kinds() == ())
    assert page.details.state.text() == "Off"
    assert page.details.info is not None
    assert page.details.info.id == "t2i_adapter", "the list stays where it was"
    qtbot.mouseClick(page.details.switch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(studio.state.plugins.control_kinds()) == 1)


def test_no_is_the_default_and_nothing_is_allowed_by_it(
    studio: Studio, shelf: MemoryShelf, page: PluginsPage, qtbot: QtBot
) -> None:
    page.select("friend")
    qtbot.mouseClick(page.details.allow, Qt.MouseButton.LeftButton)
    dialog = consent(studio)
    assert dialog is not None
    assert dialog.no.isDefault()
    assert not dialog.yes.isDefault()
    assert "everything that you can do on this computer" in dialog.sentence.text()
    assert "plugin.toml" in dialog.files.toPlainText()
    shown = " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert FRIEND.digest in shown
    assert "A friend" in shown
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: consent(studio) is None)
    assert shelf.asked == []
    assert shelf.kept["friend"].state is PluginState.NEW


def test_yes_allows_exactly_the_digest_that_was_shown(studio: Studio, shelf: MemoryShelf, qtbot: QtBot) -> None:
    studio.state.plugins.enable("friend")
    dialog = consent(studio)
    assert dialog is not None
    shelf.kept["friend"] = replace(FRIEND, digest="f" * 64)  # swapped behind the dialog
    qtbot.mouseClick(dialog.yes, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(shelf.asked))
    assert shelf.asked == [("allow", "friend", FRIEND.digest)]


def test_a_dropped_plugin_is_installed_and_asked_about(
    studio: Studio, shelf: MemoryShelf, qtbot: QtBot, tmp_path: Path
) -> None:
    del shelf.kept["friend"]
    archive, folder = tmp_path / "friend.zip", tmp_path / "friend"
    archive.write_bytes(b"PK")
    folder.mkdir()
    for target in (studio.window, studio.window.control, studio.window.prompt.prompt, studio.window.centre.view):
        for source in (archive, folder):
            shelf.asked.clear()
            assert drop(target, file_mime(source)), (target, source)
            qtbot.waitUntil(lambda: consent(studio) is not None, timeout=5000)
            assert shelf.asked == [("install", source.name)]
            dialog = consent(studio)
            assert dialog is not None
            dialog.reject()
            qtbot.waitUntil(lambda: consent(studio) is None)
    assert studio.draft.draft.controls == ()


def test_a_refused_archive_is_said_in_words(studio: Studio, shelf: MemoryShelf, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "evil.zip").write_bytes(b"PK")
    shelf.refuse = PluginProblem("evil.zip holds an entry outside its folder; nothing was copied.")
    drop(studio.window, file_mime(tmp_path / "evil.zip"))
    qtbot.waitUntil(lambda: any("outside" in m.headline for m in studio.state.messages.history()), timeout=5000)
    assert consent(studio) is None


def test_after_yes_a_message_offers_to_add_it(studio: Studio, qtbot: QtBot) -> None:
    studio.state.plugins.allow(FRIEND)
    qtbot.waitUntil(lambda: any("ready" in m.headline for m in studio.state.messages.history()))
    message = studio.state.messages.history()[-1]
    assert message.on_action is not None
    message.on_action()
    assert studio.draft.draft.plugins[0].use.plugin.id == "friend"


def test_the_choice_when_a_plugin_fails_reaches_engine_and_disk(
    studio: Studio, page: PluginsPage, qtbot: QtBot, data: Path
) -> None:
    page.fault.setCurrentIndex(page.fault.findData("go_on"))
    page.fault.activated.emit(1)
    assert studio.state.settings.get("plugin_fault") == "go_on"
    file = data / "0" / "settings.json"
    qtbot.waitUntil(lambda: file.exists() and json.loads(file.read_text("utf-8")).get("plugin_fault") == "go_on")


def test_the_index_is_searched_and_says_what_is_here(studio: Studio, page: PluginsPage, qtbot: QtBot) -> None:
    rows = (("invert", "Invert", "1.0.0"), ("grain", "Film grain", "0.3"), ("lora", "LoRA", "2.0.0"))
    offers = tuple(Offer(id=i, name=n, version=v, description=f"About {n}.", source=None) for i, n, v in rows)
    studio.state.plugins._on_offers(offers)
    browse = page.browse
    page.tabs.setCurrentWidget(browse)
    assert [card.install.text() for card in browse.cards] == ["Installed", "Install", "Update"]
    qtbot.keyClicks(browse.search, "grain")
    assert [card.offer.id for card in browse.cards] == ["grain"]
    qtbot.keyClicks(browse.search, "zzz")
    assert browse.cards == ()
    assert "fits" in browse.nothing.text()


def test_hostile_words_stay_words(studio: Studio, qtbot: QtBot) -> None:
    evil = '<img src="file://host/x" width=30000>'
    info = replace(info_of(evil, INVERT, name=evil, state=PluginState.NEW), folder=evil, files=((evil, 1),))
    studio.window.guests.ask(info)
    dialog = consent(studio)
    assert dialog is not None
    labels = [label for label in dialog.findChildren(QLabel) if not label.objectName().startswith("qt_")]
    assert all(label.textFormat() is Qt.TextFormat.PlainText for label in labels)
    assert dialog.sizeHint().width() < 1200
    assert evil in dialog.question.text()


def test_an_index_on_the_network_is_read_only_when_asked_for(
    studio: Studio, page: PluginsPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    offer = Offer(id="grain", name="Film grain", version="0.3", description="Grain.", source=None)

    def read(place: object, _read_picture: object) -> tuple[Offer, ...]:
        asked.append(place)
        return (offer,)

    monkeypatch.setattr("studio.state.plugins_model.read_offers", read)
    address = "https://plugins.example.org:8080/list/index.json"
    studio.state.settings.set("plugin_index", address)
    page.close()
    studio.window.guests.show_page()
    found = studio.window.guests.page
    assert found is not None
    browse = found.browse
    found.tabs.setCurrentWidget(browse)
    qtbot.wait(100)
    assert asked == [], "opening the page connects to nobody"
    assert "plugins.example.org:8080" in browse.read.text() and browse.read.isVisible()
    qtbot.mouseClick(browse.read, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: [card.offer.id for card in browse.cards] == ["grain"])
    assert asked == [address]


def test_an_address_is_asked_for_with_its_host_on_show(
    studio: Studio, page: PluginsPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("studio.state.plugins_model.read_offers", lambda place, _read: asked.append(place) or ())
    page.browse._on_choose_address()
    dialog = page.browse.findChild(IndexAddressDialog)
    assert dialog is not None and not dialog.read.isEnabled()
    for text in ("example.org", "file:///etc/hostname", "https://ann:secret@example.org/"):
        dialog.address.setText(text)
        assert not dialog.read.isEnabled(), text
    dialog.address.setText("https://example.org/index.json")
    assert "example.org" in dialog.host.text()
    qtbot.mouseClick(dialog.read, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: asked == ["https://example.org/index.json"])
    assert studio.state.settings.get("plugin_index") == "https://example.org/index.json"


def test_no_plugins_folder_is_made_where_the_data_went_away(
    page: PluginsPage, studio: Studio, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    root = data / "0"
    page.open_folder.click()
    assert [Path(name).name for name in opened] == ["plugins"]
    root.rename(data / "elsewhere")
    page.open_folder.click()
    assert not root.exists()
    assert len(opened) == 1
    assert "plugins folder cannot be opened" in studio.state.messages.history()[-1].headline
    (data / "elsewhere").rename(root)
