"""Weights are read, not mapped: the file's very numbers, and a sentence where the file shrinks or changes meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.core.errors import ModelMissing
from studio.engine.diffusion.reading import ALIGNMENT, CHUNK, read_tensors

ROOT = Path(__file__).resolve().parents[2]


def go_on() -> None:
    pass


def write(file: Path, large: int = 1000) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    tensors = {
        "large": torch.randn((large, 3), generator=generator).half(),
        "single": torch.tensor(3.25),
        "empty": torch.zeros((0, 4)),
        "brain": torch.randn((5, 7), generator=generator).bfloat16(),
        "small": torch.randn((4, 4), generator=generator).to(torch.float8_e4m3fn),
        "double": torch.randn((3,), generator=generator).double(),
        "ids": torch.arange(77)[None],
        "flags": torch.tensor([True, False, True]),
    }
    save_file(tensors, file)
    return tensors


def test_the_very_numbers_of_the_file_in_memory_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    tensors = write(file)
    read = read_tensors(file, None, go_on)
    assert read.keys() == tensors.keys()
    for name, tensor in load_file(file).items():
        assert read[name].dtype == tensor.dtype
        assert read[name].shape == tensor.shape
        assert torch.equal(read[name].float(), tensor.float())
        assert read[name].is_contiguous()
        assert read[name].numel() == 0 or read[name].data_ptr() % ALIGNMENT == 0


def test_a_number_format_is_changed_on_the_way_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    tensors = write(file, large=CHUNK // 6 + 11)  # three halves a row: a little more than one piece
    read = read_tensors(file, torch.float32, go_on)
    for name, tensor in tensors.items():
        assert read[name].dtype == (torch.float32 if tensor.is_floating_point() else tensor.dtype)
        assert torch.equal(read[name].float(), tensor.float())


def test_what_is_not_wanted_has_a_shape_and_no_numbers(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    write(file)
    asked: list[int] = []
    read = read_tensors(file, None, lambda: asked.append(1), lambda name: name == "ids")
    assert len(asked) == 1
    assert {name for name, tensor in read.items() if not tensor.is_meta} == {"ids"}
    assert read["large"].shape == (1000, 3)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda file: os.truncate(file, file.stat().st_size - 500), "became shorter while it was read"),
        (lambda file: os.truncate(file, file.stat().st_size // 2), "became shorter while it was read"),
        (lambda file: file.write_bytes(bytes(file.stat().st_size)), "was changed while it was read"),
        (lambda file: file.write_bytes(file.read_bytes() + b"more"), "was changed while it was read"),
    ],
)
def test_a_file_that_changes_meanwhile_is_a_sentence(tmp_path: Path, harm: object, sentence: str) -> None:
    file = tmp_path / "a.safetensors"
    write(file)
    os.utime(file, ns=(1, 1))  # so that a change is seen whatever the clock's steps
    polls: list[int] = []

    def poll() -> None:
        polls.append(1)
        if len(polls) == 2:
            harm(file)  # type: ignore[operator]  # a function of the table above

    with pytest.raises(ModelMissing, match=sentence) as error:
        read_tensors(file, torch.float32, poll)
    assert "Wait until it is written whole" in error.value.hint


CUT_SHORT = """
import os, sys
from pathlib import Path
import torch
sys.path.insert(0, {root!r})
from studio.core.errors import ModelMissing
file, way = Path({file!r}), sys.argv[1]
if way == "mapped":
    from safetensors.torch import load_file
    tensors = load_file(file)
    os.truncate(file, 4096)
    print(float(tensors["weight"].sum()))
elif way == "read, then cut":
    from studio.engine.diffusion.reading import read_tensors
    tensors = read_tensors(file, None, lambda: None)
    os.truncate(file, 4096)
    print("sum", float(tensors["weight"].sum()))
else:
    from studio.engine.diffusion.reading import read_tensors
    try:
        read_tensors(file, torch.float32, lambda: os.truncate(file, 4096))
    except ModelMissing as error:
        print(error.headline)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be cut short there")
@pytest.mark.parametrize(
    ("way", "status", "says"),
    [
        ("mapped", -signal.SIGBUS, ""),  # the control: what would end the studio
        ("read, then cut", 0, "sum 1048576.0"),
        ("cut while it is read", 0, "became shorter while it was read"),
    ],
)
def test_a_file_cut_short_ends_no_process(tmp_path: Path, way: str, status: int, says: str) -> None:
    file = tmp_path / "net.safetensors"
    save_file({"weight": torch.ones((1024, 1024))}, file)
    script = CUT_SHORT.format(root=str(ROOT), file=str(file))
    done = subprocess.run(
        [sys.executable, "-c", script, way], capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False
    )
    assert done.returncode == status, done.stderr[-800:]
    assert says in done.stdout


def test_a_loaded_model_outlives_its_files(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    from studio.engine.diffusion.parts import load_folder

    folder = shutil.copytree(tiny_folder / "sd1", tmp_path / "sd1")
    parts = load_folder("sd1", folder, torch.float32, go_on)
    before = {name: tensor.clone() for name, tensor in parts.unet.state_dict().items()}
    for file in folder.rglob("*.safetensors"):
        os.truncate(file, 100)
    for module in (parts.unet, parts.vae, parts.text.text_model):
        assert all(torch.isfinite(tensor).all() for tensor in module.state_dict().values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in parts.unet.state_dict().items())


def test_weights_that_lack_are_said_not_invented(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    from studio.engine.diffusion.parts import load_folder

    for part, file, key in (
        ("unet", "diffusion_pytorch_model", "conv_in.weight"),
        ("text_encoder", "model", "final_layer_norm.weight"),
    ):
        folder = shutil.copytree(tiny_folder / "sd1", tmp_path / part)
        place = folder / part / f"{file}.safetensors"
        tensors = {name: tensor.clone() for name, tensor in load_file(place).items() if not name.endswith(key)}
        save_file(tensors, place, metadata={"format": "pt"})
        with pytest.raises(ModelMissing, match=f"{part} of the model .* does not fit"):
            load_folder("sd1", folder, torch.float32, go_on)
