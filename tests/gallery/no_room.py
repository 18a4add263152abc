"""Saving where the disk refuses, as its own process: `python -m tests.gallery.no_room full|readonly FOLDER`.

Prints one JSON object. "full" uses RLIMIT_FSIZE, which fails a write as a full disk does; "readonly" gives up root,
for whom mode bits mean nothing.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from studio.core.errors import StorageProblem
from studio.core.paths import Folders
from studio.gallery.png import is_whole
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, sketch, store_in

NOBODY = 65534
PICTURE = noise(64)


def attempt(store: GalleryStore) -> str:
    try:
        return "saved " + store.add(PICTURE, recipe(), MADE_WITH).id
    except StorageProblem as error:
        return f"{error.headline}|{error.hint}"


def full(root: Path) -> list[dict[str, object]]:
    """At each limit: open and save with the disk "full", then the same picture again once there is room."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    results = []
    for limit in (0, 1, 100, 1000, 4096, 8000, 12000, 14000, 20000, 40000, 100_000):
        for opened_before in (True, False):
            folder = root / f"{limit}-{opened_before}"
            store = GalleryStore(Folders(root=folder))
            if opened_before:
                store.open()
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            said = attempt(store)
            left = [file.name for file in (folder / "pictures").rglob("*.*")]
            seen = store.count()
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            again = attempt(store)
            store.close()
            store = store_in(folder)
            files = list((folder / "pictures").rglob("*.png"))
            whole = all(is_whole(file.read_bytes()) for file in files)
            counts = {"seen": seen, "left": left, "files": len(files), "rows": store.count(), "whole": whole}
            results.append({"limit": limit, "said": said, "again": again, **counts})
            store.close()
    return results


def readonly(root: Path) -> dict[str, object]:
    """A gallery with one picture, in a folder that may only be read."""
    store = store_in(root)
    ref = store.inputs.add(sketch())
    picture = store.add(PICTURE, recipe(), MADE_WITH)
    store.thumbnail(picture)
    store.close()
    for folder, _, names in os.walk(root):
        os.chmod(folder, 0o555)
        for name in names:
            os.chmod(Path(folder, name), 0o444)
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    store = GalleryStore(Folders(root=root))
    said = attempt(store)
    try:
        store.remove(picture.id)
        removed = "removed"
    except StorageProblem as error:
        removed = error.headline
    read = bool(store.inputs.read(ref)) and store.recipe_of(picture.file) == recipe()
    same = store.page(0, 9) == (picture,) and store.thumbnail(picture).width == 64
    store.close()
    return {"said": said, "removed": removed, "read": read, "same": same, "notices": store.notices}


if __name__ == "__main__":
    print(json.dumps({"full": full, "readonly": readonly}[sys.argv[1]](Path(sys.argv[2]))))
