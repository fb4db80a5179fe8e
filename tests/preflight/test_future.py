from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.preflight.batch import Batch
from babysit.preflight.future import next_inputs, probe_future
from babysit.preflight.subject import Subject

Build = Callable[[ModuleType], Subject]
TOKENS = torch.randint(20, (32, 17), generator=torch.Generator().manual_seed(0))


class Convolution(nn.Module):
    """Over characters; with ``left``, padded there only."""

    def __init__(self, *, left: bool, classes_second: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens, self.layer, self.head = nn.Embedding(20, 16), nn.Conv1d(16, 16, 3), nn.Conv1d(16, 20, 1)
        self.pad, self.classes_second = (2, 0) if left else (1, 1), classes_second

    def forward(self, x: Tensor) -> Tensor:
        h = self.head(torch.relu(self.layer(F.pad(self.tokens(x).transpose(1, 2), self.pad))))
        return h if self.classes_second else h.transpose(1, 2)


class OneHot(nn.Module):
    def __init__(self, *, bidirectional: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.GRU(20, 16, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(32 if bidirectional else 16, 20)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0])


class Translator(nn.Module):
    """The source is seen whole, the target so far."""

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens, self.head, self.causal = nn.Embedding(20, 16), nn.Linear(16, 20), causal
        self.core = nn.Transformer(16, 2, 1, 1, 32, batch_first=True)

    def forward(self, source: Tensor, so_far: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(so_far.shape[1]) if self.causal else None
        return self.head(self.core(self.tokens(source), self.tokens(so_far), tgt_mask=mask))


def one_hot(s: ModuleType, *, bidirectional: bool) -> Subject:
    return s.subject(
        OneHot(bidirectional=bidirectional), F.one_hot(TOKENS[:, :-1], 20).float(), TOKENS[:, 1:], s.token_loss
    )


def translation(s: ModuleType, *, causal: bool) -> Subject:
    given = (TOKENS[:, :16].flip(1), TOKENS[:, :-1])
    return s.subject(Translator(causal=causal), given, TOKENS[:, 1:], s.token_loss)


def with_targets_inside(s: ModuleType, *, causal: bool) -> Subject:
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.core = s.GPT(causal=causal)

        def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            logits = self.core(x)
            return logits, s.token_loss(logits, y)

    batch = Batch((TOKENS[:, :-1], TOKENS[:, 1:]), None, 32)
    return Subject(Inside(), batch, lambda net, b: net(*b.inputs), lambda net, b: net(*b.inputs)[1])


def forecast(s: ModuleType, *, bidirectional: bool) -> Subject:
    """Of a series of measurements."""
    torch.manual_seed(0)

    class Forecaster(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.GRU(2, 8, batch_first=True, bidirectional=bidirectional)
            self.head = nn.Linear(16 if bidirectional else 8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layer(x)[0])

    series = torch.randn(16, 13, 2).cumsum(1)
    return s.subject(Forecaster(), series[:, :-1], series[:, 1:], F.mse_loss)


LEAKS: dict[str, Build] = {
    "forecast, bidirectional": lambda s: forecast(s, bidirectional=True),
    "no mask": lambda s: s.text(s.GPT(causal=False)),
    "no mask, flat": lambda s: s.text(s.GPT(causal=False, flat=True), form="flat"),
    "no mask, targets inside": lambda s: with_targets_inside(s, causal=False),
    "no mask, fixed size": lambda s: s.text(s.GPT(causal=False), fixed_size=True),
    "bidirectional": lambda s: s.text(s.Recurrent(bidirectional=True)),
    "bidirectional, time-major": lambda s: s.text(
        s.Recurrent(bidirectional=True, batch_first=False), form="time-major"
    ),
    "padded on both sides": lambda s: s.text(Convolution(left=False)),
    "one-hot, bidirectional": lambda s: one_hot(s, bidirectional=True),
    "translation without mask": lambda s: translation(s, causal=False),
}

CAUSAL: dict[str, Build] = {
    "forecast": lambda s: forecast(s, bidirectional=False),
    "gpt": lambda s: s.text(s.GPT()),
    "gpt, flat": lambda s: s.text(s.GPT(flat=True), form="flat"),
    "gpt, targets inside": lambda s: with_targets_inside(s, causal=True),
    "gpt, fixed size": lambda s: s.text(s.GPT(), fixed_size=True),
    "recurrent": lambda s: s.text(s.Recurrent()),
    "recurrent, time-major": lambda s: s.text(s.Recurrent(batch_first=False), form="time-major"),
    "padded on the left": lambda s: s.text(Convolution(left=True)),
    "classes second": lambda s: s.subject(
        Convolution(left=True, classes_second=True), TOKENS[:, :-1], TOKENS[:, 1:], F.cross_entropy
    ),
    "one-hot": lambda s: one_hot(s, bidirectional=False),
    "translation": lambda s: translation(s, causal=True),
}

OTHER_TASKS: dict[str, Build] = {
    "classification": lambda s: s.subject(s.Recurrent(bidirectional=True, classes=3), TOKENS, torch.arange(32) % 3),
    "tags": lambda s: s.subject(s.GPT(causal=False), TOKENS, (TOKENS * 7) % 20, s.token_loss),
    "masked": lambda s: s.subject(
        s.GPT(causal=False), torch.where(torch.rand(32, 17) < 0.15, 0, TOKENS), TOKENS, s.token_loss
    ),
    "padding only": lambda s: s.subject(
        s.GPT(causal=False), torch.zeros_like(TOKENS), torch.zeros_like(TOKENS), s.token_loss
    ),
    "backwards": lambda s: s.subject(s.Recurrent(bidirectional=True), TOKENS, TOKENS.flip(1), s.token_loss),
    "table": lambda s: s.table(s.MLP()),
    "images": lambda s: s.images(s.CNN()),
}


@pytest.mark.parametrize("name", LEAKS)
def test_the_future_is_seen(name: str, subjects: ModuleType) -> None:
    found = probe_future(LEAKS[name](subjects))
    assert found.numbers["difference"] > 1e-2, found
    assert found.numbers.get("gradient", 1.0) > 1e-2
    assert found.texts["module"]


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_model(name: str, subjects: ModuleType) -> None:
    found = probe_future(CAUSAL[name](subjects))
    assert found.numbers["difference"] <= 1e-6, found
    assert found.numbers.get("gradient", 0.0) == 0.0
    assert found.numbers["later"] > 1e-2
    assert found.numbers["shifted"] == 1.0


@pytest.mark.parametrize("name", OTHER_TASKS)
def test_where_the_target_is_not_the_next_input_nothing_is_judged(name: str, subjects: ModuleType) -> None:
    found = probe_future(OTHER_TASKS[name](subjects))
    assert not found.numbers
    assert "not the next inputs" in found.texts["reason"]


def test_where_the_leak_is(subjects: ModuleType) -> None:
    assert probe_future(LEAKS["no mask"](subjects)).texts["module"] == "blocks.layers.0.self_attn"
    assert probe_future(LEAKS["bidirectional"](subjects)).texts["module"] == "layer"


def test_outputs_without_a_place_for_every_position(subjects: ModuleType) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Embedding(20, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).mean(1)

    found = probe_future(subjects.subject(Last(), TOKENS[:, :-1], TOKENS[:, 1:], lambda o, _: o.mean()))
    assert "no place for every position" in found.texts["reason"]


def test_ignored_targets_and_some_errors_do_not_count() -> None:
    x, y = TOKENS[:, :-1], TOKENS[:, 1:].clone()
    y[:, -4:] = -100
    y[0, :3] = 19 - y[0, :3]
    found = next_inputs(Batch(x, y, 32))
    assert found is not None
    assert (found.shape, found.axis) == ((32, 16), 1)
    assert 0.9 < found.share < 1.0
    turned = next_inputs(Batch(x.t(), y.t().flatten(), 16))
    assert turned is not None
    assert (turned.shape, turned.axis) == ((16, 32), 0)


def test_a_single_sequence(subjects: ModuleType) -> None:
    class Single(nn.Module):
        def __init__(self, *, bidirectional: bool) -> None:
            super().__init__()
            self.core = subjects.Recurrent(bidirectional=bidirectional)

        def forward(self, x: Tensor) -> Tensor:
            return self.core(x[None])[0]

    x = torch.randint(20, (40,))
    for bidirectional in (False, True):
        found = probe_future(subjects.subject(Single(bidirectional=bidirectional), x[:-1], x[1:], subjects.token_loss))
        assert (found.numbers["difference"] > 1e-3) is bidirectional
