"""ComfyUI's node graph as plain values, from a `prompt` or a `workflow` chunk, and ways to walk it. Never recursive.

`prompt`: node id -> {class_type, inputs}; an input is a value or a link [node id, output]. `workflow`: the editor's
nodes with values by position and links as rows [id, from, output, to, input, type].
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from studio.gallery.foreign.values import Json, text_of

NODES_MAX = 5_000  # the largest graphs that people share have some hundreds
_MUTED, _BYPASSED = 2, 4  # the editor's modes of a node that does not take part

Link = tuple[str, int]  # node id, number of its output

_WIDGETS: dict[str, tuple[str, ...]] = {  # where each value of a core node stands in `widgets_values`
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps",),
    "CFGGuider": ("cfg",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeSDXL": ("width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "DiffusersLoader": ("model_path",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "ControlNetLoader": ("control_net_name",),
    "ControlNetApply": ("strength",),
    "ControlNetApplyAdvanced": ("strength", "start_percent", "end_percent"),
    "VAELoader": ("vae_name",),
    "LoadImage": ("image",),
    "PrimitiveNode": ("value",),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: its class, its plain inputs and its links by input name."""

    id: str
    kind: str
    values: Json = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return name in self.values or name in self.links


class Graph:
    """All nodes by id. Links to nodes that are not there stay and lead nowhere."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self.nodes = nodes

    def at(self, link: Link | None) -> Node | None:
        return None if link is None else self.nodes.get(link[0])

    def upstream(self, *starts: Node | None, through: tuple[str, ...] | None = None) -> Iterator[tuple[int, Node]]:
        """Every node that feeds the starts, them included, each once and nearest first, with its distance.

        `through`: the input names that are followed, all of them where None.
        """
        waiting = deque((0, node) for node in starts if node is not None)
        seen = {node.id for _, node in waiting}
        while waiting:
            distance, node = waiting.popleft()
            yield distance, node
            links = (
                node.links.values() if through is None else [node.links[name] for name in through if name in node.links]
            )
            for link in links:
                feeder = self.at(link)
                if feeder is not None and feeder.id not in seen:
                    seen.add(feeder.id)
                    waiting.append((distance + 1, feeder))


def graph_of_prompt(card: Json) -> Graph | None:
    """The graph in a `prompt` object, None when it holds no node."""
    nodes = {}
    for key, entry in list(card.items())[:NODES_MAX]:
        kind = text_of(entry.get("class_type")) if isinstance(entry, dict) else ""
        if kind:
            nodes[key] = _node(key, kind, entry.get("inputs"))
    return Graph(nodes) if nodes else None


def _node(key: str, kind: str, inputs: object) -> Node:
    node = Node(id=key, kind=kind)
    for name, value in (inputs if isinstance(inputs, dict) else {}).items():
        link = link_of(value)
        if link is not None:
            node.links[name] = link
        else:
            node.values[name] = value
    return node


def link_of(value: object) -> Link | None:
    """A link [node id, output number], or None for a plain value."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], int) or isinstance(value[1], bool):
        return None
    return (str(value[0]), value[1]) if isinstance(value[0], str | int) and not isinstance(value[0], bool) else None


def graph_of_workflow(card: Json) -> Graph | None:
    """The graph in a `workflow` object (the editor's), None when it holds no node. Muted nodes are left out."""
    rows = card.get("links")
    links = {
        key: link for row in (rows if isinstance(rows, list) else []) if (key := _row_id(row)) and (link := _from(row))
    }
    nodes: dict[str, Node] = {}
    entries = card.get("nodes")
    for entry in (entries if isinstance(entries, list) else [])[:NODES_MAX]:
        if isinstance(entry, dict) and text_of(entry.get("type")) and entry.get("mode") != _MUTED:
            key = str(entry.get("id"))[:80]
            kind = "bypassed" if entry.get("mode") == _BYPASSED else text_of(entry.get("type"))
            values = {} if kind == "bypassed" else _widgets(kind, entry.get("widgets_values"))
            nodes[key] = Node(id=key, kind=kind, values=values, links=_inputs(entry.get("inputs"), links))
    return Graph(nodes) if nodes else None


def _row_id(row: object) -> str:
    if isinstance(row, dict):  # newer editors write {id, origin_id, origin_slot, ...}
        return str(row.get("id"))[:80]
    return str(row[0])[:80] if isinstance(row, list) and len(row) >= 5 else ""


def _from(row: Any) -> Link | None:  # Any: a row whose id could be read
    if isinstance(row, dict):
        return link_of([row.get("origin_id"), row.get("origin_slot")])
    return link_of([row[1], row[2]])


def _inputs(inputs: object, links: dict[str, Link]) -> dict[str, Link]:
    found: dict[str, Link] = {}
    for i, item in enumerate(inputs if isinstance(inputs, list) else []):
        if isinstance(item, dict) and (link := links.get(str(item.get("link"))[:80])):
            found[text_of(item.get("name")) or f"input {i}"] = link  # a reroute's only input has no name
    return found


def _widgets(kind: str, values: object) -> Json:
    if isinstance(values, dict):
        return values
    names = _WIDGETS.get(kind, ())
    named = dict(zip(names, values, strict=False)) if isinstance(values, list) else {}
    named.pop("", None)
    if isinstance(values, list) and not names and len(values) <= 100:  # shown to the artist, not understood
        named = {f"value {i + 1}": value for i, value in enumerate(values)}
    return named
