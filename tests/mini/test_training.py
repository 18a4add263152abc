"""A few steps of every training stage on a tiny model in a temporary folder, and a run that is killed and resumed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from studio.mini import config, export, few_step, stages
from studio.mini.controlnet import strengthen
from studio.mini.data import HELD_OUT, LatentStore, draw_crops, mixture, scene_number
from studio.mini.text_to_image import Diffusion, stratified_timesteps
from studio.mini.tokenizer import learn_merges, sample_captions, train_tokenizer
from studio.mini.training import Budget, Rates, Trainer
from studio.mini.vae import (
    DecoderStage,
    encode_scenes,
    fit_preview,
    linear_codes,
    picture_loss,
    round_trip_psnr,
    start_from_principal_components,
)
from studio.mini.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """A tiny training run."""
    return Workshop(
        tmp_path / "state", tmp_path / "model", config.choose_compute("cpu"), config.TINY, scenes=(4, 4, 4), batch=4
    )


def _vae_trainer(folder: Path, steps: int) -> Trainer:
    torch.manual_seed(0)
    stage = DecoderStage(config.make_vae(config.TINY), config.TINY, config.choose_compute("cpu"), batch=2)
    return Trainer(stage, folder, Budget(steps=steps), Rates(warmup_steps=2))


def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    whole = _vae_trainer(tmp_path / "whole", 4)
    whole.run()
    first = _vae_trainer(tmp_path / "killed", 4)
    for _ in range(2):
        first._one_step()
    first.save()
    first._one_step()  # lost with the kill
    second = _vae_trainer(tmp_path / "killed", 4)
    second.run()
    assert second.step == 4
    for ours, theirs in zip(second.weights, whole.weights, strict=True):
        assert torch.equal(ours, theirs)


def test_a_half_written_checkpoint_is_never_read(tmp_path: Path) -> None:
    trainer = _vae_trainer(tmp_path, 2)
    trainer._one_step()
    trainer.save()
    trainer.file.with_suffix(".part").write_bytes(b"half")
    again = _vae_trainer(tmp_path, 2)
    assert again.restore() and again.step == 1


def test_the_analytic_encoder_says_most_of_the_picture() -> None:
    vae = config.make_vae(config.MINI).requires_grad_(False)
    start_from_principal_components(vae, config.MINI, count=24)
    codes, pictures = encode_scenes(vae, config.MINI, config.choose_compute("cpu"), 100, 6)
    assert torch.allclose(linear_codes(vae, pictures[:2]), codes[:2], atol=1e-5)
    assert abs(float(codes.std()) - 1) < 0.2 and abs(float(codes.mean())) < 0.2
    spread = codes.std(dim=(0, 2, 3))
    assert spread[:2].min() > spread[8:].max(), "strongest components first"
    preview = fit_preview(codes, pictures)
    matrix, bias = torch.tensor(preview["matrix"]), torch.tensor(preview["bias"])
    assert matrix.shape == (48, 16) and bias.shape == (48,)
    read = (torch.einsum("oc,nchw->nohw", matrix, codes) + bias[:, None, None]).unflatten(1, (4, 4, 3))
    true = (
        torch.nn.functional.interpolate(pictures, size=(64, 64), mode="area")
        .unflatten(3, (16, 4))
        .unflatten(2, (16, 4))
    )
    error = (read - true.permute(0, 3, 5, 1, 2, 4)).square().mean()
    assert float(10 * torch.log10(4 / error)) > 22


def test_all_stages_run_and_the_result_loads_with_stock_classes(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "sample_captions", lambda count: sample_captions(200))
    monkeypatch.setattr(stages, "reading_accuracy", lambda *_: {"kind0": 0.0})
    monkeypatch.setattr(stages, "held_out_accuracy", lambda *_, **__: {"kind0": 0.0})
    for name in config.STAGES:
        stages.TRAIN[name](shop, Budget(steps=2))
    from studio.mini.drawings import render
    from studio.mini.sheet import draw, load_pipeline
    from studio.mini.sketch_figures import adapter_pipeline, controlnet_pipeline, draw_controlled

    pipe = load_pipeline(shop.output)
    assert draw(pipe, ["a red house", "一座红房子"], seed=0, steps=2)[1].shape == (64, 64, 3)
    drawing = render(scene_number(3, 0), 64)
    for make in (controlnet_pipeline, adapter_pipeline):
        assert draw_controlled(make(shop.output, pipe), ["a cat"], [drawing], 0)[0].shape == (64, 64, 3)
    card = (shop.output / "README.md").read_text(encoding="utf-8")
    assert all(name in card for name in ("unet/", "vae/", "model_index.json"))
    assert not list(shop.output.rglob("*.part"))
    rows = [json.loads(line) for line in (shop.state / "figures.jsonl").read_text().splitlines()]
    assert {row["stage"] for row in rows} >= {"text_en", "text_zh", "decoder"}


def test_the_decoder_is_finished_on_whole_pictures(shop: Workshop) -> None:
    torch.manual_seed(0)
    vae = config.make_vae(config.TINY)
    start_from_principal_components(vae, config.TINY, count=12)
    shop.keep("vae", vae)
    before = round_trip_psnr(shop.vae(), config.TINY, shop.compute, count=6)
    codes = encode_scenes(shop.vae(), config.TINY, shop.compute, HELD_OUT, 2)[0]
    stages.TRAIN["finish_decoder"](shop, Budget(steps=60))
    assert round_trip_psnr(shop.vae(), config.TINY, shop.compute, count=6) > before + 0.3
    assert torch.equal(encode_scenes(shop.vae(), config.TINY, shop.compute, HELD_OUT, 2)[0], codes), (
        "the UNet knows them"
    )


def test_a_pictures_loss_is_its_psnr_and_its_edges() -> None:
    truth = torch.zeros(2, 3, 4, 4)
    decoded = truth.clone()
    decoded[0] += 0.2  # flat: its gradients are right
    decoded[1, :, :, ::2] += 0.2
    loss, figures = picture_loss(decoded, truth)
    squares, edges = torch.tensor([0.04, 0.02]), torch.tensor([1e-8, 0.2])
    assert float(loss) == pytest.approx(float((squares.log() + 0.25 * edges.log()).mean()))
    assert figures["psnr"] == pytest.approx(float(10 * torch.log10(4 / squares).mean()))


def test_training_goes_on_from_an_exported_model(shop: Workshop, tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = config.make_unet(config.TINY)
    shop.keep("unet", unet)
    fast = config.make_unet(config.TINY)
    export.export_part(fast, few_step.fast_folder(shop.output) / "unet")
    train_tokenizer(sample_captions(60), shop.output / "tokenizer", merges=100, max_tokens=77)
    later = replace(shop, state=tmp_path / "later", output=tmp_path / "model")
    stages.adopt(later, shop.output)
    assert (later.output / "tokenizer").is_dir(), "later stages copy parts from the output"
    half = unet.half().float().state_dict()
    assert all(torch.equal(value, half[name]) for name, value in later.unet().state_dict().items())
    assert (
        later.tokenizer()("a red house").input_ids
        == CLIPTokenizer.from_pretrained(shop.output / "tokenizer")("a red house").input_ids
    )
    student = later.unet()
    with torch.no_grad():
        student.conv_in.bias += 1.0  # a teacher that has learned on
    assert few_step.head_start(student, later.state)
    distilled = fast.half().float().state_dict()
    assert torch.allclose(student.state_dict()["conv_out.weight"], distilled["conv_out.weight"], atol=1e-6)
    assert torch.allclose(student.conv_in.bias, distilled["conv_in.bias"] + 1.0, atol=1e-6)
    changed = config.make_unet(config.TINY)
    later.keep("unet", changed)
    stages.adopt(later, shop.output)
    assert torch.equal(later.unet().conv_in.weight, changed.conv_in.weight), "what is kept already stays"


def test_written_out_attention_is_the_fused_one() -> None:
    torch.manual_seed(0)
    unet, states = config.make_unet(config.TINY).eval(), torch.randn(2, 77, 16)
    noisy, steps = torch.randn(2, 16, 4, 4), torch.tensor([10, 900])
    with torch.no_grad():
        fused = unet(noisy, steps, states).sample
        ours = config.choose_compute("cpu").prepare(unet)(noisy, steps, states).sample
    assert torch.allclose(ours, fused, atol=1e-5) and not torch.equal(ours, torch.zeros_like(ours))


def test_the_store_resumes_and_its_curriculum_grows(tmp_path: Path) -> None:
    store = LatentStore(tmp_path, (4, 4, 4), 16, 4, 64)
    store.mark(4)
    again = LatentStore(tmp_path, (4, 4, 4), 16, 4, 64)
    assert again.done == 4 and [again.level(row) for row in (0, 4, 11)] == [0, 1, 2]
    rng = np.random.default_rng(0)
    assert again.pick(rng, 8, 0.9).max() < 4, "only rows that are filled"
    assert mixture(0.0) == (1.0, 0.0, 0.0) and all(share > 0 for share in mixture(1.0))
    assert len(set(again.captions(rng, [0, 1, 2, 3], dropout=0.0))) > 1


def test_merges_stay_within_a_chinese_character(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(sample_captions(60), tmp_path, merges=300)
    ids = tokenizer("一座红房子").input_ids
    assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id
    assert len(ids) >= 7
    assert tokenizer("a red house").input_ids == type(tokenizer).from_pretrained(tmp_path)("a red house").input_ids
    assert learn_merges({"aab": 3, "ab": 2}, 1) == [("a", "b</w>")]  # type: ignore[arg-type]  # a plain dict is enough


def test_the_noise_reaches_pure_noise_and_v_matches_its_definition() -> None:
    diffusion = Diffusion(config.make_scheduler(), torch.device("cpu"))
    assert float(diffusion.alpha[-1]) == pytest.approx(0.0, abs=1e-6)
    clean, noise = torch.randn(2, 16, 4, 4), torch.randn(2, 16, 4, 4)
    noisy, target = diffusion.noised(clean, noise, torch.tensor([10, 999]))
    alpha, sigma = diffusion.alpha[10], diffusion.sigma[10]
    assert torch.allclose(alpha * noisy[0] - sigma * target[0], clean[0], atol=1e-5)
    assert torch.allclose(noisy[1], noise[1], atol=1e-5)
    steps = stratified_timesteps(np.random.default_rng(0), 10)
    assert sorted(steps // 100) == list(range(10))


def test_crops_show_outlines() -> None:
    crops = draw_crops(np.random.default_rng(0), 4, 6, 16, 256)
    assert crops.images.shape == (4, 3, 96, 96) and crops.outline.shape == (4, 1, 96, 96)
    assert float(crops.outline.mean()) > 0.01


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    export.write_text(tmp_path / "a.txt", "one")
    export.write_text(tmp_path / "a.txt", "two")
    assert (tmp_path / "a.txt").read_text() == "two" and len(list(tmp_path.iterdir())) == 1


def test_a_controlnet_is_strengthened_in_all_that_it_adds() -> None:
    torch.manual_seed(0)
    controlnet = config.make_controlnet(config.make_unet(config.TINY), config.TINY).eval()
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.normal_(layer.bias)
    inputs = (torch.randn(1, 16, 4, 4), torch.tensor([500]), torch.randn(1, 77, 16), torch.rand(1, 3, 64, 64))
    with torch.no_grad():
        down, middle = controlnet(*inputs, return_dict=False)
        stronger, stronger_middle = strengthen(controlnet, 1.5)(*inputs, return_dict=False)
    for before, after in zip((*down, middle), (*stronger, stronger_middle), strict=True):
        assert torch.allclose(after, 1.5 * before, atol=1e-5)
