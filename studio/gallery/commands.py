"""`main.py gallery list | search | check | rebuild | import | forget`: the history without a window, in words or JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.errors import StorageProblem, StudioError
from studio.core.library import BadQuery, Query, Sort

if TYPE_CHECKING:
    from studio.core.picture import Picture
    from studio.gallery.store import GalleryStore

PORTION = 500


def add_gallery_command(subparsers: Any) -> None:  # Any: argparse keeps the type of its sub-parsers private
    """Adds `gallery` and its sub-commands."""
    gallery = subparsers.add_parser("gallery", help="list, search, check and rebuild the history; import folders")
    commands = gallery.add_subparsers(dest="gallery_command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="all pictures, newest first")
    search = commands.add_parser("search", help="pictures that answer a search, as in the window's search field")
    search.add_argument("query", nargs="+", metavar="QUERY", help="words and fields, for example: red house steps:>20")
    for command in (listing, search):
        command.add_argument("--limit", type=int, default=0, metavar="N", help="at most so many")
        command.add_argument("--sort", choices=[sort.value for sort in Sort], default="newest", help="the order")
        command.add_argument("--board", default="", metavar="NAME", help="on this board only")
    check = commands.add_parser("check", help="compare the index with the folders; changes nothing")
    check.add_argument("--pixels", action="store_true", help="also decode every picture")
    rebuild = commands.add_parser("rebuild", help="make the index anew from the pictures; the old one is kept aside")
    bring = commands.add_parser(
        "import", help="show another folder's pictures, its files stay where they are; or copy single files"
    )
    bring.add_argument("paths", type=Path, nargs="+", metavar="FOLDER|FILE")
    bring.add_argument("--watch", action="store_true", help="look for new pictures there from now on")
    forget = commands.add_parser("forget", help="take an imported folder out of the history; its files stay")
    forget.add_argument("folder", type=Path, metavar="FOLDER")
    for command, run in (
        (listing, _list),
        (search, _list),
        (check, _check),
        (rebuild, _rebuild),
        (bring, _import),
        (forget, _forget),
    ):
        command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(command=run)


def as_fields(picture: Picture) -> dict[str, object]:
    """A picture as plain JSON values; `recipe` as `main.py recipe --json` has it."""
    from studio.core.recipe_text import to_text

    marks = picture.marks
    return {
        "id": picture.id,
        "file": str(picture.file),
        "created": picture.created.isoformat(),
        "width": picture.width,
        "height": picture.height,
        "recipe": json.loads(to_text(picture.recipe)),
        "rating": marks.rating,
        "tags": list(marks.tags),
        "boards": list(marks.boards),
        "note": marks.note,
        "parents": [{"kind": link.kind.value, "picture": link.parent} for link in picture.parents],
    }


def _list(arguments: argparse.Namespace) -> int:
    text = " ".join(getattr(arguments, "query", ())) + " "  # the space: the last word is whole
    query = Query(text=text.lstrip(), sort=Sort(arguments.sort), board=arguments.board)
    with _looking(arguments) as store:
        try:
            keys = store.listing(query).keys
        except BadQuery as error:
            print(f"{query.text.rstrip()}\n{' ' * error.position}{'^' * max(1, error.length)}", file=sys.stderr)
            raise
        keys = keys[: arguments.limit] if arguments.limit > 0 else keys
        portions = (store.pictures(keys[at : at + PORTION]) for at in range(0, len(keys), PORTION))
        found = (picture for portion in portions for picture in portion if picture is not None)
        if arguments.json:
            print(json.dumps([as_fields(picture) for picture in found], ensure_ascii=False))
            return 0
        for picture in found:
            print(_in_words(picture))
        if not keys:
            print("No picture is like that." if text.strip() or arguments.board else "There are no pictures yet.")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    import sqlite3
    from dataclasses import asdict

    from studio.gallery.checkup import check

    try:
        found = check(arguments.folders, arguments.pixels)
    except (sqlite3.Error, OSError) as error:
        raise StorageProblem("The library cannot be read at the moment.", "Nothing was changed.", repr(error)) from None
    if arguments.json:
        print(json.dumps({**asdict(found), "well": found.is_well}, ensure_ascii=False))
    else:
        print("\n".join(found.sentences()))
    return 0 if found.is_well else 1


def _rebuild(arguments: argparse.Namespace) -> int:
    from studio.gallery.index_file import set_aside
    from studio.gallery.store import GalleryStore

    folders = arguments.folders
    with _alone(arguments):
        kept = set_aside(folders.index) if folders.index.exists() else None
        if folders.index.exists():
            hint = f"Allow writing to {folders.root}, then try again."
            raise StorageProblem("The index cannot be put aside, so it is left as it is.", hint)
        store = GalleryStore(folders).open()
        store.visit_folders(everything=True)
        count, notices = store.count(), store.notices
        store.close()
    if arguments.json:
        card = {"pictures": count, "kept": None if kept is None else kept.name, "notices": list(notices)}
        print(json.dumps(card, ensure_ascii=False))
        return 0
    for notice in notices:
        print(notice)
    old = f"; the old index is kept as {kept.name}" if kept is not None else ""
    print(f"The index holds {count:,} pictures{old}.")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from studio.gallery.store import GalleryStore

    folders = [path for path in arguments.paths if path.is_dir()]
    files = [path for path in arguments.paths if path not in folders]
    if not folders and len(files) == 1 and not files[0].exists():
        folders, files = files, []  # refused as before
    store = GalleryStore(arguments.folders)
    cards: list[dict[str, object]] = []
    refused = False
    try:
        for folder in folders:
            found = store.import_folder(folder, arguments.watch)
            cards.append({"added": found.added, "without": found.without, "missing": found.missing})
            if not arguments.json:
                print(found.sentence(str(folder.resolve())))
        if files:
            brought = store.bring(files)
            refused = bool(brought.refused)
            there = {"there": brought.known, "in_trash": brought.trashed}
            cards.append(
                {
                    "copied": list(brought.added),
                    **there,
                    "refused": [{"file": name, "why": why} for name, why in brought.refused],
                }
            )
            if not arguments.json:
                print(" ".join(filter(None, (brought.sentence(), brought.not_taken()))))
            if brought.trouble is not None:
                raise brought.trouble
    finally:
        store.close()
        if arguments.json and cards:
            print(json.dumps(cards[0] if len(cards) == 1 else cards, ensure_ascii=False))
    return 1 if refused else 0


def _forget(arguments: argparse.Namespace) -> int:
    from studio.gallery.names import shown
    from studio.gallery.store import GalleryStore

    store = GalleryStore(arguments.folders)
    try:
        if os.path.abspath(arguments.folder) not in [known.folder for known in store.imported_folders()]:
            name = shown(str(arguments.folder))
            raise StudioError(f"The history shows no pictures of a folder “{name}”.", "Nothing was changed.")
        store.forget_folder(arguments.folder)
    finally:
        store.close()
    if arguments.json:
        print(json.dumps({"forgotten": str(arguments.folder)}))
    else:
        print(
            "The folder is out of the history; its files are untouched, and its marks are kept for when it comes back."
        )
    return 0


@contextmanager
def _looking(arguments: argparse.Namespace) -> Iterator[GalleryStore]:
    """A store that writes nothing, so that it can be asked beside an open window."""
    from studio.gallery.store import GalleryStore

    store = GalleryStore(arguments.folders, read_only=True)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _alone(arguments: argparse.Namespace) -> Iterator[None]:
    """Raises StorageProblem when a window has the library open."""
    from studio.core.library_lock import LibraryLock

    lock = LibraryLock(arguments.folders.lock)
    holder = lock.take()
    if holder is not None:
        raise StorageProblem(
            f"The library is open elsewhere ({holder}); its index cannot be rebuilt now.",
            "Close the other window first; nothing was changed.",
        )
    try:
        yield
    finally:
        lock.release()


def _in_words(picture: Picture) -> str:
    local = picture.created.astimezone().strftime("%Y-%m-%d %H:%M")
    stars = f"  {'★' * picture.marks.rating}" if picture.marks.rating else ""
    prompt = " ".join(picture.recipe.prompt.split())
    return f"{local}  {picture.id}  {prompt[:100]}{'…' if len(prompt) > 100 else ''}{stars}"
