"""Detectors of control maps, known by their keys: those of controlnet-aux, and two in transformers' layout."""

from __future__ import annotations

from studio.core.model_files import Family, Kind, Traits
from studio.engine.intake.keys import Keys

_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("HED", ("norm", "block1.convs.0.weight", "block5.projection.weight")),
    ("PiDiNet", ("init_block.weight", "block1_1.conv1.weight", "classifier.weight")),
    ("TEED", ("block_1.conv1.weight", "block_cat.DWconv2.weight")),
    ("line art", ("model0.1.weight", "model1.0.weight", "model4.1.weight")),
    ("anime line art", ("model.model.0.weight", "model.model.1.model.1.weight", "model.model.3.weight")),
    ("M-LSD", ("backbone.features.0.0.weight", "block23.conv3.weight")),
    ("MiDaS", ("pretrained.model.patch_embed.backbone.stem.conv.weight", "scratch.output_conv.4.weight")),
    ("NormalBae", ("encoder.original_model.conv_stem.weight", "decoder.out_conv_res1.6.weight")),
    ("OpenPose, bodies", ("conv1_1.weight", "Mconv7_stage6_L1.weight", "Mconv7_stage6_L2.weight")),
    ("OpenPose, hands or faces", ("conv1_1.weight", "Mconv7_stage2.weight", "Mconv7_stage6.weight")),
    ("Depth Anything", ("backbone.embeddings.cls_token", "neck.reassemble_stage.layers.0.projection.weight")),
    ("UPerNet", ("decode_head.psp_modules.0.1.conv.weight", "decode_head.classifier.weight")),
    ("SegFormer", ("segformer.encoder.patch_embeddings.0.proj.weight", "decode_head.classifier.weight")),
)


def detector(keys: Keys) -> Traits | None:
    """A detector that finds control maps in pictures; `variant` names it."""
    for prefix in ("", "module."):
        inner = keys.under(prefix) if prefix and keys.starts(prefix) else keys
        for name, marks in _MARKS:
            if all(mark in inner for mark in marks):
                return Traits(kind=Kind.DETECTOR, family=Family.ANY, variant=name)
    return None
