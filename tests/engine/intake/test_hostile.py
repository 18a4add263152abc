"""Pickles and repository code: refused in words, never opened, whatever they are called and wherever they lie."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from studio.core.model_files import ModelFile
from studio.engine.intake.library import Library
from tests.engine.intake.layouts import write_weights
from tests.engine.intake.test_library import CONTROL, LORA

CANARY = "canary.txt"


class Canary:
    """Whoever unpickles this creates a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.file), "w")


def payloads(folder: Path) -> dict[str, bytes]:
    thing = Canary(folder / CANARY)
    made = {f"protocol {n}": pickle.dumps(thing, n) for n in range(6)}
    for name, inside in (("zip", "archive/data.pkl"), ("zip of another name", "weights/data.pkl")):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(inside, pickle.dumps(thing, 2))
        made[name] = stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("inner.pt", made["zip"])
    made["nested zip"] = stream.getvalue()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = len(made["protocol 2"])
        archive.addfile(info, io.BytesIO(made["protocol 2"]))
    made["legacy tar"] = stream.getvalue()
    made["numpy objects"] = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n" + made["protocol 2"]
    )
    return made


NAMES = (
    "a.ckpt", "a.pt", "a.pth", "a.bin", "a.pkl", "a.pt2", "a.safetensors", "Lora/a.safetensors", "VAE/a.vae.pt", "embeddings/a.pt",
)  # fmt: skip


def test_canaries_never_run(tmp_path: Path) -> None:
    """S1. In a process of its own, with an audit hook on every use of an unpickler."""
    models = tmp_path / "models"
    count = 0
    for kind, payload in payloads(tmp_path).items():
        for name in NAMES:
            file = models / kind / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(payload)
            count += 1
    pipeline = models / "pipe"  # a good folder with a pickle beside its weights, and one with nothing but pickles
    write_weights(pipeline / "diffusion_pytorch_model.safetensors", CONTROL)
    (pipeline / "config.json").write_text("{}")
    (pipeline / "diffusion_pytorch_model.bin").write_bytes(payloads(tmp_path)["zip"])
    (models / "old").mkdir()
    (models / "old" / "config.json").write_text("{}")
    (models / "old" / "diffusion_pytorch_model.bin").write_bytes(payloads(tmp_path)["zip"])
    code = f"""
import sys, json
from pathlib import Path
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event == "pickle.find_class" else None)
from studio.engine.intake.library import Library
found = Library((Path({str(models)!r}),)).scan()
print(json.dumps({{"seen": seen, "files": [[f.name, f.problem, str(f.path)] for f in found], "torch": "torch" in sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3]
    )
    told = json.loads(done.stdout)
    assert told["seen"] == [] and told["torch"] is False
    assert not (tmp_path / CANARY).exists()
    usable = [name for name, problem, _ in told["files"] if not problem]
    assert usable == ["pipe"] and len(told["files"]) == count + 2
    for _, problem, path in told["files"]:
        if problem and "nested" not in path and "numpy" not in path:
            assert "can run" in problem, (path, problem)


def scan_one(folder: Path) -> ModelFile:
    (found,) = Library((folder,)).scan()
    return found


INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
}


@pytest.mark.parametrize(
    ("index", "unet", "says"),
    [
        (INDEX | {"unet": ["my_unet", "EvilUNet"]}, {}, "unet from my_unet"),
        (INDEX | {"_class_name": ["pipeline", "Evil"]}, {}, "_class_name"),
        (INDEX | {"custom_pipeline": "someone/evil"}, {}, "custom_pipeline"),
        (INDEX | {"auto_map": {"AutoModel": "modeling.Evil"}}, {}, "auto_map"),
        (INDEX, {"auto_map": {"AutoModel": "modeling.Evil"}}, "auto_map"),
    ],
)
def test_a_folder_that_asks_for_its_own_code_is_refused(index: dict, unet: dict, says: str, tmp_path: Path) -> None:
    """S2. The code lies there, would create a file when imported, and is not looked at."""
    folder = tmp_path / "models" / "evil"
    (folder / "unet").mkdir(parents=True)
    for name in ("pipeline.py", "my_unet.py", "modeling.py", "unet/my_unet.py"):
        (folder / name).write_text(f"open({str(tmp_path / CANARY)!r}, 'w')")
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "unet" / "config.json").write_text(json.dumps({"cross_attention_dim": 768, "in_channels": 4} | unet))
    found = scan_one(tmp_path / "models")
    assert f"program code of its own ({says})" in found.problem
    assert not (tmp_path / CANARY).exists()


def test_a_pipeline_that_is_not_whole_says_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "half"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    (folder / "unet" / "config.json").write_text(json.dumps({"cross_attention_dim": 768, "in_channels": 4}))
    assert "has no unet weights" in scan_one(tmp_path / "models").problem
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x02")
    assert ".bin or .ckpt, which can run code" in scan_one(tmp_path / "models").problem


def test_what_ships_is_recognised() -> None:
    from studio.core.model_files import Family, Kind
    from studio.core.paths import RESOURCES

    library = Library((RESOURCES,), ships=RESOURCES)
    found = {file.name: file for file in library.scan()}
    assert (found["mini"].kind, found["mini"].family, found["mini"].problem) == (Kind.CHECKPOINT, Family.MINI, "")
    assert found["mini"].ships


def test_a_lora_in_the_wrong_slot_is_not_found_as_a_model(tmp_path: Path) -> None:
    """R21: the wrong kind is refused from the header, before anything is loaded."""
    from studio.core.errors import ModelMissing

    write_weights(tmp_path / "ink.safetensors", LORA)
    with pytest.raises(ModelMissing, match="no model named “ink”"):
        Library((tmp_path,)).find("ink")
