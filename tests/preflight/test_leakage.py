from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.preflight.leakage import probe_leakage
from babysit.preflight.subject import Subject

Build = Callable[[ModuleType], Subject]


def attention(*, batch_first: bool) -> nn.Module:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=batch_first)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = layer, nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layer(x).mean(1))

    return Encoder()


def sequences(s: ModuleType, model: nn.Module) -> Subject:
    return s.subject(model, torch.randn(12, 7, 16), torch.randint(3, (12,)))


LEAKS: dict[str, tuple[Build, str]] = {
    "beside class weights": (
        lambda s: s.subject(
            s.MLP(lambda h: h - h.mean(0)), torch.randn(12, 10), (torch.ones(3), torch.randint(3, (12,))), size=12
        ),
        "two",
    ),
    "centred over the batch": (lambda s: s.table(s.MLP(lambda h: h - h.mean(0))), "two"),
    "softmax over the batch": (lambda s: s.table(s.MLP(lambda h: h.softmax(0))), "two"),
    "neighbours": (lambda s: s.table(s.MLP(lambda h: h + h.roll(1, 0))), "two"),
    "a view for a transpose": (lambda s: s.table(s.MLP(lambda h: h.t().reshape(h.shape))), "two"),
    "without statistics": (
        lambda s: s.table(nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8, track_running_stats=False))),
        "1",
    ),
    "convolutional": (lambda s: s.images(s.CNN(lambda h: h / (1 + h.norm(dim=0, keepdim=True)))), "head"),
    "attention, examples first": (lambda s: sequences(s, attention(batch_first=False)), "layer"),
    "recurrent, examples first": (
        lambda s: s.subject(
            s.Recurrent(batch_first=False, classes=3), torch.randint(20, (12, 7)), torch.randint(3, (12,))
        ),
        "layer",
    ),
    "of a fixed size": (lambda s: s.table(s.MLP(lambda h: h.cumsum(0)), fixed_size=True), "two"),
    "of a fixed size, as many examples as outputs": (
        lambda s: s.table(s.MLP(lambda h: h - h.mean(0)), examples=3, fixed_size=True),
        "two",
    ),
    "without gradient": (lambda s: s.table(s.MLP(lambda h: h + h.mean(0).detach().round(decimals=2))), "two"),
}

HEALTHY: dict[str, Build] = {
    "mlp": lambda s: s.table(s.MLP()),
    "batch norm and dropout": lambda s: s.table(
        nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3))
    ),
    "two examples": lambda s: s.table(s.MLP(), examples=2),
    "as many examples as features": lambda s: s.table(s.MLP(), examples=10),
    "fixed size": lambda s: s.table(s.MLP(), fixed_size=True),
    "dropout left on": lambda s: s.table(s.MLP(F.dropout)),
    "half precision": lambda s: _half(s),
    "cnn": lambda s: s.images(s.CNN()),
    "gpt": lambda s: s.text(s.GPT()),
    "recurrent": lambda s: s.text(s.Recurrent(bidirectional=True)),
    "attention": lambda s: sequences(s, attention(batch_first=True)),
    "of a fixed size, time-major outputs, as many positions as examples": lambda s: s.subject(
        Answering(), (torch.randn(6, 5, 16), torch.randn(6, 6, 16)), torch.randint(3, (6, 6)), fixed_size=True
    ),
    "time-major, sized by the batch": lambda s: s.subject(
        TimeMajor(), torch.randn(7, 12, 16), torch.randint(3, (12,)), size=12
    ),
}

NOT_APPLICABLE: dict[str, tuple[Build, str]] = {
    "one example": (lambda s: s.table(s.MLP(), examples=1), "single example"),
    "its own loss": (lambda s: s.table(OwnLoss()), "no row for every example"),
    "compares all pairs": (lambda s: s.table(Pairs()), "with each other"),
    "time-major": (lambda s: s.text(s.Recurrent(batch_first=False), form="time-major"), "time-major"),
    "one sentence": (
        lambda s: s.subject(Tagger(), torch.randint(9, (12,)), torch.randint(3, (12,))),
        "a single row of tokens",
    ),
    "a graph": (
        lambda s: s.subject(Graph(), (torch.randn(12, 4), torch.randint(12, (2, 30))), torch.randint(3, (12,))),
        "edges of a graph",
    ),
    "a graph, of which the model holds the adjacency": (
        lambda s: s.subject(Convolved(buffer=True), torch.randn(12, 4), torch.randint(3, (12,))),
        "adjacency matrix",
    ),
    "a graph, some of whose nodes have labels": (
        lambda s: s.subject(Convolved(), torch.randn(12, 4), (torch.arange(5), torch.randint(3, (5,))), size=12),
        "some of the outputs' rows",
    ),
    "a graph, whose labels are masked": (
        lambda s: s.subject(Convolved(), torch.randn(12, 4), (torch.arange(12) < 5, torch.randint(3, (5,))), size=12),
        "some of the outputs' rows",
    ),
    "fails": (lambda s: s.table(nn.Linear(7, 3)), "the model failed: RuntimeError"),
    "not finite": (lambda s: s.table(s.MLP(lambda h: h / 0)), "not finite"),
}


