"""`main.py export`: files, contact sheets, refusals in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.cli import main
from studio.gallery.foreign.door import read_picture
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in


def files(tmp_path: Path, count: int = 2) -> list[str]:
    store = store_in(tmp_path / "data")
    return [str(store.add(noise(seed=n), recipe(f"house {n}", seed=n), MADE_WITH).file) for n in range(count)]


def test_files_in_another_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", *files(tmp_path), "--to", str(out), "--format", "jpeg", "--quality", "80"]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == [str(out / "house 0 0.jpg"), str(out / "house 1 1.jpg")]
    found = read_picture(out / "house 1 1.jpg").recipe
    assert found is not None and found.prompt == "house 1"


def test_json_and_left_out_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    status = main(["export", *files(tmp_path, 1), str(broken), "--to", str(tmp_path / "o"), "--no-recipe", "--json"])
    card = json.loads(capsys.readouterr().out)
    assert status == 1 and len(card["files"]) == 1 and "broken.png" in card["left_out"][0]


def test_a_contact_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = files(tmp_path, 3)
    assert (
        main(["export", *made, "--to", str(tmp_path / "o"), "--sheet", "2", "--captions", "seed", "--title", "Houses"])
        == 0
    )
    assert capsys.readouterr().out.strip().endswith("Houses.png")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--names", "{promt}"], "“{promt}” is nothing"),
        (["--quality", "0"], "is not a quality from 1 to 100"),
        (["--quality", "x"], "is not a quality from 1 to 100"),
        (["--sheet", "99"], "is not a number of columns"),
        (["--format", "tiff"], "invalid choice"),
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    arguments = ["export", *files(tmp_path, 1), "--to", str(tmp_path / "o"), *options]
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = int(str(stop.code))
    assert status == 2 and says in capsys.readouterr().err and not (tmp_path / "o").exists()


def test_a_missing_file_is_said_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", *files(tmp_path, 1), "gone.png", "--to", str(tmp_path / "o")]) == 2
    assert "“gone.png” does not exist" in capsys.readouterr().err and not (tmp_path / "o").exists()
