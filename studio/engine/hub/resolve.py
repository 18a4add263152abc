"""What a repository of the hub, or of a mirror, holds: asked in a child process, its refusals put into sentences."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable

from studio.core.hub import NetworkProblem, RemoteFile, Repository
from studio.core.paths import PROJECT

SECONDS = 60
_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_KEPT = "Nothing was changed."


def clean_name(text: str) -> str:
    """ "owner/name" out of what the artist typed or pasted (a name, or the address of its page). Raises `NetworkProblem`."""
    plain = re.sub(r"^[a-z]+://[^/]+/", "", text.strip()).removeprefix("models/").strip("/")
    name = "/".join(plain.split("/")[:2])
    if not _NAME.fullmatch(name) or ".." in name:
        raise NetworkProblem(f"“{text.strip()[:80]}” is not the name of a repository.", "It reads like “owner/name”.")
    return name


def list_repository(
    name: str, revision: str = "", endpoint: str = "", token: str = "", ask: Callable[[str], str] | None = None
) -> Repository:
    """What it holds. Blocks until the hub answered. Raises `NetworkProblem`."""
    repository = clean_name(name)
    question = {"repository": repository, "revision": revision, "endpoint": endpoint, "token": token}
    told = json.loads((ask or _ask)(json.dumps(question)))
    if "error" in told:
        raise refusal(repository, str(told["error"]), _without(token, str(told["detail"])))
    files = tuple(
        RemoteFile(path=str(file["path"]), size=int(file["size"]), sha256=str(file["sha256"])) for file in told["files"]
    )
    return Repository(
        id=repository,
        revision=str(told["revision"]),
        files=files,
        licence=str(told["licence"]),
        gate=str(told["gate"]),
        endpoint=str(told["endpoint"]),
    )


def refusal(repository: str, kind: str, detail: str = "") -> NetworkProblem:
    """What a refusal of the hub means and what to do."""
    words = {
        "gated": (
            f"“{repository}” asks you to accept its terms first.",
            "Open its page on the hub, accept them there, then put your token in below.",
        ),
        "token": ("The hub does not accept the token.", "Put in another one, or take it out: most models need none."),
        "missing": (
            f"The hub knows no “{repository}”, or it is private.",
            "Check the name; a private one needs your token.",
        ),
        "revision": (f"“{repository}” has no such revision.", "Leave it out to get the newest."),
        "name": (f"“{repository}” is not the name of a repository.", "It reads like “owner/name”."),
        "line": ("The hub cannot be reached.", f"Check the network, a proxy, or the mirror's address. {_KEPT}"),
    }
    headline, hint = words.get(kind, (f"The hub did not answer as it should ({kind}).", f"Try later. {_KEPT}"))
    return NetworkProblem(headline, hint, detail[:2000])


def _ask(question: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "HF_HUB_OFFLINE")}
    environment |= {
        "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "studio.engine.hub.ask"]
    try:
        done = subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=SECONDS, cwd=PROJECT, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NetworkProblem("The hub does not answer.", f"Try later. {_KEPT}", type(error).__name__) from None
    if done.returncode or not done.stdout.strip():
        raise NetworkProblem("The hub could not be asked.", _KEPT, done.stderr[-2000:])
    return done.stdout


def _without(secret: str, text: str) -> str:
    return text.replace(secret, "…") if secret else text
