"""Single modules of controlnet-aux without its package, whose import loads every detector (7 s, and 14 warnings)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import types
import warnings
from typing import Any

from studio.engine.libraries import load_torch

_LIGHT = "_light_controlnet_aux"
_importing = threading.Lock()


def aux_module(name: str) -> Any:
    """A module such as "canny" or "open_pose.model", imported once. Its `util` imports torch."""
    with _importing:
        load_torch()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the libraries
            return importlib.import_module(f"{_package()}.{name}")


def _package() -> str:
    """The light stand-in for the package; the real one where that is here already, or is laid out otherwise."""
    if _LIGHT in sys.modules:
        return _LIGHT
    real = importlib.util.find_spec("controlnet_aux")
    if real is None or real.submodule_search_locations is None or "controlnet_aux" in sys.modules:
        return "controlnet_aux"
    package = types.ModuleType(_LIGHT, "A stand-in for the package controlnet_aux that imports nothing by itself.")
    package.__path__ = list(real.submodule_search_locations)
    sys.modules[_LIGHT] = package
    return _LIGHT
