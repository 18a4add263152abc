"""Pictures of the model page over a made-up collection; registers with screenshots.py, which takes them."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screenshots import Shot

NAMES = (
    "ink_wash",
    "copperplate",
    "blue hour",
    "paper cut",
    "linocut",
    "soft pastel",
    "gouache_v2",
    "old postcard",
    "chalk",
    "risograph",
)


def collection(folder: Path) -> None:
    """Files of many kinds: true headers, nothing behind them on the disk."""
    from demo_pictures import landscape

    from studio.core.recipe import Recipe
    from tests.engine.intake import layouts as real
    from tests.engine.intake.test_library import CONTROL, LORA, LORA_XL

    def write(name: str, shapes: real.Shapes, **said: str) -> Path:
        return real.write_weights(folder / f"{name}.safetensors", shapes, **said)

    write("Stable-diffusion/dreamshaper_8", real.checkpoint(real.SD1))
    write("Stable-diffusion/deliberate_v3_inpainting", real.checkpoint(real.SD1_INPAINT))
    write("Stable-diffusion/v2-1_768-ema-pruned", real.checkpoint(real.SD2))
    write(
        "Stable-diffusion/sd_xl_base_1.0", real.checkpoint(real.SDXL), modelspec__title="Stable Diffusion XL 1.0 Base"
    )
    write("Stable-diffusion/sd_xl_turbo_1.0_fp16", real.checkpoint(real.SDXL))
    write("Stable-diffusion/sd_xl_refiner_1.0", real.checkpoint(real.REFINER))
    write("ControlNet/control_v11p_sd15_canny", real.controlnet(real.SD1))
    write("ControlNet/control_v11p_sd15_scribble", CONTROL)
    write("VAE/vae-ft-mse-840000-ema-pruned", real.vae())
    for number, name in enumerate(NAMES):
        file = write(
            f"Lora/{name}", LORA if number % 3 else LORA_XL, modelspec__trigger_phrase=f"{name.split('_')[0]} style"
        )
        size = 512 if number % 2 else 640
        picture = landscape(Recipe(prompt=name, seed=number * 977), 512, size)
        picture.save(str(file.with_name(f"{name}.preview.png")))
    note = "Strength 0.6 to 0.8. Strong with watercolour paper, weak with photographs.\n\nTrained on 40 scans of ink drawings."
    (folder / "Lora" / "ink_wash.json").write_text(
        json.dumps({"activation text": "inkwash, misty hills", "notes": note})
    )
    write("embeddings/easy_hands", {"emb_params": (8, 768)})
    (folder / "Stable-diffusion" / "old-friend.ckpt").write_bytes(b"\x80\x02}q\0." + bytes(4000))
    cut = write("Lora/half_a_lora", LORA)
    with cut.open("r+b") as stream:
        stream.truncate(cut.stat().st_size - 2000)
    (folder / "Lora" / "saved_page.safetensors").write_bytes(b"<!DOCTYPE html><html>" + bytes(400))
    write("unet/flux1-dev", {"double_blocks.0.img_attn.norm.key_norm.scale": (128,)})


def many(folder: Path, count: int = 2000) -> None:
    """A large collection of LoRAs."""
    from tests.engine.intake.layouts import write_weights
    from tests.engine.intake.test_library import LORA

    rng = random.Random(1)
    for number in range(count):
        write_weights(folder / "Lora" / f"{rng.choice(NAMES).replace(' ', '_')}_{number:04}.safetensors", LORA)


def model_shot(theme: str, fill: Callable[[Path], None] = collection) -> Shot:
    """A studio over a collection."""
    from screenshots import Shot

    made = Shot(theme=theme)
    fill(made.folder / "models")
    made.studio.state.model_files.rescan()
    made.wait(lambda: len(made.studio.state.model_files.files) > 10, 60)
    return made


def grab(made: Shot, widget: object, name: str) -> None:
    """A picture of one widget."""
    made.wait(seconds=0.5)
    widget.grab().save(str(Path(sys.argv[1]) / f"{name}.png"))  # type: ignore[attr-defined]


def page(theme: str) -> None:
    """The page: everything, one LoRA, a question, and what cannot be used."""
    from studio.core.model_files import Kind

    made = model_shot(theme)
    made.window.models.show_page()
    found = made.window.models.page
    assert found is not None
    made.wait(lambda: not made.studio.state.model_files.busy, 30)
    found.select(made.folder / "models" / "Lora" / "ink_wash.safetensors")
    made.wait(seconds=1.5)
    grab(made, found, f"models_page_{theme}")
    made.window.models.choose("dreamshaper_8")
    found.close()
    made.wait(seconds=0.3)
    made.window.models.show_page()
    found = made.window.models.page
    assert found is not None
    found.select(made.folder / "models" / "Lora" / "blue hour.safetensors")  # goes with it; ink_wash did not with Mini
    grab(made, found, f"models_page_fits_{theme}")
    found.select(made.folder / "models" / "Stable-diffusion" / "v2-1_768-ema-pruned.safetensors")
    grab(made, found, f"models_page_asks_{theme}")
    rows = [found.kinds.item(row).data(256) for row in range(found.kinds.count())]
    found.kinds.setCurrentRow(rows.index(Kind.UNKNOWN))
    grab(made, found, f"models_page_bad_{theme}")
    found.select(made.folder / "models" / "Lora" / "half_a_lora.safetensors")
    grab(made, found, f"models_page_cut_{theme}")
    found.search.setText("nothing like this")
    made.wait(seconds=0.4)
    grab(made, found, f"models_page_nothing_{theme}")
    found.close()
    made.window.settings.model.showPopup()
    made.wait(seconds=0.3)
    made.window.settings.model.view().window().grab().save(str(Path(sys.argv[1]) / f"models_combo_{theme}.png"))
    made.window.settings.model.hidePopup()
    made.take(f"models_window_{theme}")
    made.close()


def empty(theme: str) -> None:
    """No model of the artist's yet, and none at all."""
    from screenshots import Shot

    made = Shot(theme=theme)
    made.window.models.show_page()
    found = made.window.models.page
    made.wait(lambda: not made.studio.state.model_files.busy, 30)
    grab(made, found, f"models_page_first_{theme}")
    found.close()  # type: ignore[union-attr]
    made.close()


