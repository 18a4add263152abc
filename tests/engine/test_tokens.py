"""The token counter agrees with the tokenizer that the model uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import ModelMissing
from studio.core.paths import PROJECT, RESOURCES
from studio.engine.tokens import TokenCount, TokenCounter

TEXTS = [
    "",
    "a red house",
    "A  RED\nhouse, it's 12 cats!",
    "十二只猫 in a maison été",
    "🐈‍⬛ \t <|endoftext|> x",
    "ǆ İ ß",
]


@pytest.fixture(scope="module")
def counter(tiny_folder: Path) -> TokenCounter:
    return TokenCounter((tiny_folder, RESOURCES))


def theirs(folder: Path) -> Any:
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True)


@pytest.mark.parametrize("text", TEXTS)
def test_counts_are_those_of_the_models_tokenizer(counter: TokenCounter, tiny_folder: Path, text: str) -> None:
    assert counter.count("sd1", text).tokens == len(theirs(tiny_folder / "sd1")(text).input_ids) - 2


@pytest.mark.skipif(not (RESOURCES / "mini" / "tokenizer").is_dir(), reason="Studio Mini is not there yet")
@pytest.mark.parametrize("text", TEXTS)
def test_counts_for_mini(counter: TokenCounter, text: str, tiny_folder: Path) -> None:
    assert counter.count("mini", text).tokens == len(theirs(RESOURCES / "mini")(text).input_ids) - 2


def test_exactly_the_limit_is_not_cut(counter: TokenCounter) -> None:
    assert counter.count("sd1", "cat " * 75) == TokenCount(tokens=75, limit=75, cut_at=None)


def test_the_cut_is_where_the_model_stops_reading(counter: TokenCounter, tiny_folder: Path) -> None:
    text = "red house " * 37 + "cat HOUSE red"
    counted = counter.count("sd1", text)
    assert (counted.tokens, counted.limit) == (77, 75)
    assert counted.cut_at is not None
    assert text[counted.cut_at :] == "HOUSE red"
    tokenizer = theirs(tiny_folder / "sd1")
    seen = [tokenizer(t, truncation=True, max_length=77).input_ids for t in (text, text[: counted.cut_at])]
    assert seen[0] == seen[1]


def test_the_cut_counts_characters_not_bytes(counter: TokenCounter) -> None:
    counted = counter.count("sd1", "é" * 10 + " " + "cat " * 80)
    assert counted.cut_at is not None
    assert ("é" * 10 + " " + "cat " * 80)[counted.cut_at :].startswith("cat")


def test_models_that_are_not_there(counter: TokenCounter, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no model named"):
        counter.count("absent", "cat")
    (tmp_path / "bare" / "tokenizer").mkdir(parents=True)
    (tmp_path / "bare" / "model_index.json").write_text("{}")
    with pytest.raises(ModelMissing, match="tokenizer of the model “bare” cannot be read"):
        TokenCounter((tmp_path,)).count("bare", "cat")
    (tmp_path / "bare" / "tokenizer" / "tokenizer.json").write_text("{")
    with pytest.raises(ModelMissing, match="tokenizer of the model “bare” cannot be read"):
        TokenCounter((tmp_path,)).count("bare", "cat")


def test_light_modules_bring_no_torch() -> None:
    code = (
        "import sys, studio.engine, studio.engine.models, studio.engine.tokens, studio.engine.control_maps;"
        "from pathlib import Path; import tokenizers;"
        "print([m for m in ('torch', 'transformers', 'diffusers', 'cv2', 'scipy') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=240
    )
    assert ran.stdout.strip() == "[]"
