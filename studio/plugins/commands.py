"""`main.py plugin list | install | allow | enable | disable`: the same shelf as the window's, in words or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from studio.core.errors import PluginProblem
from studio.core.plugins import PluginInfo, PluginState

ASKS = (PluginState.NEW, PluginState.CHANGED)


def add_plugin_commands(subparsers: Any) -> None:  # Any: argparse keeps the type of its sub-parsers private
    """Adds `plugin` and its sub-commands."""
    plugin = subparsers.add_parser("plugin", help="list, install, allow and switch plugins")
    commands = plugin.add_subparsers(dest="plugin_command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="all plugins, where each stands and what it adds")
    install = commands.add_parser("install", help="copy a folder or .zip into your plugins folder; it does not run yet")
    install.add_argument("path", type=Path, metavar="PATH")
    allow = commands.add_parser("allow", help="let a plugin run on this machine, exactly as it lies there now")
    enable = commands.add_parser("enable", help="switch on; asks if it was never allowed")
    disable = commands.add_parser("disable", help="switch off")
    for command in (allow, enable, disable):
        command.add_argument("id", metavar="ID")
    enable.add_argument("--yes", action="store_true", help="allow it without being asked")
    for command, run in (
        (listing, _list),
        (install, _install),
        (allow, _allow),
        (enable, _enable),
        (disable, _disable),
    ):
        command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(command=run)


def consent_sentence(info: PluginInfo) -> str:
    """What the artist agrees to, in one plain sentence."""
    manifest = info.manifest
    name = f"“{manifest.name}” {manifest.version} by {manifest.author}" if manifest else info.id
    return (
        f"The plugin {name} will run as part of the studio and can do everything that you can do on this machine: "
        "read, change and delete your files, and use the network; nothing confines it."
    )


def _shelf(arguments: argparse.Namespace) -> Any:
    from studio.plugins.shelf import PluginShelf

    shelf = PluginShelf(arguments.folders)
    shelf.rescan()
    return shelf


def _list(arguments: argparse.Namespace) -> int:
    infos = _shelf(arguments).infos()
    if arguments.json:
        print(json.dumps([as_fields(info) for info in infos], indent=1, ensure_ascii=False))
        return 0
    for info in infos:
        print(_in_words(info))
    if not infos:
        print("There are no plugins.")
    return 0


def _install(arguments: argparse.Namespace) -> int:
    info = _shelf(arguments).install(arguments.path.expanduser())
    if not arguments.json and info.state in ASKS:
        print(f"Installed, and not running. To let it run: main.py plugin enable {info.id}", file=sys.stderr)
    return _tell(arguments, info)


def _allow(arguments: argparse.Namespace) -> int:
    shelf = _shelf(arguments)
    info = shelf.info(arguments.id)
    print(consent_sentence(info), file=sys.stderr)
    return _tell(arguments, shelf.allow(info.id, info.digest))


def _enable(arguments: argparse.Namespace) -> int:
    shelf = _shelf(arguments)
    info = shelf.info(arguments.id)
    if info.state not in ASKS:
        return _tell(arguments, shelf.enable(info.id))
    print(_details(info), file=sys.stderr)
    print(consent_sentence(info), file=sys.stderr)
    if not arguments.yes and not _agrees():
        print("It was not switched on.", file=sys.stderr)
        return 1
    return _tell(arguments, shelf.allow(info.id, info.digest))  # the very digest that was shown


def _disable(arguments: argparse.Namespace) -> int:
    return _tell(arguments, _shelf(arguments).disable(arguments.id))


def _agrees() -> bool:
    if not sys.stdin.isatty():
        raise PluginProblem("Nobody is there to be asked.", "Repeat the command with --yes to let the plugin run.")
    print("Let it run? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tell(arguments: argparse.Namespace, info: PluginInfo) -> int:
    print(json.dumps(as_fields(info), indent=1, ensure_ascii=False) if arguments.json else _in_words(info))
    return 0


def as_fields(info: PluginInfo) -> dict[str, Any]:
    """A plugin as `--json` shows it."""
    from studio.plugins.manifest import describe

    fields: dict[str, Any] = {
        "id": info.id,
        "state": info.state.value,
        "shipped": info.shipped,
        "digest": info.digest,
        "folder": info.folder,
        "problem": info.problem,
    }
    return fields | (describe(info.manifest) if info.manifest is not None else {})


def _in_words(info: PluginInfo) -> str:
    from studio.plugins.standing import in_words

    manifest = info.manifest
    head = f"{info.id:<18} {manifest.version if manifest else '':<8} {in_words(info)}"
    if manifest is None:
        return head
    parts = ", ".join(f"{part.title} ({part.control or f'{part.type}: {part.part}'})" for part in manifest.parts)
    return f"{head}\n{'':<18} {manifest.description}\n{'':<18} adds {parts}"


def _details(info: PluginInfo) -> str:
    rows = [f"  {name}  {size:,} bytes" for name, size in info.files]
    return "\n".join(
        [f"{info.id}: {len(info.files)} files, digest {info.digest}", *rows[:40], *(["  …"] if rows[40:] else [])]
    )
