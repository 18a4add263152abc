"""The model pool: loads models by name and keeps those that were used last, as many as fit into a budget of bytes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from studio.core.choices import ControlKind
from studio.core.control_nets import best_net
from studio.core.detectors import LINES
from studio.core.errors import ModelMissing
from studio.core.model_files import Family, Kind, Prediction, Traits
from studio.core.paths import RESOURCES
from studio.core.recipe import ControlUse, ModelRef
from studio.core.weights import read_weight_header
from studio.engine.checkpoints import controlnet_base, in_words
from studio.engine.diffusion.devices import Device, moved
from studio.engine.diffusion.parts import Parts, Poll, load_controlnet, load_folder, load_vae
from studio.engine.diffusion.previews import LatentToRGB, load_preview
from studio.engine.diffusion.prompts import TextEncoder
from studio.engine.diffusion.single_file import load_controlnet_file, load_file, load_vae_file
from studio.engine.diffusion.tiny import TinyDecoder, find_tiny
from studio.engine.diffusion.union import is_union, load_union
from studio.engine.intake.kinds import recognise
from studio.engine.intake.library import Library, nothing
from studio.engine.missing import missing_net
from studio.engine.models import (
    CONTROLNET,
    check_model,
    check_safetensors,
    companions_of,
    component_weights,
    find_model,
    find_part,
    fingerprint,
    weight_files,
)

_LATENTS = {Family.SD1: Family.SD1, Family.SD2: Family.SD1, Family.SDXL: Family.SDXL, Family.REFINER: Family.SDXL}
"""Whose latents a family has: a VAE for other ones of as many channels paints noise."""
MINI_CHANNELS = 16  # of Studio Mini's latents; Stable Diffusion has 4
_Stamps = tuple[tuple[str, int, int], ...]
_Key = tuple[Path, _Stamps, torch.dtype, Traits | None]
_NetKey = tuple[Path, _Stamps]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A loaded base model, on its device and in its number format. Parts are diffusers' and transformers' own classes."""

    name: str
    folder: Path  # or its single file
    key: _Key
    digest: str  # SHA-256 over the weight files
    unet: Any
    vae: Any
    text: TextEncoder
    scheduler_config: dict[str, Any]
    to_rgb: LatentToRGB | None
    dtype: torch.dtype
    device: torch.device
    controlnets: dict[_NetKey, Any] = field(default_factory=dict)  # filled by the pool at first use, the last used last

    @property
    def latent_channels(self) -> int:
        return int(self.unet.config.in_channels)

    @property
    def vae_factor(self) -> int:
        """Pixels per latent position along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def is_xl(self) -> bool:
        """Whether the UNet is told sizes and a pooled prompt, as SDXL's and its refiner's are."""
        return _is_xl(self.unet)

    @property
    def wants_aesthetics(self) -> bool:
        """Whether the UNet is told how beautiful the picture shall be instead of its target size: SDXL's refiner."""
        if not self.is_xl:
            return False
        pooled = int(self.text.towers[-1].model.config.projection_dim)
        told = int(self.unet.add_embedding.linear_1.in_features) - pooled
        return told == 5 * int(self.unet.config.addition_time_embed_dim)

    @property
    def family(self) -> str:
        """ "mini", "sd1", "sd2", "sdxl" or "sdxl_refiner": what an adapter must have been made for. By the UNet's shape."""
        if self.is_xl:
            return "sdxl_refiner" if self.wants_aesthetics else "sdxl"
        if self.latent_channels == MINI_CHANNELS:
            return "mini"
        width = self.unet.config.cross_attention_dim
        return "sd2" if width == 1024 or (width != 768 and self.unet.config.use_linear_projection) else "sd1"

    @property
    def learns_variance(self) -> bool:
        return bool(self.unet.config.out_channels == 2 * self.unet.config.in_channels)

    @property
    def modules(self) -> tuple[Any, ...]:
        """Everything that holds weights."""
        return (*(tower.model for tower in self.text.towers), self.unet, self.vae, *self.controlnets.values())

    @property
    def nbytes(self) -> int:
        return sum(bytes_of(module) for module in self.modules)


def bytes_of(module: Any) -> int:
    """What a module's weights take."""
    return sum(int(tensor.nbytes) for tensor in (*module.parameters(), *module.buffers()))