def large(theme: str) -> None:
    """Two thousand files."""
    made = model_shot(theme, many)
    made.window.models.show_page()
    found = made.window.models.page
    made.wait(lambda: len(made.studio.state.model_files.files) > 2000, 60)
    grab(made, found, f"models_page_2000_{theme}")
    found.close()  # type: ignore[union-attr]
    made.close()


def get(theme: str) -> None:
    """Getting models: the starters, a look-up, downloads in several states, and a refusal."""
    from dataclasses import replace

    from studio.core.hub import NetworkProblem, RemoteFile, Repository, Transfer, TransferState

    made = model_shot(theme)
    made.window.models.show_get()
    found = made.window.models.get_page
    assert found is not None
    grab(made, found, f"get_models_{theme}")
    found.name.setText("canny")
    grab(made, found, f"get_models_search_{theme}")
    found.name.setText("watercolour")
    grab(made, found, f"get_models_none_{theme}")
    found.name.clear()
    weights = RemoteFile(path="unet/diffusion_pytorch_model.fp16.safetensors", size=1_719_125_304, sha256="0" * 64)
    rest = (
        RemoteFile(path="vae/diffusion_pytorch_model.fp16.safetensors", size=167_335_342),
        RemoteFile(path="model_index.json", size=541),
    )
    plain = Transfer(
        id="1", title="Stable Diffusion XL 1.0", repository="a/b", revision="c", files=(weights, *rest), folder="x", endpoint="",
        state=TransferState.RUNNING, file=weights.path, file_done=612_000_000, done=612_000_000, bytes_per_second=11_400_000.0,
    )  # fmt: skip
    broken = replace(
        plain, id="2", title="ControlNet scribble, SD 1.5", state=TransferState.FAILED, done=402_000_000, file="",
        headline="The line broke after 402 of 723 MB.", hint="What came is kept; press Continue when the network is back.",
    )  # fmt: skip
    made.studio.state.downloads._transfers = (plain, broken)
    made.studio.state.downloads.changed.emit()
    files = (
        RemoteFile(path="model_index.json", size=541),
        weights,
        RemoteFile(path="v1-5.safetensors", size=4_265_146_304, sha256="0" * 64),
    )
    offered = Repository(
        id="stabilityai/stable-diffusion-xl-base-1.0", revision="c", files=files, licence="openrail++", gate="manual"
    )
    found.card.show_repository(offered)
    grab(made, found, f"get_models_busy_{theme}")
    found.card.show_repository(None)
    made.studio.state.downloads.failed.emit(
        NetworkProblem(
            "The hub knows no “someone/nothing”, or it is private.", "Check the name; a private one needs your token."
        )
    )
    grab(made, found, f"get_models_refused_{theme}")
    found.close()
    made.close()


def settings(theme: str) -> None:
    """The settings panel: what a few-step model offers, what is asked, and the fields behind “More”."""
    from dataclasses import replace

    from studio.core.choices import Tiling
    from studio.core.recipe import FreeU, ModelRef

    made = model_shot(theme)
    made.window.resize(1280, 1250)
    made.window.models.choose("sd_xl_turbo_1.0_fp16")
    made.studio.draft.set_guidance_scale(7.0)
    made.take(f"settings_offer_{theme}")
    made.window.models.choose("v2-1_768-ema-pruned")
    made.take(f"settings_asks_{theme}")
    made.window.models.choose("sd_xl_base_1.0")
    unusual = {"clip_skip": 1, "freeu": FreeU(b1=1.3, b2=1.4), "tiling": Tiling.X, "weights": False}
    named = {"refiner": ModelRef(name="sd_xl_refiner_1.0"), "vae": ModelRef(name="vae-ft-mse-840000-ema-pruned")}
    made.studio.draft.change(replace(made.studio.draft.draft, **unusual, **named), "unusual")
    made.take(f"settings_folded_{theme}")
    made.window.settings.more.head.click()
    made.take(f"settings_more_{theme}")
    made.close()


def marks(theme: str) -> None:
    """The prompt with a mark for a LoRA that is here, for one that is not, and in a small window."""
    made = model_shot(theme)
    made.studio.draft.set_prompt("a red house on green hills, blue sky, <lora:copperplate:0.8>, evening")
    made.take(f"lora_mark_{theme}")
    made.studio.draft.set_prompt("a red house on green hills, blue sky, <lora:a_style_with_a_very_long_name_v12:0.8>")
    made.window.resize(1024, 640)
    made.take(f"lora_mark_unknown_{theme}")
    made.close()


ALL = (page, empty, large, get, settings, marks)
