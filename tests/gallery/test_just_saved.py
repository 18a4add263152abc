"""Pictures of which nobody heard that they were saved are found by their recipe and time, with or without a row."""

from __future__ import annotations

import time
from pathlib import Path

from studio.core.paths import Folders
from studio.gallery.just_saved import was_saved
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in


def test_only_what_was_saved_since_then_counts(data: Path) -> None:
    folders, store = Folders(root=data), store_in(data)
    assert not was_saved(folders, recipe(seed=1), 0.0)
    began = time.time()
    store.add(noise(8), recipe(seed=1), MADE_WITH)
    picture = store.add(noise(8), recipe(seed=2), MADE_WITH)
    store.close()
    (data / "index.sqlite3").unlink()
    assert was_saved(folders, recipe(seed=1), began)
    assert was_saved(folders, recipe(seed=2), began)
    assert not was_saved(folders, recipe(seed=3), began)
    assert not was_saved(folders, recipe(seed=1), time.time())
    picture.file.write_bytes(b"damaged")
    assert not was_saved(folders, recipe(seed=2), began)
