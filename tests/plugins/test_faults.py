"""What a plugin does wrong stays its own (S11): named, counted, switched off, put in quarantine; the studio goes on."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from studio.core.errors import BadRecipe, PluginProblem
from studio.core.plugins import PluginState
from studio.core.recipe import PluginRef
from studio.engine.protocol import RenderCancelled
from studio.plugins.breadcrumbs import Breadcrumbs
from studio.plugins.bundle import read_bundle
from studio.plugins.host import Host
from studio.plugins.probe import Died, _report, _taken, probe
from tests.plugins.yard import DATA, Yard, allowed

HOOKS = (
    "import",
    "enable",
    "attach",
    "prepare",
    "residuals",
    "text",
    "preprocessor",
    "prompt tool",
    "picture tool",
    "scorer",
)
GOOD = "def enable(registry):\n    registry.prompt_tool('tool', print)\n"


class Odd(BaseException):
    """Not an Exception, and it cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error", [RuntimeError("no\nluck"), Odd(), SystemExit(3), GeneratorExit(), StopIteration(), AssertionError()]
)
@pytest.mark.parametrize("hook", HOOKS)
def test_whatever_is_raised_becomes_a_sentence(hook: str, error: BaseException, yard: Yard) -> None:
    yard.write("invert", GOOD, shipped=True)
    host = Host(yard.shelf())
    with pytest.raises(PluginProblem) as caught, host.fence("invert", hook):
        raise error
    said = caught.value
    assert "invert" in said.headline and hook in said.headline and "\n" not in said.headline and said.hint
    assert type(error).__name__ in said.headline or isinstance(error, SystemExit)


@pytest.mark.parametrize("error", [BadRecipe("Too small."), RenderCancelled(), MemoryError(), PluginProblem("No.")])
def test_words_cancels_and_lack_of_memory_pass_and_are_not_counted(error: Exception, yard: Yard) -> None:
    yard.write("invert", GOOD, shipped=True)
    shelf = yard.shelf()
    for _ in range(4):
        with pytest.raises(type(error)) as caught, Host(shelf).fence("invert", "attach"):
            raise error
        assert caught.value is error
    assert shelf.info("invert").state is PluginState.ENABLED


def test_a_fault_holds_nothing_of_the_plugins_memory(yard: Yard) -> None:
    yard.write("invert", GOOD, shipped=True)

    class Tensor:
        pass

    held: list[weakref.ref[Tensor]] = []

    def hook() -> None:
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        raise ValueError

    with pytest.raises(PluginProblem) as caught, Host(yard.shelf()).fence("invert", "attach"):
        hook()
    assert held[0]() is None and caught.value.detail


def test_the_third_fault_switches_it_off_until_it_is_switched_on_again(yard: Yard) -> None:
    yard.write("invert", GOOD, shipped=True)
    shelf = yard.shelf()
    host = Host(shelf)
    for count in (1, 2, 3):
        with pytest.raises(PluginProblem) as caught, host.fence("invert", "scorer"):
            raise ValueError
        assert ("switched off" in caught.value.headline) == (count == 3)
    assert shelf.info("invert").state is PluginState.FAULTY and "scorer" in shelf.info("invert").problem
    with pytest.raises(PluginProblem, match="not switched on"):
        host.part("prompt_tool", PluginRef(id="invert"), "tool")  # type: ignore[arg-type]
    assert yard.shelf().info("invert").state is PluginState.FAULTY
    assert shelf.enable("invert").state is PluginState.ENABLED
    with pytest.raises(PluginProblem) as caught, host.fence("invert", "scorer"):
        raise ValueError
    assert "switched off" not in caught.value.headline  # counted from the beginning


def test_faults_of_old_code_are_no_consent_to_the_new(yard: Yard) -> None:
    folder = yard.write("guest", GOOD)
    shelf = yard.shelf()
    old = allowed(shelf, "guest").digest
    (folder / "__init__.py").write_text(f"{GOOD}# other bytes\n", "utf-8")
    assert shelf.rescan()[0].state is PluginState.CHANGED  # while a picture is made with the old code
    shelf.switch_off("guest", PluginState.FAULTY, "It failed.")
    assert shelf.info("guest").state is PluginState.CHANGED and shelf.info("guest").digest != old
    with pytest.raises(PluginProblem, match="not allowed yet, or has changed"):
        shelf.enable("guest")


def test_consent_to_other_bytes_counts_faults_from_the_beginning(yard: Yard) -> None:
    folder = yard.write("guest", GOOD)
    shelf = yard.shelf()
    allowed(shelf, "guest")
    for _ in range(3):
        shelf.note_fault("guest", "scorer")
    (folder / "__init__.py").write_text(f"{GOOD}# mended\n", "utf-8")
    shelf.rescan()
    allowed(shelf, "guest")
    assert not shelf.note_fault("guest", "scorer")


