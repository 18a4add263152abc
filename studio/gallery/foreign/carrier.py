"""Where a picture carries text: PNG chunks, EXIF of JPEG and WebP, the lowest bits of its pixels. Knows no format's meaning."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from PIL import Image

from studio.gallery.chunks import read_texts
from studio.gallery.foreign import exif
from studio.gallery.foreign.stealth import hidden_text
from studio.gallery.foreign.values import object_of, plain

PARAMETERS, PROMPT, WORKFLOW, SCHEME = "parameters", "prompt", "workflow", "fooocus_scheme"
_CHUNKS = (
    PARAMETERS, PROMPT, WORKFLOW, SCHEME, "invokeai", "sd-metadata", "Dream", "Software", "Title", "Source",
    "Description", "Comment", "UserComment",
)  # fmt: skip
_GRAPHS = {"prompt:": PROMPT, "workflow:": WORKFLOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The texts of a picture by their keywords, and its size in pixels (0 where not known).

    `labelled`: the texts lay under names that only such programs use. An EXIF comment may as well be a camera's.
    """

    texts: dict[str, str] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    labelled: bool = True

    @property
    def pixels(self) -> tuple[int, int]:
        return self.width, self.height

    def get(self, key: str) -> str:
        return self.texts.get(key, "")


def carried_by(data: bytes) -> Carried | None:
    """What a PNG, JPEG or WebP carries outside its pixels; None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        found = read_texts(io.BytesIO(data), _CHUNKS)
        texts = {} if found is None else {key: plain(_mended(texts[0])) for key, texts in found.texts.items()}
        width, height = (0, 0) if found is None else (found.width, found.height)
        texts = texts if PARAMETERS in texts or "UserComment" not in texts else _sorted_in(texts, texts["UserComment"])
        return Carried(texts=texts, width=width, height=height)
    if data.startswith(b"\xff\xd8\xff") or (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        width, height = _size(data)
        return Carried(texts=_of_exif(exif.tags_of(exif.exif_block(data))), width=width, height=height, labelled=False)
    return None


def hidden_in(data: bytes, seen: Carried) -> Carried | None:
    """What the pixels of a PNG hide, or None. Decodes the picture, so ask for it last."""
    text = hidden_text(data) if data.startswith(b"\x89PNG\r\n\x1a\n") else None
    if not text:
        return None
    return Carried(texts=_sorted_in({}, plain(text)), width=seen.width, height=seen.height)


def _of_exif(tags: exif.Tags) -> dict[str, str]:
    texts: dict[str, str] = {}
    for tag in (exif.MAKE, exif.MODEL, exif.DESCRIPTION):  # ComfyUI's savers use the first tags that they find
        text = plain(exif.ascii_text(tags.get(tag, b"")))
        for mark, key in _GRAPHS.items():
            if text[: len(mark)].lower() == mark:
                texts.setdefault(key, text[len(mark) :].strip())
    for tag, key in ((exif.SOFTWARE, "Software"), (exif.MAKER_NOTE, SCHEME), (exif.DESCRIPTION, "Description")):
        text = plain(exif.ascii_text(tags.get(tag, b"")))
        if text and not (key == SCHEME and text not in ("fooocus", "a1111")):
            texts.setdefault(key, text)
    comment = plain(exif.comment_text(tags.get(exif.COMMENT, b"")))
    return _sorted_in(texts, comment) if comment else texts


def _sorted_in(texts: dict[str, str], comment: str) -> dict[str, str]:
    """A text that stands alone is put under the keyword that a PNG would give it."""
    card = object_of(comment)
    if card is not None and isinstance(card.get("Comment"), str):  # NovelAI: all its chunks as one object
        return {**texts, **{key: value for key, value in card.items() if isinstance(value, str)}}
    if card is not None and any(isinstance(node, dict) and "class_type" in node for node in card.values()):
        return {**texts, PROMPT: comment}  # ComfyUI as Civitai keeps it
    return {**texts, PARAMETERS: comment}


def _mended(text: str) -> str:
    """UTF-8 that was written where PNG wants Latin-1 (tEXt); anything else stays."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _size(data: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "WEBP"]) as image:
            return image.size
    except Exception:  # a decoder may raise anything on foreign bytes; the size is a convenience
        return 0, 0
