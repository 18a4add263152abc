"""One writer to a library: among many that start at once, after a death, and where a folder refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from studio.core.library_lock import Holder, LibraryLock
from studio.core.paths import PROJECT

TAKE = (
    "import sys, time; from pathlib import Path; from studio.core.library_lock import LibraryLock;"
    "lock = LibraryLock(Path(sys.argv[1])); holder = lock.take();"
    "print('ours' if holder is None else holder.pid, flush=True); sys.stdin.readline()"
)


def taker(file: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", TAKE, str(file)], cwd=PROJECT, stdin=pipe, stdout=pipe, text=True)


def test_exactly_one_of_many_that_start_at_once(data: Path) -> None:
    file = data / "library.lock"
    processes = [taker(file) for _ in range(8)]
    said = [process.stdout.readline().strip() for process in processes if process.stdout is not None]
    (winner,) = (process for process, words in zip(processes, said, strict=True) if words == "ours")
    assert said.count(str(winner.pid)) == 7, "the others know who has it"
    for process in processes:
        process.communicate("\n")


def test_50_double_starts(data: Path) -> None:
    """R9: two at a time, over and over, in one process: the system's locks are those of open files."""
    for _ in range(50):
        first, second = LibraryLock(data / "library.lock"), LibraryLock(data / "library.lock")
        assert first.take() is None
        holder = second.take()
        assert holder is not None and holder.pid == os.getpid()
        first.release()
        assert second.take() is None
        second.release()


def test_a_dead_holder_blocks_nobody(data: Path) -> None:
    process = taker(data / "library.lock")
    assert process.stdout is not None and process.stdout.readline().strip() == "ours"
    lock = LibraryLock(data / "library.lock")
    holder = lock.take()
    assert str(holder) == f"process {process.pid}"
    assert holder is not None and holder.is_new
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert lock.take() is None
    lock.release()


def test_a_name_that_is_not_written_yet_or_damaged(data: Path) -> None:
    lock, other = LibraryLock(data / "library.lock"), LibraryLock(data / "library.lock")
    assert lock.take() is None
    (data / "library.lock").write_bytes(b"\xff[")
    assert other.take() == Holder()
    assert str(Holder()) == "another process"
    assert not Holder().is_new
    lock.release()


def test_a_folder_that_refuses_lets_everybody_in(data: Path) -> None:
    data.write_text("in the way")
    assert LibraryLock(data / "library.lock").take() is None
