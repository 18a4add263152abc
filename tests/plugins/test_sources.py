"""Packages installed by pip are found by their entry point, without importing anything of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from studio.core.plugins import PartType, PluginState
from studio.core.recipe import PluginRef
from studio.plugins.host import Host
from tests.plugins.yard import Yard, allowed


def install(site: Path, target: str, name: str = "guest") -> None:
    """What pip leaves: the package beside a .dist-info with the entry point."""
    info = site / "a_guest-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-guest\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[studio.plugins]\n{name} = {target}\n", "utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr("studio.plugins.host.probe", lambda bundle: None)
    return site


@pytest.mark.parametrize("module", ["a_guest", "house_of.guests.a_guest"])
def test_a_package_is_a_plugin_like_any_other(module: str, site: Path, yard: Yard) -> None:
    folder = yard.write("guest", "def enable(registry):\n    registry.prompt_tool('tool', lambda *a: ['hello'])\n")
    place = site.joinpath(*module.split("."))
    place.parent.mkdir(parents=True, exist_ok=True)
    for parent in place.parents:
        if parent == site:
            break
        (parent / "__init__.py").write_text("raise SystemExit('imported')", "utf-8")
    folder.rename(place)
    install(site, module)
    shelf = yard.shelf()
    info = shelf.info("guest")
    assert info.state is PluginState.NEW and Path(info.folder) == place.resolve()
    assert not [name for name in sys.modules if name.split(".")[0] in ("a_guest", "house_of")]
    allowed(shelf, "guest")
    assert Host(shelf).part(PartType.PROMPT_TOOL, PluginRef(id="guest"), "tool")() == ["hello"]
    (place / "more.py").write_text("", "utf-8")  # an upgrade by pip
    shelf.rescan()
    assert shelf.info("guest").state is PluginState.CHANGED


@pytest.mark.parametrize("target", ["nowhere", "json.decoder", "a_guest.nowhere", "os:path", "!?"])
def test_an_entry_point_that_leads_nowhere_is_shown_as_broken(target: str, site: Path, yard: Yard) -> None:
    install(site, target)
    info = yard.shelf().info("guest")
    assert info.state is PluginState.BROKEN and "no" in info.problem


def test_a_package_may_not_announce_another_id(site: Path, yard: Yard) -> None:
    yard.write("guest", "").rename(site / "a_guest")
    install(site, "a_guest", name="other")
    info = yard.shelf().info("other")
    assert info.state is PluginState.BROKEN and "“guest”" in info.problem
