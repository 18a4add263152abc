"""Chinese captions: measure words, colours and word order as they are spoken. Knows scenes, not pixels."""

from __future__ import annotations

import numpy as np

from studio.mini.drawings.captions_en import is_story
from studio.mini.drawings.compose import is_airborne
from studio.mini.drawings.scene import Scene, Thing

KIND_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "house": (("座", "房子"), ("栋", "房子"), ("座", "小房子")),
    "sailboat": (("艘", "帆船"), ("艘", "帆船"), ("艘", "小帆船")),
    "tree": (("棵", "树"), ("棵", "大树")),
    "flower": (("朵", "花"), ("朵", "花"), ("朵", "小花")),
    "vase": (("个", "花瓶"), ("只", "花瓶")),
    "cat": (("只", "猫"), ("只", "小猫"), ("只", "猫咪")),
    "bird": (("只", "鸟"), ("只", "小鸟")),
    "fish": (("条", "鱼"), ("条", "小鱼")),
    "balloon": (("个", "气球"), ("只", "气球")),
    "mushroom": (("个", "蘑菇"), ("朵", "蘑菇")),
    "heart": (("颗", "心"), ("颗", "爱心"), ("颗", "爱心")),
    "star": (("颗", "星星"), ("颗", "五角星")),
    "apple": (("个", "苹果"),),
    "cup": (("个", "杯子"), ("只", "杯子")),
    "car": (("辆", "汽车"), ("辆", "小汽车")),
    "umbrella": (("把", "伞"), ("把", "雨伞")),
    "sun": (("个", "太阳"), ("轮", "太阳")),
    "moon": (("个", "月亮"), ("弯", "月亮"), ("轮", "弯月")),
    "cloud": (("朵", "云"), ("朵", "云彩")),
    "butterfly": (("只", "蝴蝶"),),
    "kite": (("只", "风筝"), ("个", "风筝")),
    "rocket": (("枚", "火箭"), ("支", "火箭")),
    "snowman": (("个", "雪人"),),
    "duck": (("只", "鸭子"), ("只", "小鸭子")),
    "cactus": (("棵", "仙人掌"), ("盆", "仙人掌")),
    "lamp": (("盏", "台灯"), ("盏", "灯")),
    "book": (("本", "书"),),
    "lighthouse": (("座", "灯塔"),),
    "rabbit": (("只", "兔子"), ("只", "小兔子")),
    "teapot": (("把", "茶壶"), ("个", "茶壶")),
    "turtle": (("只", "乌龟"), ("只", "海龟")),
    "whale": (("头", "鲸鱼"), ("条", "鲸鱼")),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("红色", "红"), "orange": ("橙色", "橘色"), "yellow": ("黄色", "黄"), "green": ("绿色", "绿"),
    "teal": ("青色", "蓝绿色"), "blue": ("蓝色", "蓝"), "purple": ("紫色", "紫"), "pink": ("粉色", "粉红色"),
    "brown": ("棕色", "褐色"), "black": ("黑色", "黑"), "white": ("白色", "白"), "gray": ("灰色", "灰"),
}  # fmt: skip
_NUMBERS = {1: ("一",), 2: ("两", "两", "两", "两", "2"), 3: ("三", "三", "三", "三", "3")}
_PLACES = {
    "hills": ("绿色山丘上", "绿色的山丘上", "山坡上", "小山上"),
    "mountains": ("群山前", "山前", "雪山前", "大山脚下"),
    "sea": ("海上", "海面上", "大海上"),
    "meadow": ("草地上", "绿色的草地上", "草坪上"),
    "underwater": ("水下", "海底", "水里", "海里"),
    "table": ("桌子上", "桌上", "木桌上"),
}
_ABOVE = {"hills": ("山丘上空", "绿色山丘上方"), "mountains": ("群山上空", "雪山上方"), "sea": ("海面上空", "大海上方"),
          "meadow": ("草地上空", "草地上方")}  # fmt: skip
_TAGS = {"hills": ("绿色山丘", "山丘"), "mountains": ("群山", "雪山"), "sea": ("大海", "海面"),
         "meadow": ("草地", "绿色草地"), "underwater": ("水下", "海底"), "table": ("桌子", "木桌")}  # fmt: skip
_HOURS = {"day": ("白天", "晴天"), "sunset": ("日落时", "黄昏时", "傍晚", "夕阳下"),
          "night": ("夜晚", "夜里", "晚上", "星空下")}  # fmt: skip
_SKIES = {"day": ("蓝天", "蓝天", "白天"), "sunset": ("日落", "橙色的天空", "黄昏", "夕阳"),
          "night": ("夜晚", "夜空", "星空")}  # fmt: skip
