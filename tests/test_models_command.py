"""The commands `models` and `convert`, as an artist runs them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from studio.cli import main
from tests.engine.intake.layouts import write_weights
from tests.engine.intake.test_hostile import Canary
from tests.engine.intake.test_library import LORA


def run(data: Path, *arguments: str) -> int:
    return main(["--data", str(data), *arguments])


def test_models_lists_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_weights(tmp_path / "models" / "ink.safetensors", LORA)
    elsewhere = tmp_path / "elsewhere"
    write_weights(elsewhere / "sea.safetensors", LORA)
    (tmp_path / "settings.json").write_text(json.dumps({"model_folders": json.dumps([str(elsewhere)])}))
    (tmp_path / "models" / "old.ckpt").write_bytes(b"\x80\x02}q\0.")
    assert run(tmp_path, "models", "--json", "--digests") == 0
    told = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (told["ink"]["kind"], told["ink"]["family"], len(told["ink"]["sha256"])) == ("lora", "sd1", 64)
    assert told["sea"]["kind"] == "lora" and told["mini"]["family"] == "mini"
    assert "main.py convert" in told["old"]["problem"]
    assert run(tmp_path, "models") == 0 and "ink" in capsys.readouterr().out


def test_convert_lets_tensors_through_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = {"a.weight": torch.ones(2, 3), "b": {"c": torch.zeros(4)}}
    torch.save({"state_dict": inner, "epoch": 3, "optimizer": {"x": torch.ones(9)}}, tmp_path / "good.ckpt")
    assert run(tmp_path, "convert", str(tmp_path / "good.ckpt")) == 0
    made = load_file(tmp_path / "good.safetensors")
    assert set(made) == {"a.weight", "b.c"} and torch.equal(made["a.weight"], torch.ones(2, 3))
    assert run(tmp_path, "convert", str(tmp_path / "good.ckpt")) == 2
    assert "is there already" in capsys.readouterr().err
    (tmp_path / "evil.ckpt").write_bytes(pickle.dumps(Canary(tmp_path / "canary.txt"), 2))
    assert run(tmp_path, "convert", str(tmp_path / "evil.ckpt")) == 2
    assert "asks for more than tensors" in capsys.readouterr().err
    assert not (tmp_path / "canary.txt").exists() and not (tmp_path / "evil.safetensors").exists()
