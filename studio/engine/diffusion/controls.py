"""Control layers to ControlNet residuals (Zhang et al. 2023): hints encoded once, networks run only where they act."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from studio.api import StepContext, UNetResiduals
from studio.core.choices import ControlKind
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, Recipe
from studio.engine.annotators import Annotators
from studio.engine.control_maps import control_map
from studio.engine.diffusion.compiled import CompiledJob, shadow_of
from studio.engine.diffusion.control_mode import beside_nothing, idle_mode, pooled_mode, with_prompt_only
from studio.engine.diffusion.denoise import Residuals
from studio.engine.diffusion.models import Model, ModelPool
from studio.engine.diffusion.union import control_type, told
from studio.engine.protocol import ReadImage

KEPT_BYTES = 64 << 20  # of hint embeddings on the device, beside those of the picture itself; one of SDXL's has 20 MB
_NO_GUESTS: Mapping[int, Residuals] = {}
Job = CompiledJob | None


class GivenHint(nn.Module):
    """Stands in the place of a ControlNet's hint encoder and gives an embedding made before."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.embedding: Tensor | None = None

    def forward(self, conditioning: Tensor) -> Tensor:
        return self.encoder(conditioning) if self.embedding is None else self.embedding


class ControlNetResiduals:
    """One control layer at work; obeys `denoise.Residuals`. Outside its part of the steps nothing is computed."""

    def __init__(
        self, controlnet: Any, embedding: Tensor, use: ControlUse, control_type: int | None = None, job: Job = None
    ) -> None:
        """`control_type`: which input of a union reads the layer; None for a network of one kind."""
        self._controlnet, self._embedding, self._use = controlnet, embedding, use
        self._control_type = control_type
        self._run = controlnet if job is None else job.of(controlnet, shadow_with_hint)

    def __call__(self, step: StepContext) -> UNetResiduals | None:
        if not self.acts_at(step.index, step.count):
            return None
        branches = step.model_input.shape[0]
        one_sided = beside_prompt_only(self._controlnet, self._use)
        if one_sided:
            step = with_prompt_only(step)
        slot = self._controlnet.controlnet_cond_embedding
        slot.embedding = self._embedding
        union = self._control_type is not None
        weight, later = (self._use.weight, 1.0) if self._run is self._controlnet else (1.0, self._use.weight)
        try:
            down, mid = self._run(
                step.model_input,
                step.timestep,
                encoder_hidden_states=step.text,
                controlnet_cond=[self._embedding] if union else self._embedding,  # not looked at: the slot answers
                conditioning_scale=weight,
                added_cond_kwargs=None if step.added is None else dict(step.added),
                guess_mode=self._use.mode.soft,
                return_dict=False,
                **({} if self._control_type is None else told(self._controlnet, self._control_type, step.model_input)),
            )
        finally:
            slot.embedding = None
        if later != 1.0:  # the same products: a compiled network serves every weight
            down, mid = [tensor * later for tensor in down], mid * later
        if one_sided:
            *down, mid = beside_nothing((*down, mid), branches)
        return UNetResiduals(down=tuple(down), mid=mid)

    def acts_at(self, index: int, count: int) -> bool:
        """Whether denoiser call `index` of `count` lies wholly within start ... end, as diffusers counts it."""
        inside = index / count >= self._use.start and (index + 1) / count <= self._use.end
        return inside and self._use.weight > 0


