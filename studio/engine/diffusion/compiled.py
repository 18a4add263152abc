"""Compiled networks, on wish: a call of a shape that came before runs as one graph; until that is ready, as ever.

What was decided, and why:

- **One graph for each exact call** (shapes, number formats, which residuals there are). Bigger buckets would need padded
  latents, and padding is seen by every attention and every group norm: other pixels. So sizes are not rounded; the
  first picture of a size runs as ever, and the graph is made afterwards, in a thread of its own.
- **A shadow is compiled, never the network itself**: a copy of its structure over the same weights. So the one that
  serves keeps its hooks and whatever plugins attach, and nothing is traced while somebody changes it.
- **Nothing is compiled in a picture's time.** The graph is made ahead of time (`aot_compile`), stands for itself and
  refuses calls it was not made for, instead of compiling again. It comes into use at the beginning of a job, after its
  answer was compared with the network's own. Whatever fails is told to the log, and the network runs as ever.
- **Off by default**: other kernels mean other last bits, so a picture is made again only closely. It says so.
"""

from __future__ import annotations

import copy
import ctypes
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from studio.engine.diffusion.cuda_graphs import recorded
from studio.engine.diffusion.memory import is_lack

Mode = Literal["off", "automatic"]
Key = tuple[object, ...]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
STOP_SECONDS = 10.0
KEPT = 6  # graphs for one network; each holds memory of its own on the device
TOLERANCE = {torch.float32: 1e-3, torch.float16: 3e-2, torch.bfloat16: 6e-2}  # of the root mean square
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Graph:
    """One exact call of a network: what it looks like, and the compiled function once there is one."""

    arguments: Arguments  # tensors of the same kinds, to be traced with
    call: Callable[..., Any] | None = None
    unrecorded: Callable[..., Any] | None = None  # what `call` was before it was recorded
    proven: bool = False
    failed: bool = False


@dataclass(eq=False)
class _Kept:
    """What is known of one network."""

    shadow: nn.Module
    graphs: dict[Key, _Graph] = field(default_factory=dict)
    places: tuple[int, ...] = ()  # where the weights lie

    def settle(self, network: nn.Module) -> None:
        """Before a job: let go of recordings that would read weights where they lay before they were moved away."""
        places = tuple(parameter.data_ptr() for parameter in network.parameters())
        if places == self.places:
            return
        self.places = places
        for graph in self.graphs.values():
            if graph.unrecorded is not None:
                graph.call, graph.unrecorded, graph.proven = graph.unrecorded, None, False


_Wish = tuple[ReferenceType[_Kept], ReferenceType[_Graph]]  # weak: a model that is let go meanwhile is gone at once


