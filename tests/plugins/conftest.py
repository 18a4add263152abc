"""For the plugin room: a yard of its own for each test, and no guest left in the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.plugins.importer import ROOT, finder
from tests.plugins.yard import Yard


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    yield Yard(tmp_path)
    for name in [name for name in sys.modules if name.startswith(f"{ROOT}.")]:
        finder().forget(name.split(".")[1])