_ARTS = {"flat": ("扁平插画", "插画"), "ink": ("钢笔画", "墨线画", "线描"), "watercolour": ("水彩画", "水彩画", "水彩")}


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _coloured(colour: str, kind: str, rng: np.random.Generator) -> str:
    """红色的房子, 红色房子 or 红房子; the short form only with colours that are said so."""
    long, short = COLOUR_WORDS[colour][0], COLOUR_WORDS[colour][1]
    form = rng.random()
    if len(short) == 1 and form < 0.25 and kind[0] not in "小心":
        return short + kind
    name = short if len(short) > 1 and form < 0.2 else long
    return name + ("的" if form > 0.55 or len(kind) == 1 else "") + kind


def noun_zh(thing: Thing, rng: np.random.Generator) -> str:
    """Number, measure word, colour and kind: 一座红房子, 两只黑色的猫."""
    measure, kind = KIND_WORDS[thing.kind][int(rng.integers(len(KIND_WORDS[thing.kind])))]
    return _pick(rng, _NUMBERS[thing.count]) + measure + _coloured(thing.colour, kind, rng)


def _subject(scene: Scene, rng: np.random.Generator) -> str:
    first = noun_zh(scene.things[0], rng)
    if len(scene.things) == 1:
        return first
    second = noun_zh(scene.things[1], rng)
    if is_story(scene):
        above = ("{0}，上方是{1}", "{0}，天上有{1}", "{0}和天上的{1}", "{1}在{0}上方")
        return _pick(rng, above).format(first, second)
    beside = ("左边是{0}，右边是{1}", "左边{0}，右边{1}", "左边有{0}，右边有{1}", "{0}在左，{1}在右", "{0}在{1}的左边")
    return _pick(rng, beside).format(first, second)


def _place(scene: Scene, rng: np.random.Generator) -> str:
    if scene.setting == "plain" or rng.random() > 0.87:
        return ""
    if is_airborne(scene.things[0].kind, scene.setting) and scene.setting in _ABOVE:
        return _pick(rng, _ABOVE[scene.setting])
    return _pick(rng, _PLACES[scene.setting])


def _ground(scene: Scene, rng: np.random.Generator) -> str:
    if not scene.background or rng.random() > 0.87:
        return ""
    colour = COLOUR_WORDS[scene.background][0]
    if scene.setting == "table":
        return _pick(rng, (f"{colour}背景", f"{colour}的墙", f"{colour}墙壁"))
    return _pick(rng, (f"{colour}背景", f"{colour}背景", f"{colour}的背景", f"纯{colour}背景"))


def _timed(scene: Scene) -> bool:
    return scene.setting not in ("plain", "table", "underwater")


def _chance_of_hour(scene: Scene) -> float:
    if not _timed(scene):
        return 0.0
    return 0.5 if scene.time == "day" else 0.88


def _listed(scene: Scene, rng: np.random.Generator, art: str) -> str:
    """一座红房子，绿色山丘，蓝天: the things, then the rest as a list."""
    parts = [_subject(scene, rng)]
    if scene.setting != "plain" and rng.random() < 0.87:
        parts.append(_pick(rng, _TAGS[scene.setting]))
    parts.append(_ground(scene, rng))
    if rng.random() < _chance_of_hour(scene):
        parts.append(_pick(rng, _SKIES[scene.time]))
    return "，".join(part for part in (*parts, art) if part)


def _sentence(scene: Scene, rng: np.random.Generator, art: str) -> str:
    """日落时，海上的一艘白色帆船 or 草地上有一只黑猫: time, place, then the things."""
    hour = _pick(rng, _HOURS[scene.time]) if rng.random() < _chance_of_hour(scene) else ""
    subject, place = _subject(scene, rng), _place(scene, rng)
    body = place + ("，" if len(scene.things) > 1 else _pick(rng, ("的", "有"))) + subject if place else subject
    pause = hour and (not place or hour in _HOURS["day"] or rng.random() < 0.4)
    text = hour + ("，" if pause else "") + body
    ground = _ground(scene, rng)
    return text + (f"，{ground}" if ground else "") + (f"，{art}" if art else "")


def caption_zh(scene: Scene, rng: np.random.Generator) -> str:
    """One Chinese caption of the scene."""
    art = _pick(rng, _ARTS[scene.style]) if rng.random() < (0.12 if scene.style == "flat" else 0.87) else ""
    if art and rng.random() < 0.25:
        return f"{art}，{_sentence(scene, rng, '')}" if rng.random() < 0.5 else f"{art}：{_listed(scene, rng, '')}"
    return _listed(scene, rng, art) if rng.random() < 0.5 else _sentence(scene, rng, art)