def test_what_was_switched_off_during_its_probe_does_not_run(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.write("guest", f"open({str(tmp_path / 'ran')!r}, 'w')\n{GOOD}")
    shelf = yard.shelf()
    allowed(shelf, "guest")
    monkeypatch.setattr("studio.plugins.host.probe", lambda bundle: shelf.disable("guest"))
    with pytest.raises(PluginProblem, match="not switched on"):
        Host(shelf).part("prompt_tool", PluginRef(id="guest"), "tool")  # type: ignore[arg-type]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("end", ["", "raise ValueError"])
def test_an_import_changes_nothing_for_the_whole_process(end: str, yard: Yard, tmp_path: Path) -> None:
    code = f"import os, sys, threading\nsys.path.insert(0, {str(tmp_path)!r})\nos.chdir({str(tmp_path)!r})\nsys.stdout = None\n"
    code += f"sys.argv.clear()\nsys.excepthook = threading.excepthook = print\n{end}\n"
    yard.write("invert", code + GOOD, shipped=True)
    before = (list(sys.path), list(sys.argv), os.getcwd(), sys.stdout, sys.excepthook)
    with contextlib.suppress(PluginProblem):
        Host(yard.shelf()).part("prompt_tool", PluginRef(id="invert"), "tool")  # type: ignore[arg-type]
    assert (list(sys.path), list(sys.argv), os.getcwd(), sys.stdout, sys.excepthook) == before


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "no enable"),
        ("enable = 3", "no enable"),
        ("def enable(registry): pass", "does not register it"),
        ("def enable(registry): registry.prompt_tool('other', print)", "does not declare"),
        ("def enable(registry): registry.adapter('tool', print)", "does not declare"),
        ("def enable(registry): registry.prompt_tool('tool', 3)", "__call__"),
        ("def enable(registry): registry.prompt_tool(['tool'], print)", "does not declare"),
        ("def enable(registry): [registry.prompt_tool('tool', print) for _ in 'ab']", "twice"),
        ("def enable(): pass", "TypeError"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("def enable(", "SyntaxError"),
        ("raise KeyboardInterrupt\x00", "failed"),
        ("import sys; sys.exit(0)", "tried to end"),
        ("def enable(registry): raise SystemExit", "tried to end"),
    ],
)
def test_an_import_that_goes_wrong_names_the_plugin(code: str, says: str, yard: Yard) -> None:
    """Of a plugin that ships, so in this very process."""
    yard.write("invert", code, shipped=True)
    with pytest.raises(PluginProblem) as caught:
        Host(yard.shelf()).part("prompt_tool", PluginRef(id="invert"), "tool")  # type: ignore[arg-type]
    assert says in caught.value.headline and "invert" in caught.value.headline
    assert "studio_guests.invert" not in sys.modules


