"""ComfyUI's graphs: from the saved picture back to the first sampler, whatever stands between, loops included."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from studio.core.choices import Spacing
from studio.core.recipe import Size
from studio.gallery.foreign.door import read_foreign
from studio.gallery.foreign.graph import NODES_MAX
from tests.gallery.foreign.pictures import notes_in, png_with, recipe_in, tiff, understood, webp_with

Graph = dict[str, Any]


def node(kind: str, **inputs: object) -> Graph:
    return {"class_type": kind, "inputs": inputs}


def graph(**changes: Graph) -> Graph:
    """A text-to-picture graph; `n3=...` replaces or adds node 3."""
    nodes = {
        "3": node(
            "KSampler", seed=42, steps=25, cfg=7.5, sampler_name="dpmpp_2m", scheduler="karras", denoise=1.0,
            model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0],
        ),
        "4": node("CheckpointLoaderSimple", ckpt_name="sd/dream shaper.safetensors"),
        "5": node("EmptyLatentImage", width=640, height=384, batch_size=1),
        "6": node("CLIPTextEncode", text="a boat, 船", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="fog", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="../../x", images=["8", 0]),
    }  # fmt: skip
    nodes.update({key.removeprefix("n"): value for key, value in changes.items()})
    return nodes


def picture(nodes: object) -> bytes:
    return png_with(prompt=json.dumps(nodes))


def test_a_plain_graph_is_understood_whole() -> None:
    found = understood(picture(graph()))
    made = found.recipe
    assert made is not None
    assert (made.prompt, made.negative_prompt, made.seed, made.steps) == ("a boat, 船", "fog", 42, 25)
    assert (made.scheduler, made.spacing, made.guidance_scale) == ("dpmpp_2m", Spacing.KARRAS, 7.5)
    assert (made.size, made.model.name) == (Size(width=640, height=384), "dream shaper")
    assert (found.source, found.not_understood) == ("ComfyUI", ())


def test_loras_clip_skip_and_control_are_named() -> None:
    nodes = graph(
        n10=node("LoraLoader", lora_name="ink.safetensors", strength_model=0.7, strength_clip=1, model=["4", 0], clip=["4", 1]),
        n11=node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["10", 1]),
        n12=node("ControlNetApplyAdvanced", strength=0.5, positive=["6", 0], negative=["7", 0], control_net=["13", 0], image=["14", 0]),
        n13=node("ControlNetLoader", control_net_name="scribble.pth"),
        n14=node("LoadImage", image="sketch.png"),
    )  # fmt: skip
    nodes["6"]["inputs"]["clip"] = ["11", 0]
    nodes["3"]["inputs"].update(model=["10", 0], positive=["12", 0], negative=["12", 1])
    data = picture(nodes)
    assert (recipe_in(data).prompt, recipe_in(data).negative_prompt) == ("a boat, 船", "fog"), (
        "through the control node"
    )
    assert recipe_in(data).model.name == "dream shaper"
    lines = understood(data).not_understood
    assert "missing: LoRA ink: 0.7, 1" in lines
    assert any(line.startswith("ControlNet (its picture is not in the file)") for line in lines)


def test_the_first_of_two_passes_decides() -> None:
    second = node(
        "KSampler", seed=1, steps=9, cfg=2, sampler_name="ddim", scheduler="normal", denoise=0.4,
        model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["20", 0],
    )  # fmt: skip
    nodes = graph(n20=node("LatentUpscale", samples=["3", 0], width=1280, height=768), n21=second)
    nodes["8"]["inputs"]["samples"] = ["21", 0]
    made = recipe_in(picture(nodes))
    assert (made.seed, made.steps, made.size) == (42, 25, Size(width=640, height=384))
    assert "Another sampler, node 21" in notes_in(picture(nodes))
    assert "Node LatentUpscale" in notes_in(picture(nodes))


def test_samplers_in_pieces() -> None:
    nodes = graph(
        n3=node("SamplerCustomAdvanced", noise=["30", 0], guider=["31", 0], sampler=["32", 0], sigmas=["33", 0], latent_image=["5", 0]),
        n30=node("RandomNoise", noise_seed=11),
        n31=node("CFGGuider", cfg=3.5, model=["4", 0], positive=["6", 0], negative=["7", 0]),
        n32=node("KSamplerSelect", sampler_name="uni_pc_bh2"),
        n33=node("BasicScheduler", scheduler="sgm_uniform", steps=18, denoise=1, model=["4", 0]),
    )  # fmt: skip
    made = recipe_in(picture(nodes))
    assert (made.seed, made.guidance_scale, made.steps) == (11, 3.5, 18)
    assert (made.scheduler, made.spacing) == ("unipc", Spacing.TRAILING)
    assert (made.prompt, made.negative_prompt, made.model.name) == ("a boat, 船", "fog", "dream shaper")


def test_a_basic_guider_has_no_guidance_and_no_negative() -> None:
    nodes = graph(
        n3=node("SamplerCustomAdvanced", noise=["30", 0], guider=["31", 0], sampler=["32", 0], sigmas=["33", 0], latent_image=["5", 0]),
        n30=node("RandomNoise", noise_seed=11),
        n31=node("BasicGuider", model=["4", 0], conditioning=["6", 0]),
        n32=node("SamplerDPMPP_2M_SDE", eta=1.0),
        n33=node("KarrasScheduler", steps=8, rho=7),
    )  # fmt: skip
    made = recipe_in(picture(nodes))
    assert (made.guidance_scale, made.prompt, made.negative_prompt) == (1.0, "a boat, 船", "")
    assert (made.scheduler, made.spacing, made.steps) == ("dpmpp_2m_sde", Spacing.KARRAS, 8)


def test_values_and_texts_through_links() -> None:
    nodes = graph(
        n40=node("Seed (rgthree)", seed=99),
        n41=node("INTConstant", value=31),
        n42=node("StringConcatenate", string_a=["43", 0], string_b="two", delimiter=" + "),
        n43=node("PrimitiveString", value="one"),
        n44=node("Reroute", input=["42", 0]),
    )
    nodes["3"]["inputs"].update(seed=["40", 0], steps=["41", 0])
    nodes["6"]["inputs"]["text"] = ["44", 0]
    made = recipe_in(picture(nodes))
    assert (made.seed, made.steps, made.prompt) == (99, 31, "one + two")


def test_joined_conditions_and_nothing_as_a_condition() -> None:
    nodes = graph(
        n50=node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["51", 0]),
        n51=node("CLIPTextEncodeSDXL", text_g="a lake", text_l="a lake", clip=["4", 1]),
        n52=node("ConditioningZeroOut", conditioning=["6", 0]),
    )
    nodes["3"]["inputs"].update(positive=["50", 0], negative=["52", 0])
    made = recipe_in(picture(nodes))
    assert (made.prompt, made.negative_prompt) == ("a boat, 船, a lake", "")


def test_the_advanced_sampler_and_a_64_bit_seed() -> None:
    first = node(
        "KSamplerAdvanced", noise_seed=2**40 + 5, steps=30, cfg=6, sampler_name="euler_ancestral", scheduler="normal",
        start_at_step=0, end_at_step=20, model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0],
    )  # fmt: skip
    later = json.loads(json.dumps(first))
    later["inputs"].update(noise_seed=0, start_at_step=20, latent_image=["3", 0])
    nodes = graph(n3=first, n60=later)
    nodes["8"]["inputs"]["samples"] = ["60", 0]
    made = recipe_in(picture(nodes))
    assert (made.seed, made.scheduler) == (5, "euler_a")
    assert f"{2**40 + 5} does not fit into 32 bits; 5 is used" in notes_in(picture(nodes))


def test_from_another_picture() -> None:
    nodes = graph(n5=node("VAEEncode", pixels=["70", 0], vae=["4", 2]), n70=node("LoadImage", image="in.png"))
    nodes["3"]["inputs"]["denoise"] = 0.6
    data = picture(nodes)
    assert recipe_in(data).size == Size(width=96, height=64), "the picture's own"
    assert "Made from another picture, which is not in the file: in.png" in notes_in(data)
    assert "Denoise: 0.6" in notes_in(data)


def test_unknown_nodes_are_shown_and_batches_said() -> None:
    nodes = graph(
        n5=node("EmptyLatentImage", width=512, height=512, batch_size=4), n80=node("FreeU", b1=1.1, model=["4", 0])
    )
    nodes["3"]["inputs"]["model"] = ["80", 0]
    text = notes_in(picture(nodes))
    assert 'Node FreeU: {"b1": 1.1}' in text
    assert "4 pictures share this seed" in text
    assert recipe_in(picture(nodes)).model.name == "dream shaper", "found behind the unknown node"


def test_nan_is_let_in_and_not_used() -> None:
    text = json.dumps(graph()).replace('"cfg": 7.5', '"cfg": NaN').replace('"denoise": 1.0', '"denoise": Infinity')
    data = png_with(prompt=text)
    assert recipe_in(data).guidance_scale == 5.0
    assert "Guidance: NaN" in notes_in(data)


def test_without_a_save_node() -> None:
    nodes = graph()
    del nodes["9"], nodes["8"]
    assert recipe_in(picture(nodes)).seed == 42
    assert "No node that saves a picture was found" in notes_in(picture(nodes))


def test_without_a_sampler() -> None:
    found = understood(picture({"1": node("LoadImage", image="a.png"), "2": node("SaveImage", images=["1", 0])}))
    assert (found.recipe, found.source) == (None, "ComfyUI")
    assert "No sampler was found in the graph" in found.not_understood


def test_an_unused_sampler_is_not_read() -> None:
    other = json.loads(json.dumps(graph()["3"]))
    other["inputs"]["seed"] = 1
    assert recipe_in(picture(graph(n1=other))).seed == 42


def test_power_loras_and_a_loader_that_holds_the_texts() -> None:
    nodes = graph(
        n90=node("Power Lora Loader (rgthree)", lora_1={"on": True, "lora": "a.safetensors", "strength": 0.5},
                 lora_2={"on": False, "lora": "b.safetensors", "strength": 1}, model=["4", 0]),
        n91=node("Efficient Loader", ckpt_name="other.ckpt", positive="held", negative="bad", lora_name="None"),
    )  # fmt: skip
    nodes["3"]["inputs"]["model"] = ["90", 0]
    text = notes_in(picture(nodes))
    assert "missing: LoRA a: 0.5" in text
    assert "LoRA b" not in text
    nodes["3"]["inputs"].update(model=["91", 0], positive=["91", 1], negative=["91", 2])
    made = recipe_in(picture(nodes))
    assert (made.prompt, made.negative_prompt, made.model.name) == ("held", "bad", "other")


def workflow() -> Graph:
    def entry(key: int, kind: str, values: object, **inputs: int) -> Graph:
        slots = [{"name": name, "link": link} for name, link in inputs.items()]
        return {"id": key, "type": kind, "mode": 0, "widgets_values": values, "inputs": slots}

    return {
        "nodes": [
            entry(3, "KSampler", [8, "randomize", 14, 5.5, "heun", "exponential", 1], model=1, positive=2, negative=3, latent_image=4),
            entry(4, "CheckpointLoaderSimple", ["m.ckpt"]),
            entry(5, "EmptyLatentImage", [256, 320, 1]),
            entry(6, "CLIPTextEncode", ["hills"], clip=5),
            entry(7, "CLIPTextEncode", ["rain"], clip=5),
            entry(9, "SaveImage", ["x"], images=6),
            {"id": 10, "type": "KSampler", "mode": 2, "widgets_values": [1], "inputs": []},
        ],
        "links": [[1, 4, 0, 3, 0, "MODEL"], [2, 6, 0, 3, 1, "C"], [3, 7, 0, 3, 2, "C"], [4, 5, 0, 3, 3, "L"],
                  [5, 4, 1, 6, 0, "CLIP"], [6, 3, 0, 9, 0, "IMAGE"]],
    }  # fmt: skip


def test_the_editors_graph_alone() -> None:
    found = understood(png_with(workflow=json.dumps(workflow())))
    made = found.recipe
    assert made is not None
    assert (made.prompt, made.negative_prompt, made.seed, made.steps) == ("hills", "rain", 8, 14)
    assert (made.scheduler, made.spacing, made.guidance_scale) == ("heun", Spacing.EXPONENTIAL, 5.5)
    assert (made.size, made.model.name) == (Size(width=256, height=320), "m")
    assert found.not_understood == ()


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_webp_keeps_it_in_exif(prefix: bytes) -> None:
    block = tiff(
        {0x010F: b"workflow:" + json.dumps(workflow()).encode(), 0x0110: b"prompt:" + json.dumps(graph()).encode()}
    )
    assert recipe_in(webp_with(prefix + block)).seed == 42


def test_a_saver_that_also_writes_the_text_is_believed() -> None:
    text = "resolved words\nSteps: 5, Sampler: euler_ancestral, Seed: 3, Size: 64x64"
    data = png_with(prompt=json.dumps(graph()), parameters=text)
    assert recipe_in(data).prompt == "resolved words"
    assert recipe_in(png_with(prompt=json.dumps(graph()), parameters="no settings here")).prompt == "a boat, 船"


def cycles() -> Graph:
    nodes = graph(
        n6=node("CLIPTextEncode", text=["90", 0]), n90=node("X", text=["91", 0]), n91=node("Y", text=["90", 0])
    )
    nodes["4"]["inputs"]["model"] = ["3", 0]
    nodes["5"]["inputs"].update(width=["92", 0])
    nodes["92"] = node("Loop", value=["92", 0])
    nodes["8"]["inputs"]["samples"] = ["8", 0]
    return nodes


def chain(length: int) -> Graph:
    nodes = {
        str(i): node("Reroute", conditioning=[str(i + 1), 0], model=[str(i + 1), 0]) for i in range(100, 100 + length)
    }
    return {
        **graph(n3={**graph()["3"], "inputs": {**graph()["3"]["inputs"], "positive": ["100", 0], "model": ["100", 0]}}),
        **nodes,
    }


HOSTILE: list[object] = [
    cycles(),
    chain(NODES_MAX),
    {str(i): node("KSampler", positive=[str(j), 0], steps=[str(i), 0]) for i in range(3000) for j in [i ^ 1]},
    {str(i): node("ConditioningCombine", **{f"c{j}": [str((i * j) % 300), 0] for j in range(300)}) for i in range(300)},
    {i: node("ConditioningCombine", **{f"c{j}": [str(1 - int(i)), j] for j in range(100_000)}) for i in "01"}
    | {"2": node("KSampler", positive=["0", 0], steps=1), "3": node("SaveImage", images=["2", 0])},
    {str(i): node("SamplerCustom", positive=["x", 0], sigmas=[str(i + 1), 0]) for i in range(NODES_MAX)}
    | {"s": node("SaveImage", images=["0", 0])},
    {"1": {"class_type": "KSampler", "inputs": None}, "2": {"class_type": 3}, "3": None, "4": [], "5": node("SaveImage", images=["9", 0])},
    graph(n3=node("KSampler", seed=[], steps={}, cfg=[["a"]], sampler_name=5, scheduler=None, positive=[1, 2, 3], negative=7)),
    graph(n3=node("KSampler", seed=True, steps=-1e308, cfg=10**400, sampler_name="x" * 100_000, positive=["6", 10**30])),
    graph(n6=node("CLIPTextEncode", text="\ud83d\x00")),
    graph(n9=node("SaveImage", images=["3", -5])),
    {"nodes": [], "links": []},
    {"class_type": "KSampler"},
    {},
]  # fmt: skip


@pytest.mark.parametrize("nodes", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_graphs_end_and_raise_nothing(nodes: object) -> None:
    data = picture(nodes)
    start = time.process_time()
    found = read_foreign(data)
    seconds = time.process_time() - start
    assert found is None or found.source == "ComfyUI"
    if found is not None:
        assert len(found.not_understood) <= 201
        assert all("\x00" not in line for line in (*found.not_understood, found.raw))
    assert seconds < 2


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 100_000, "{", "[]", "null", '{"1": {"class_type": "K"', "x" * 5_000_000]
)
def test_what_is_no_graph_is_none(text: str) -> None:
    assert read_foreign(png_with(prompt=text)) is None
    assert read_foreign(png_with(workflow=text)) is None


@pytest.mark.parametrize(
    "links", [None, [[]], [[1, 2]], [["a"] * 6], [{"id": 1}], [{"id": 1, "origin_id": 4, "origin_slot": 0}], {"1": 2}, [None] * 9]
)  # fmt: skip
def test_hostile_workflows(links: object) -> None:
    card = {**workflow(), "links": links}
    card["nodes"] = [
        *card["nodes"],
        None,
        5,
        {"type": "KSampler"},
        {"type": "X", "id": {}, "inputs": [None, {"link": []}]},
    ]
    found = understood(png_with(workflow=json.dumps(card)))
    assert found.source == "ComfyUI"
