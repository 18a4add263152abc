"""Milliseconds a step on a graphics card: bare diffusers, ours, ours compiled; and the share of the card's matmul rate.

    python tests/bench/gpu.py [--dtype float16|bfloat16] [--rounds 5] [--steps 20] [--only sd1|sd1-control|sdxl]...
    python tests/bench/gpu.py --device cpu --tiny        the same code on small networks, without a card

Random weights in the real shapes (resources/configs), so nothing is loaded. A run is `--steps` steps with guidance; the
three ways alternate, medians are printed. "bare" is a loop over diffusers' own UNet, ControlNet and scheduler as its
pipelines run it. "ours" is our loop, our control layer and channels last. "compiled" is ours once the background
compiler is done. The rate is measured first, by a large product of matrices; what a step takes of it is counted by torch's
FLOP counter. Imports only studio.engine and studio.core: needs torch, diffusers and transformers, no window.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import studio.engine.diffusion  # noqa: F401, I001  (loads the libraries quietly)
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from studio.core.choices import ControlKind, Spacing
from studio.core.recipe import ControlUse, ImageRef
from studio.engine.checkpoints import CONFIGS
from studio.engine.diffusion.compiled import Compiler
from studio.engine.diffusion.controls import ControlNetResiduals, encode_hint, with_hint_slot
from studio.engine.diffusion.denoise import ClassifierFree, Residuals, StepResult, denoise
from studio.engine.diffusion.devices import moved
from studio.engine.diffusion.latents import seeded
from studio.engine.diffusion.pacing import looking
from studio.engine.diffusion.parts import controlnet_class, unet_class
from studio.engine.diffusion.schedulers import make_sampler, make_scheduler

GUIDANCE, TOKENS, SCHEDULER = 7.0, 77, "dpmpp_2m"
TINY = {"block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8}
TINY |= {
    "sd1": {"down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "attention_head_dim": 4},
    "sdxl": {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "attention_head_dim": (2, 4),
             "transformer_layers_per_block": (1, 2)},
}  # fmt: skip


class Case:
    """One family at one size, with or without a ControlNet, and the three ways to run it."""

    def __init__(self, family: str, controlled: bool, wish: argparse.Namespace) -> None:
        self.family = family
        self.device, self.dtype, self.steps = torch.device(wish.device), getattr(torch, wish.dtype), wish.steps
        self.side = (64 if wish.tiny else 1024 if family == "sdxl" else 512) // 8
        config = dict(unet_class().load_config(str(CONFIGS / family), subfolder="unet"))
        if wish.tiny:
            config = small(config, family)
        self.bare_unet = self._random(unet_class(), config)
        self.unet = moved(self._copy(self.bare_unet), self.device)
        self.bare_net = self.net = None
        if controlled:
            net = controlnet_class().from_unet(self.bare_unet)
            self.bare_net = spread(net).to(self.device, self.dtype).eval().requires_grad_(False)
            self.net = moved(with_hint_slot(self._copy(self.bare_net)), self.device)
        random = torch.Generator().manual_seed(1)
        self.text = torch.randn((2, TOKENS, config["cross_attention_dim"]), generator=random).to(
            self.device, self.dtype
        )
        self.hint = torch.rand((2, 3, self.side * 8, self.side * 8), generator=random).to(self.device, self.dtype)
        self.added = self._added(config)
        self.compiler = Compiler(wish.backend, (self.device.type,))

    def bare(self, seed: int) -> Tensor:
        """As diffusers' pipelines do it."""
        scheduler = self._scheduler()
        scheduler.set_timesteps(self.steps, device=self.device)
        latents = self._noise(seed) * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            copies = scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
            more: dict[str, Any] = {"added_cond_kwargs": self.added}
            if self.bare_net is not None:
                down, mid = self.bare_net(copies, timestep, encoder_hidden_states=self.text, controlnet_cond=self.hint,
                                          conditioning_scale=1.0, return_dict=False)  # fmt: skip
                more |= {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
            guess = self.bare_unet(copies, timestep, encoder_hidden_states=self.text, return_dict=False, **more)[0]
            unconditional, conditional = guess.chunk(2)
            guided = unconditional + GUIDANCE * (conditional - unconditional)
            latents = scheduler.step(guided, timestep, latents, return_dict=False)[0]
        return latents

    def ours(self, seed: int, compiled: bool = False) -> Tensor:
        """Our loop, with the compiler or without; what steps look at is fetched as the engine does it."""
        self.compiler.mode = "automatic" if compiled else "off"
        sampler = make_sampler(
            self._scheduler(), SCHEDULER, Spacing.NORMAL, self.steps, torch.device("cpu"), seeded(seed)
        )
        latents = self._noise(seed).float() * sampler.init_noise_sigma

        def look(result: StepResult) -> Tensor:
            return result.latents

        with self.compiler.job(plain=True) as job:
            residuals: Sequence[Residuals] = ()
            if self.net is not None:
                use = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="0" * 64))
                residuals = [ControlNetResiduals(self.net, encode_hint(self.net, self.hint), use, None, job)]
            return denoise(
                job.of(self.unet), sampler, latents, self.text, guidance=ClassifierFree(GUIDANCE), residuals=residuals,
                after_step=[looking(look, self.device)], added=self.added,
            )  # fmt: skip

    def flops(self) -> int:
        """Floating-point operations of one bare step, counted on the shapes alone."""
        steps, self.steps = self.steps, 1
        try:
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                self.bare(1)
        finally:
            self.steps = steps
        return int(counter.get_total_flops())

    def _scheduler(self) -> Any:
        told = json.loads((CONFIGS / self.family / "scheduler" / "scheduler_config.json").read_text("utf-8"))
        return make_scheduler(told, SCHEDULER, Spacing.NORMAL)

    def _noise(self, seed: int) -> Tensor:
        shape = (1, 4, self.side, self.side)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(self.device, self.dtype)

    def _added(self, config: dict[str, Any]) -> dict[str, Tensor] | None:
        if config.get("addition_embed_type") != "text_time":
            return None
        pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
        sizes = [[float(self.side * 8)] * 2 + [0.0, 0.0] + [float(self.side * 8)] * 2] * 2
        like = {"device": self.device, "dtype": self.dtype}
        return {"text_embeds": torch.ones((2, pooled), **like), "time_ids": torch.tensor(sizes, **like)}

    def _random(self, network_class: Any, config: dict[str, Any]) -> Any:
        with torch.device("meta"):
            network = network_class.from_config(config)
        network = spread(network.to_empty(device="cpu"))
        return network.to(self.device, self.dtype).eval().requires_grad_(False)

    @staticmethod
    def _copy(network: Any) -> Any:
        copy = type(network).from_config(network.config).to(network.device, network.dtype)
        copy.load_state_dict(network.state_dict())
        return copy.eval().requires_grad_(False)