def _half(s: ModuleType) -> Subject:
    model = s.MLP().bfloat16()
    return s.subject(model, torch.randn(16, 10).bfloat16(), torch.randint(3, (16,)))


class TimeMajor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.GRU(16, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][-1])


class Tagger(nn.Module):
    """Of one sentence, without a dimension for others."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer, self.head = nn.Embedding(9, 16), nn.LSTM(16, 8, bidirectional=True), nn.Linear(16, 3)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.layer(self.table(words).view(len(words), 1, -1))[0].flatten(1))


class Answering(nn.Module):
    """From sequences to others, of which it gives the positions first."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder, self.head = nn.GRU(16, 8), nn.GRU(16, 8), nn.Linear(8, 3)

    def forward(self, given: Tensor, wanted: Tensor) -> Tensor:
        _, state = self.encoder(given.transpose(0, 1))
        return self.head(self.decoder(wanted.transpose(0, 1), state)[0])


class OwnLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).square().mean()


class Pairs(OwnLoss):
    def forward(self, x: Tensor) -> Tensor:
        h = self.layer(x)
        return h @ h.t()


class Graph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        h = self.layer(x)
        return h.index_add(0, edges[1], h[edges[0]])


class Convolved(nn.Module):
    """A graph convolution over all nodes; the adjacency is a buffer or a plain tensor."""

    def __init__(self, *, buffer: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        adjacency = torch.ones(12, 12) / 12
        if buffer:
            self.register_buffer("adjacency", adjacency)
        else:
            self.adjacency = adjacency

    def forward(self, x: Tensor) -> Tensor:
        return self.adjacency @ self.layer(x)


def largest(numbers: Any) -> float:
    return max(numbers.get("difference", 0.0), numbers.get("gradient", 0.0))


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_seen_and_where(name: str, subjects: ModuleType) -> None:
    build, place = LEAKS[name]
    found = probe_leakage(build(subjects))
    assert largest(found.numbers) > 1e-2, found
    assert found.numbers["control"] == 0.0
    assert found.texts["module"].split(".")[0] == place


@pytest.mark.parametrize("name", HEALTHY)
def test_examples_that_are_treated_apart(name: str, subjects: ModuleType) -> None:
    found = probe_leakage(HEALTHY[name](subjects))
    assert found.numbers["difference"] <= 1e-6, found
    assert found.numbers.get("gradient", 0.0) == 0.0


@pytest.mark.parametrize("name", NOT_APPLICABLE)
def test_a_reason_where_it_cannot_be_told(name: str, subjects: ModuleType) -> None:
    build, reason = NOT_APPLICABLE[name]
    found = probe_leakage(build(subjects))
    assert not found.numbers
    assert reason in found.texts["reason"]


def test_the_gradient_is_that_of_the_formula(subjects: ModuleType) -> None:
    """Of x + s · (mean of the batch) with equal weights, every other example has s/N of 1 + s/N."""
    scale, size = 0.5, 4

    class Shares(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + scale * x.mean(0)

    found = probe_leakage(subjects.table(Shares(), examples=size))
    assert found.numbers["gradient"] == pytest.approx(scale / size / (1 + scale / size), rel=1e-5)


def test_both_opinions_agree_through_an_embedding(subjects: ModuleType) -> None:
    tokens = torch.randint(20, (8, 6), generator=torch.Generator().manual_seed(0))
    found = probe_leakage(
        subjects.subject(subjects.Recurrent(batch_first=False, classes=3), tokens, torch.arange(8) % 3)
    )
    assert found.numbers["gradient"] > 1e-2
    assert found.numbers["difference"] > 1e-2


def test_sorted_lengths_are_kept_sorted(subjects: ModuleType) -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.GRU(4, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
            return self.head(self.layer(packed)[1][-1])

    given = (torch.randn(6, 5, 4), torch.tensor([5, 5, 4, 3, 2, 1]))
    found = probe_leakage(subjects.subject(Packed(), given, torch.arange(6) % 3))
    assert found.numbers["difference"] <= 1e-6
