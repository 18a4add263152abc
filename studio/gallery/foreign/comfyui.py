"""ComfyUI: walks back from the node that saved the picture to the sampler, and from there to all that it was given."""

from __future__ import annotations

from studio.gallery.foreign.a1111 import note_schedules
from studio.gallery.foreign.carrier import PROMPT, WORKFLOW, Carried
from studio.gallery.foreign.comfytext import scalar, text_at
from studio.gallery.foreign.graph import NODES_MAX, Graph, Node, graph_of_prompt, graph_of_workflow
from studio.gallery.foreign.reading import MatchModel, Reading, Settings
from studio.gallery.foreign.values import number_of, object_of, shown_value, text_of, whole_of

SOURCE = "ComfyUI"
_SAMPLERS_MAX = 16
_CONDITION = ("positive", "negative", "conditioning", "guider", "basic_pipe", "pipe")
_STEPS = ("steps", "sigmas")
_MODEL_NAMES = ("ckpt_name", "unet_name", "model_path", "base_ckpt_name", "model_name")
_TO_MODEL = ("model", "model1", "model2", "MODEL", "base_model", "basic_pipe", "pipe", "guider", "lora_stack",
     "optional_lora_stack", "clip", "CLIP", "sigmas")  # fmt: skip
_TO_LATENT = ("latent_image", "latent", "samples", "LATENT", "pixels", "image", "images", "pipe", "basic_pipe")
_TO_VALUE = ("sigmas", "noise", "input", "input 0", "any", "value")  # through splitters and reroutes
_SCHEDULES = {"karras": "karras", "polyexponential": "polyexponential", "exponential": "exponential", "beta": "beta",
              "turbo": "sd turbo", "alignyoursteps": "align your steps"}  # fmt: skip
_SILENT = {  # nodes whose whole meaning the recipe holds, or that change nothing
    "VAEDecode", "VAEDecodeTiled", "VAEEncode", "SaveImage", "PreviewImage", "CLIPTextEncode", "EmptyLatentImage",
    "EmptySD3LatentImage", "CheckpointLoaderSimple", "UNETLoader", "CLIPLoader", "DualCLIPLoader", "DiffusersLoader",
    "KSamplerSelect", "BasicScheduler", "RandomNoise", "CFGGuider", "BasicGuider", "KarrasScheduler",
    "ExponentialScheduler", "PolyexponentialScheduler", "ConditioningZeroOut", "ControlNetLoader", "LoadImage",
    "LoraLoader", "LoraLoaderModelOnly", "CLIPSetLastLayer", "ControlNetApply", "ControlNetApplyAdvanced",
    "PrimitiveNode", "Reroute", "Note", "VAELoader", "bypassed",
}  # fmt: skip


def read(carried: Carried, match: MatchModel | None) -> Reading | None:
    """The settings in `prompt`, or, where that is missing, in `workflow`. None when neither holds a graph."""
    for key, build in ((PROMPT, graph_of_prompt), (WORKFLOW, graph_of_workflow)):
        card = object_of(carried.get(key))
        graph = None if card is None else build(card)
        if graph is not None:
            settings = Settings(SOURCE, carried.get(key), carried.pixels, match)
            if len(graph.nodes) >= NODES_MAX:
                settings.note(f"The graph is too large to be read whole; the first {NODES_MAX:,} nodes were")
            _take(settings, graph)
            return settings.reading()
    return None


def _take(settings: Settings, graph: Graph) -> None:
    reached = _reached(settings, graph)
    samplers = [(distance, node) for distance, node in reached if _is_sampler(node)][:_SAMPLERS_MAX]
    if not samplers:
        settings.note("No sampler was found in the graph")
        return _note_nodes(settings, [node for _, node in reached], None)
    # the pass that began from noise decided the picture; the farthest one is the first
    _, chosen = max(samplers, key=lambda found: (_denoise(graph, found[1]) >= 1, found[0]))
    for _, other in samplers:
        if other is not chosen:
            settings.note(f"Another sampler, node {other.id}", f"{other.kind} {shown_value(other.values, 120)}")
    _take_sampler(settings, graph, chosen)
    _take_model(settings, graph, chosen)
    _take_size(settings, graph, chosen)
    return _note_nodes(settings, [node for _, node in reached], chosen)


def _reached(settings: Settings, graph: Graph) -> list[tuple[int, Node]]:
    """All nodes behind the node that saved the picture; behind a preview, or simply all, where there is none."""
    for word in ("save", "preview"):
        sinks = [node for node in graph.nodes.values() if word in node.kind.lower() and _shows(node)]
        if sinks:
            if len(sinks) > 1 and word == "save":
                settings.note("Several nodes save pictures; which one saved this cannot be told", len(sinks))
            return list(graph.upstream(*sinks))
    settings.note("No node that saves a picture was found; the graph is read without it")
    return [(0, node) for node in graph.nodes.values()]


def _shows(node: Node) -> bool:
    return any(name in node.links for name in ("images", "image", "samples", "IMAGE"))


def _is_sampler(node: Node) -> bool:
    return any(node.has(name) for name in _CONDITION) and (
        any(node.has(name) for name in _STEPS) or node.has("sampler_name")
    )