class ModelPool:
    """Loads models by name and keeps those used last.

    `budget` is how many bytes of weights may stay; a `library` knows where things lie, else the folders are looked
    through. State: `_kept` (the last used one at the end), `_vaes` (one) and `_digests` (by path, size and time of change).
    """

    def __init__(self, folders: tuple[Path, ...], device: Device, library: Library | None = None) -> None:
        self._folders, self._device, self._library = folders, device, library
        self.budget = device.memory_bytes // 2
        self._kept: OrderedDict[_Key, Model] = OrderedDict()
        self._vaes: dict[tuple[_Key, str], Any] = {}
        self._tinies: dict[tuple[Any, ...], TinyDecoder] = {}
        self._digests: dict[tuple[str, int, int], bytes] = {}

    def get(self, ref: ModelRef | str, exact: bool, poll: Poll, beside: Model | None = None) -> Model:
        """The model of this name, in float32 if `exact`; `beside` another one, which is in use. Raises `ModelMissing`."""
        ref = ModelRef(name=ref) if isinstance(ref, str) else ref
        place, key = self._place(ref, exact, poll=poll)
        if key not in self._kept:
            for stale in [known for known in self._kept if known[0] == place and known[1] != key[1]]:
                del self._kept[stale]  # its files were replaced
            self._make_room(_bytes_on_disk(ref.name, place), beside)  # before loading: two models may not fit
            self._kept[key] = self._load(ref.name, place, key, poll)
        self._kept.move_to_end(key)
        return self._kept[key]

    def vae(self, ref: ModelRef, model: Model, exact: bool) -> Any:
        """A VAE of this name, to be used with a model. Raises `ModelMissing`."""
        place, key = self._place(ref, exact, Kind.VAE)
        told = _LATENTS.get(key[3].family) if key[3] is not None else None
        if told is not None and told is not _LATENTS.get(Family(model.family), told):
            raise ModelMissing(
                f"The VAE “{ref.name}” was made for {in_words(told)} models; “{model.name}” is {in_words(model.family)}.",
                "Choose another VAE, or none. What it was made for can be corrected on the page Models.",
            )
        known = key, model.family
        if known not in self._vaes:
            self._vaes.clear()
            single = place.is_file()
            vae = load_vae_file(place, key[2], model.family) if single else load_vae(_inside(place, "vae"), key[2])
            self._vaes[known] = moved(vae, self._device.torch_device)
        vae = self._vaes[known]
        if vae.config.latent_channels != model.vae.config.latent_channels:
            raise ModelMissing(
                f"The VAE “{ref.name}” was not made for models like “{model.name}”.", "Choose another VAE, or none."
            )
        return vae

    def controlnet(self, model: Model, kind: ControlKind, ref: ModelRef | None = None) -> tuple[str, Any]:
        """Name and network that read control layers of this kind for a model. Raises `ModelMissing`, before loading
        what was made for another family."""
        name, place, union = self._find_net(model, kind, ref)
        key = place, fingerprint(place)
        if key not in model.controlnets:
            for stale in [known for known in model.controlnets if known[0] == place]:
                del model.controlnets[stale]  # its file was replaced
            loaded = load_union if union else load_controlnet_file if place.is_file() else load_controlnet
            model.controlnets[key] = moved(loaded(place, model.dtype), model.device)
        network = model.controlnets.pop(key)
        model.controlnets[key] = network
        return name, network

    def usual_net(self, model: Model, kind: ControlKind) -> ModelRef | None:
        """The ControlNet that reads layers of this kind where they name none; None for the model's own, or for none."""
        if self._own_net(model, kind) is not None or self._library is None:
            return None
        found = best_net(self._library.installed(), Family(model.family), kind)
        return None if found is None else ModelRef(name=found.name, sha256=found.sha256)

    def named(self, ref: ModelRef, kind: Kind, poll: Poll) -> ModelRef:
        """The reference with the SHA-256 of what is loaded under it here. What ships is known by its name alone.

        Each file is read once while it does not change, and a library remembers what it was told. Raises `ModelMissing`.
        """
        if self._library is not None:
            found = self._library.find(ref.name, ref.sha256, kind, poll)
            return replace(ref, sha256="" if found.ships else self._library.known_digest(found, poll))
        place = self._place(ref, False, kind)[0]
        if place.is_relative_to(RESOURCES):
            return replace(ref, sha256="")
        poll()
        return replace(ref, sha256=self._digest(place.is_file(), _weights_of(ref.name, place, kind)))

    def tiny(self, model: Model) -> TinyDecoder | None:
        """What makes sharp previews for a model, if its file is here; read when it is first used."""
        place = find_tiny(model.folder, model.family, () if self._library is None else self._library.installed())
        if place is None:
            return None
        known = (fingerprint(place), place, model.dtype)  # a file that was replaced is read again
        if known not in self._tinies:
            self._tinies = {known: TinyDecoder(place, model.latent_channels, model.dtype, model.device)}
        return self._tinies[known]

    def clear(self) -> None:
        """Let go of everything loaded."""
        self._kept.clear()
        self._tinies.clear()
        self._vaes.clear()

    def make_room_for(self, model: Model, controls: Sequence[ControlUse], alone: bool) -> None:
        """Before a model paints under these layers: let go of its ControlNets that they do not need, then of other models,
        those used longest ago, until what is still to be loaded fits into the budget. `alone`: of all of them."""
        nets = [self._find_net(model, use.kind, use.net) for use in controls if isinstance(use.kind, ControlKind)]
        needed = {(place, fingerprint(place)): name for name, place, _ in nets}
        lacking = [(name, key[0]) for key, name in needed.items() if key not in model.controlnets]
        wanted = sum(_bytes_of_part(name, place, Kind.CONTROLNET) for name, place in lacking)
        for idle in [key for key in model.controlnets if key not in needed]:
            if alone or self._held() + wanted > self.budget:
                del model.controlnets[idle]
        for other in [key for key in self._kept if key != model.key]:
            if alone or (wanted and self._held() + wanted > self.budget):
                del self._kept[other]

    def _place(
        self, ref: ModelRef, exact: bool, kind: Kind = Kind.CHECKPOINT, poll: Poll = nothing
    ) -> tuple[Path, _Key]:
        """Where a thing lies, and all that decides what is loaded of it. Raises `ModelMissing`."""
        traits = None
        if self._library is not None:
            found = self._library.find(ref.name, ref.sha256, kind, poll)
            place, traits = found.path, found.traits
            if found.sha256 and place.is_file():  # read for its digest before: not again
                self._digests.setdefault((str(place), found.size, found.mtime_ns), bytes.fromhex(found.sha256))
            if kind is Kind.CHECKPOINT:
                check_model(found.name, place)
        elif kind is Kind.CHECKPOINT:
            place = find_model(ref.name, self._folders)
        else:
            place = find_part(ref.name, self._folders)
        return place, (place, fingerprint(place), torch.float32 if exact else self._device.dtype, traits)

    def _make_room(self, wanted: int, beside: Model | None) -> None:
        """Let go of the models used longest ago until `wanted` more bytes fit into the budget; not of one in use."""
        for key in [key for key in self._kept if beside is None or key != beside.key]:
            if self._held() + wanted > self.budget:
                del self._kept[key]

    def _held(self) -> int:
        return sum(model.nbytes for model in self._kept.values())

    def _load(self, name: str, place: Path, key: _Key, poll: Poll) -> Model:
        single = place.is_file()
        parts = load_file(name, place, key[2], poll, key[3]) if single else load_folder(name, place, key[2], poll)
        _check_fit(name, parts)
        device = self._device.torch_device
        for module in (*(tower.model for tower in parts.text.towers), parts.unet, parts.vae):
            poll()
            moved(module, device)
        return Model(
            name=name,
            folder=place,
            key=key,
            digest=self._digest(single, weight_files(name, place)),
            unet=parts.unet,
            vae=parts.vae,
            text=parts.text,
            scheduler_config=parts.scheduler_config if single else _as_said(parts.scheduler_config, key[3]),
            to_rgb=load_preview(place, int(parts.unet.config.in_channels), _is_xl(parts.unet)),
            dtype=key[2],
            device=device,
        )

    def _find_net(self, model: Model, kind: ControlKind, ref: ModelRef | None) -> tuple[str, Path, bool]:
        """The ControlNet that is named, the one beside the model, or one that was made for this kind; and whether it
        is a union."""
        ref = ref or self.usual_net(model, kind)
        if ref is not None:
            place = _inside(self._place(ref, True, Kind.CONTROLNET)[0], CONTROLNET)
            return ref.name, place, self._check_net(model, ref.name, place)
        beside = self._own_net(model, kind)
        if beside is not None:
            return model.name, beside, self._check_net(model, model.name, beside)
        raise missing_net(Family(model.family), kind, model.name)

    def _own_net(self, model: Model, kind: ControlKind) -> Path | None:
        """The ControlNet beside a model. That of Mini reads lines alone; of others it is not known what they read."""
        beside = companions_of(model.folder) / CONTROLNET
        reads = kind in LINES or model.family != Family.MINI
        return beside if reads and (beside / "config.json").is_file() else None

    def _check_net(self, model: Model, name: str, place: Path) -> bool:
        """Raise `ModelMissing` unless a ControlNet is whole and, as far as its header tells, of the model's family.

        Returns whether it is a union.
        """
        files = (place,) if place.is_file() else component_weights(name, place, "diffusion_pytorch_model")
        for file in files:
            check_safetensors(name, file)
        header = read_weight_header(files[0])
        union = len(files) == 1 and is_union(header)
        base = str(recognise(header, name).family) if union else controlnet_base(header) if len(files) == 1 else ""
        known = {"sd1", "sd2", "sdxl"} & {model.family}
        if base and known and base != model.family and model.latent_channels == 4:
            raise ModelMissing(
                f"The ControlNet “{name}” steers {in_words(base)} models; “{model.name}” is {in_words(model.family)}.",
                "Choose another ControlNet, or another model.",
            )
        return union

    def _digest(self, single: bool, files: Sequence[Path]) -> str:
        """SHA-256 over the digests of weight files, each read once while it does not change; of a `single` one its own."""
        digests = [self._digest_of(file) for file in files]
        return digests[0].hex() if single else hashlib.sha256(b"".join(digests)).hexdigest()

    def _digest_of(self, file: Path) -> bytes:
        status = file.stat()
        place = (str(file), status.st_size, status.st_mtime_ns)
        if place not in self._digests:
            with file.open("rb") as stream:
                self._digests[place] = hashlib.file_digest(stream, "sha256").digest()
        return self._digests[place]


