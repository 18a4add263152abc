"""Imports plugins from the very bytes that were hashed: no file is read again, no cached bytecode is trusted.

Every plugin is the package `studio_guests.<id>`, importable together with others and again after a change.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

from studio.plugins.bundle import Bundle

ROOT = "studio_guests"


class GuestFinder(MetaPathFinder):
    """Finds `studio_guests` and what is below it, in the bundles that were let in, and nothing else."""

    def __init__(self) -> None:
        self._bundles: dict[str, Bundle] = {}
        self._lock = threading.Lock()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec whose loader has the bytes, or None: not a guest, or no such file in its bundle."""
        root, _, rest = fullname.partition(".")
        if root != ROOT:
            return None
        if not rest:
            return ModuleSpec(ROOT, _Empty(), is_package=True)
        id, _, inner = rest.partition(".")
        bundle = self._bundles.get(id)
        return _spec(fullname, bundle, inner.replace(".", "/")) if bundle else None

    def load(self, bundle: Bundle) -> ModuleType:
        """Import a plugin anew. Whatever its code raises comes through; half-imported modules are taken out again."""
        id = bundle.manifest.id
        with self._lock:
            self.forget(id)
            self._bundles[id] = bundle
            try:
                return importlib.import_module(f"{ROOT}.{id}")
            except BaseException:
                self.forget(id)
                raise

    def forget(self, id: str) -> None:
        """Take a plugin's modules out of the interpreter. Objects that somebody still holds go on working."""
        self._bundles.pop(id, None)
        name = f"{ROOT}.{id}"
        for known in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
            del sys.modules[known]
        guests = sys.modules.get(ROOT)
        if guests is not None:
            vars(guests).pop(id, None)


class _Empty(InspectLoader):
    """The package `studio_guests` itself."""

    def get_source(self, fullname: str) -> str:
        return ""


class _Loader(InspectLoader):
    """One module from bytes."""

    def __init__(self, data: bytes, file: str, package: bool) -> None:
        self._data, self._file, self._package = data, file, package

    def is_package(self, fullname: str) -> bool:
        return self._package

    def get_source(self, fullname: str) -> str:
        """The source, also for tracebacks."""
        from importlib.util import decode_source

        return decode_source(self._data)

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._data, self._file, "exec", dont_inherit=True)


def _spec(fullname: str, bundle: Bundle, inner: str) -> ModuleSpec | None:
    choices = [(f"{inner}/__init__.py", True), (f"{inner}.py", False)] if inner else [("__init__.py", True)]
    for name, package in choices:
        data = bundle.code.get(name)
        if data is not None:
            file: Path = bundle.folder / name
            spec = ModuleSpec(fullname, _Loader(data, str(file), package), origin=str(file), is_package=package)
            spec.has_location = True  # sets __file__, so that a plugin finds what lies beside it
            return spec
    return None


@contextlib.contextmanager
def interpreter_kept() -> Iterator[None]:
    """Puts back what an import must not change for the whole process: where modules come from (files beside a plugin
    that nobody hashed, say), the working folder, standard streams, hooks."""
    path, argv, streams = list(sys.path), list(sys.argv), (sys.stdin, sys.stdout, sys.stderr)
    hooks, folder = (sys.excepthook, threading.excepthook), os.getcwd()
    try:
        yield
    finally:
        sys.path[:], sys.argv[:] = path, argv
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.excepthook, threading.excepthook = hooks
        with contextlib.suppress(OSError):
            os.chdir(folder)


_finder: GuestFinder | None = None
_finder_lock = threading.Lock()


def finder() -> GuestFinder:
    """The one finder of this process, in place from its first use on."""
    global _finder
    with _finder_lock:
        if _finder is None:
            _finder = GuestFinder()
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        return _finder
