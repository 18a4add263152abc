"""Recording a call: what can be known without a card. The card itself is stood in for by doing the work again."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from studio.engine.diffusion import compiled, cuda_graphs
from studio.engine.diffusion.compiled import Unlike, prove


class _Card:
    """As torch.cuda where `Recorded` needs it; a playback runs the call again on what is held."""

    def __init__(self, call: Any) -> None:
        self.call, self.record = call, None
        self.Stream = self.current_stream = lambda: SimpleNamespace(wait_stream=lambda _other: None)
        self.stream = lambda _stream: nullcontext()
        self.graph = lambda _graph, capture_error_mode: nullcontext()
        self.CUDAGraph = lambda: SimpleNamespace(replay=self.replay)

    def replay(self) -> None:
        record: Any = self.record
        record._answer[0].copy_(self.call(record._held[0], times=record._held[1])[0])


def double(states: torch.Tensor, *, times: float) -> tuple[torch.Tensor]:
    return (states * times,)


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Any:
    card = _Card(double)
    monkeypatch.setattr(cuda_graphs.torch, "cuda", card)
    record = cuda_graphs.Recorded(double, (torch.ones(3),), {"times": 2.0})
    card.record = record
    return record


def test_a_playback_takes_new_numbers_and_keeps_earlier_answers(record: Any) -> None:
    first = record(torch.tensor([1.0, 2.0, 3.0]), times=2.0)[0]
    second = record(torch.tensor([4.0, 5.0, 6.0]), times=2.0)[0]
    assert first.tolist() == [2.0, 4.0, 6.0]
    assert second.tolist() == [8.0, 10.0, 12.0]


@pytest.mark.parametrize("good", [True, False])
def test_a_recording_is_used_only_if_it_answers_as_the_network_does(
    good: bool, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not good:
        record._graph.replay = lambda: None  # plays back what it was recorded with
    monkeypatch.setattr(compiled, "recorded", lambda *_: record)
    graph = compiled._Graph(((), {}), call=double)
    states = torch.tensor([1.0, 2.0, 3.0])
    assert prove(graph, double, (states,), {"times": 2.0})[0].tolist() == [2.0, 4.0, 6.0]
    assert graph.call is (record if good else double)


def test_off_the_card_nothing_is_recorded() -> None:
    assert cuda_graphs.recorded(double, (torch.ones(3),), {"times": 2.0}) is None
    graph = compiled._Graph(((), {}), call=lambda states, times: (states * times + 1,))
    with pytest.raises(Unlike):
        prove(graph, double, (torch.ones(3),), {"times": 2.0})