def test_a_guest_is_imported_in_a_throw_away_process_first(yard: Yard, tmp_path: Path) -> None:
    """Once for the same bytes; its prints and its exit handlers reach nobody."""
    pids = tmp_path / "pids"
    trace = f"import os\nprint('hello')\nwith open({str(pids)!r}, 'a') as file:\n    file.write(f'{{os.getpid()}} ')\n"
    yard.write("guest", trace + GOOD)
    allowed(yard.shelf(), "guest")
    for _ in range(2):
        Host(yard.shelf()).part("prompt_tool", PluginRef(id="guest"), "tool")  # type: ignore[arg-type]
    child, here, again = (int(word) for word in pids.read_text("utf-8").split())
    assert child != here == again == os.getpid()


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(("id", "says"), [("hangs", "did not come back"), ("crashes", "SIGSEGV")])
def test_a_hang_or_a_crash_at_import_is_caught_outside(
    id: str, says: str, yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.plugins.host.probe", lambda bundle: probe(bundle, seconds=1.0))
    yard.put(id)
    shelf = yard.shelf()
    allowed(shelf, id)
    with pytest.raises(PluginProblem, match=says):
        Host(shelf).part("prompt_tool", PluginRef(id=id), "tool")  # type: ignore[arg-type]
    assert shelf.info(id).state is PluginState.QUARANTINED and says in shelf.info(id).problem
    assert yard.shelf().info(id).state is PluginState.QUARANTINED


def test_a_plugin_that_ends_its_process_quietly_is_not_taken_for_good(yard: Yard) -> None:
    bundle = read_bundle(yard.write("guest", "import os; os._exit(0)"), "guest")
    with pytest.raises(Died, match="exit status 0"):
        probe(bundle)


def test_raising_in_the_child_is_told_and_counted(yard: Yard) -> None:
    yard.put("raises")
    shelf = yard.shelf()
    allowed(shelf, "raises")
    for _ in range(3):
        with pytest.raises(PluginProblem, match="no luck today") as caught:
            Host(shelf).part("prompt_tool", PluginRef(id="raises"), "tool")  # type: ignore[arg-type]
        assert "Traceback" in caught.value.detail
    assert shelf.info("raises").state is PluginState.FAULTY


def test_a_child_that_finds_other_bytes_runs_none(yard: Yard, tmp_path: Path) -> None:
    folder = yard.write("guest", GOOD)
    bundle = read_bundle(folder, "guest")
    (folder / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{GOOD}", "utf-8")
    with pytest.raises(PluginProblem, match="changed"):
        probe(bundle)
    assert not (tmp_path / "ran").exists()


DIE = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from studio.core.paths import Folders
from studio.plugins.host import Host
from studio.plugins.shelf import PluginShelf
shelf = PluginShelf(Folders(root=Path({data!r})), Path({shipped!r}))
shelf.rescan()
with Host(shelf).fence("invert", "attach"):
    print("in", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_what_ran_when_the_studio_died_is_in_quarantine_at_the_next_start(yard: Yard) -> None:
    yard.write("invert", GOOD, shipped=True)
    code = DIE.format(root=str(DATA.parents[2]), data=str(yard.folders.root), shipped=str(yard.shipped))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"in\n"
        assert yard.shelf().info("invert").state is PluginState.ENABLED  # it lives, so this is no crash
        child.send_signal(signal.SIGKILL)
    shelf = yard.shelf()
    assert shelf.info("invert").state is PluginState.QUARANTINED and "attach" in shelf.info("invert").problem
    assert shelf.enable("invert").state is PluginState.ENABLED
    assert yard.shelf().info("invert").state is PluginState.ENABLED  # told once


def test_the_trace_is_written_before_the_first_call_only(yard: Yard) -> None:
    yard.write("invert", GOOD, shipped=True)
    shelf = yard.shelf()
    host, traces = Host(shelf), yard.folders.consents.with_name("plugins-running")
    with host.fence("invert", "attach"):
        assert len(list(traces.iterdir())) == 1
    assert list(traces.iterdir()) == []
    with host.fence("invert", "attach"):
        assert list(traces.iterdir()) == []
    with pytest.raises(PluginProblem), host.fence("invert", "text"):
        raise ValueError
    assert list(traces.iterdir()) == []


def test_no_room_for_the_trace_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    crumbs = Breadcrumbs(tmp_path / "file")
    crumbs.drop("a", "b")
    crumbs.take("a", "b")
    assert crumbs.left() == ()


def test_safe_mode_runs_nothing_and_forgets_nothing(yard: Yard, tmp_path: Path) -> None:
    yard.write("invert", f"open({str(tmp_path / 'ran')!r}, 'w')\n{GOOD}", shipped=True)
    shelf = yard.shelf(safe_mode=True)
    host = Host(shelf)
    assert shelf.info("invert").state is PluginState.DISABLED and "safe mode" in shelf.info("invert").problem
    for call in (
        lambda: host.part("prompt_tool", PluginRef(id="invert"), "tool"),  # type: ignore[arg-type]
        lambda: host.reference("invert"),
    ):
        with pytest.raises(PluginProblem, match="safe mode"):
            call()
    assert not (tmp_path / "ran").exists() and yard.shelf().info("invert").state is PluginState.ENABLED


def test_a_probe_ends_what_its_child_started(yard: Yard, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    helper = f"import time\nfor _ in range(600):\n    open({str(alive)!r}, 'w').write(str(time.time()))\n    time.sleep(0.05)"
    code = f"import subprocess, sys, time, os\nsubprocess.Popen([sys.executable, '-c', {helper!r}])\n"
    code += f"while not os.path.exists({str(alive)!r}): time.sleep(0.02)\nwhile True: time.sleep(1)\n"
    with pytest.raises(Died):
        probe(read_bundle(yard.write("guest", code), "guest"), seconds=4.0)
    last = alive.stat().st_mtime_ns
    time.sleep(0.3)
    assert alive.stat().st_mtime_ns == last


def test_what_a_child_tells_fits_into_one_line() -> None:
    told = json.dumps(_report("guest", BadRecipe("no", detail="\x00" * 1_000_000)))
    assert len(told) < 100_000 and json.loads(told)["headline"] == "no"


def test_the_time_of_large_libraries_is_not_the_plugins_time() -> None:
    code = (
        "import os\nimport torch.nn as nn\nfrom diffusers.models import A, B\nfrom . import x\nfrom torchy import y\n"
    )
    assert list(_taken(ast.parse(code))) == [("torch.nn", ()), ("diffusers.models", ("A", "B"))]
