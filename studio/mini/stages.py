"""One function per stage: build it, train it, keep its averaged weights in the state folder, export them.

Stages run in the order of config.STAGES and read what earlier ones kept, so each can be run again alone.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import ControlNetModel, T2IAdapter
from torch import nn

from studio.mini import config, export
from studio.mini.classifier import train_classifier
from studio.mini.clip import train_clip
from studio.mini.controlnet import ControlNetStage, strengthen, warm_hint
from studio.mini.data import HELD_OUT, hints
from studio.mini.expander import train_expander
from studio.mini.few_step import adopt_few_step, train_few_step
from studio.mini.ip_adapter import train_ip_adapter
from studio.mini.scorer import ScorerStage, held_out_accuracy, save_scorer
from studio.mini.sheet import draw_sheet
from studio.mini.style_loras import train_style_loras
from studio.mini.t2i_adapter import AdapterStage, warm_adapter
from studio.mini.text_encoder import TextStage, reading_accuracy
from studio.mini.text_to_image import UnetStage, fill_store
from studio.mini.tiny_decoder import train_tiny_decoder
from studio.mini.tokenizer import sample_captions, train_tokenizer
from studio.mini.training import Budget, Rates, Trainer, freeze
from studio.mini.uni_controlnet import adopt_uni_controlnet, train_uni_controlnet
from studio.mini.vae import (
    DecoderStage,
    FinishStage,
    encode_scenes,
    fit_preview,
    round_trip_psnr,
    start_from_principal_components,
)
from studio.mini.workshop import LOADERS, Workshop

SAVES_PER_SHEET = 4


def train_vae(shop: Workshop, budget: Budget) -> None:
    """Stage 1: the analytic encoder, the preview matrix, then the decoder's first training (if there is a budget)."""
    torch.manual_seed(shop.seed)
    vae = config.make_vae(shop.arch)
    start_from_principal_components(vae, shop.arch)
    freeze([vae])
    shop.keep("vae", vae)
    codes, pictures = encode_scenes(vae, shop.arch, shop.compute, HELD_OUT // 2, 96)
    export.write_text(shop.output / "preview.json", json.dumps(fit_preview(codes, pictures)) + "\n")
    spread = [round(float(value), 3) for value in codes.std(dim=(0, 2, 3))]
    print(f"channel spreads {spread}", file=sys.stderr)
    if budget.minutes or budget.steps:
        train_decoder(shop, budget)


def train_text(shop: Workshop, budget: Budget) -> None:
    """Stage 2: tokenizer, then tower."""
    tokenizer = train_tokenizer(sample_captions(8000), shop.state / "tokenizer", max_tokens=shop.arch.max_tokens)
    torch.manual_seed(shop.seed)
    tower = config.make_text_encoder(shop.arch, len(tokenizer))
    stage = TextStage(tower, tokenizer, shop.compute)
    Trainer(stage, shop.state, budget, Rates(rate=1.5e-3, flat=0.5, ema=0.98), shop.seed).run()
    freeze([stage.network])
    for language in ("en", "zh"):
        accuracy = reading_accuracy(stage.network, tokenizer, shop.compute, language)
        shop.log(f"text_{language}", **accuracy)
    shop.keep("text_encoder", tower)
    export.copy_folder(shop.state / "tokenizer", shop.output / "tokenizer")


def train_latents(shop: Workshop, budget: Budget) -> None:
    """Encodes the scenes once; then exports a UNet, so that the model loads from here on."""
    export_missing(shop)
    fill_store(shop.store(), shop.vae(), shop.arch, shop.compute)


def export_missing(shop: Workshop) -> None:
    """Exports schedule, index and, where nothing is trained yet, networks with random weights of the final shape."""
    torch.manual_seed(shop.seed)
    unet = config.make_unet(shop.arch)
    parts: dict[str, Callable[[], nn.Module]] = {
        "unet": lambda: unet,
        "controlnet": lambda: config.make_controlnet(unet, shop.arch),
        "t2i_adapter": lambda: config.make_t2i_adapter(shop.arch),
    }
    for name, make in parts.items():
        if not (shop.output / name / "config.json").exists():
            export.export_part(make(), shop.output / name)
    export.keep_part(shop.scheduler(), shop.output / "scheduler")
    export.write_index(shop.output)
    export.update_card(shop.output)


def train_unet(shop: Workshop, budget: Budget) -> None:
    """Stage 3. Every save also exports and draws a sheet, so that a long run can be used and watched.

    Starts from the UNet that is kept, if there is one: the small pictures' UNet, or that of an earlier run.
    """
    torch.manual_seed(shop.seed)
    unet = config.make_unet(shop.arch)
    beginner = not shop.go_on("unet", unet)
    stage = UnetStage(unet, shop.batches(), batch=shop.batch, name=f"unet{shop.suffix}", beginner=beginner)
    flat = 0.85 if shop.suffix else 0.6
    trainer = Trainer(stage, shop.state, budget, Rates(rate=1e-3, flat=flat, ema=0.999), shop.seed)

    saves = itertools.count(1)

    def watch(step: int) -> None:
        shop.keep("unet", unet)
        if next(saves) % SAVES_PER_SHEET == 0:  # a sheet takes a minute of the training's time
            draw_sheet(shop.output, shop.state / "sheets" / f"{stage.name}-{step:07d}.png", shop.arch.image_px, seed=1)

    trainer.run(save_every=300.0, watch=watch)
    shop.keep("unet", unet)


def train_unet_small(shop: Workshop, budget: Budget) -> None:
    """Stage 3a: the same on pictures of half the side."""
    train_unet(shop.small(), budget)


def train_latents_small(shop: Workshop, budget: Budget) -> None:
    """Encodes the small pictures."""
    train_latents(shop.small(), budget)


def train_decoder(shop: Workshop, budget: Budget) -> None:
    """The decoder alone, on the codes the UNet knows; a longer budget later goes on from where it stood."""
    vae = shop.vae()
    stage = DecoderStage(vae, shop.arch, shop.compute, batch=max(4, shop.batch // 8))
    trainer = Trainer(
        stage, shop.state, budget, Rates(rate=5e-4, warmup_steps=150, flat=0.6, ema=0.995, weight_decay=1e-3), shop.seed
    )
    trainer.run(watch=lambda step: shop.keep("vae", vae))
    freeze([vae])
    shop.keep("vae", vae)
    shop.log("decoder", psnr=round_trip_psnr(vae, shop.arch, shop.compute))


def finish_decoder(shop: Workshop, budget: Budget) -> None:
    """The decoder once more, on whole pictures, annealed from the start: the last step before it ships."""
    vae = shop.vae()
    stage = FinishStage(vae, shop.arch, shop.compute, batch=max(2, shop.batch // 8))
    rates = Rates(rate=4e-4, warmup_steps=100, flat=0.3, ema=0.998, weight_decay=1e-3)
    Trainer(stage, shop.state, budget, rates, shop.seed).run(watch=lambda step: shop.keep("vae", vae))
    freeze([vae])
    shop.keep("vae", vae)
    shop.log("finish", psnr=round_trip_psnr(vae, shop.arch, shop.compute))


def train_t2i_adapter(shop: Workshop, budget: Budget) -> None:
    """Stage 4a."""
    torch.manual_seed(shop.seed)
    batches = shop.batches()
    adapter: T2IAdapter = warm_adapter(config.make_t2i_adapter(shop.arch), hints(batches.store.outlines[:16]))
    shop.go_on("t2i_adapter", adapter)
    stage = AdapterStage(adapter, shop.unet(), batches, batch=shop.batch)
    Trainer(stage, shop.state, budget, Rates(rate=1e-3, flat=0.5, ema=0.998), shop.seed).run()
    shop.keep("t2i_adapter", adapter)


def train_controlnet(shop: Workshop, budget: Budget) -> None:
    """Stage 4b."""
    torch.manual_seed(shop.seed)
    unet = shop.unet()
    batches = shop.batches()
    hint_maps = hints(batches.store.outlines[:16])
    controlnet: ControlNetModel = warm_hint(config.make_controlnet(unet, shop.arch), hint_maps)
    shop.go_on("controlnet", controlnet)
    stage = ControlNetStage(controlnet, unet, batches, batch=shop.batch)
    Trainer(stage, shop.state, budget, Rates(rate=8e-4, flat=0.5, ema=0.998), shop.seed).run()
    shop.keep("controlnet", strengthen(controlnet))


def train_scorer(shop: Workshop, budget: Budget) -> None:
    """The judge of `mini evaluate`; needs the encoded scenes' thumbnails."""
    torch.manual_seed(shop.seed)
    stage = ScorerStage(shop.store(), shop.compute)
    Trainer(stage, shop.state, budget, Rates(rate=2e-3, flat=0.5, ema=0.995), shop.seed).run()
    freeze([stage.network])
    save_scorer(stage.scorer, shop.output / "scorer", held_out_accuracy(stage.scorer, image_px=shop.arch.image_px))


def adopt(shop: Workshop, model: Path) -> None:
    """Fills the state folder with an exported model's parts, so that training goes on where only those are left.

    They are half-precision averages without an optimiser's memory: every stage begins its own clock, but not its
    learning. Parts that the state folder keeps already stay as they are. What the output folder lacks of the model is
    copied there, where later stages look for it.
    """
    for name, load in LOADERS.items():
        if (model / name / "config.json").exists() and not (shop.state / name / "config.json").exists():
            export.keep_part(load(model / name).float(), shop.state / name)  # type: ignore[arg-type]  # save_pretrained
    if not (shop.state / "tokenizer").exists():
        export.copy_folder(model / "tokenizer", shop.state / "tokenizer")
    for part in sorted(model.iterdir()):
        if part.is_dir() and not (shop.output / part.name).exists():
            export.copy_folder(part, shop.output / part.name)
    if (model / "preview.json").exists() and not (shop.output / "preview.json").exists():
        export.write_text(shop.output / "preview.json", (model / "preview.json").read_text(encoding="utf-8"))
    adopt_few_step(shop.state, model)
    adopt_uni_controlnet(shop)


def export_kept(shop: Workshop) -> None:
    """Exports again whatever the state folder keeps, and renews the digests in the card."""
    for name, load in LOADERS.items():
        if (shop.state / name / "config.json").exists():
            export.export_part(load(shop.state / name), shop.output / name)
    if (shop.state / "tokenizer").exists():
        export.copy_folder(shop.state / "tokenizer", shop.output / "tokenizer")
    export_missing(shop)


TRAIN: dict[str, Callable[[Workshop, Budget], None]] = {
    "vae": train_vae,
    "text": train_text,
    "latents_small": train_latents_small,
    "unet_small": train_unet_small,
    "latents": train_latents,
    "unet": train_unet,
    "decoder": train_decoder,
    "finish_decoder": finish_decoder,
    "t2i_adapter": train_t2i_adapter,
    "controlnet": train_controlnet,
    "scorer": train_scorer,
    "tiny_decoder": train_tiny_decoder,
    "few_step": train_few_step,
    "style_loras": train_style_loras,
    "classifier": train_classifier,
    "clip": train_clip,
    "expander": train_expander,
    "uni_controlnet": train_uni_controlnet,
    "ip_adapter": train_ip_adapter,
}
MINUTES = {
    "vae": 20.0, "text": 9.0, "latents_small": 0.0, "unet_small": 60.0, "latents": 0.0, "unet": 65.0, "decoder": 8.0,
    "finish_decoder": 30.0, "t2i_adapter": 8.0, "controlnet": 15.0, "scorer": 5.0, "style_loras": 12.0, "classifier": 10.0,
    "clip": 10.0, "uni_controlnet": 15.0, "ip_adapter": 15.0, "expander": 10.0, "tiny_decoder": 12.0, "few_step": 20.0,
}  # fmt: skip
"""Minutes of each stage on two cores when nothing else is asked for: a first version. See the card for more."""
