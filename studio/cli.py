"""The command line: opens the window, or works without one. Light at import: each command brings in what it needs.

Every command walks the same path as the window: draft -> recipe -> engine -> store.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from studio import __version__
from studio.core.errors import StudioError
from studio.core.paths import Folders

if TYPE_CHECKING:
    from studio.core.recipe import FileRef, Recipe

Command = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence on stderr and exit status 2."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}. See “{self.prog} --help”.", file=sys.stderr)
        sys.exit(2)


def main(argv: Sequence[str]) -> int:
    """Run one command; no command opens the window. Returns the exit status: 0 done, 2 wrong input, 1 anything else."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files hold bytes that are no letters, consoles lack letters
        sys.stdout.reconfigure(errors="backslashreplace")
    rest, data = _take_data(list(argv))
    arguments = _parser().parse_args(rest)
    arguments.folders = Folders(root=data or _user_data())
    return _guarded(arguments.command, arguments)


def _guarded(command: Command, arguments: argparse.Namespace) -> int:
    try:
        return command(arguments)
    except StudioError as error:
        print(str(error), file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read us (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1


def _take_data(argv: list[str]) -> tuple[list[str], Path | None]:
    """Take `--data DIR` or `--data=DIR` out of any place of the line."""
    rest: list[str] = []
    data: Path | None = None
    words = iter(argv)
    for word in words:
        if word == "--data":
            value = next(words, None)
            if value is None:
                _Parser(prog="main.py").error("--data needs a folder")
            data = Path(value)
        elif word.startswith("--data="):
            data = Path(word.removeprefix("--data="))
        else:
            rest.append(word)
    return rest, data.expanduser().resolve() if data else None


def _user_data() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("Diffusion Studio", appauthor=False))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="main.py",
        description="Diffusion Studio. Without a command the window opens.",
    )
    parser.add_argument("--version", action="version", version=f"Diffusion Studio {__version__}")
    parser.add_argument("--data", metavar="DIR", help="use DIR instead of the user's folders (may stand anywhere)")
    parser.add_argument(
        "--safe-mode",
        action="store_true",
        help="open the window without plugins, with default settings, "
        "on the processor, and with no model loaded before one is needed",
    )
    parser.set_defaults(command=_window)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    from studio.commands.models import add_models_commands
    from studio.commands.plot import add_plot_command
    from studio.commands.render import add_render_command
    from studio.commands.verify import add_verify_command
    from studio.gallery.commands import add_gallery_command
    from studio.gallery.export_command import add_export_command
    from studio.mini.cli import add_commands as add_mini_commands
    from studio.plugins.commands import add_plugin_commands

    add_render_command(commands)
    schedulers = commands.add_parser("schedulers", help="list the schedulers")
    schedulers.add_argument("--json", action="store_true", help="print one JSON list")
    schedulers.set_defaults(command=_schedulers)
    recipe = commands.add_parser("recipe", help="print what a picture says of how it was made")
    recipe.add_argument("file", type=Path, metavar="FILE")
    recipe.add_argument("--json", action="store_true", help="print one JSON object")
    recipe.set_defaults(command=_recipe)
    add_verify_command(commands)
    add_export_command(commands)
    add_plot_command(commands)
    add_gallery_command(commands)
    add_models_commands(commands)
    add_mini_commands(commands)
    add_plugin_commands(commands)
    return parser


def _window(arguments: argparse.Namespace) -> int:
    from studio.preflight import check_window_system

    check_window_system()
    from studio.app.opening import run

    return run(arguments.folders.root, arguments.safe_mode)


def _schedulers(arguments: argparse.Namespace) -> int:
    from studio.core.schedulers import SCHEDULERS

    if arguments.json:
        rows = [
            {
                "id": info.id,
                "name": info.title,
                "good_for": info.good_for,
                "calls_per_step": info.calls_per_step,
                "random": info.random,
                "spacings": [spacing.value for spacing in info.spacings],
                "source": info.source,
            }
            for info in SCHEDULERS.values()
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    for info in SCHEDULERS.values():
        cost = "2 calls a step" if info.calls_per_step > 1 else "1 call a step"
        print(f"{info.title:<14} {info.good_for}\n{'':<14} {cost}; spacing: {', '.join(info.spacings)}")
    return 0


def _recipe(arguments: argparse.Namespace) -> int:
    from studio.commands.render_plugins import PluginRoom
    from studio.commands.verify import models_here
    from studio.core.recipe_text import to_text
    from studio.gallery.foreign.door import OURS, read_picture
    from studio.gallery.foreign.reading import match_models

    room = PluginRoom(arguments.folders)
    match = match_models(models_here(arguments.folders))
    reading = read_picture(arguments.file, match, room.read_metadata)
    recipe = reading.recipe
    if arguments.json:
        card = asdict(reading) | {"recipe": None if recipe is None else json.loads(to_text(recipe))}
        card = {name: value for name, value in card.items() if name not in ("remarks", "defaults")}  # said already
        print(json.dumps(card, ensure_ascii=False))
        return 0
    if reading.source != OURS:
        print(f"Made by {reading.source}.")
    elif shows := _sheet(arguments.file):
        print(f"A sheet drawn from other pictures: {shows}. What they have in common:")
    if recipe is not None:
        _print_recipe(recipe)
    if reading.not_understood:
        print("Not understood, or not as it was:")
    for line in reading.not_understood:
        print(f"  {line}")
    return 0


def _sheet(file: Path) -> str:
    """What a sheet of the studio shows, in one line; "" for a picture that a model made."""
    from studio.core.errors import BadRecipe
    from studio.gallery import png

    try:
        _, made_with, _ = png.recipe_of(file)
    except BadRecipe:  # exported as JPEG or WebP
        return ""
    return made_with.sheet.partition("\n")[0] if made_with is not None else ""


def _print_recipe(recipe: Recipe) -> None:
    from studio.core.restore import control_words
    from studio.core.schedulers import scheduler_name

    print(recipe.prompt)
    if recipe.negative_prompt:
        print(f"Negative prompt: {recipe.negative_prompt}")
    name = scheduler_name(recipe.scheduler, recipe.spacing)
    print(f"{name}, {recipe.steps} steps, guidance {recipe.guidance_scale:g}, seed {recipe.seed}, {recipe.size}")
    print(f"Model {recipe.model.name}{', exact' if recipe.exact else ''}")
    for use in recipe.controls:
        print(f"Control {use.kind}: {control_words(use)}{_files(use.found)}")
    for guest in recipe.plugins:
        said = [f"{key}={file.name}" for key, file in guest.files] + [f"{key}=a picture" for key, _ in guest.images]
        said += [f"{key}={value}" for key, value in guest.values]
        name = f"{guest.plugin.id} {guest.plugin.version}".strip()
        print(f"Plugin {name}, {guest.part}: {', '.join(said) or 'as it is'}{_files(guest.found)}")


def _files(found: tuple[FileRef, ...]) -> str:
    return "".join(f", with {file.name}" for file in found)
