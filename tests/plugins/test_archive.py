"""Installing: a good folder or archive arrives whole, one bad entry rejects all of it and leaves nothing anywhere."""

from __future__ import annotations

import io
import os
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.core.errors import PluginProblem, StudioError
from studio.core.plugins import PluginState
from tests.plugins.yard import DATA, Yard

Entries = list[tuple[zipfile.ZipInfo | str, bytes]]


def good() -> Entries:
    return [(file.name, file.read_bytes()) for file in sorted((DATA / "shout").iterdir()) if file.is_file()]


def packed(entries: Entries, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return data.getvalue()


def raw(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name  # past the tidying of the constructor
    return info


def with_mode(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def named(*names: str) -> Callable[[], bytes]:
    return lambda: packed([*good(), *((raw(name), b"evil") for name in names)])


def patched(old: bytes, new: bytes) -> Callable[[], bytes]:
    """An archive altered in its central directory and local headers, as no tool would write it."""
    return lambda: packed([*good(), ("weights.bin", b"w" * 100)], zipfile.ZIP_STORED).replace(old, new)


def encrypted() -> bytes:
    data = bytearray(packed(good()))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    return bytes(data)


def oversized() -> bytes:
    """An archive that declares 3 GB for a file of 100 bytes, stored."""
    data = bytearray(packed([*good(), ("weights.bin", b"w" * 100)], zipfile.ZIP_STORED))
    at = data.rfind(b"PK\x01\x02")
    struct.pack_into("<II", data, at + 20, 3 * 2**30, 3 * 2**30)
    return bytes(data)


BAD: dict[str, Callable[[], bytes]] = {
    "traversal": named("../evil.py"),
    "traversal inside": named("sub/../../evil.py"),
    "dot": named("./evil.py"),
    "double slash": named("sub//evil.py"),
    "absolute": named("/tmp/evil.py"),
    "drive": named("C:/evil.py"),
    "drive relative": named("C:evil.py"),
    "stream": named("a.txt:evil"),
    "backslash": named("..\\evil.py"),
    "unc": named("\\\\host\\share\\evil.py"),
    "device": named("con.txt"),
    "device in capitals": named("sub/LPT1"),
    "device with blank": named("NUL .txt"),
    "trailing dot": named("evil.py."),
    "trailing blank": named("evil.py "),
    "control character": named("ev\x07il.py"),
    "right to left": named("ev\u202eyp.il"),
    "star": named("ev*il.py"),
    "long name": named("a" * 300),
    "deep": named("/".join("abcdefghijklmnop") + ".py"),
    "symlink": lambda: packed([*good(), (with_mode("link.py", stat.S_IFLNK | 0o777), b"/etc/passwd")]),
    "fifo": lambda: packed([*good(), (with_mode("pipe", stat.S_IFIFO | 0o644), b"")]),
    "device file": lambda: packed([*good(), (with_mode("disk", stat.S_IFBLK | 0o644), b"")]),
    "folder as file": lambda: packed([*good(), (with_mode("dir", stat.S_IFDIR | 0o755), b"x")]),
    "file as folder": lambda: packed([*good(), (raw("dir/"), b"content")]),
    "case twins": named("Words.py"),
    "compatibility twins": named("ﬁle.txt", "file.txt"),
    "composed twins": named("e\u0301.txt", "\u00e9.txt"),
    "twin folders": named("Sub/a.txt", "sub/b.txt"),
    "below a file": named("words.py/evil.py"),
    "bomb by ratio": lambda: packed([*good(), ("zeros.bin", bytes(8 * 2**20))]),
    "bomb by size": oversized,
    "bomb by count": lambda: packed([*good(), *((f"f{i}", b"") for i in range(4001))], zipfile.ZIP_STORED),
    "encrypted": encrypted,
    "odd packing": lambda: packed(good(), zipfile.ZIP_BZIP2),
    "wrong sum": patched(b"w" * 100, b"v" * 100),
    "other name in its local header": lambda: packed(good()).replace(b"words.py", b"../wd.py", 1),
    "cut": lambda: packed(good())[:-30],
    "no archive": lambda: b"PK but not really",
    "empty file": lambda: b"",
    "empty archive": lambda: packed([]),
    "no manifest": lambda: packed([entry for entry in good() if entry[0] != "plugin.toml"]),
    "bad manifest": lambda: packed([("plugin.toml", b"id = 3"), ("__init__.py", b"")]),
    "no code": lambda: packed([entry for entry in good() if entry[0] != "__init__.py"]),
    "two roots": lambda: packed([(f"{root}/{name}", data) for root in "ab" for name, data in good()]),
}


def all_files(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", [*BAD, "duplicate"])
def test_one_bad_entry_rejects_the_whole(name: str, yard: Yard, tmp_path: Path) -> None:
    shelf = yard.shelf()
    source = tmp_path / "plugin.zip"
    source.write_bytes(packed([*good(), good()[0]]) if name == "duplicate" else BAD[name]())
    before = all_files(tmp_path)
    with pytest.raises(PluginProblem) as caught:
        shelf.install(source)
    yard.folders.plugins.exists() and yard.folders.plugins.rmdir()  # raises if anything was left in it
    yard.folders.root.exists() and yard.folders.root.rmdir()
    assert all_files(tmp_path) == before and shelf.infos() == ()
    assert caught.value.headline.endswith(".") and "Traceback" not in str(caught.value)


@pytest.mark.parametrize("root", ["", "shout/", "shout-main/"])
def test_a_good_archive_arrives_whole_and_does_not_run(root: str, yard: Yard, tmp_path: Path) -> None:
    source = tmp_path / "plugin.zip"
    extra: Entries = [
        ("__MACOSX/._x", b"x"),
        (f"{root}__pycache__/words.cpython-311.pyc", b"evil"),
        (f"{root}mini/w.bin", b"w"),
    ]
    source.write_bytes(packed([*((f"{root}{name}", data) for name, data in good()), *extra]))
    info = yard.shelf().install(source)
    assert info.state is PluginState.NEW and info.id == "shout"
    assert [name for name, _ in info.files] == ["__init__.py", "mini/w.bin", "plugin.toml", "words.py"]
    assert all_files(yard.folders.plugins / "shout") == [
        Path(n) for n in ("__init__.py", "mini", "mini/w.bin", "plugin.toml", "words.py")
    ]


def test_a_folder_is_copied_under_its_id(yard: Yard, tmp_path: Path) -> None:
    info = yard.shelf().install(DATA / "shout")
    assert info.state is PluginState.NEW and Path(info.folder) == yard.folders.plugins / "shout"


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_a_folder_with_a_link_is_refused(yard: Yard, tmp_path: Path) -> None:
    folder = yard.put("shout")
    source = folder.rename(tmp_path / "shout")
    (source / "more.py").symlink_to("/etc/passwd")
    with pytest.raises(PluginProblem, match="link"):
        yard.shelf().install(source)
    assert list(yard.folders.plugins.iterdir()) == []


def test_what_ships_cannot_be_replaced(yard: Yard, tmp_path: Path) -> None:
    yard.write("invert", "def enable(registry): ...", shipped=True)
    yard.write("invert", "").rename(tmp_path / "invert")
    with pytest.raises(PluginProblem, match="comes with the studio"):
        yard.shelf().install(tmp_path / "invert")


def test_an_older_copy_goes_to_the_trash_and_the_new_one_is_asked_about(yard: Yard, tmp_path: Path) -> None:
    shelf = yard.shelf()
    info = shelf.install(DATA / "shout")
    assert shelf.allow("shout", info.digest).state is PluginState.ENABLED
    assert shelf.install(DATA / "shout").state is PluginState.ENABLED  # the very same bytes
    source = yard.put("shout", "newer").rename(tmp_path / "shout")
    (source / "words.py").write_text("def louder(text, marks): return text", "utf-8")
    assert shelf.install(source).state is PluginState.CHANGED
    assert len(list(yard.folders.plugins.with_name("plugins-trash").iterdir())) == 2


def test_an_update_that_cannot_be_put_in_place_leaves_the_older_copy(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = yard.shelf()
    shelf.allow("shout", shelf.install(DATA / "shout").digest)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.startswith(".staging-"):
            raise PermissionError("planted")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StudioError, match="Nothing was changed"):
        shelf.install(DATA / "shout")
    shelf.rescan()
    assert shelf.info("shout").state is PluginState.ENABLED


def test_nothing_there(yard: Yard, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="nothing at"):
        yard.shelf().install(tmp_path / "no.zip")


def test_what_a_killed_installation_left_is_removed_by_the_next(yard: Yard) -> None:
    for name, age in ((".staging-old", 7200), (".staging-now", 0)):
        folder = yard.folders.plugins / name
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)
    shelf = yard.shelf()
    assert shelf.infos() == ()
    shelf.install(DATA / "shout")
    assert sorted(path.name for path in yard.folders.plugins.iterdir()) == [".staging-now", "shout"]
