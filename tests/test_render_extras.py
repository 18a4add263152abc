"""`render` with FreeU, tiling, and a model by its path of which the artist has said something; no engine is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.core.choices import Tiling
from studio.core.model_files import Prediction
from studio.core.recipe import FreeU, Recipe
from studio.engine.fake import FakeEngine
from studio.engine.intake.digests import digest_file
from tests.engine.intake.layouts import write_weights
from tests.engine.intake.test_library import SMALL_XL


class Heard:
    """Stands in for `make_engine`: what it was given."""

    def __init__(self) -> None:
        self.library: Any = None

    def __call__(self, _folders: Any, read_image: Any, *_: Any, library: Any = None, **__: Any) -> FakeEngine:
        self.library = library
        return FakeEngine()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    made = Heard()
    monkeypatch.setattr("studio.engine.make_engine", made)
    return made


def made_by(data: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Recipe:
    """The recipe of the picture that these arguments make."""
    from studio.gallery.png import read_imprint

    assert main(["--data", str(data), "render", "--prompt", "p", "--steps", "1", "--json", *arguments]) == 0
    return read_imprint(Path(json.loads(capsys.readouterr().out)["file"])).recipe


def test_freeu_and_tiling(heard: Heard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = made_by(tmp_path, capsys)
    assert (plain.freeu, plain.tiling) == (None, Tiling.OFF)
    asked = made_by(tmp_path, capsys, "--freeu", "0.9,0.3,1.1,1.2", "--tiling", "x")
    assert (asked.freeu, asked.tiling) == (FreeU(s1=0.9, s2=0.3, b1=1.1, b2=1.2), Tiling.X)
    xl = write_weights(tmp_path / "elsewhere" / "dreams.safetensors", SMALL_XL)
    usual = made_by(tmp_path, capsys, "--model", str(xl), "--freeu")
    assert usual.freeu == FreeU(b1=1.3, b2=1.4), "those of SDXL"
    with pytest.raises(SystemExit, match="2"):  # argparse leaves this way
        main(["--data", str(tmp_path), "render", "--prompt", "p", "--tiling", "round"])
    for wrong in (["--freeu", "1,2"], ["--freeu", "0.9,0.2,9,1"]):
        assert main(["--data", str(tmp_path), "render", "--prompt", "p", *wrong]) == 2


def test_a_model_by_its_path_paints_as_it_is_said_to_predict(
    heard: Heard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_weights(tmp_path / "elsewhere" / "dreams.safetensors", SMALL_XL)
    made_by(tmp_path, capsys, "--model", str(file))
    assert heard.library.find("dreams").traits.prediction is Prediction.EPSILON
    answers = {digest_file(file): {"prediction": "v_prediction", "zero_snr": "yes"}}
    (tmp_path / "model_answers.json").write_text(json.dumps(answers))
    made_by(tmp_path, capsys, "--model", str(file))
    traits = heard.library.find("dreams").traits
    assert (traits.prediction, traits.zero_snr) == (Prediction.V, True)
