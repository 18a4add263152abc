"""What the experiments share: a folder in memory, as a kill leaves the page cache alone and a disk would only be slow."""

from tests.gallery.conftest import fast_folder

__all__ = ["fast_folder"]
