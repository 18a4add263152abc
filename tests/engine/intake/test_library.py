"""Folders of other programs, nothing moved: what is found, remembered, and found again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from studio.core.errors import ModelMissing
from studio.core.model_files import Family, Kind, ModelFile, Prediction, fits
from studio.engine.intake import library as library_module
from studio.engine.intake.digests import Stopped, digest_file
from studio.engine.intake.library import Library
from studio.engine.intake.said import Said
from studio.engine.intake.walk import comfy_folders
from tests.engine.intake.layouts import SD1, SD2, SDXL, checkpoint, controlnet, vae, write_weights

LORA = {
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768),
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight": (640, 4),
}
LORA_XL = {
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 2048),
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_up.weight": (640, 4),
}


SMALL_2 = {  # what tells an SD 2.x checkpoint, and no more: these are read to the end
    "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
    "first_stage_model.decoder.conv_in.weight": (1,),
    "cond_stage_model.model.ln_final.weight": (1,),
}
SMALL_XL = SMALL_2 | {"model.diffusion_model.label_emb.0.0.weight": (8, 2816)}


def by_name(files: tuple[ModelFile, ...]) -> dict[str, ModelFile]:
    return {file.name: file for file in files}


def test_the_folders_of_other_programs(tmp_path: Path) -> None:
    a1111, comfy, invoke = (
        tmp_path / "webui" / "models",
        tmp_path / "comfy" / "models",
        tmp_path / "invokeai" / "models",
    )
    write_weights(a1111 / "Stable-diffusion" / "dreamshaper_8.safetensors", checkpoint(SD1))
    write_weights(a1111 / "Lora" / "ink" / "ink_wash.safetensors", LORA)
    write_weights(a1111 / "ControlNet" / "control_v11p_sd15_canny.safetensors", controlnet(SD1))
    write_weights(comfy / "checkpoints" / "sd_xl_base_1.0.safetensors", checkpoint(SDXL))
    write_weights(comfy / "vae" / "vae-ft-mse.safetensors", vae())
    write_weights(invoke / "8a1f" / "v2-1_768-ema-pruned.safetensors", checkpoint(SD2))
    found = by_name(Library((a1111, comfy, invoke)).scan())
    told = {name: (file.kind, file.family, file.folder) for name, file in found.items()}
    assert told == {
        "dreamshaper_8": (Kind.CHECKPOINT, Family.SD1, a1111),
        "ink_wash": (Kind.LORA, Family.SD1, a1111),
        "control_v11p_sd15_canny": (Kind.CONTROLNET, Family.SD1, a1111),
        "sd_xl_base_1.0": (Kind.CHECKPOINT, Family.SDXL, comfy),
        "vae-ft-mse": (Kind.VAE, Family.UNKNOWN, comfy),
        "v2-1_768-ema-pruned": (Kind.CHECKPOINT, Family.SD2, invoke),
    }
    assert found["v2-1_768-ema-pruned"].asked == ("prediction",) and found["vae-ft-mse"].asked == ("family",)
    assert fits(found["ink_wash"], Family.SD1) and not fits(found["ink_wash"], Family.SDXL)


def test_what_is_called_as_all_are_has_the_name_of_its_folder(tmp_path: Path) -> None:
    for folder in ("lcm-lora-sdv1-5", "lcm-lora-sdxl"):
        write_weights(tmp_path / "loras" / folder / "pytorch_lora_weights.safetensors", LORA)
    write_weights(tmp_path / "model.safetensors", LORA)
    library = Library((tmp_path,))
    assert sorted(file.name for file in library.scan()) == ["lcm-lora-sdv1-5", "lcm-lora-sdxl", "model"]
    assert library.find("pytorch_lora_weights.safetensors", kind=Kind.LORA).name == "lcm-lora-sdv1-5"


def test_what_lies_beside_a_file(tmp_path: Path) -> None:
    write_weights(tmp_path / "ink.safetensors", LORA)
    (tmp_path / "ink.preview.png").write_bytes(b"x")
    (tmp_path / "ink.json").write_text(json.dumps({"activation text": "inkwash, misty", "notes": "<p>Weak: 0.6</p>"}))
    write_weights(tmp_path / "sea.safetensors", LORA)
    (tmp_path / "sea.txt").write_text("Only for seas.")
    (tmp_path / "sea.civitai.info").write_text(json.dumps({"trainedWords": ["wide sea"], "description": "long"}))
    found = by_name(Library((tmp_path,)).scan())
    assert (found["ink"].preview, found["ink"].notes) == (tmp_path / "ink.preview.png", "Weak: 0.6")
    assert found["ink"].triggers == ("inkwash", "misty")
    assert (found["sea"].notes, found["sea"].triggers, found["sea"].preview) == ("Only for seas.", ("wide sea",), None)


def test_a_second_scan_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "cache" / "models.json"
    for number in range(20):
        write_weights(tmp_path / "models" / f"lora_{number}.safetensors", LORA)
    first = Library((tmp_path / "models",), memory).scan()

    def look(*_arguments: object) -> None:
        raise AssertionError("opened a file that did not change")

    monkeypatch.setattr(library_module, "look", look)
    assert Library((tmp_path / "models",), memory).scan() == first
    memory.write_text('{"version": 1, "files": {"x": 3}}')
    monkeypatch.undo()
    assert Library((tmp_path / "models",), memory).scan() == first  # a damaged memory is an empty one


def test_a_moved_and_renamed_file_is_found_by_its_digest(tmp_path: Path) -> None:
    memory, models = tmp_path / "models.json", tmp_path / "models"
    old = write_weights(models / "old_name.safetensors", TINY_WHOLE)
    library = Library((models,), memory)
    (file,) = library.scan()
    assert (file.kind, library.undigested()) == (Kind.CHECKPOINT, (file,))
    sha256 = library.digest(file).sha256
    assert len(sha256) == 64 and library.installed()[0].sha256 == sha256 and library.undigested() == ()
    library.keep()
    (models / "sub").mkdir()
    os.rename(old, models / "sub" / "new_name.safetensors")
    again = Library((models,), memory)  # as after a restart: nothing is computed again
    assert again.find("old_name", sha256).path == models / "sub" / "new_name.safetensors"
    assert again.find("whatever", sha256[:10]).name == "new_name"
    with pytest.raises(ModelMissing, match=r"no model named “old_name”.*Models found: new_name"):
        again.find("old_name")


TINY = {
    "input_blocks.0.0.weight": (320, 4, 3, 3),
    "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
}
TINY_WHOLE = {f"model.diffusion_model.{n}": s for n, s in TINY.items()} | {
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": (768,),
}


def test_a_file_replaced_in_place_loses_its_digest(tmp_path: Path) -> None:
    file = write_weights(tmp_path / "a.safetensors", TINY_WHOLE)
    library = Library((tmp_path,))
    (found,) = library.scan()
    library.digest(found)
    write_weights(file, TINY_WHOLE | {"more": (3,)})
    with pytest.raises(ModelMissing, match="was changed since it was found"):
        library.digest(found)
    (found,) = library.scan()
    assert found.sha256 == ""


def test_a_digest_can_be_stopped(tmp_path: Path) -> None:
    write_weights(tmp_path / "a.safetensors", checkpoint(SD1))  # 2 GB of nothing
    library = Library((tmp_path,))
    (found,) = library.scan()
    read: list[int] = []
    with pytest.raises(Stopped):
        library.digest(found, stop=lambda: len(read) > 1, told=read.append)
    assert library.installed()[0].sha256 == ""


def test_an_answer_is_asked_for_once(tmp_path: Path) -> None:
    memory = tmp_path / "models.json"
    write_weights(tmp_path / "m" / "sd21.safetensors", checkpoint(SD2))
    library = Library((tmp_path / "m",), memory)
    (file,) = library.scan()
    assert file.asked == ("prediction",) and file.traits.prediction is Prediction.UNKNOWN
    answered = library.answer(file, prediction=Prediction.V, zero_snr=False)
    assert (answered.asked, answered.traits.prediction, answered.traits.zero_snr) == ((), Prediction.V, False)
    (later,) = Library((tmp_path / "m",), memory).scan()
    assert later == answered


def test_a_model_that_is_there_but_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "old.ckpt").write_bytes(b"\x80\x02}q\0.")
    whole = write_weights(tmp_path / "cut.safetensors", TINY_WHOLE)
    os.truncate(whole, whole.stat().st_size - 100)
    library = Library((tmp_path,))
    with pytest.raises(ModelMissing, match=r"“old” cannot be used. It is a pickle"):
        library.find("old")
    with pytest.raises(ModelMissing, match="incomplete"):
        library.find("cut")
    whole.unlink()
    good = write_weights(tmp_path / "good.safetensors", TINY_WHOLE)
    library.scan()
    good.unlink()
    with pytest.raises(ModelMissing, match="no longer where it was found"):
        library.find("good")


def test_a_linked_folder_is_followed_once(tmp_path: Path) -> None:
    real, models = tmp_path / "disk", tmp_path / "models"
    write_weights(real / "a.safetensors", LORA)
    models.mkdir()
    (models / "linked").symlink_to(real)
    (real / "back").symlink_to(models)
    assert [file.name for file in Library((models,)).scan()] == ["a"]


def test_the_hub_cache_names_models_by_their_repository(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--lllyasviel--sd-controlnet-canny" / "snapshots" / "7f2f"
    write_weights(snapshot / "diffusion_pytorch_model.safetensors", CONTROL)
    (snapshot / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    (found,) = Library((tmp_path,)).scan()
    assert (found.name, found.kind, found.family) == ("sd-controlnet-canny", Kind.CONTROLNET, Family.SD1)


CONTROL = {
    "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 768),
}


def test_comfyuis_list_of_folders(tmp_path: Path) -> None:
    webui = tmp_path / "webui" / "models"
    for name in ("Stable-diffusion", "Lora", "LyCORIS"):
        (webui / name).mkdir(parents=True)
    text = f"a111:\n  base_path: {tmp_path / 'webui'}\n  checkpoints: models/Stable-diffusion\n"
    text += "  loras: |\n    models/Lora\n    models/LyCORIS\n    models/absent\n  custom_nodes: models\n"
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(text)
    assert {folder.name for folder in comfy_folders(file)} == {"Stable-diffusion", "Lora", "LyCORIS"}


def test_two_thousand_files(tmp_path: Path) -> None:
    for number in range(2000):
        folder = tmp_path / f"set_{number % 40}"
        write_weights(folder / f"lora_{number}.safetensors", LORA_XL if number % 2 else LORA)
    library = Library((tmp_path,))
    found = library.scan()
    assert len(found) == 2000
    assert sum(file.family is Family.SDXL for file in found) == 1000


def test_what_was_said_is_kept_by_digest(tmp_path: Path) -> None:
    """So it is known again after a move, under another name, with another time, and without the cache."""
    said = tmp_path / "model_answers.json"
    file = write_weights(tmp_path / "m" / "sd21.safetensors", SMALL_2)
    library = Library((tmp_path / "m",), tmp_path / "models.json", said=Said(said))
    (found,) = library.scan()
    library.answer(found, prediction=Prediction.V, zero_snr=True)  # before its digest is known
    library.digest(library.installed()[0])
    assert "v_prediction" in said.read_text()
    (tmp_path / "models.json").unlink()
    moved = tmp_path / "n" / "renamed.safetensors"
    moved.parent.mkdir()
    file.rename(moved)
    os.utime(moved, (1, 1))
    later = Library((tmp_path / "n",), tmp_path / "models.json", said=Said(said))
    assert later.scan()[0].asked == ("prediction",), "its digest is not known yet"
    again = later.digest(later.installed()[0])
    assert (again.asked, again.traits.prediction, again.traits.zero_snr) == ((), Prediction.V, True)
    later.answer(again, prediction=Prediction.EPSILON, zero_snr=False)  # corrected later
    assert Said(said).of(again.sha256) == (("prediction", "epsilon"), ("zero_snr", "no"))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"prediction": []}}', "null"])
def test_damaged_answers_say_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    said = Said(tmp_path / "a.json")
    assert said.of("b") == ()
    said.put("b", (("prediction", "epsilon"),))
    assert Said(tmp_path / "a.json").of("b") == (("prediction", "epsilon"),)


@pytest.mark.parametrize(
    ("name", "said", "asked"),
    [
        ("noobai-vpred-1.0", {}, True),
        ("some_v-prediction_mix", {}, True),
        ("model_ZSNR", {}, True),
        ("dreamshaper_8", {}, False),
        ("noobai-vpred-1.0", {"modelspec__prediction_type": "v"}, False),
        ("vivid_previews", {}, False),
    ],
)
def test_a_name_that_says_v_is_asked_about(tmp_path: Path, name: str, said: dict[str, str], asked: bool) -> None:
    write_weights(tmp_path / f"{name}.safetensors", SMALL_XL, **said)
    (found,) = Library((tmp_path,)).scan()
    assert found.asked == (("prediction",) if asked else ())
    assert (found.traits.prediction is Prediction.UNKNOWN) == asked


def test_a_file_from_anywhere_comes_first_with_what_was_said_of_it(tmp_path: Path) -> None:
    said = Said(tmp_path / "said.json")
    for place in ("m", "elsewhere"):
        write_weights(tmp_path / place / "same.safetensors", SMALL_2 if place == "m" else SMALL_XL)
    library = Library((tmp_path / "m",), said=said)
    outside = tmp_path / "elsewhere" / "same.safetensors"
    assert library.take_in(outside).sha256 == "", "nothing was ever said: it need not be read"
    assert library.find("same").path == outside
    said.put(digest_file(outside), (("prediction", "v_prediction"),))
    assert Library((tmp_path / "m",), said=said).take_in(outside).traits.prediction is Prediction.V


def test_an_answer_given_while_folders_are_walked_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_weights(tmp_path / "sd21.safetensors", SMALL_2)
    library = Library((tmp_path,))
    (found,) = library.scan()
    walk = library_module.find_candidates

    def slow(folder: Path, stop: object) -> object:
        yield from walk(folder)
        library.answer(found, prediction=Prediction.V)  # from another thread, when all was looked into

    monkeypatch.setattr(library_module, "find_candidates", slow)
    (later,) = library.scan()
    assert (later.traits.prediction, later.asked) == (Prediction.V, ())
