"""One running ComfyUI, asked through its own HTTP interface and web socket (RFC 6455). Standard library only.

ComfyUI is a program of its own under the GPL: it is started, asked and ended here, never imported and never shipped.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
CLIENT = "bench"


class Comfy:
    """A ComfyUI of one's own on loopback: started, waited for, ended by its process id."""

    def __init__(self, folder: Path, python: Path, base: Path, options: list[str], log: Path) -> None:
        self._port = _free_port()
        command = [str(python), "main.py", "--cpu", "--listen", HOST, "--port", str(self._port)]
        command += ["--base-directory", str(base), "--disable-auto-launch", "--disable-all-custom-nodes"]
        command += ["--disable-api-nodes", *options]
        self._log = log.open("wb")
        began = time.perf_counter()
        self._process = subprocess.Popen(command, cwd=folder, stdout=self._log, stderr=subprocess.STDOUT)
        try:
            self._wait(180)
        except BaseException:
            self.close()
            raise
        self.ready_s, self.ready_cpu_s = time.perf_counter() - began, self.cpu_s()
        self._socket = _Socket(self._port)

    def close(self) -> None:
        """End the process. Safe to call twice."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def cpu_s(self) -> float:
        """Processor seconds that its process has used."""
        return cpu_seconds(self._process.pid)

    def job(self, graph: dict[str, Any], names: dict[str, str], limit_s: float) -> list[tuple[str, float, float]]:
        """Run a graph: (event, clock, processor seconds) each; events are "asked", `names` of nodes when they begin,
        "step" after each step and "done". Raises RuntimeError for whatever it reports as an error."""
        self._socket.limit(limit_s)
        events = [("asked", time.perf_counter(), self.cpu_s())]
        answer = self._post("/prompt", {"prompt": graph, "client_id": CLIENT})
        for message in self._socket.messages():
            data = message.get("data", {})
            if data.get("prompt_id") not in (None, answer["prompt_id"]):
                continue
            now = time.perf_counter(), self.cpu_s()
            match message.get("type"):
                case "progress" if names.get(str(data.get("node"))) == "sampler":
                    events.append(("step", *now))
                case "executing" if data.get("node") is None:
                    events.append(("done", *now))
                    return events
                case "executing":
                    events.append((names.get(str(data["node"]), "other"), *now))
                case "execution_error":
                    raise RuntimeError(f"ComfyUI: {data.get('exception_message')}")
        raise RuntimeError("ComfyUI closed the connection")

    def _wait(self, limit_s: float) -> None:
        until = time.perf_counter() + limit_s
        while time.perf_counter() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"ComfyUI ended at once; see {self._log.name}")
            try:
                with urllib.request.urlopen(f"http://{HOST}:{self._port}/system_stats", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise RuntimeError(f"ComfyUI was not ready after {limit_s:.0f} s; see {self._log.name}")

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://{HOST}:{self._port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"ComfyUI refused the graph: {error.read()[:2000]!r}") from error


def text_to_image(checkpoint: str, *, seed: int, side: int, steps: int, guidance: float) -> dict[str, Any]:
    """ComfyUI's usual graph for one picture."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red house on green hills", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": side, "height": side, "batch_size": 1}},
        "5": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0],
                "seed": seed, "steps": steps, "cfg": guidance, "sampler_name": "ddim", "scheduler": "normal",
                "denoise": 1.0,
            },
        },
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "bench"}},
    }  # fmt: skip


NAMES = {"1": "load", "2": "text", "3": "text", "4": "latents", "5": "sampler", "6": "decode", "7": "save"}


def cpu_seconds(pid: int) -> float:
    """Processor seconds that a process has used so far, its threads together (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Socket:
    """The reading half of a web socket; enough for a server's text messages."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection((HOST, port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        ask = f"GET /ws?clientId={CLIENT} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\n"
        ask += f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        self._connection.sendall(ask.encode())
        self._stream = self._connection.makefile("rb")
        if b"101" not in self._stream.readline():
            raise RuntimeError("ComfyUI did not open its web socket")
        while self._stream.readline().strip():
            pass

    def limit(self, seconds: float) -> None:
        """How long silence may last before TimeoutError."""
        self._connection.settimeout(seconds)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Text messages as they come; pictures, pings and the like are passed over."""
        while head := self._stream.read(2):
            kind, length = head[0] & 15, head[1] & 127
            if length == 126:
                (length,) = struct.unpack(">H", self._stream.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._stream.read(8))
            body = self._stream.read(length)
            if kind == 1:
                yield json.loads(body)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