class Controls:
    """Makes control layers ready. State: `_kept`, hint embeddings of recent jobs, by all that decides them."""

    def __init__(self, pool: ModelPool, read_image: ReadImage, annotators: Annotators | None = None) -> None:
        self._pool, self._read_image, self._annotators = pool, read_image, annotators
        self._kept: OrderedDict[tuple[object, ...], Tensor] = OrderedDict()

    def prepare(
        self,
        recipe: Recipe,
        model: Model,
        branches: int,
        poll: Callable[[], None],
        guests: Mapping[int, Residuals] = _NO_GUESTS,
        note: Callable[[str], None] = lambda _sentence: None,
        job: Job = None,
        scarce: bool = False,
    ) -> list[Residuals]:
        """The layers of a recipe in their order, ready for the loop. `guests`: of plugins' kinds, by `id` of the use.
        `note` is told which network reads what, and whose mode does nothing; `job` has compiled ones; where memory is
        `scarce` no hint is kept.

        Raises `StudioError` for pictures or models that cannot be used.
        """
        ready: list[Residuals] = []
        used: set[tuple[object, ...]] = set()
        for use in recipe.controls:
            if why := idle_mode(use, branches, isinstance(use.kind, ControlKind) or id(use) in guests):
                note(why)
            if not isinstance(use.kind, ControlKind):
                ready += [guests[id(use)]] if id(use) in guests else []  # else it acts by other means
                continue
            poll()
            name, network = self._pool.controlnet(model, use.kind, use.net)
            number = control_type(network, name, use.kind)
            if name != model.name:
                note(f"{use.kind} is read by {name}.")
            if why := pooled_mode(use, pools(network)):
                note(why)
            controlnet = with_hint_slot(network)
            seen_by = 1 if beside_prompt_only(controlnet, use) else branches
            key, embedding = self._embedding(use, recipe, model, controlnet, seen_by)
            used.add(key)
            ready.append(ControlNetResiduals(controlnet, embedding, use, number, job))
        self._let_go(set() if scarce else used, 0 if scarce else KEPT_BYTES)
        return ready

    def with_nets(self, recipe: Recipe, model: Model) -> Recipe:
        """The recipe with the ControlNets by name that its layers take because they name none. Others stay as they are."""
        nets = [
            self._pool.usual_net(model, use.kind) if use.net is None and isinstance(use.kind, ControlKind) else None
            for use in recipe.controls
        ]
        if not any(nets):
            return recipe
        uses = zip(recipe.controls, nets, strict=True)
        return replace(recipe, controls=tuple(use if net is None else replace(use, net=net) for use, net in uses))

    def clear(self) -> None:
        """Forget all hints."""
        self._kept.clear()

    def _embedding(
        self, use: ControlUse, recipe: Recipe, model: Model, controlnet: Any, branches: int
    ) -> tuple[tuple[object, ...], Tensor]:
        """The hint of a layer, and the key that it is kept under."""
        look = (use.kind, use.detector, use.net, use.image, use.resize, use.invert, use.low, use.high)
        size, stamps = recipe.size, () if self._annotators is None else self._annotators.stamps(recipe)
        key = (model.key, look, size, branches, stamps)
        if key not in self._kept:
            pixels = control_map(use, size, self._read_image(use.image), self._annotators)
            self._kept[key] = encode_hint(controlnet, hint_tensor(pixels, branches, model.device, model.dtype))
        self._kept.move_to_end(key)
        return key, self._kept[key]

    def _let_go(self, used: set[tuple[object, ...]], most: int) -> None:
        """Forget hints that are not `used` now, those used longest ago first, until all are at most so many bytes."""
        idle = iter([key for key in self._kept if key not in used])
        while sum(hint.nbytes for hint in self._kept.values()) > most and (key := next(idle, None)) is not None:
            del self._kept[key]


def beside_prompt_only(controlnet: Any, use: ControlUse) -> bool:
    """Whether a layer steers the guess with the prompt only: in its mode, or because its network pools what it sees
    (shuffle) and was made for that, as stock pipelines have it."""
    return use.mode.one_sided or pools(controlnet)


def pools(controlnet: Any) -> bool:
    """Whether a network sees its map as a whole, without places."""
    return bool(controlnet.config.get("global_pool_conditions", False))


def shadow_with_hint(controlnet: nn.Module) -> nn.Module:
    """What is compiled in a ControlNet's place: its conditioning is the embedding already."""
    shadow: Any = shadow_of(controlnet)
    shadow.controlnet_cond_embedding = nn.Identity()
    return shadow  # type: ignore[no-any-return]


def with_hint_slot(controlnet: Any) -> Any:
    """The ControlNet with a `GivenHint` where its hint encoder was (put in once)."""
    if not isinstance(controlnet.controlnet_cond_embedding, GivenHint):
        controlnet.controlnet_cond_embedding = GivenHint(controlnet.controlnet_cond_embedding)
    return controlnet


def hint_tensor(pixels: Pixels, branches: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A control map as (branches, 3, height, width) in 0 ... 1, with the strides that the stock pipelines give it.

    The strides matter for equality to the last bit: convolutions choose their kernel by them.
    """
    array = np.frombuffer(pixels.data, np.uint8).reshape(1, pixels.height, pixels.width, 3).astype(np.float32) / 255.0
    hint = torch.from_numpy(array.transpose(0, 3, 1, 2)).repeat_interleave(1, dim=0).to(device=device, dtype=dtype)
    return torch.cat([hint] * branches) if branches > 1 else hint


@torch.no_grad()
def encode_hint(controlnet: Any, hint: Tensor) -> Tensor:
    """The hint embedding that a ControlNet adds to its first features, (branches, channels, height / f, width / f)."""
    if controlnet.config.controlnet_conditioning_channel_order == "bgr":
        hint = torch.flip(hint, dims=[1])
    embedding: Tensor = controlnet.controlnet_cond_embedding.encoder(hint)
    return embedding
