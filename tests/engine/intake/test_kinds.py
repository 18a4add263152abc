"""Kind and family of real layouts at their full key count, read from headers alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from studio.core.model_files import Family, Kind, Prediction, Traits
from studio.core.weights import WeightHeader, read_weight_header
from studio.engine.intake.kinds import recognise
from tests.engine.intake.layouts import (
    REFINER,
    SD1,
    SD1_INPAINT,
    SD2,
    SDXL,
    SDXL_INPAINT,
    Shapes,
    below,
    checkpoint,
    clip,
    controlnet,
    open_clip,
    unet,
    vae,
    write_weights,
)


def told(shapes: Shapes, name: str = "", **metadata: str) -> Traits:
    said = {key.replace("__", "."): value for key, value in metadata.items()}
    return recognise(WeightHeader(shapes=shapes, dtypes=dict.fromkeys(shapes, "F16"), metadata=said), name)


@pytest.mark.parametrize(
    ("plan", "count", "family", "variant", "channels", "prediction"),
    [
        (SD1, 1130, Family.SD1, "", 4, Prediction.EPSILON),
        (SD1_INPAINT, 1130, Family.SD1, "inpaint", 9, Prediction.EPSILON),
        (SD2, 1225, Family.SD2, "", 4, Prediction.UNKNOWN),
        (SDXL, 2513, Family.SDXL, "", 4, Prediction.EPSILON),
        (SDXL_INPAINT, 2513, Family.SDXL, "inpaint", 9, Prediction.EPSILON),
        (REFINER, None, Family.REFINER, "", 4, Prediction.EPSILON),
    ],
)
def test_whole_checkpoints(plan, count, family, variant, channels, prediction, tmp_path: Path) -> None:
    shapes = checkpoint(plan)
    if count:
        assert abs(len(shapes) - count) <= 4  # the published files carry position ids and the like besides
    file = write_weights(tmp_path / "model.safetensors", shapes)
    found = recognise(read_weight_header(file))
    assert (found.kind, found.family, found.variant) == (Kind.CHECKPOINT, family, variant)
    assert (found.in_channels, found.prediction, found.lacks, found.problem) == (channels, prediction, (), "")
    assert (found.layout, found.dtype) == ("original", "F16")


def test_diffusers_reads_these_layouts_as_its_own_networks() -> None:
    """The converters and the model classes of diffusers, on meta tensors: every name and every shape fits."""
    code = """
import torch, json, sys
from tests.engine.intake import layouts as l
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint, convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
def meta(shapes): return {n: torch.empty(s, device="meta") for n, s in shapes.items()}
def same(made, model):
    mine, own = {n: tuple(t.shape) for n, t in made.items()}, {n: tuple(t.shape) for n, t in model.state_dict().items()}
    assert mine == own, (sorted(set(mine.items()) ^ set(own.items()))[:6])
sd1 = dict(cross_attention_dim=768)
sd2 = dict(cross_attention_dim=1024, use_linear_projection=True, attention_head_dim=[5, 10, 20, 20])
xl = dict(cross_attention_dim=2048, use_linear_projection=True, block_out_channels=[320, 640, 1280],
  down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], transformer_layers_per_block=[1, 2, 10],
  attention_head_dim=[5, 10, 20], addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816)
up = dict(up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"])
re = dict(cross_attention_dim=1280, use_linear_projection=True, block_out_channels=[384, 768, 1536, 1536],
  down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"], transformer_layers_per_block=4,
  up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], attention_head_dim=[6, 12, 24, 24],
  addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2560)
with torch.device("meta"):
    for plan, config in ((l.SD1_INPAINT, sd1 | dict(in_channels=9)), (l.SD2, sd2), (l.SDXL, xl | up), (l.REFINER, re)):
        model = UNet2DConditionModel(**config)
        same(convert_ldm_unet_checkpoint(meta(l.below("model.diffusion_model.", l.unet(plan))), model.config), model)
    for plan, config in ((l.SD1, sd1), (l.SDXL, xl)):
        model = ControlNetModel(**config)
        made = convert_controlnet_checkpoint(meta(l.below("control_model.", l.controlnet(plan))), model.config)
        if plan is l.SDXL:  # diffusers 0.42.1 forgets these four
            made |= {n: t for n, t in model.state_dict().items() if n.startswith("add_embedding.")}
        same(made, model)
    ae = AutoencoderKL(block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4,
      down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
    made = convert_ldm_vae_checkpoint(meta(l.below("first_stage_model.", l.vae())), ae.config)
    assert set(made) == set(ae.state_dict())
    from transformers import CLIPTextConfig, CLIPTextModel
    text = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12))
    own = {n.removeprefix("text_model.") for n, _ in text.named_parameters()}
    assert own == {n.removeprefix("text_model.") for n in l.clip()}, own ^ {n.removeprefix("text_model.") for n in l.clip()}
