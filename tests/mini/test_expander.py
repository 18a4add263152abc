"""The expander's stage: a lossless tokenizer, packed windows, a few steps of training, files that stock transformers loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.mini import config, expander, stages
from studio.mini.training import Budget
from studio.mini.workshop import Workshop


def test_the_tokenizer_gives_back_every_letter() -> None:
    tokenizer = expander.make_tokenizer(["a red house", "一座红房子，蓝天"] * 3, 320)
    for text in ("A  red Ünï house", "一座红房子 (red:1.2)", "{a|b}\n"):
        ids = tokenizer(text).input_ids
        assert ids[0] == tokenizer.bos_token_id == tokenizer.eos_token_id
        assert tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == text
    singles = tokenizer("一座红房子").input_ids[1:]
    assert tokenizer("红").input_ids[1:] == singles[2:3], "a Chinese character is never merged with its neighbour"


def test_windows_are_packed_captions() -> None:
    rng = np.random.default_rng(0)
    tokenizer = expander.make_tokenizer([expander.rich_caption(rng) for _ in range(60)], 400)
    ids = expander.packed(np.random.default_rng(1), tokenizer, 3)
    assert ids.shape == (3, expander.WINDOW + 1) and bool((ids[:, 0] == tokenizer.bos_token_id).all())
    assert bool(((ids == tokenizer.bos_token_id).sum(1) > 2).all()), "several captions in each row"
    assert torch.equal(ids, expander.packed(np.random.default_rng(1), tokenizer, 3))


def test_the_stage_trains_and_writes_a_stock_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expander, "held_out_perplexity", lambda *_: {"perplexity": 1.0})
    shop = Workshop(
        tmp_path / "state", tmp_path / "model", config.choose_compute("cpu"), config.TINY, scenes=(4, 4, 4), batch=4
    )
    before = (expander.PLUGIN / "plugin.toml").read_bytes()
    stages.TRAIN["expander"](shop, Budget(steps=3))
    assert "expander" in config.STAGES and "expander" in stages.MINUTES
    assert (expander.PLUGIN / "plugin.toml").read_bytes() == before, "only Mini's own weights are the plugin's"
    folder = shop.state / "expander"
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert model.dtype == torch.float16 and model.config.vocab_size == len(tokenizer)
    trained = torch.load(shop.state / "expander.pt", weights_only=True)["average"]
    assert torch.equal(model.transformer.wte.weight, trained[0].half())
