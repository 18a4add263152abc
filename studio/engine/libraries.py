"""Brings in torch, diffusers and transformers in a way that lets the window live. Light itself: standard library only.

What holds the GIL while 3,900 modules are imported, found by asking where the importing thread stood after each gap of a
5 ms timer in the main thread (2 busy cores, each row with those above it; milliseconds beyond the 5; totals in s):

    plain `import`, no bytecode files (PYTHONDONTWRITEBYTECODE)     25-42 s   p99 68-120   worst 437-1213
    bytecode files written and read: no compiling with the GIL        9.3 s   p99 15.8     worst 405
    no garbage collection, large native libraries opened without
    the GIL, switch interval 0.5 ms                                 8.4 s   p99 7-9      worst 50-73

- Garbage collection: a full pass over all that torch creates takes up to 0.4 s, and comes several times.
- `import torch` opens 1 GB of native libraries with the GIL held (0.2-0.6 s). `ctypes.CDLL` holds it too; a call of the C
  library's own `dlopen` through ctypes does not, and afterwards Python finds them open.
- What is left (50-70 ms, once) is the registration of torch's classes in `torch._C`.
- Keeping out what a picture never needs (peft, torch._dynamo, sympy) by stand-in modules was tried: it saves a tenth and
  breaks at the next turn, since transformers itself wants most of it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # no network at run time
    "TRANSFORMERS_OFFLINE": "1",
    "DIFFUSERS_DISABLE_REMOTE_CODE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",  # a few operations are missing on Apple GPUs
    # OpenMP's threads wait for each other some 50 us with open eyes, then sleep. Always spinning starves the window and,
    # when anything else runs, one another (6 steps of Mini on 2 busy cores: 6-22 s, else 1-4 s); sleeping at once makes
    # a UNet call of Mini take 114 ms on 2 free cores instead of 40.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "20000",
}
_RTLD_NOW = 2
_NATIVE = ("libtorch_global_deps.so", "libc10.so", "libtorch_cpu.so", "libtorch_cuda.so")
_MODULES = (
    "numpy",
    "torch",
    "safetensors.torch",
    "transformers",
    "diffusers.utils",
    "transformers.modeling_utils",
    "transformers.models.clip.modeling_clip",
    "transformers.models.clip.tokenization_clip",
    "diffusers.models.modeling_utils",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.controlnets.controlnet",
    "diffusers.schedulers.scheduling_dpmsolver_multistep",
)
_LIBRARIES = r"(diffusers|transformers|torch|torchsde|huggingface_hub|accelerate|peft|controlnet_aux)\b"


_loading = threading.Lock()


def load_libraries() -> None:
    """Import everything a first picture needs, giving way to other threads."""
    _load(_MODULES)
    _silence_logs()
    be_quiet()


def load_torch() -> None:
    """Import torch alone, in the same way."""
    _load(("numpy", "torch"))


def be_quiet() -> None:
    """Keep the libraries' own warnings out of the artist's sight; ours stay. Cheap, and safe to call again."""
    warnings.filterwarnings("ignore", module=_LIBRARIES)
    warnings.filterwarnings("ignore", message="__array_wrap__ must accept")  # diffusers' schedulers, told by numpy


def _load(modules: Iterable[str]) -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with _loading, _giving_way(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the libraries are not the artist's business
        if "torch" not in sys.modules:
            _open_native_libraries()
        for module in modules:
            importlib.import_module(module)
            time.sleep(0.001)


@contextmanager
def _giving_way() -> Iterator[None]:
    """Bytecode kept, no garbage collection, quick turns of the GIL - for as long as this lasts."""
    dont_write, interval, collects = sys.dont_write_bytecode, sys.getswitchinterval(), gc.isenabled()
    sys.dont_write_bytecode = False  # otherwise every start compiles 3,900 files; a read-only folder is left alone
    sys.setswitchinterval(0.0005)
    if collects:
        gc.disable()
    try:
        yield
    finally:
        sys.dont_write_bytecode = dont_write
        sys.setswitchinterval(interval)
        if collects:  # not frozen: Python would then complain about leaks at its end
            gc.enable()


def _open_native_libraries() -> None:
    """Open torch's largest libraries without the GIL, before Python does it with the GIL. Failing is harmless."""
    torch = importlib.util.find_spec("torch")
    if sys.platform != "linux" or torch is None or not torch.submodule_search_locations:
        return
    folder = Path(next(iter(torch.submodule_search_locations))) / "lib"
    try:
        dlopen = ctypes.CDLL(None).dlopen
    except (OSError, AttributeError):
        return
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name in _NATIVE:
        if (folder / name).is_file():
            everywhere = os.RTLD_GLOBAL if name == _NATIVE[0] else 0  # as torch itself does
            dlopen(os.fsencode(folder / name), _RTLD_NOW | everywhere)


def _silence_logs() -> None:
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
