"""Weight files as rows: filtered, digested and previewed off the UI thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from studio.core.model_files import Family, Kind, Prediction
from studio.engine.intake.library import Library
from studio.state.background import Background
from studio.state.models_model import Filter, ModelsModel, advice_of
from tests.engine.intake.layouts import SD1, SD2, SDXL, checkpoint, write_weights
from tests.engine.intake.test_library import LORA, LORA_XL, TINY_WHOLE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    write_weights(models / "house.safetensors", TINY_WHOLE)
    write_weights(models / "ink.safetensors", LORA, modelspec__trigger_phrase="inkwash")
    write_weights(models / "sea.safetensors", LORA_XL)
    (models / "ink.preview.png").write_bytes(b"x")
    (models / "old.ckpt").write_bytes(b"\x80\x02}q\0.")
    return models


@pytest.fixture
def model(folder: Path, qtbot: QtBot) -> Iterator[ModelsModel]:
    scans, digests = Background("models"), Background("digests")
    read: list[threading.Thread] = []

    def preview(_path: Path) -> QImage:
        read.append(threading.current_thread())
        return QImage(4, 4, QImage.Format.Format_RGB32)

    made = ModelsModel(Library((folder,)), scans, digests, preview)
    made.read_in = read
    made.rescan()
    qtbot.waitUntil(lambda: made.known and not made.digesting, timeout=5000)
    yield made
    made.close()
    scans.close()
    digests.close()


def names(model: ModelsModel) -> list[str]:
    return [model.file(model.index(row)).name for row in range(model.rowCount())]


def test_rows_are_what_the_filter_lets_through(model: ModelsModel) -> None:
    QAbstractItemModelTester(model)
    assert names(model) == ["house", "ink", "sea"]
    for wished, shown in (
        (Filter(kind=Kind.LORA), ["ink", "sea"]),
        (Filter(kind=Kind.UNKNOWN), ["old"]),
        (Filter(family=Family.SDXL), ["sea"]),
        (Filter(base=Family.SD1), ["house", "ink"]),
        (Filter(text="INKW"), ["ink"]),
        (Filter(text="sea ink"), []),
    ):
        model.set_filter(wished)
        assert names(model) == shown, wished
    assert model.counts() == {Kind.CHECKPOINT: 1, Kind.LORA: 2, Kind.UNKNOWN: 1}


def test_digests_come_by_themselves(model: ModelsModel) -> None:
    usable = [file for file in model.files if not file.problem]
    assert all(len(file.sha256) == 64 for file in usable)
    (installed,) = model.installed()
    assert installed.name == "house" and installed.digests == (model.find("house").sha256,)


def test_a_preview_is_read_once_and_elsewhere(model: ModelsModel, folder: Path, qtbot: QtBot) -> None:
    path = folder / "ink.preview.png"
    with qtbot.waitSignal(model.dataChanged, timeout=8000):
        assert model.preview(path) is None
        assert model.preview(path) is None
    assert model.preview(path).width() == 4
    assert len(model.read_in) == 1 and model.read_in[0] is not threading.main_thread()


def test_an_answer_changes_the_row(folder: Path, model: ModelsModel, qtbot: QtBot) -> None:
    write_weights(folder / "sd21.safetensors", {n: s for n, s in checkpoint(SD2).items() if s})
    with qtbot.waitSignal(model.modelReset, timeout=5000):
        model.rescan()
    file = model.find("sd21")
    assert file.asked == ("prediction",)
    model.answer(file, prediction=Prediction.V)
    qtbot.waitUntil(lambda: model.find("sd21").asked == (), timeout=8000)
    assert model.find("sd21").traits.prediction is Prediction.V


def test_few_step_models_bring_their_settings(folder: Path, model: ModelsModel, qtbot: QtBot) -> None:
    write_weights(folder / "sd_xl_turbo_1.0.safetensors", checkpoint(SDXL))
    write_weights(folder / "plain.safetensors", checkpoint(SD1))
    with qtbot.waitSignal(model.modelReset, timeout=5000):
        model.rescan()
    advice = advice_of(model.find("sd_xl_turbo_1.0"))
    assert (advice.steps, advice.guidance_scale) == (4, 1.0)
    assert advice_of(model.find("plain")) is None


def test_digests_wait_while_a_picture_is_made(folder: Path, qtbot: QtBot) -> None:
    scans, digests = Background("models"), Background("digests")
    made = ModelsModel(Library((folder,)), scans, digests, lambda _path: QImage())
    made.hold(True)
    made.rescan()
    qtbot.waitUntil(lambda: bool(made.digesting), timeout=5000)
    qtbot.wait(300)
    assert made.known and not any(file.sha256 for file in made.files)
    made.hold(False)
    qtbot.waitUntil(lambda: not made.digesting and bool(made.find("ink", Kind.LORA).sha256), timeout=5000)
    made.hold(True)
    made.close()  # also while it waits
    scans.close()
    digests.close()
