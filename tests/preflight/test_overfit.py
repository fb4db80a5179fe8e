from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.fit.losses import REGRESSION, score
from babysit.measure.record import Probe
from babysit.preflight import overfit
from babysit.preflight.overfit import EXAMPLES, LONGER, RATES, STEPS, TARGET, fit_by_heart, probe_overfit

TwoLayers = Callable[..., nn.Sequential]
Data = tuple[Tensor, Tensor]


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    return (outputs.argmax(dim=1) == targets).double().mean().item()


def probe(model: nn.Module, data: Data, chance: float = math.log(10)) -> Probe:
    x, y = data
    return probe_overfit(model, F.cross_entropy, accuracy, x[:EXAMPLES], y[:EXAMPLES], chance_loss=chance)


def test_e3_of_the_lecture_twenty_examples_are_learnt_by_heart(two_layers: TwoLayers, digits: Data) -> None:
    found = probe(two_layers(64, std=1e-2), digits)
    assert found.numbers["examples"] == 20.0
    assert found.numbers["initial_loss"] == pytest.approx(2.3026, abs=5e-3)
    assert found.numbers["loss"] <= found.numbers["target_loss"] == TARGET * math.log(10)
    assert found.numbers["score"] == 1.0
    assert found.numbers["epochs"] <= 200
    assert found.numbers["lr"] == 1e-3


def test_the_curve_is_adam_s_own(two_layers: TwoLayers, digits: Data) -> None:
    model, (x, y) = two_layers(64, std=1e-2), digits
    found = probe(model, digits)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for loss, right in zip(found.series["losses"], found.series["scores"], strict=True):
        outputs = model(x[:20])
        assert loss == pytest.approx(F.cross_entropy(outputs, y[:20]).item(), rel=1e-5)
        assert right == accuracy(outputs, y[:20])
        optimizer.zero_grad()
        F.cross_entropy(outputs, y[:20]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert found.numbers["epochs"] == len(found.series["losses"]) - 1


def test_dropout_is_off_but_batch_norm_trains(digits: Data) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 50), nn.BatchNorm1d(50), nn.ReLU(), nn.Dropout(0.9), nn.Linear(50, 10), nn.Dropout1d(0.5)
    )
    assert probe(model, digits).numbers["loss"] <= TARGET * math.log(10)


def test_weights_of_zero_are_never_overcome(two_layers: TwoLayers, digits: Data) -> None:
    found = probe(two_layers(64, std=0.0), digits)
    assert found.numbers["loss"] > 2.0
    assert len(found.series["losses"]) == STEPS + 1


def test_a_frozen_model_cannot_learn(two_layers: TwoLayers, digits: Data) -> None:
    model = two_layers(64, std=1e-2)
    model.requires_grad_(False)
    found = probe(model, digits)
    assert found.numbers["loss"] == found.numbers["initial_loss"] == pytest.approx(2.3026, abs=5e-3)


def test_neither_does_a_model_that_does_not_see_its_input(digits: Data) -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(10))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.logits.expand(len(inputs), -1)

    assert probe(Blind(), digits).numbers["loss"] > 1.0


def test_a_rate_that_diverges_gives_way_to_one_that_does_not() -> None:
    # the first step of Adam is as long as its rate, and only the smallest of the rates does not leave this valley
    class Steep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(1.0))

        def forward(self, inputs: Tensor) -> Tensor:
            return (self.weight - 0.9998) * inputs * 1e4

    def squared(outputs: Tensor, targets: Tensor) -> Tensor:
        loss = (outputs - targets).square().mean()
        return loss if loss < 4.5 else loss * math.nan

    found = probe_overfit(Steep(), squared, lambda *_: 0.0, torch.ones(4), torch.zeros(4), chance_loss=10.0)
    assert found.numbers["initial_loss"] == pytest.approx(4.0, rel=1e-2)
    assert found.numbers["lr"] == 1e-4
    assert found.numbers["loss"] <= 0.1


def test_a_model_that_gives_nan_is_reported_with_its_nan() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 3))

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs @ self.weight * math.nan

    found = probe_overfit(Broken(), F.cross_entropy, accuracy, torch.ones(3, 3), torch.arange(3), chance_loss=1.1)
    assert math.isnan(found.numbers["loss"])
    assert found.numbers["epochs"] == 0.0
    assert found.numbers["lr"] == RATES[0]


def test_a_regression_is_fitted_to_a_hundredth_of_its_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(20, 5, generator=generator), torch.randn(20, generator=generator)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Linear(64, 1))
    found = probe_overfit(
        model, REGRESSION.loss, lambda outputs, truth: score(REGRESSION, outputs, truth), x, y, chance_loss=1.0
    )
    assert found.numbers["loss"] <= 0.01
    assert found.numbers["score"] > 0.97


def test_a_loss_that_still_falls_is_given_more_steps() -> None:
    class Far(nn.Module):
        """A weight of no size, that has 7 steps of 1 to go: Adam's largest rate takes some 700 steps for it."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(7.0))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.weight * inputs

    def squared(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    found = probe_overfit(Far(), squared, lambda *_: 0.0, torch.ones(4), torch.zeros(4), chance_loss=1.0)
    assert STEPS < found.numbers["epochs"] < LONGER
    assert found.numbers["loss"] <= TARGET
    assert found.numbers["lr"] == 1e-2


def test_it_can_be_interrupted(two_layers: TwoLayers, digits: Data) -> None:
    calls: list[None] = []

    def between() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt

    x, y = digits
    with pytest.raises(KeyboardInterrupt):
        probe_overfit(
            two_layers(64, std=1e-2), F.cross_entropy, accuracy, x[:20], y[:20], chance_loss=2.3, between=between
        )


@pytest.mark.parametrize(("limit", "steps", "rate"), [(30, 29, 1e-3), (420, 400, 1e-3), (500, 98, 1e-2)])
def test_what_was_reached_when_the_time_is_over_is_told(
    limit: int, steps: int, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weight far away, which Adam moves by its rate each step; the clock goes on by one whenever it is asked."""
    clock = itertools.count()
    monkeypatch.setattr(overfit.time, "monotonic", lambda: float(next(clock)))

    class Far(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(3.0))

    found = fit_by_heart(
        Far(), lambda model: (model.weight.square(), math.nan), 20, chance_loss=1.0, time_limit=float(limit)
    )
    assert not found.numbers
    words = found.texts["reason"].split()
    loss, taken = float(words[5]), int(words[7])
    assert taken == pytest.approx(steps, abs=3)
    assert loss == pytest.approx((3 - taken * rate) ** 2, rel=0.1)
