"""The prompt expander: every way of decoding against the logits, seeds, long prompts, other models, nothing left behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from plugins.prompt_expander import enable
from plugins.prompt_expander.expander import PromptExpander
from plugins.prompt_expander.models import LanguageModel, load
from studio.api import ModelMissing, Use
from studio.core.paths import SHIPPED_PLUGINS
from studio.core.plugins import PartType, Value
from studio.mini import config
from studio.mini.expander import make_language_model, make_tokenizer, save_expander
from studio.plugins.bundle import read_bundle
from studio.plugins.files import FileFinder
from studio.plugins.parameters import filled
from studio.plugins.registry import PartRegistry

FOLDER = SHIPPED_PLUGINS / "prompt_expander"
MANIFEST = read_bundle(FOLDER, "prompt_expander").manifest
CAPTIONS = [
    "a red house on green hills, blue sky",
    "two blue cats in a meadow, watercolour",
    "一座红房子，绿色山丘，蓝天",
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `data` with a random language model `other` of 300 tokens that never says it is at an end."""
    data = tmp_path_factory.mktemp("data")
    tokenizer = make_tokenizer(CAPTIONS, 300)
    torch.manual_seed(1)
    model = make_language_model(config.TINY, tokenizer)
    with torch.no_grad():
        model.transformer.wte.weight.mul_(40)  # a random model is as good as uniform: let it have opinions
    save_expander(model, tokenizer, data / "other")
    return data


@pytest.fixture(scope="module")
def tool() -> PromptExpander:
    return PromptExpander()


def use_of(data: Path, model: str = "other", **values: Value) -> Use:
    part = MANIFEST.part(PartType.PROMPT_TOOL, "continue")
    assert part is not None
    checked = filled(part, {"model": model, **values}, "prompt_expander")
    return Use(plugin="prompt_expander", part="continue", folder=FOLDER, data=data, values=checked)


@torch.no_grad()
def logits(model: LanguageModel, ids: Sequence[int]) -> Tensor:
    answer: Tensor = model.network(torch.tensor([list(ids)])).logits[0, -1]
    return answer


def test_it_registers_what_it_declares() -> None:
    registry = PartRegistry(MANIFEST)
    enable(registry)
    assert set(registry.close()) == {(PartType.PROMPT_TOOL, "continue")}


def rows_of(
    monkeypatch: pytest.MonkeyPatch, tool: PromptExpander, use: Use, seed: int = 3, count: int = 1
) -> list[list[int]]:
    """The ids that `generate` gave, untidied."""
    from plugins.prompt_expander import expander

    rows: list[list[int]] = []
    inner = expander._generate

    def spy(*arguments: Any) -> Tensor:
        answer = inner(*arguments)
        rows.extend(answer.tolist())
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(expander, "_generate", spy)
        tool("a red", seed, count, use)
    return rows


def test_greedy_takes_the_likeliest_each_time(
    monkeypatch: pytest.MonkeyPatch, tool: PromptExpander, tiny: Path
) -> None:
    (row,) = rows_of(monkeypatch, tool, use_of(tiny, method="greedy", length=8), count=4)
    model = load(tiny / "other")
    ids = model.read("a red", 90)[0].tolist()
    for step in range(8):
        scores = logits(model, ids)
        if step < 3:
            scores[model.ends[0]] = -torch.inf
        ids.append(int(scores.argmax()))
        if ids[-1] in model.ends:
            break
    assert row == ids


def test_beams_find_likelier_texts_than_greedy(
    monkeypatch: pytest.MonkeyPatch, tool: PromptExpander, tiny: Path
) -> None:
    model = load(tiny / "other")

    def likelihood(row: list[int]) -> float:
        start = model.read("a red", 90).shape[1]
        steps = [float(logits(model, row[:n]).log_softmax(0)[row[n]]) for n in range(start, len(row))]
        return sum(steps) / len(steps)

    (greedy,) = rows_of(monkeypatch, tool, use_of(tiny, method="greedy", length=5))
    beams = rows_of(monkeypatch, tool, use_of(tiny, method="beam search", beams=6, length=5), count=6)
    assert len(beams) == 6 and len({tuple(row) for row in beams}) == 6
    assert likelihood(beams[0]) >= likelihood(greedy) - 1e-6
    assert likelihood(beams[0]) == max(map(likelihood, beams))


@pytest.mark.parametrize("method", ["top-k", "top-p", "temperature"])
def test_chance_keeps_to_its_bounds(
    monkeypatch: pytest.MonkeyPatch, tool: PromptExpander, tiny: Path, method: str
) -> None:
    model = load(tiny / "other")
    start = model.read("a red", 90)[0].tolist()
    scores = logits(model, start)
    scores[model.ends[0]] = -torch.inf
    chances, order = (scores / 2.0).softmax(0).sort(descending=True)
    three = float(chances[:2].sum() + 0.5 * chances[2])  # the third word crosses it
    use = use_of(tiny, method=method, top_k=3, top_p=three, temperature=2.0, length=1)
    drawn = {row[len(start)] for seed in range(0, 160, 8) for row in rows_of(monkeypatch, tool, use, seed)}
    if method == "temperature":
        assert not drawn <= set(order[:3].tolist()), "from all words"
    else:
        assert drawn <= set(order[:3].tolist()) and len(drawn) > 1


