"""Pictures of which nobody heard that they were saved are found by their recipe and time, with or without a row."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from studio.app.work import _is_saved
from studio.core.job import Kept
from studio.core.paths import Folders
from studio.gallery.just_saved import saved_since, was_saved
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


def test_what_is_found_is_the_picture_also_without_a_row(data: Path) -> None:
    store, began = store_in(data), time.time()
    picture = store.add(noise(8), recipe(seed=1), MADE_WITH)
    store.add(noise(8), recipe(seed=1), MADE_WITH)
    store.add(noise(8), recipe(seed=2), replace(MADE_WITH, sheet="X plot: Seed"))
    store.close()
    (data / "index.sqlite3").unlink()
    wanted = [recipe(seed=seed) for seed in (1, 2, 3)]
    found = saved_since(Folders(root=data), wanted, began)
    assert list(found) == wanted[:1], "neither the sheet, nor one that is not there"
    assert found[wanted[0]] == picture, "the first of two"


def test_a_save_that_a_kill_left_without_its_name_is_finished_before_the_job_is_called_interrupted(data: Path) -> None:
    store, began = store_in(data), time.time()
    picture = store.add(noise(8), recipe(seed=1), MADE_WITH)
    part = picture.file.with_name(f"{picture.file.name}.0123abcd.part")
    picture.file.rename(part)
    job = Kept(key="1", recipe=recipe(seed=1), started=True, since=began)
    assert not was_saved(store.folders, job.recipe, job.since), "what the control sees"
    assert _is_saved(store, store.finish_saves, job)
    assert picture.file.is_file() and not part.exists()
    store.close()
