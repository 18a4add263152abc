"""Captions by language, and the fixed prompts of the sample sheets. Knows no grammar itself."""

from __future__ import annotations

import numpy as np

from studio.mini.drawings.captions_en import caption_en
from studio.mini.drawings.captions_zh import caption_zh
from studio.mini.drawings.scene import Scene

FIXED_PROMPTS: tuple[tuple[str, str], ...] = (
    ("a red house on green hills, blue sky", "一座红房子，绿色山丘，蓝天"),
    ("a white sailboat on the sea at sunset", "日落时海上的一艘白色帆船"),
    ("a black cat in a meadow at night", "夜晚，草地上的一只黑猫"),
    ("two orange fish under water", "水下的两条橙色的鱼"),
    ("a red apple on the left and a blue cup on the right, on a table, yellow background",
     "桌子上，左边是一个红苹果，右边是一个蓝色杯子，黄色背景"),
    ("a purple umbrella on a white background", "一把紫色的雨伞，白色背景"),
    ("three pink flowers in a meadow, watercolour", "草地上的三朵粉色小花，水彩画"),
    ("an ink drawing of a green tree in front of mountains", "钢笔画：一棵绿色的大树，群山"),
    ("a yellow car on a teal background", "一辆黄色汽车，青色背景"),
    ("a teal teapot on a wooden table, pink wall", "木桌上的一把青色茶壶，粉色的墙"),
    ("a brown rabbit and a yellow moon above, green hills, starry night",
     "一只棕色的兔子，天上有一个黄色月亮，绿色山丘，星空"),
    ("a red balloon over the sea, blue sky, watercolor painting", "海面上空的一个红气球，蓝天，水彩画"),
)  # fmt: skip


def caption(scene: Scene, rng: np.random.Generator, language: str = "en") -> str:
    """One caption of a scene in English ("en") or Chinese ("zh"). Raises ValueError for another language."""
    if language not in ("en", "zh"):
        raise ValueError(f"no captions in {language!r}")
    return caption_zh(scene, rng) if language == "zh" else caption_en(scene, rng)