def _denoise(graph: Graph, node: Node) -> float:
    """How much noise a pass begins with, 1 for all; a later part of KSamplerAdvanced counts as less."""
    if (whole_of(scalar(graph, node, "start_at_step")) or 0) > 0:
        return 0.5
    source = node if node.has("denoise") else _first(graph, node, "sigmas", "denoise")
    value = number_of(scalar(graph, source, "denoise")) if source is not None else None
    return 1.0 if value is None else value


def _first(graph: Graph, node: Node, by: str, name: str) -> Node | None:
    """The nearest node behind the link `by` that has an input `name`."""
    start = graph.at(node.links.get(by))
    return next((found for _, found in graph.upstream(start, through=_TO_VALUE) if found.has(name)), None)


def _take_sampler(settings: Settings, graph: Graph, node: Node) -> None:
    seeds = (node, "seed"), (node, "noise_seed"), (_first(graph, node, "noise", "noise_seed"), "noise_seed")
    settings.seed(next((value for owner, name in seeds if (value := scalar(graph, owner, name)) is not None), ""))
    stepping = node if node.has("steps") else _first(graph, node, "sigmas", "steps")
    settings.steps(scalar(graph, stepping, "steps"))
    guider = graph.at(node.links.get("guider")) or node
    guidance = scalar(graph, guider, "cfg")
    settings.guidance(1.0 if guidance is None and guider.kind == "BasicGuider" else guidance)
    settings.sampler(*_sampler_names(graph, node, stepping))
    denoise = _denoise(graph, node)
    if denoise < 1:
        settings.note("Denoise", denoise)
    positive, negative = text_at(graph, guider, "positive"), text_at(graph, guider, "negative")
    settings.prompt(positive if positive is not None else text_at(graph, guider, "conditioning"))
    if negative:
        settings.negative(negative)
    note_schedules(settings, positive or "", negative or "")


def _sampler_names(graph: Graph, node: Node, stepping: Node | None) -> tuple[str, str]:
    picker = node if node.has("sampler_name") else graph.at(node.links.get("sampler"))
    name = text_of(scalar(graph, picker, "sampler_name"))
    if not name and picker is not None and picker is not node:
        name = picker.kind.removeprefix("Sampler")  # SamplerDPMPP_2M_SDE and friends name the method by their class
    schedule = text_of(scalar(graph, stepping, "scheduler"))
    if not schedule and stepping is not None and stepping is not node:
        kind = stepping.kind.lower()
        schedule = next((known for word, known in _SCHEDULES.items() if word in kind), "")
    return name, schedule


def _take_model(settings: Settings, graph: Graph, node: Node) -> None:
    """The checkpoint, the LoRAs and the clip skip on the way from the sampler to the loader."""
    names: list[str] = []
    texts = [found for by in ("positive", "guider") for _, found in graph.upstream(graph.at(node.links.get(by)))]
    path = dict.fromkeys(found.id for _, found in graph.upstream(node, through=_TO_MODEL))
    path.update(dict.fromkeys(found.id for found in texts if found.kind == "CLIPSetLastLayer"))
    for key in path:
        found = graph.nodes[key]
        names += [text for name in _MODEL_NAMES if (text := text_of(scalar(graph, found, name)))][:1]
        _note_loras(settings, graph, found)
        layer = whole_of(scalar(graph, found, "stop_at_clip_layer"))
        if layer is not None and layer != -1:
            settings.clip_skip(abs(layer))
    if names:
        settings.model(names[0])
    for other in dict.fromkeys(names[1:]):
        if other != names[0]:
            settings.note("Another model", other)


def _note_loras(settings: Settings, graph: Graph, node: Node) -> None:
    if name := text_of(scalar(graph, node, "lora_name")):
        weights = [scalar(graph, node, key) for key in ("strength_model", "strength_clip")]
        settings.lora(name, ", ".join(str(weight) for weight in weights if weight is not None))
    for value in list(node.values.values())[:100]:
        if isinstance(value, dict) and text_of(value.get("lora")) and value.get("on", True):  # Power Lora Loader
            settings.lora(value["lora"], value.get("strength", ""))


def _take_size(settings: Settings, graph: Graph, node: Node) -> None:
    start = graph.at(node.links.get("latent_image") or node.links.get("latent")) or node
    for _, found in graph.upstream(start, through=_TO_LATENT):
        if "LoadImage" in found.kind:
            settings.note("Made from another picture, which is not in the file", found.values.get("image", ""))
        if found.has("width") and found.has("height") and not settings.has("size"):
            settings.size(scalar(graph, found, "width"), scalar(graph, found, "height"))
        count = whole_of(scalar(graph, found, "batch_size"))
        if count is not None and count > 1:
            settings.note("Batch", f"{count} pictures share this seed; this may not be the first of them")


def _note_nodes(settings: Settings, nodes: list[Node], chosen: Node | None) -> None:
    """Say of every other node what it is: control networks with their strengths, and all that is not known."""
    for node in nodes:
        if node.kind.startswith("ControlNetApply"):
            settings.note("ControlNet (its picture is not in the file)", node.values)
        elif node.kind == "VAELoader":
            settings.note("VAE", node.values.get("vae_name", ""))
        elif node is not chosen and node.kind not in _SILENT and not _is_sampler(node):
            settings.note(f"Node {node.kind}", node.values or "")