class Compiler:
    """Networks and their graphs. All methods are for the engine thread; compiling happens in one thread beside it.

    `mode` may be set at any time: "automatic" compiles on CUDA. `kinds` are the devices it is done on, `backend` is
    torch.compile's. State: `_kept`, by network, the thread with its queue, and `quick`, the last job's compiled calls.
    """

    def __init__(self, backend: str = "inductor", kinds: tuple[str, ...] = ("cuda",)) -> None:
        self.mode: Mode = "off"
        self.folder: Path | None = None  # where the compiler's own files are kept from start to start
        self.backend, self._kinds = backend, kinds
        self.quick = 0
        self._kept: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()
        self._wishes: queue.SimpleQueue[_Wish | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy = threading.Semaphore(0)
        self._wished = 0

    @contextmanager
    def job(self, plain: bool) -> Iterator[CompiledJob]:
        """While one picture is made. What was called for the first time is compiled after it.

        `plain`: nothing is attached to its networks, and all of them are on their device.
        """
        self.quick = 0
        job = CompiledJob(self._kept, self._kinds if plain and self.mode != "off" else ())
        try:
            yield job
        finally:
            self.quick = sum(watched.quick for watched in job.watched)
        for watched in job.watched:  # not after an error, nor after a cancel
            self._learn(watched)

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """What is to be known of the last job's picture: it was made by other kernels than usual, or nothing."""
        return (("compiled", self.backend),) if self.quick else ()

    def wait(self) -> None:
        """Until everything wished for so far is compiled, or has failed."""
        while self._wished:
            self._busy.acquire()
            self._wished -= 1

    def close(self) -> None:
        """Begin nothing more, and break off what is being compiled. Waits a few seconds at most."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wishes.put(None)
            _break_off(thread)
        self._kept.clear()

    def _learn(self, watched: Watched) -> None:
        if not watched.new:
            return
        network = watched.network
        kept = self._kept.get(network)
        if kept is None:
            kept = self._kept[network] = _Kept(watched.shadow(network))
        for key, arguments in watched.new.items():
            if key in kept.graphs:  # two layers read by one network
                continue
            if len(kept.graphs) >= KEPT:
                kept.graphs.pop(next(iter(kept.graphs)))
            graph = kept.graphs[key] = _Graph(arguments)
            self._wished += 1
            self._wishes.put((ref(kept), ref(graph)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._until_stopped, name="compiler", daemon=True)
            self._thread.start()

    def _until_stopped(self) -> None:
        with suppress(_Stop):
            self._work()

    def _work(self) -> None:
        if self.folder is not None:
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(self.folder))
        while (wish := self._wishes.get()) is not None:
            kept, graph = wish[0](), wish[1]()
            try:
                if kept is None or graph is None:
                    continue
                with _beside(graph.arguments):
                    graph.call = compiled(kept.shadow, graph.arguments, self.backend)
                graph.arguments = ((), {})  # their memory
            except Exception as error:
                assert graph is not None
                graph.failed = True
                _log.warning("The model could not be compiled and runs as it did: %s", _first_line(error))
            finally:
                del wish, kept, graph
                self._busy.release()


class _Stop(BaseException):
    """Raised into the compiling thread at the studio's end; no compiler's `except Exception` keeps it."""


def _break_off(thread: threading.Thread) -> None:
    """Have a thread leave Python code wherever it stands: tearing the process down around a compiler aborts it."""
    until = time.monotonic() + STOP_SECONDS
    thread.join(0.2)  # an idle one goes by itself
    while thread.is_alive() and time.monotonic() < until:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Stop))
        thread.join(0.5)


class CompiledJob:
    """The networks of one picture; `kinds` are the devices on which they are compiled."""

    def __init__(self, kept: Mapping[nn.Module, _Kept], kinds: tuple[str, ...]) -> None:
        self._kept, self._kinds = kept, kinds
        self.watched: list[Watched] = []

    def of(self, network: Any, shadow: Callable[[nn.Module], nn.Module] | None = None) -> Any:
        """The network, or what calls it quicker where that is ready. `shadow` makes what is compiled in its place."""
        if network.device.type not in self._kinds:
            return network
        kept = self._kept.get(network)
        if kept is not None:
            kept.settle(network)
        self.watched.append(Watched(network, kept, shadow or shadow_of))
        return self.watched[-1]


class Watched:
    """A network in one job. Calls whose graph was ready at the beginning use it; others are remembered in `new`.

    `quick` and `calls` count. Behaves like the network otherwise.
    """

    def __init__(self, network: Any, kept: _Kept | None, shadow: Callable[[nn.Module], nn.Module]) -> None:
        self.network, self.shadow = network, shadow
        self._graphs = {} if kept is None else dict(kept.graphs)
        self._ready = {key: graph for key, graph in self._graphs.items() if graph.call and not graph.failed}
        self.new: dict[Key, Arguments] = {}
        self.calls = self.quick = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if torch.is_grad_enabled():
            return self.network(*args, **kwargs)
        key = key_of(args, kwargs)
        graph = self._ready.get(key)
        if graph is not None:
            return self._quickly(key, graph, args, kwargs)
        if key not in self._graphs and key not in self.new:
            self.new[key] = _like(args, kwargs)
        return self.network(*args, **kwargs)

    def _quickly(self, key: Key, graph: _Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        assert graph.call is not None
        try:
            if not graph.proven:
                answer = prove(graph, self.network, args, kwargs)
                graph.proven = True
            else:
                answer = graph.call(*args, **kwargs)
        except (RuntimeError, Unlike) as error:
            if is_lack(error):
                raise
            graph.failed, graph.call = True, None
            del self._ready[key]
            _log.warning("The compiled model is not used any more: %s", _first_line(error))
            return self.network(*args, **kwargs)
        self.quick += 1
        return answer


class Unlike(Exception):
    """What was compiled does not answer as the network does."""


def prove(graph: _Graph, network: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The network's own answer, after the graph's was found to be the same up to rounding. On CUDA the graph is then
    recorded, and the recording is proven in the same way. Raises `Unlike`."""
    assert graph.call is not None
    expected = network(*_own(args), **_own(kwargs))
    _compare(expected, graph.call(*_own(args), **_own(kwargs)))
    record = recorded(graph.call, args, kwargs)
    if record is not None:
        try:
            _compare(expected, record(*_own(args), **_own(kwargs)))
            graph.unrecorded, graph.call = graph.call, record
        except Unlike as error:
            _log.warning("The compiled model is not recorded: %s", error)
    return expected


def _compare(expected: Any, given: Any) -> None:
    for want, got in zip(pytree.tree_leaves(expected), pytree.tree_leaves(given), strict=True):
        if want.shape != got.shape or want.dtype != got.dtype:
            raise Unlike("its answer has another shape")
        error = (want.float() - got.float()).square().mean().sqrt()
        allowed = TOLERANCE.get(want.dtype, 1e-3) * want.float().square().mean().sqrt()
        if not bool(error <= allowed):  # NaN is no number below another
            raise Unlike("its answer differs by more than rounding")


def compiled(shadow: nn.Module, arguments: Arguments, backend: str) -> Callable[..., Any]:
    """The function for exactly this call, as one graph without a break. Slow. Raises whatever the compiler raises."""
    from torch._dynamo import config

    args, kwargs = arguments

    def call(*args: Any, **kwargs: Any) -> Any:
        return shadow(*args, **kwargs)

    with torch.no_grad(), config.patch(run_gc_after_compile=False):  # garbage is collected by the window's thread
        # Of Dynamo's guards those on the arguments' kinds are kept. The others watch the shadow, which nobody changes.
        options: dict[str, Any] = {"guard_filter_fn": torch.compiler.keep_tensor_guards_unsafe}
        traced = torch.compile(call, fullgraph=True, dynamic=False, backend=backend, options=options)
        ready: Callable[..., Any] = traced.aot_compile((args, kwargs))  # type: ignore[attr-defined]
        ready(*_own(args), **_own(kwargs))  # what is put off until the first call happens now
    return ready


def shadow_of(network: nn.Module) -> nn.Module:
    """A network of the same structure over the same weights, without hooks."""
    same = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    shadow = copy.deepcopy(network, same)
    for module in shadow.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            hooks.clear()
    return shadow


def key_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key:
    """All that decides which graph a call needs: structure, kinds of tensors, and plain values as they are."""
    leaves, structure = pytree.tree_flatten((args, kwargs))
    return (str(structure), *(_kind(leaf) for leaf in leaves))


def _kind(leaf: Any) -> object:
    if isinstance(leaf, Tensor):
        return tuple(leaf.shape), leaf.dtype, leaf.device, leaf.stride()
    return type(leaf), leaf


def _like(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """Arguments of the same kinds that hold nobody else's memory."""
    like: Arguments = pytree.tree_map_only(Tensor, torch.zeros_like, (args, kwargs))
    return like


def _own(arguments: Any) -> Any:
    """The same tensors in lists and dicts of their own: the UNet empties the list of T2I-Adapters' residuals."""
    return pytree.tree_map(lambda leaf: leaf, arguments)


@contextmanager
def _beside(arguments: Any) -> Iterator[None]:
    """On CUDA: a stream of its own, which the pictures' does not wait for."""
    device = next((leaf.device for leaf in pytree.tree_leaves(arguments) if isinstance(leaf, Tensor)), None)
    if device is None or device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        yield


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"