def _as_said(config: dict[str, Any], traits: Traits | None) -> dict[str, Any]:
    """The noise levels of a folder, with what the artist says of its prediction against its own configuration."""
    if traits is None or traits.prediction is Prediction.UNKNOWN:
        return config
    config = config | {"prediction_type": str(traits.prediction)}
    if traits.zero_snr is not None and traits.zero_snr != bool(config.get("rescale_betas_zero_snr")):
        config |= {"rescale_betas_zero_snr": traits.zero_snr}
        config |= {"timestep_spacing": "trailing"} if traits.zero_snr else {}
    return config


def _inside(place: Path, part: str) -> Path:
    """The folder of one part, which may be given itself or lie in a model's."""
    return place / part if (place / part / "config.json").is_file() else place


def _weights_of(name: str, place: Path, kind: Kind) -> tuple[Path, ...]:
    """The weight files of a model, or of a part that is a file or a folder."""
    if place.is_file() or kind is Kind.CHECKPOINT:
        return weight_files(name, place)
    part = _inside(place, CONTROLNET if kind is Kind.CONTROLNET else "vae")
    return component_weights(name, part, "diffusion_pytorch_model")


def _bytes_of_part(name: str, place: Path, kind: Kind) -> int:
    """About what a part will take, as `_bytes_on_disk`."""
    return sum(file.stat().st_size for file in _weights_of(name, place, kind))


def _is_xl(unet: Any) -> bool:
    return bool(unet.config.addition_embed_type == "text_time")


def _bytes_on_disk(name: str, place: Path) -> int:
    """About what a model will take; no promise, as files may be in another number format."""
    return sum(file.stat().st_size for file in weight_files(name, place))


def _check_fit(name: str, parts: Parts) -> None:
    """Raise `ModelMissing` for UNets that need more inputs than a prompt (inpainting, upscaling)."""
    if parts.unet.config.in_channels != parts.vae.config.latent_channels:
        raise ModelMissing(f"The model “{name}” is not made for text to image (inpainting?).", "Choose another model.")
