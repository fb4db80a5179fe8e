"""Small convolutional networks in a search: channels last and fused before the pooling, and still the same trial."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data.batches import TensorBatches
from babysit.fit import fast_pooling
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.optimizers import make_optimizer
from babysit.fit.settings import TrainSettings
from babysit.search.engines.single import SingleEngine
from babysit.search.problem import Problem
from babysit.search.states import MemoryStates
from babysit.search.trials import TrialSpec

DRAW = torch.Generator().manual_seed(5)
X = torch.randn(96, 3, 9, 9, generator=DRAW)
Y = (X.mean(dim=(2, 3)) @ torch.randn(3, 4, generator=DRAW)).argmax(dim=1)
TRIALS = [TrialSpec(number, 0, {"lr": lr}, seed=number, epochs=2.0) for number, lr in enumerate((0.003, 0.02))]


def network(trial: TrialSpec) -> nn.Module:
    """No bias before a batch norm: its gradient is rounding alone, which Adam makes steps of."""
    with torch.random.fork_rng():
        torch.manual_seed(trial.seed)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32, 4),
        )  # fmt: skip


def batches() -> TensorBatches:
    return TensorBatches(X[:64], Y[:64], 8, 0)


PROBLEM = Problem(
    network,
    lambda _trial, _settings: batches(),
    Examples(X[64:], Y[64:]),
    CLASSIFICATION,
    TrainSettings("adam", schedule="constant", batch_size=8, momentum=0.9),
    chance=math.log(4),
)


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    own = fast_pooling.norm_relu_pool

    def spy(norm: nn.BatchNorm2d, pool: nn.MaxPool2d, x: Tensor) -> Tensor:
        calls.append(norm.num_features)
        return own(norm, pool, x)

    monkeypatch.setattr(fast_pooling, "norm_relu_pool", spy)
    return calls


def plain_loss(trial: TrialSpec) -> float:
    """Validation loss after the loop that anybody would write, in double precision."""
    model, own = network(trial).double(), batches()
    optimizer = make_optimizer("adam", model, lr=trial.params["lr"])
    for step in range(16):
        inputs, targets = own.batch(step)
        optimizer.zero_grad()
        F.cross_entropy(model(inputs.double()), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.eval()
    with torch.no_grad():
        return float(F.cross_entropy(model(X[64:].double()), Y[64:]))


def test_a_trial_ends_where_the_plain_loop_ends(fused: list[int]) -> None:
    outcomes = SingleEngine(PROBLEM, MemoryStates()).train(TRIALS, 2.0)
    assert fused == [6, 8] * 32, "every block of every step"
    for outcome, trial in zip(outcomes, TRIALS, strict=True):
        assert outcome.loss == pytest.approx(plain_loss(trial), rel=1e-3)


def test_rungs_end_where_one_training_ends() -> None:
    engine = SingleEngine(PROBLEM, MemoryStates())
    engine.train(TRIALS, 0.5)
    assert engine.train(TRIALS, 2.0) == SingleEngine(PROBLEM, MemoryStates()).train(TRIALS, 2.0)


def test_convolutions_lie_channels_last() -> None:
    model = PROBLEM.trainer(TRIALS[0]).model
    assert all(
        weight.is_contiguous(memory_format=torch.channels_last) for weight in model.parameters() if weight.dim() == 4
    )
