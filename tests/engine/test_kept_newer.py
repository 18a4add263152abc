"""An older studio is started once where a newer one has work left: nothing of it is lost, and the artist is told."""

from __future__ import annotations

import json
from pathlib import Path

from studio.core.job import Kept
from studio.core.recipe import Recipe
from studio.core.recipe_text import SCHEMA, to_text
from studio.engine.journal import Journal, left_over
from studio.engine.protocol import Undecoded
from studio.engine.spool import Spool

OURS = Kept(key="ours", recipe=Recipe(prompt="ours", seed=1))


def newer(seed: int) -> str:
    return json.dumps({**json.loads(to_text(Recipe(prompt="newer", seed=seed))), "studio_recipe": SCHEMA + 1, "new": 1})


def left_by_a_newer_one(folder: Path) -> list[object]:
    folder.mkdir(parents=True)
    lines = [
        {"job": "begun", "recipe": newer(2), "parents": [["varied", "x"]], "more": 1},
        {"job": "begun", "state": "running", "at": 5.0},
        {"job": "done", "recipe": newer(3)},
        {"job": "done", "state": "over"},
        {"job": "ours", "recipe": to_text(OURS.recipe), "parents": []},
        {"job": "waits", "recipe": newer(4)},
    ]
    (folder / "20260101-000000-000000-00000000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [lines[0], lines[5]]


def recipes(folder: Path) -> list[str]:
    (file,) = folder.iterdir()
    return [line for line in file.read_text().splitlines() if "recipe" in json.loads(line)]


def test_jobs_of_a_newer_studio_are_kept_for_it(data: Path) -> None:
    folder = data / "queue"
    theirs = left_by_a_newer_one(folder)
    for _ in range(2):  # also when the older one is started again
        told: list[str] = []
        journal = Journal(folder, lambda error, told=told: told.append(error.headline))
        assert [job.key for job in journal.open()] == ["ours"]
        assert told == ["2 pictures in the queue were left by a newer Diffusion Studio; they are kept for it."]
        assert journal.wait(5)
        kept = [json.loads(line) for line in recipes(folder) if "newer" in line]
        assert kept == theirs
        assert '"begun", "state": "running", "at": 5.0' in next(folder.iterdir()).read_text()
        assert journal.close()


def test_they_outlive_our_own_jobs(data: Path) -> None:
    left_by_a_newer_one(data / "queue")
    journal = Journal(data / "queue")
    journal.open()
    journal.over("ours")
    assert journal.close()
    assert len([line for line in recipes(data / "queue") if "newer" in line]) == 2


def test_latents_of_a_newer_studio_stay_where_they_lie(data: Path) -> None:
    spool = Spool(data / "spool")
    spool.put("key", Undecoded(recipe=OURS.recipe, shape=(1,), dtype="float32", data=b"1234", seconds=1.0))
    (file,) = (data / "spool").iterdir()
    head, numbers = file.read_bytes().split(b"\n", 1)
    for changed in ({"recipe": newer(5)}, {"studio_spool": 2, "other": "things"}):
        data_then = json.dumps({**json.loads(head), **changed}).encode() + b"\n" + numbers
        file.write_bytes(data_then)
        assert left_over(Journal(data / "queue"), spool) == ()
        assert file.read_bytes() == data_then
