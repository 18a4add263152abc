"""The plugins that come with the studio: trusted by name, only in the studio's own plugins folder. Knows nothing else."""

from __future__ import annotations

SHIPPED = (
    "t2i_adapter",
    "uni_controlnet",
    "ip_adapter",
    "lora",
    "guidance",
    "clip_rank",
    "prompt_expander",
    "wildcards",
    "invert",
)