def small(config: dict[str, Any], family: str) -> dict[str, Any]:
    """A UNet config of the same kind with two narrow levels."""
    own: dict[str, Any] = {key: value for key, value in TINY.items() if not isinstance(value, dict)}
    own |= TINY[family]  # type: ignore[arg-type]
    ups = [name.replace("Down", "Up") for name in reversed(own["down_block_types"])]
    return config | own | {"up_block_types": tuple(ups), "sample_size": 8}


def spread(network: Any) -> Any:
    """Random weights that keep the size of what passes through them; zeros would be quicker to multiply."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.normal_(0.0, 0.7 / weight[0].numel() ** 0.5)
            else:
                weight.fill_(0.0)
        for module in network.modules():
            if isinstance(module, torch.nn.GroupNorm | torch.nn.LayerNorm) and module.weight is not None:
                module.weight.fill_(1.0)
    return network


def seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def matmul_rate(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """FLOP a second of a square product of matrices, best of ten after warming up."""
    a, b = torch.randn((2, side, side), device=device).to(dtype)
    for _ in range(3):
        a @ b
    return 2 * side**3 / min(seconds(lambda: a @ b, device) for _ in range(10))


def measure(name: str, case: Case, rounds: int, rate: float) -> None:
    flops = case.flops()
    ways: dict[str, Callable[[int], Tensor]] = {"bare": case.bare, "ours": case.ours}
    bare, ours = case.bare(1), case.ours(1)
    apart = float((bare.float() - ours.float()).square().mean().sqrt() / bare.float().square().mean().sqrt())
    began = time.perf_counter()
    case.ours(1, compiled=True)
    case.compiler.wait()
    took = time.perf_counter() - began
    case.ours(1, compiled=True)
    quick = case.compiler.quick
    if quick:
        ways["compiled"] = lambda seed: case.ours(seed, compiled=True)
    rows: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in sorted(ways, reverse=bool(turn % 2)):
            rows[way].append(seconds(lambda way=way, turn=turn: ways[way](turn), case.device) / case.steps)
    print(
        f"{name}: {flops / 1e9:.1f} GFLOP a step; ours differs from bare by {apart:.1e} of the mean square", flush=True
    )
    for way, times in rows.items():
        ratio = statistics.median(a / b for a, b in zip(times, rows["bare"], strict=True))
        middle = statistics.median(times)
        spread_ = f"{min(times) * 1e3:.2f} ... {max(times) * 1e3:.2f}"
        share = 100 * flops / middle / rate
        print(
            f"  {way:<10}{middle * 1e3:9.2f} ms a step ({spread_})   {ratio:5.2f} of bare   {share:5.1f} % of the rate"
        )
    if "compiled" in ways:
        print(f"  compiled in {took:.0f} s; {quick} calls of a run are compiled ones")
    else:
        print("  compiled: not possible here, see the line above")
    case.compiler.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small networks, to rehearse")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"))
    parser.add_argument("--backend", default="inductor", help="of torch.compile")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", action="append", choices=("sd1", "sd1-control", "sdxl"))
    wish = parser.parse_args()
    if wish.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here. `--device cpu --tiny` runs the same code on small networks.")
        raise SystemExit(2)
    wish.dtype = wish.dtype or ("float16" if wish.device == "cuda" else "float32")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.mkdtemp(prefix="gpu-bench-"))
    device, dtype = torch.device(wish.device), getattr(torch, wish.dtype)
    rate = matmul_rate(device, dtype, 512 if wish.tiny else 8192)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(f"{name}, {wish.dtype}, torch {torch.__version__}: {rate / 1e12:.2f} TFLOP/s in a product of matrices")
    with torch.no_grad():
        for label, family, controlled in (
            ("sd1", "sd1", False), ("sd1-control", "sd1", True), ("sdxl", "sdxl", False)
        ):  # fmt: skip
            if not wish.only or label in wish.only:
                measure(label, Case(family, controlled, wish), wish.rounds, rate)
                if device.type == "cuda":
                    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