def test_low_temperature_is_greedy(tool: PromptExpander, tiny: Path) -> None:
    cold = tool("a red", 5, 1, use_of(tiny, method="temperature", temperature=0.05, length=6))
    assert cold == tool("a red", 9, 1, use_of(tiny, method="greedy", length=6))


def test_seeds(tool: PromptExpander, tiny: Path) -> None:
    use = use_of(tiny, method="top-k", top_k=20, temperature=1.5, length=12)
    torch.manual_seed(77)
    before = torch.get_rng_state()
    texts = tool("a red house", 40, 4, use)
    assert torch.equal(torch.get_rng_state(), before), "nobody else's random numbers are touched"
    assert texts == PromptExpander()("a red house", 40, 4, use) and len(set(texts)) == 4
    assert all(text.startswith("a red house") and len(text) > len("a red house") for text in texts)
    assert tool("a red house", 40, 1, use) == texts[:1], "what was suggested first is what the seed makes"
    assert tool("a red house", 41, 1, use)[0] in texts
    assert len(tool("a red house", 40, 4, use_of(tiny, method="greedy"))) == 1


def test_length_and_endless_prompts(monkeypatch: pytest.MonkeyPatch, tool: PromptExpander, tiny: Path) -> None:
    model = load(tiny / "other")
    start = model.read("a red", 90).shape[1]
    assert max(map(len, rows_of(monkeypatch, tool, use_of(tiny, method="greedy", length=4)))) <= start + 4
    endless = "a red house, " * 300
    for length in (1, 24, 128):
        (text,) = tool(endless, 1, 1, use_of(tiny, method="greedy", length=length))
        assert text.startswith(endless.rstrip())
    ids = model.read(endless, 20)[0].tolist()
    assert len(ids) == 20 and ids[0] == model.first and ids[1:] == model.read(endless, 9999)[0].tolist()[-19:]


def test_an_empty_prompt_gets_one(tool: PromptExpander, tiny: Path) -> None:
    assert tool("", 1, 1, use_of(tiny, method="greedy", length=12))[0]


@pytest.mark.parametrize(
    ("text", "finished", "wanted"),
    [
        (" on green hills, blue s", False, " on green hills"),
        (" on green hi", False, " on green"),
        (" on green hills,", True, " on green hills"),
        ("，绿色山丘，蓝", False, "，绿色山丘"),
        ("绿色山丘\ufffd", True, "绿色山丘"),
        (" a\nb", False, " a"),
        (",", True, ""),
    ],
)
def test_loose_ends_are_cut(text: str, finished: bool, wanted: str) -> None:
    from plugins.prompt_expander.expander import _tidied

    assert _tidied(text, finished) == wanted


def test_a_model_that_was_exchanged_is_read_anew(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny / "other", tmp_path / "mine")
    tool = PromptExpander()
    use = use_of(tmp_path, "mine", method="greedy", length=8)
    told: list[Path] = []
    first = tool("a red", 1, 1, replace(use, reads=told.append))
    assert told == [tmp_path / "mine" / "model.safetensors"]
    tokenizer = make_tokenizer(CAPTIONS, 300)
    torch.manual_seed(2)
    save_expander(make_language_model(config.TINY, tokenizer), tokenizer, tmp_path / "mine")
    assert tool("a red", 1, 1, use) != first


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def _deeper(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(settings | {"n_layer": 5}), "utf-8")


def _remote(folder: Path) -> None:
    code = "raise SystemExit('it ran')"
    (folder / "own.py").write_text(code, "utf-8")
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(own), "utf-8")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_pickle, ".safetensors"),
        (_cut, "cannot be used"),
        (_deeper, "cannot be used"),
        (_remote, "cannot be used"),
        (lambda folder: (folder / "config.json").unlink(), "config.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be used"),
    ],
)
def test_other_models_are_refused_in_words(tiny: Path, tmp_path: Path, damage: Any, named: str) -> None:
    shutil.copytree(tiny / "other", tmp_path / "mine")
    damage(tmp_path / "mine")
    with pytest.raises(ModelMissing) as caught:
        PromptExpander()("a red", 1, 1, use_of(tmp_path, "mine"))
    assert "mine" in caught.value.headline and named in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "..", "../data", "a/b", "/", "C:\\models"])
def test_only_folders_in_the_data_folder(tiny: Path, name: str) -> None:
    with pytest.raises(ModelMissing, match="There: other") as caught:
        PromptExpander()("a red", 1, 1, use_of(tiny, name))
    assert str(tiny) in caught.value.detail


@pytest.mark.parametrize("prompt", ["a red house", "一座红房子"])
def test_the_one_that_ships(tool: PromptExpander, tmp_path: Path, prompt: str) -> None:
    FileFinder().check_own(MANIFEST, FOLDER)
    assert sum(file.stat().st_size for file in (FOLDER / "mini").iterdir()) <= 5_000_000
    texts = tool(prompt, 11, 4, use_of(tmp_path, ""))
    assert len(set(texts)) == 4 and all(text.startswith(prompt) for text in texts)
    chinese = [any("\u4e00" <= sign <= "\u9fff" for sign in text[len(prompt) :]) for text in texts]
    assert all(chinese) == (prompt > "z") and any(chinese) == (prompt > "z"), "it stays in the prompt's language"
