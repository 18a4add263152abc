"""Which ControlNets a layer can be read by, with the model that paints now; and what is wrong with its choice."""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.choices import ControlKind
from studio.core.control_nets import best_net, net_starter, nets_for, reads
from studio.core.detectors import LINES
from studio.core.hub import Starter
from studio.core.model_files import Family, Kind, ModelFile
from studio.core.recipe import ControlUse
from studio.state.models_model import ModelsModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Nets:
    """What a layer's card offers. `family` UNKNOWN: the model is not known (yet), and nothing is said against it.

    `own`: the model brings a ControlNet that reads this kind. `best`: what is taken where the layer names none.
    `named`: the file of the one that it names; None where that is not here. `starter`: what to fetch if none reads it.
    """

    family: Family = Family.UNKNOWN
    own: bool = False
    best: ModelFile | None = None
    fitting: tuple[ModelFile, ...] = ()
    others: tuple[ModelFile, ...] = ()
    named: ModelFile | None = None
    starter: Starter | None = None

    @property
    def lacks(self) -> bool:
        """Whether no ControlNet that is known reads the layer."""
        return self.family is not Family.UNKNOWN and not self.own and self.best is None


def nets_of(models: ModelsModel, base: str, use: ControlUse, starters: tuple[Starter, ...]) -> Nets:
    """The ControlNets for a layer of the studio's own kinds, with the base model of this name."""
    if not isinstance(use.kind, ControlKind):
        return Nets()
    named = None if use.net is None else models.find(use.net.name, Kind.CONTROLNET)
    file = models.find(base)
    if file is None:
        return Nets(named=named)
    usable = nets_for(models.files, file.family, use.kind)
    fitting = tuple(one for one in usable if reads(one.name, one.traits.variant, use.kind))
    own = use.kind in LINES if file.family is Family.MINI else file.path.suffix == ""  # of a folder it is not known
    return Nets(
        family=file.family,
        own=own,
        best=best_net(models.files, file.family, use.kind),
        fitting=fitting,
        others=tuple(one for one in usable if one not in fitting),
        named=named,
        starter=net_starter(starters, file.family, use.kind),
    )