print("fits")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.strip().endswith("fits"), done.stderr[-2000:]


def test_prediction_is_told_by_marks_and_metadata() -> None:
    noobai = checkpoint(SDXL) | {"v_pred": (0,), "ztsnr": (0,)}
    found = told(noobai)
    assert (found.prediction, found.zero_snr) == (Prediction.V, True)
    assert told(checkpoint(SD2), modelspec__prediction_type="v").prediction is Prediction.V
    assert told(checkpoint(SD2), modelspec__prediction_type="epsilon").prediction is Prediction.EPSILON
    assert told(checkpoint(SD2), modelspec__architecture="stable-diffusion-v2-768-v").prediction is Prediction.V
    assert told(checkpoint(SD1), ss_v_parameterization="True", ss_zero_terminal_snr="True").zero_snr is True


def test_what_it_would_draw_wrongly_is_refused_in_words() -> None:
    assert "EDM" in told(checkpoint(SDXL) | {"edm_vpred.sigma_max": (), "edm_vpred.sigma_min": ()}).problem
    small = {n: s for n, s in checkpoint(SDXL).items() if ".transformer_blocks.9." not in n}
    assert "shortened SDXL" in told(small).problem
    strange = {n: (s[0], 555) if n.endswith("attn2.to_k.weight") else s for n, s in checkpoint(SD1).items()}
    assert "no Stable Diffusion the studio knows" in told(strange).problem


@pytest.mark.parametrize(
    ("shapes", "kind", "family", "layout", "variant"),
    [
        (below("model.diffusion_model.", unet(SDXL)), Kind.UNET, Family.SDXL, "original", ""),
        (below("diffusion_model.", unet(SD1)), Kind.UNET, Family.SD1, "original", ""),
        (unet(SD2), Kind.UNET, Family.SD2, "original", ""),
        (below("control_model.", controlnet(SD1)), Kind.CONTROLNET, Family.SD1, "original", ""),
        (controlnet(SD2), Kind.CONTROLNET, Family.SD2, "original", ""),
        (below("control_model.", controlnet(SDXL)) | checkpoint(SDXL), Kind.CONTROLNET, Family.SDXL, "original", ""),
        (vae(), Kind.VAE, Family.UNKNOWN, "original", ""),
        (below("first_stage_model.", vae()), Kind.VAE, Family.UNKNOWN, "original", ""),
        (clip(), Kind.TEXT_ENCODER, Family.SD1, "diffusers", "CLIP ViT-L"),
        (open_clip(1280, 32), Kind.TEXT_ENCODER, Family.SDXL, "original", "OpenCLIP ViT-bigG"),
    ],
)
def test_parts_alone(shapes, kind, family, layout, variant) -> None:
    found = told(shapes)
    assert (found.kind, found.family, found.layout, found.variant) == (kind, family, layout, variant)
    assert found.problem == ""


