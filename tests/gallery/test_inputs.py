"""Control pictures are kept once, by digest, and never returned when they are not what was kept."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from studio.core.errors import BadInputImage, StorageProblem
from studio.core.recipe import ImageRef
from studio.gallery.inputs import Inputs
from tests.gallery.makers import encoded, sketch


def test_the_same_picture_is_kept_once(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "inputs")
    ref = inputs.add(sketch())
    stored = inputs.read(ref)
    assert hashlib.sha256(stored).hexdigest() == ref.digest
    assert inputs.add(sketch()) == ref
    assert inputs.add(stored) == ref, "a stored picture dropped again is the same picture"
    (tmp_path / "a.jpeg").write_bytes(sketch())
    assert inputs.add(tmp_path / "a.jpeg") == ref
    assert [file.name for file in (tmp_path / "inputs").iterdir()] == [f"{ref.digest}.png"]


def test_take_tells_what_was_changed(tmp_path: Path) -> None:
    ref, loaded = Inputs(tmp_path).take(encoded(Image.new("RGB", (3000, 30))))
    assert "Scaled down" in loaded.note
    assert Inputs(tmp_path).read(ref) == loaded.png


def test_missing_damaged_or_impossible_references(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    for digest in ("0" * 64, "../../etc/passwd", "", "A" * 64):
        with pytest.raises(BadInputImage, match="The control picture is missing"):
            inputs.read(ImageRef(digest=digest))
    ref = inputs.add(sketch())
    file = tmp_path / f"{ref.digest}.png"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(BadInputImage, match="damaged"):
        inputs.read(ref)
    assert inputs.add(sketch()) == ref
    assert Image.open(io.BytesIO(inputs.read(ref))).size == (48, 48), "dropped again, the damaged file is replaced"


def test_embedded_bytes_are_kept_as_they_are(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (9, 9), "red"), compress_level=0)
    digest = hashlib.sha256(data).hexdigest()
    inputs = Inputs(tmp_path)
    assert inputs.restore(digest, data) == ImageRef(digest=digest)
    assert inputs.read(ImageRef(digest=digest)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        encoded(Image.new("RGB", (9, 9)), "JPEG"),
        encoded(Image.new("RGBA", (9, 9))),
        encoded(Image.new("RGB", (2049, 1))),
        encoded(Image.effect_noise((64, 64), 50).convert("RGB"))[:200],
    ],
    ids=["empty", "text", "jpeg", "rgba", "large", "cut"],
)
def test_embedded_bytes_that_are_not_plain_pictures_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadInputImage, match="damaged"):
        Inputs(tmp_path).restore(hashlib.sha256(data).hexdigest(), data)
    with pytest.raises(BadInputImage, match="damaged"):
        Inputs(tmp_path).restore("0" * 64, sketch())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_a_storage_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageProblem, match="The control picture could not be stored"):
        Inputs(tmp_path / "file" / "inputs").add(sketch())
