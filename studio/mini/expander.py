"""Stage `expander`: a small GPT-2 (Radford et al. 2019) that goes on writing prompts as Mini's captions would go on.

It reads no picture and no other stage, has a byte-level tokenizer of its own (any prompt goes in and comes out to the
letter, which CLIP's lower-casing tokenizer cannot do) and is written to plugins/prompt_expander/mini in transformers'
layout, so that the plugin loads it like any other causal language model.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from studio.mini import config
from studio.mini.data import HELD_OUT, LANGUAGES, scene_number
from studio.mini.drawings import caption
from studio.mini.export import export_part, move_files
from studio.mini.style_loras import list_files
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze

if TYPE_CHECKING:
    from studio.mini.workshop import Workshop

PLUGIN = config.PROJECT / "plugins" / "prompt_expander"
END = "<|end|>"
"""Stands before, between and after captions."""
WINDOW = 96
"""Tokens in view. Captions are packed into windows, so that every position is trained: prompts may be long."""
VOCABULARY = 768
"""256 bytes, END and merges. Mini's world has some 250 English words; a Chinese character is a token of its own."""


def rich_caption(rng: np.random.Generator, first: int = 0) -> str:
    """The longer of two captions of a random scene: a tool that says more must have read those who say more."""
    scene = scene_number(first + int(rng.integers(HELD_OUT)), int(rng.integers(3)))
    language = LANGUAGES[int(rng.integers(2))]
    return max((caption(scene, rng, language) for _ in range(2)), key=len)


def make_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Learns byte-level BPE from texts. Merges never cross the border of a Chinese character (see tokenizer.py)."""
    backend = Tokenizer(models.BPE())
    single = pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([single, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
        ),
    )
    backend.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", special_tokens=[(END, backend.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=END, eos_token=END, pad_token=END, model_max_length=WINDOW
    )


def make_language_model(arch: config.Architecture, tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """GPT-2 as wide as the text tower and one layer deeper: 1.9 M weights for Mini. Captions do not repeat: no dropout."""
    end = tokenizer.eos_token_id
    shape = GPT2Config(
        vocab_size=len(tokenizer), n_positions=WINDOW, n_embd=arch.text_width, n_layer=arch.text_layers + 1,
        n_head=arch.heads, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        bos_token_id=end, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    return GPT2LMHeadModel(shape)


class ExpanderStage:
    """Trains the language model on freshly made captions, packed end to end."""

    name = "expander"

    def __init__(self, model: GPT2LMHeadModel, tokenizer: Any, compute: config.Compute, batch: int = 8) -> None:
        self.tokenizer, self.compute, self.batch = tokenizer, compute, batch  # Any: transformers is not annotated
        self.network: nn.Module = model.to(compute.device).train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """Cross-entropy of the next token in nats."""
        ids = packed(rng, self.tokenizer, self.batch).to(self.compute.device)
        with self.compute.precision():
            logits = self.network(input_ids=ids[:, :-1]).logits
        loss = F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        return loss, {"loss": float(loss.detach()), "perplexity": math.exp(float(loss.detach()))}


def packed(rng: np.random.Generator, tokenizer: Any, batch: int, first: int = 0) -> Tensor:
    """int64 (batch, WINDOW + 1): each row begins a caption; END stands between captions; the last one is cut."""
    wanted = batch * (WINDOW + 1)
    rows: list[list[int]] = []
    row: list[int] = []
    while len(rows) < batch:
        texts = [rich_caption(rng, first) for _ in range(max(4, (wanted - len(rows) * (WINDOW + 1)) // 24))]
        for ids in tokenizer(texts).input_ids:
            row += ids
            if len(row) > WINDOW:
                rows.append(row[: WINDOW + 1])
                row = []
    return torch.tensor(rows[:batch])


def train_expander(shop: Workshop, budget: Budget) -> None:
    """Tokenizer, training, held-out perplexity, export in fp16 and the manifest's table of files."""
    torch.manual_seed(shop.seed)
    rng = np.random.default_rng(17)
    tokenizer = make_tokenizer([rich_caption(rng) for _ in range(6000 if shop.arch == config.MINI else 200)])
    model = make_language_model(shop.arch, tokenizer)
    stage = ExpanderStage(model, tokenizer, shop.compute, batch=max(2, shop.batch // 2))
    Trainer(stage, shop.state, budget, Rates(rate=2.5e-3, warmup_steps=50, flat=0.4, ema=0.99), shop.seed).run()
    freeze([model])
    shop.log("expander", **held_out_perplexity(model, tokenizer, shop.compute))
    file = save_expander(model, tokenizer, weights_folder(shop))
    print(f"{file.name}: {file.stat().st_size:,} bytes", file=sys.stderr, flush=True)
    if shop.arch == config.MINI:
        list_files(PLUGIN / "plugin.toml", [file])


def weights_folder(shop: Workshop) -> Path:
    """Mini's language model lies in the plugin that uses it; any other architecture's beside its checkpoint."""
    return PLUGIN / "mini" if shop.arch == config.MINI else shop.state / "expander"


@torch.no_grad()
def held_out_perplexity(model: GPT2LMHeadModel, tokenizer: Any, compute: config.Compute) -> Figures:
    """exp of the mean cross-entropy per token over 32 windows of captions of scenes that were never trained on."""
    ids = packed(np.random.default_rng(5), tokenizer, 32, HELD_OUT).to(compute.device)
    logits = model(input_ids=ids[:, :-1]).logits
    loss = float(F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten()))
    return {"perplexity": math.exp(loss), "nats_per_token": loss}


def save_expander(model: GPT2LMHeadModel, tokenizer: Any, folder: Path) -> Path:
    """Writes config, fp16 weights and tokenizer into place; returns the weight file.

    No sampling settings are written: how to decode is what the artist chooses.
    """
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id
    )
    export_part(model, folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        tokenizer.save_pretrained(work)
        move_files(Path(work), folder)
    settings = folder / "config.json"
    values = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return folder / "model.safetensors"