CONTROL_D = {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3), "conv_in.weight": (320, 4, 3, 3)}
TO_K = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight"
UNION = {
    "task_embedding": (8, 320),
    "control_add_embedding.linear_1.weight": (1280, 2048),
    "spatial_ch_projs.weight": (320, 320),
}
XL_ADM = {"add_embedding.linear_1.weight": (1280, 2816)}
CONTROL_LORA = {
    "lora_controlnet": (0,), "input_hint_block.0.weight": (16, 3, 3, 3), "zero_convs.0.0.weight": (320, 320, 1, 1),
    "input_blocks.4.1.transformer_blocks.0.attn2.to_k.down": (128, 2048), "input_blocks.4.1.transformer_blocks.0.attn2.to_k.up": (640, 128),
    "label_emb.0.0.down": (128, 2816), "input_blocks.0.0.weight": (320, 4, 3, 3),
}  # fmt: skip
IP = {"ip_adapter.1.to_k_ip.weight": (320, 768), "ip_adapter.1.to_v_ip.weight": (320, 768)}
IP_XL = {"ip_adapter.1.to_k_ip.weight": (640, 2048)}
RRDB = {"conv_first.weight": (64, 3, 3, 3), "body.0.rdb1.conv1.weight": (32, 64, 3, 3)}
T2I = {"body.0.block1.weight": (320, 320, 3, 3)}
T2I_D = {"adapter.conv_in.weight": (320, 64, 3, 3), "adapter.body.0.resnets.0.block1.weight": (320, 320, 3, 3)}
T2I_LIGHT = {"body.0.in_conv.weight": (160, 192, 1, 1), "body.0.body.0.block1.weight": (160, 160, 3, 3)}
TINY_D = {
    "decoder.layers.0.weight": (64, 4, 3, 3), "decoder.layers.2.conv.0.weight": (64, 64, 3, 3), "encoder.layers.0.weight": (64, 3, 3, 3),
}  # fmt: skip
VISION = {
    "vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14),
    "vision_model.encoder.layers.0.layer_norm1.weight": (1280,),
}
UNET_D = {
    "conv_in.weight": (320, 4, 3, 3), "time_embedding.linear_1.weight": (1280, 320),
    "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3), "up_blocks.0.resnets.0.conv1.weight": (1280, 2560, 3, 3), TO_K: (640, 768),
}  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "kind", "family", "variant"),
    [
        (CONTROL_D | {TO_K: (640, 768)}, Kind.CONTROLNET, Family.SD1, ""),
        (CONTROL_D | {TO_K: (640, 1024)}, Kind.CONTROLNET, Family.SD2, ""),
        (CONTROL_D | XL_ADM, Kind.CONTROLNET, Family.SDXL, ""),  # the small ones for SDXL have no attention
        (CONTROL_D | XL_ADM | {TO_K: (640, 2048)} | UNION, Kind.CONTROLNET, Family.SDXL, "union"),
        (CONTROL_LORA, Kind.CONTROL_LORA, Family.SDXL, ""),
        (IP | {"image_proj.proj.weight": (3072, 1024), "image_proj.norm.weight": (768,)}, Kind.IP_ADAPTER, Family.SD1, "plain"),
        (IP | {"image_proj.latents": (1, 16, 768), "image_proj.proj_in.weight": (768, 1280)}, Kind.IP_ADAPTER, Family.SD1, "plus"),
        (IP | {"image_proj.proj.0.weight": (1280, 1280), "image_proj.proj.3.weight": (768,)}, Kind.IP_ADAPTER, Family.SD1, "full face"),
        (IP_XL | {"image_proj.latents": (1, 16, 1280)}, Kind.IP_ADAPTER, Family.SDXL, "plus"),
        (T2I | {"conv_in.weight": (320, 192, 3, 3)}, Kind.T2I_ADAPTER, Family.SD1, ""),
        (T2I | {"conv_in.weight": (320, 768, 3, 3)}, Kind.T2I_ADAPTER, Family.SDXL, ""),
        (T2I_D, Kind.T2I_ADAPTER, Family.SD1, ""),
        (T2I_LIGHT, Kind.T2I_ADAPTER, Family.SD1, "light"),
        (UNET_D, Kind.UNET, Family.SD1, ""),
        (UNET_D | {"time_embedding.cond_proj.weight": (320, 256)}, Kind.UNET, Family.SD1, "lcm"),
        ({"emb_params": (8, 768)}, Kind.EMBEDDING, Family.SD1, ""),
        ({"emb_params": (4, 1024)}, Kind.EMBEDDING, Family.SD2, ""),
        ({"<cat-toy>": (768,)}, Kind.EMBEDDING, Family.SD1, ""),
        ({"clip_l": (4, 768), "clip_g": (4, 1280)}, Kind.EMBEDDING, Family.SDXL, ""),
        ({"1.weight": (64, 4, 3, 3), "3.conv.0.weight": (64, 64, 3, 3)}, Kind.TINY_VAE, Family.UNKNOWN, "decoder"),
        ({"0.weight": (64, 3, 3, 3), "1.conv.0.weight": (64, 64, 3, 3)}, Kind.TINY_VAE, Family.UNKNOWN, "encoder"),
        (TINY_D, Kind.TINY_VAE, Family.UNKNOWN, ""),
        (RRDB, Kind.UPSCALER, Family.ANY, "ESRGAN"),
        ({"model.0.weight": (64, 3, 3, 3), "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)}, Kind.UPSCALER, Family.ANY, "ESRGAN"),
        ({"body.0.weight": (64, 3, 3, 3), "body.0.bias": (64,), "body.1.weight": (64,)}, Kind.UPSCALER, Family.ANY, "compact ESRGAN"),
        (VISION, Kind.IMAGE_ENCODER, Family.ANY, "CLIP ViT-H"),
    ],
)  # fmt: skip
def test_adapters_and_other_parts(shapes, kind, family, variant) -> None:
    found = told(shapes)
    assert (found.kind, found.family, found.variant) == (kind, family, variant), found.problem
    assert found.problem == ""


KOHYA = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
ATTN2 = "down_blocks.1.attentions.0.transformer_blocks.0.attn2"
KOHYA_XL = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("shapes", "family", "layout", "variant", "rank"),
    [
        ({f"{KOHYA}.lora_down.weight": (32, 768), f"{KOHYA}.lora_up.weight": (640, 32), f"{KOHYA}.alpha": ()}, Family.SD1, "kohya", "", 32),
        ({f"{KOHYA}.lora_down.weight": (16, 1024)}, Family.SD2, "kohya", "", 16),
        ({f"{KOHYA_XL}.lora_down.weight": (8, 2048)}, Family.SDXL, "kohya", "", 8),
        ({"lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (8, 768)}, Family.SDXL, "kohya", "", 8),
        ({f"{KOHYA}.lora_down.weight": (4, 768), f"{KOHYA}.dora_scale": (640, 1)}, Family.SD1, "kohya", "dora", 4),
        ({f"unet.{ATTN2}.to_k.lora_A.weight": (4, 768)}, Family.SD1, "peft", "", 4),
        ({f"base_model.model.{ATTN2}.to_k.lora_A.weight": (4, 2048)}, Family.SDXL, "peft", "", 4),
        ({f"unet.{ATTN2}.to_k.lora.down.weight": (4, 768)}, Family.SD1, "diffusers", "", 4),
        ({f"{ATTN2}.processor.to_k_lora.down.weight": (4, 768)}, Family.SD1, "diffusers", "", 4),
    ],
)  # fmt: skip
def test_loras_in_every_spelling(shapes, family, layout, variant, rank) -> None:
    found = told(shapes)
    assert (found.kind, found.family, found.layout, found.variant, found.rank) == (
        Kind.LORA,
        family,
        layout,
        variant,
        rank,
    )


def test_what_a_lora_says_of_itself() -> None:
    tags = {"10_cat": {"inkcat": 40, "ink": 12}, "3_extra": {"inkcat": 9}}
    found = told({f"{KOHYA}.lora_down.weight": (4, 768)}, ss_tag_frequency=json.dumps(tags))
    assert found.triggers == ("inkcat",)
    named = told(
        {f"{KOHYA}.lora_down.weight": (4, 768)}, modelspec__trigger_phrase="ink wash, misty ", modelspec__title="Ink"
    )
    assert (named.triggers, named.title) == (("ink wash", "misty"), "Ink")
    assert told({f"{KOHYA}.lora_down.weight": (4, 768)}, ss_tag_frequency="[" * 9999).triggers == ()


def test_other_families_are_named() -> None:
    assert "Flux" in told({"double_blocks.0.img_attn.norm.key_norm.scale": (128,)}).problem
    assert "Flux" in told({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (128, 1)}).problem
    assert "Flux" in told({"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (16, 3072)}).problem
    assert "Stable Diffusion 3" in told({"joint_blocks.0.context_block.adaLN_modulation.1.bias": (1,)}).problem
    assert "LoHa" in told({f"{KOHYA}.hada_w1_a": (640, 8), f"{KOHYA}.hada_w1_b": (8, 768)}).problem
    assert (
        "insightface" in told(IP | {"image_proj.proj.0.weight": (1536, 512), "image_proj.norm.weight": (768,)}).problem
    )
    assert "does not know what it is (1 tensors)" in told({"w": (3, 3)}).problem
    assert told({}).problem == "It holds no tensors."


def test_a_name_only_hints_at_few_steps() -> None:
    assert told(checkpoint(SD1), "calcmodel").variant == ""  # part of a longer word: no hint
    assert told(checkpoint(SD1), "dreamshaper_8LCM").variant == "lcm"
    assert told(checkpoint(SDXL), "sdxl_lightning_4step").variant == "lightning"
    assert told(checkpoint(SDXL), "anything", modelspec__title="SDXL Turbo").variant == "turbo"
    assert told(checkpoint(SD1_INPAINT), "x_turbo").variant == "inpaint"
