"""The first import of a guest, in a process that may be thrown away: what hangs or crashes there harms nobody."""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from studio.core.errors import PluginProblem
from studio.core.paths import PROJECT
from studio.plugins.bundle import Bundle, read_bundle

SECONDS = 10.0  # for the plugin's own code
LIBRARY_SECONDS = 180.0  # for the libraries it names; torch alone takes seconds on a busy machine
LIBRARIES = ("numpy", "PIL", "cv2", "scipy", "torch", "torchvision", "safetensors", "transformers", "diffusers")
_START = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from studio.plugins.probe import child; child()"


class Died(PluginProblem):
    """The import did not come back: it hung, or took its process with it."""


def probe(bundle: Bundle, seconds: float = SECONDS) -> None:
    """Import the bundle and call its `enable` in a child process.

    Raises `Died` if it hangs or crashes, `PluginProblem` if it raises or its bytes are not those of the bundle.
    """
    with _started() as child:
        said = _Lines(child.stdout)
        try:
            token = secrets.token_hex(16)
            task = {"folder": str(bundle.folder), "id": bundle.manifest.id, "digest": bundle.digest, "token": token}
            with contextlib.suppress(OSError):  # it died already: its exit status will say so
                child.stdin.write(json.dumps(task).encode() + b"\n")
                child.stdin.flush()
            first, limit = said.next(LIBRARY_SECONDS), LIBRARY_SECONDS
            if first == f"ready {token}":
                first, limit = said.next(seconds), seconds
            _judge(bundle, first, token, child, limit)
        finally:
            _end(child)
            said.join()


@contextlib.contextmanager
def _started() -> Any:  # Any: a child whose pipes are there, which Popen's type cannot say
    with subprocess.Popen(
        [sys.executable, "-P", "-B", "-c", _START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
    ) as child:
        yield child


class _Lines:
    """Lines of a pipe, waited for with a deadline. Its thread ends when the pipe does."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._lines = stream, list[str]()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="plugin probe", daemon=True)
        self._thread.start()

    def next(self, seconds: float) -> str | None:
        """The next line; None when none came in time, "" at the end of the pipe."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._lines) or self._ended, seconds):
                return None
            return self._lines.pop(0) if self._lines else ""

    def join(self) -> None:
        self._thread.join(5.0)

    def _read(self) -> None:
        for line in iter(lambda: self._stream.readline(100_000), b""):
            with self._changed:
                self._lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify()
        with self._changed:
            self._ended = True
            self._changed.notify()


def _judge(bundle: Bundle, line: str | None, token: str, child: Any, seconds: float) -> None:
    id = bundle.manifest.id
    if line == f"good {token}":
        return
    if line is not None and line.startswith(f"bad {token} "):
        report = json.loads(line.split(" ", 2)[2])
        raise PluginProblem(report["headline"], report["hint"], report["detail"])
    if line is None:
        raise Died(
            f"The plugin {id} did not come back within {seconds:g} seconds when it was imported.",
            "It was tried in a separate process and stopped; nothing else is touched.",
        )
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(2.0)
    raise Died(
        f"The plugin {id} ended its process when it was imported ({_ending(child.poll())}).",
        "It was tried in a separate process; nothing else is touched.",
    )


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
    return f"exit status {status}"


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def child() -> None:
    """The child: reads its task from stdin, answers on stdout, keeps the plugin's own prints out of both."""
    task = json.loads(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    token = task["token"]
    try:
        bundle = read_bundle(Path(task["folder"]), task["id"])
        if bundle.digest != task["digest"]:
            raise PluginProblem(f"The files of the plugin {task['id']} changed while it was being read.", "Try again.")
        _preload(bundle)
        print(f"ready {token}", file=answers, flush=True)
        _import(bundle)
        answer = f"good {token}"
    except BaseException as error:  # SystemExit too: the answer says so
        answer = f"bad {token} {json.dumps(_report(task['id'], error))}"
    print(answer, file=answers, flush=True)
    os._exit(0)  # without its exit handlers


def _preload(bundle: Bundle) -> None:
    """What the code takes from large libraries, before the plugin's own time begins; they load their parts lazily."""
    for name, data in bundle.code.items():
        if name.endswith(".py"):
            with contextlib.suppress(SyntaxError, ValueError, RecursionError):
                for module, names in _taken(ast.parse(data)):
                    with contextlib.suppress(Exception):  # the plugin's own import will say so
                        loaded = importlib.import_module(module)
                        for part in names:
                            getattr(loaded, part, None)


def _taken(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(module, names) of imports from the large libraries at the top of a file."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            found: list[tuple[str, tuple[str, ...]]] = [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found = [(node.module, tuple(alias.name for alias in node.names))]
        else:
            continue
        yield from ((module, names) for module, names in found if module.split(".")[0] in LIBRARIES)


def _import(bundle: Bundle) -> None:
    from studio.plugins.importer import finder
    from studio.plugins.registry import enable

    enable(finder().load(bundle), bundle.manifest)


def _report(id: str, error: BaseException) -> dict[str, str]:
    from studio.core.errors import StudioError
    from studio.plugins.fence import DETAIL_MAX, said_by

    problem = error if isinstance(error, StudioError) else said_by(id, "import", error)
    texts = (str(text)[-DETAIL_MAX:] for text in (problem.headline, problem.hint, problem.detail))
    return dict(zip(("headline", "hint", "detail"), texts, strict=True))
