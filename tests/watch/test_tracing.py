"""A model that is traced while it is watched, as TensorBoard's graph and ONNX's export do."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from torch.nn import functional as F

import babysit as bs


def train(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> str:
    """Trace the model, take some steps, and give the graph that the trace has seen."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.trace", category=DeprecationWarning)
        graph = str(torch.jit.trace(model, x).graph)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(4):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return graph


def traced(*, watched: bool) -> tuple[str, bs.Monitor | None]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y = torch.randn(32, 4), torch.arange(32) % 3
    if not watched:
        return train(model, x, y), None
    with bs.watch() as monitor:
        return train(model, x, y), monitor


def test_a_trace_holds_nothing_of_the_watching_and_watching_goes_on() -> None:
    # warnings are errors here, and torch warns of a trace that takes values out of tensors
    plain, _ = traced(watched=False)
    graph, monitor = traced(watched=True)
    operations = [
        [line.split("=")[1].split("(")[0] for line in text.splitlines() if " = " in line] for text in (plain, graph)
    ]
    assert operations[0] == operations[1]
    assert monitor is not None
    assert monitor.steps == 4
    assert monitor.notes == ()
    assert [layer.module for layer in monitor.record.steps[0].layers] == ["0", "1", "2"]
