"""What several of the gallery's tests need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one: for what does not depend on a real disk but would wait for it often.

    A kill, for example, leaves the page cache alone, so memory is as good as a disk.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
