"""On a network share the index does without the write-ahead log."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.library import Query
from studio.gallery.network import is_on_network, kind_of_mount
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in

MOUNTS = [
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
    "40 22 0:35 / /home/me/NAS\\040disk rw,relatime - nfs4 server:/x rw",
    "41 22 0:36 / /mnt rw - cifs //server/y rw",
    "42 41 0:37 / /mnt/local rw - xfs /dev/vdb rw",
    "rubbish",
]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/pictures", "ext4"),
        ("/home/me/NAS disk/library", "nfs4"),
        ("/home/me/NAS disks", "ext4"),
        ("/mnt/library", "cifs"),
        ("/mnt/local/library", "xfs"),
    ],
)
def test_the_nearest_mount_counts(path: str, kind: str) -> None:
    assert kind_of_mount(path, MOUNTS) == kind


def test_a_local_folder_is_local(tmp_path: Path) -> None:
    assert not is_on_network(tmp_path / "index.sqlite3")


def test_a_library_on_a_share(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.gallery.index.is_on_network", lambda _: True)
    store = store_in(data)
    picture = store.add(noise(8), recipe(), MADE_WITH)
    assert store._opened().read("PRAGMA journal_mode") == [("delete",)]
    other = GalleryStore(store.folders).open_quickly()
    late = other.add(noise(8), recipe(seed=2), MADE_WITH)
    assert store.page(0, 9) == (late, picture)
    assert len(store.listing(Query()).keys) == 2
    assert not list(data.glob("*-wal"))
    store.close()
    other.close()
