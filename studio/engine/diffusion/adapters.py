"""Adapters of plugins on a loaded model: attached in order, their answers checked, detached whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from studio.api import Denoiser, Steering, StepContext, UNetResiduals, Use
from studio.core.errors import StudioError
from studio.core.plugins import PartType
from studio.core.recipe import ControlUse, Size
from studio.engine.answers import wrong
from studio.engine.diffusion.control_mode import moderated
from studio.engine.diffusion.models import Model
from studio.engine.diffusion.snapshot import Snapshot
from studio.engine.guests import Guest, Guests, Tell
from studio.engine.models import companions_of
from studio.engine.protocol import RenderCancelled

Shape = tuple[int, int, int]
TOKENS_MAX, NOTE_MAX, WORD_MAX = 4096, 500, 100


def denoiser_of(model: Model, size: Size, branches: int) -> Denoiser:
    """The model as plugins see it."""
    return Denoiser(
        unet=model.unet,
        vae=model.vae,
        tokenizers=tuple(tower.tokenizer for tower in model.text.towers),
        text_encoders=tuple(tower.model for tower in model.text.towers),
        family=model.family,
        model=model.name,
        model_folder=companions_of(model.folder),
        size=size,
        branches=branches,
        device=model.device,
        dtype=model.dtype,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """An adapter while it is attached."""

    guests: Guests
    guest: Guest
    steering: Steering

    @torch.no_grad()
    def text(self, text: Tensor) -> Tensor:
        """The prompt's embedding (branches, tokens, features) with what the adapter adds to it."""
        change = self.steering.text
        if change is None:
            return text
        with self.guests.calling(self.guest, "text"):
            return _checked_text(self.guest, change(text.clone()), text)


def attach_all(
    guests: Guests, denoiser: Denoiser, stack: ExitStack, tell: Tell, spoilt: Callable[[], None]
) -> tuple[Attached, ...]:
    """Attach every adapter of a recipe; closing `stack` detaches them, the last one first.

    `spoilt` is called when an adapter did not leave the model as it was, to the bit: it must not be used again.
    """
    attached = []
    if guests.of(PartType.GUIDE):  # they see the model as well, and have nothing to take back
        stack.enter_context(_kept(guests, denoiser, spoilt))
    for guest in guests.of(PartType.ADAPTER):
        tell(f"plugin {guest.plugin}")
        use = guests.use_of(guest, denoiser.size)
        attached.append(stack.enter_context(_Attachment(guests, guest, use, denoiser, spoilt)))
    return tuple(attached)


def _snapshot(denoiser: Denoiser) -> Snapshot:
    return Snapshot((denoiser.unet, denoiser.vae, *denoiser.text_encoders), denoiser.tokenizers)


@contextmanager
def _kept(guests: Guests, denoiser: Denoiser, spoilt: Callable[[], None]) -> Iterator[None]:
    """Around all plugins of a picture: what one of them left on the model is noticed, whoever it was."""
    before = _snapshot(denoiser)
    try:
        yield
    finally:
        _check(before, "A plugin", guests, spoilt)


@torch.no_grad()
def _check(before: Snapshot, who: str, guests: Guests, spoilt: Callable[[], None]) -> None:
    try:
        changes = before.changes()
    except Exception as error:  # weights on other devices, say, or of kinds that cannot be compared
        changes = type(error).__name__
    if changes:
        spoilt()
        guests.note_once(f"{who} did not leave the model as it was ({changes}); it is loaded again next time.")


class _Attachment(AbstractContextManager[Attached]):
    """One adapter on the model. Its own context manager is always left as if nothing had happened.

    So a plugin's `yield` needs no `finally`, and an error of the plugin on the way out hides no other one.
    """

    def __init__(self, guests: Guests, guest: Guest, use: Use, denoiser: Denoiser, spoilt: Callable[[], None]) -> None:
        self._guests, self._guest, self._use, self._denoiser, self._spoilt = guests, guest, use, denoiser, spoilt
        self._manager: Any = None

    @torch.no_grad()
    def __enter__(self) -> Attached:
        self._before = _snapshot(self._denoiser)
        entered = False
        try:
            with self._guests.calling(self._guest, "attach"):
                self._manager = self._guest.does.attach(self._denoiser, self._use)
                steering = self._manager.__enter__()
                entered = True
                if not isinstance(steering, Steering):
                    raise wrong(str(self._guest), "did not say what it does during the steps")
                notes = [str(note)[:NOTE_MAX] for note in steering.notes]
                steering = replace(steering, words=tuple(str(word)[:WORD_MAX] for word in steering.words))
        except BaseException:
            if entered:
                self._leave()
            self._check()
            raise
        for note in notes:
            self._guests.note_once(note)
        return Attached(self._guests, self._guest, steering)

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        problem = self._leave()
        self._check()
        if problem is not None and kind is None:
            raise problem

    @torch.no_grad()
    def _leave(self) -> Exception | None:
        try:
            with self._guests.calling(self._guest, "detach"):
                self._manager.__exit__(None, None, None)
        except (StudioError, RenderCancelled) as error:  # the fence lets nothing else through
            self._spoilt()
            return error
        return None

    def _check(self) -> None:
        _check(self._before, f"“{self._guest.plugin}”", self._guests, self._spoilt)


