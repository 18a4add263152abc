"""The assistant's gradients reach the trainer's weights, and its process ends when told to. In a process of its own: it forks."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import time, torch
from studio.mini.assistant import Assistant

torch.set_num_threads(1)
network = torch.nn.Linear(1, 1, bias=False)
weights = list(network.parameters())

def one_batch(number):
    weights[0].grad = torch.full_like(weights[0], 3.0)

assistant = Assistant(network, weights, 0, one_batch)
weights[0].grad = torch.full_like(weights[0], 1.0)
until = time.monotonic() + 30
while not assistant.add() and time.monotonic() < until:
    time.sleep(0.01)
print(float(weights[0].grad), assistant.taken)
assistant.end()
"""


def test_gradients_are_averaged_into_the_trainers() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, timeout=90)
    assert done.stdout.split() == ["2.0", "1"], done.stderr
