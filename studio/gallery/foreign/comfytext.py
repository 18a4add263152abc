"""Single values and texts in a ComfyUI graph: followed through links to where somebody typed them. Knows no sampler."""

from __future__ import annotations

from typing import Any

from studio.gallery.foreign.graph import Graph, Link, Node
from studio.gallery.foreign.values import plain

_HOPS_MAX = 64
_PIECES_MAX = 200
_DEPTH_MAX = 40
_VALUE_NAMES = ("value", "seed", "noise_seed", "int", "float", "number", "Number", "INT", "FLOAT", "text", "string")
_TEXT_NAMES = (
    "text", "text_g", "text_l", "clip_l", "clip_g", "t5xxl", "populated_text", "wildcard_text", "prompt", "string",
    "string_a", "string_b", "text_a", "text_b", "text1", "text2", "text_1", "text_2", "value", "Text",
)  # fmt: skip
_DUMB = ("ConditioningZeroOut",)  # gives a condition that says nothing


def scalar(graph: Graph, node: Node | None, name: str) -> Any:  # Any: what json gives; None when there is none
    """The value of an input, through links to the node that holds it as a plain value."""
    for _ in range(_HOPS_MAX):
        if node is None:
            return None
        if name in node.values:
            return node.values[name]
        link = node.links.get(name)
        if link is None:
            return None
        node = graph.at(link)
        if node is not None and not node.has(name):
            name = next((other for other in _VALUE_NAMES if node.has(other)), _only_link(node))
    return None


def _only_link(node: Node) -> str:
    return next(iter(node.links)) if len(node.links) == 1 else ""


def text_at(graph: Graph, node: Node, name: str) -> str | None:
    """The words behind a conditioning input; several encoders are joined by commas. None when there is no such input."""
    if isinstance(node.values.get(name), str):
        return plain(node.values[name])
    link = node.links.get(name)
    if link is None:
        return None
    pieces: dict[str, None] = {}
    _condition(graph, link, name, pieces, set(), 0)
    return ", ".join(piece for piece in pieces if piece)


def _condition(graph: Graph, link: Link, role: str, pieces: dict[str, None], seen: set[Link], depth: int) -> None:
    """Gathers texts behind a link. `seen` holds nodes by id and role (0 positive), so each is entered at most twice."""
    node = graph.at(link)
    key = (link[0], int(role == "negative"))
    if node is None or key in seen or depth > _DEPTH_MAX or len(pieces) > _PIECES_MAX or node.kind in _DUMB:
        return
    seen.add(key)
    if isinstance(node.values.get(role), str):  # a loader that holds both texts itself
        pieces[plain(node.values[role]).strip()] = None
        return
    if "positive" in node.links or "negative" in node.links:  # passes a pair on, as ControlNetApplyAdvanced does
        role = ("positive", "negative")[link[1]] if link[1] in (0, 1) else role
        if role in node.links:
            _condition(graph, node.links[role], role, pieces, seen, depth + 1)
        return
    if any(node.has(name) for name in _TEXT_NAMES):
        pieces[_words(graph, node, set(), 0).strip()] = None
        return
    for name, below in node.links.items():
        if name not in ("model", "clip", "vae", "control_net", "image", "mask", "pixels", "clip_vision_output"):
            _condition(graph, below, role, pieces, seen, depth + 1)


def _words(graph: Graph, node: Node | None, seen: set[str], depth: int) -> str:
    """The text that a node of strings gives: its own, or those it was given, put together as it says."""
    if node is None or node.id in seen or depth > _DEPTH_MAX or len(seen) > _PIECES_MAX:
        return ""
    seen.add(node.id)
    found: dict[str, None] = {}
    for name in _TEXT_NAMES:
        if isinstance(node.values.get(name), str):
            found[plain(node.values[name])] = None
        elif name in node.links:
            found[_words(graph, graph.at(node.links[name]), seen, depth + 1)] = None
    if not found and len(node.links) == 1:  # a reroute, or a node that only shows
        return _words(graph, graph.at(next(iter(node.links.values()))), seen, depth + 1)
    between = node.values.get("delimiter", node.values.get("separator", " "))
    return (between if isinstance(between, str) else " ").join(text for text in found if text)