class PluginResiduals:
    """What an adapter adds inside the UNet; obeys `denoise.Residuals`. `shapes` are those of this UNet.

    An answer of the very same, unchanged tensors as at the step before, as a T2I-Adapter gives, is not checked again: the
    check waits for the device. Mutable state: `_known`, the last answer with its tensors' version numbers.
    """

    def __init__(self, attached: Attached, answer: Callable[[StepContext], Any], shapes: ResidualShapes) -> None:
        self._attached, self._answer, self._shapes = attached, answer, shapes
        self._known: tuple[list[tuple[Tensor, int]], int, UNetResiduals] | None = None

    def __call__(self, step: StepContext) -> UNetResiduals | None:
        guest = self._attached.guest
        with self._attached.guests.calling(guest, "residuals"):
            answer = self._answer(copied(step))
            if answer is None:
                return None
            branches, tensors = step.model_input.shape[0], _versions(answer)
            known = self._known
            if known is not None and known[1] == branches and _same(known[0], tensors):
                return known[2]
            checked = self._shapes.checked(guest, answer, step.model_input)
            if isinstance(guest.asked, ControlUse):
                checked = moderated(checked, guest.asked.mode, branches)
            self._known = None if tensors is None else (tensors, branches, checked)
            return checked


def _versions(answer: Any) -> list[tuple[Tensor, int]] | None:
    """The tensors of an answer with the numbers that count changes in their place; None for what has no such numbers."""
    if not isinstance(answer, UNetResiduals):
        return None
    tensors = (*answer.down, *answer.inner, *(() if answer.mid is None else (answer.mid,)))
    if not all(isinstance(tensor, Tensor) and not tensor.is_inference() for tensor in tensors):
        return None
    return [(tensor, tensor._version) for tensor in tensors]


def _same(before: list[tuple[Tensor, int]], now: list[tuple[Tensor, int]] | None) -> bool:
    return (
        now is not None
        and len(before) == len(now)
        and all(a is b and old == new for (a, old), (b, new) in zip(before, now, strict=True))
    )


def copied(step: StepContext) -> StepContext:
    """The same step in tensors of its own, so that nobody can change the loop's."""
    return replace(step, timestep=step.timestep.clone(), model_input=step.model_input.clone(), text=step.text.clone())


@dataclass(frozen=True, slots=True)
class ResidualShapes:
    """(channels, height, width) of everything that can be added inside a UNet, as diffusers' forward adds it."""

    down: tuple[Shape, ...]
    mid: Shape
    inner: tuple[Shape, ...]

    @classmethod
    def of(cls, unet: Any, height: int, width: int) -> ResidualShapes:
        """For latents of this size. Down blocks halve, rounding up; those without attention are added to after that."""
        down: list[Shape] = [(unet.conv_in.out_channels, height, width)]
        inner: list[Shape] = []
        for block in unet.down_blocks:
            down += [(resnet.out_channels, height, width) for resnet in block.resnets]
            before = down[-1]
            if block.downsamplers:
                height, width = (height + 1) // 2, (width + 1) // 2
                down.append((before[0], height, width))
            inner.append(before if getattr(block, "has_cross_attention", False) else down[-1])
        return cls(tuple(down), down[-1], tuple(inner))

    def checked(self, guest: Guest, answer: Any, like: Tensor) -> UNetResiduals:
        """The answer in the number format and on the device of `like` (branches, ...), or `PluginProblem` in words."""
        if not isinstance(answer, UNetResiduals):
            raise wrong(str(guest), "gave no residuals")
        down = _fitting(guest, answer.down, [self.down], like)
        mid = _fitting(guest, () if answer.mid is None else (answer.mid,), [(self.mid,)], like)
        inner = _fitting(guest, answer.inner, [self.inner, (*self.inner, self.mid)], like)
        if down and not mid:  # diffusers adds the two together or not at all
            mid = (like.new_zeros((1, *self.mid)),)
        elif mid and not down:
            down = tuple(like.new_zeros((1, *shape)) for shape in self.down)
        return UNetResiduals(down=down, mid=mid[0] if mid else None, inner=inner)


def _fitting(guest: Guest, given: Any, allowed: Sequence[Sequence[Shape]], like: Tensor) -> tuple[Tensor, ...]:
    tensors = tuple(given)
    if not tensors:
        return ()
    if not all(isinstance(tensor, Tensor) and tensor.is_floating_point() for tensor in tensors):
        raise wrong(str(guest), "gave residuals that are not floating-point tensors")
    shapes = tuple(tuple(tensor.shape[1:]) for tensor in tensors)
    if shapes not in [tuple(wanted) for wanted in allowed] or {t.shape[0] for t in tensors} - {1, like.shape[0]}:
        found, wanted = "; ".join(map(str, shapes)), "; ".join(map(str, allowed[0]))
        detail = f"given {found}; wanted {wanted}, for 1 or {like.shape[0]} branches"
        raise wrong(str(guest), "gave residuals of shapes that do not fit this model", detail)
    total = torch.stack([tensor.detach().sum(dtype=torch.float32) for tensor in tensors])  # one look at the device
    if not bool(torch.isfinite(total).all()):
        raise wrong(str(guest), "gave numbers that are NaN or infinite")
    return tuple(tensor.detach().to(device=like.device, dtype=like.dtype) for tensor in tensors)


def _checked_text(guest: Guest, answer: Any, text: Tensor) -> Tensor:
    if not isinstance(answer, Tensor) or not answer.is_floating_point() or answer.dim() != 3:
        raise wrong(str(guest), "did not give an embedding of the prompt")
    branches, tokens, features = answer.shape
    fits = branches == text.shape[0] and features == text.shape[2] and text.shape[1] <= tokens <= TOKENS_MAX
    if not fits:
        detail = f"given {tuple(answer.shape)}; wanted {tuple(text.shape)}, or more tokens"
        raise wrong(str(guest), "gave an embedding of the prompt that does not fit this model", detail)
    if not bool(torch.isfinite(answer).all()):
        raise wrong(str(guest), "gave numbers that are NaN or infinite")
    return answer.detach().to(device=text.device, dtype=text.dtype)
