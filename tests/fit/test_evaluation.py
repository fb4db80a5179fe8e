from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from torch import Tensor, nn

from babysit.fit.evaluation import Examples, evaluate, evaluation_mode, judge, predict
from babysit.fit.losses import CLASSIFICATION, REGRESSION

N = 2500  # more than two batches


@pytest.fixture
def examples() -> Examples:
    draw = torch.Generator().manual_seed(0)
    return Examples(torch.randn(N, 6, generator=draw), torch.randint(0, 3, (N,), generator=draw))


def test_classification_is_scikit_learns(network: Callable[[], nn.Sequential], examples: Examples) -> None:
    model = network()
    result = evaluate(model, examples, CLASSIFICATION)
    with torch.no_grad():
        logits = model.eval()(examples.x).double().numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert result.examples == N
    assert result.score == pytest.approx(accuracy_score(examples.y, logits.argmax(axis=1)))
    assert result.loss == pytest.approx(log_loss(examples.y, probabilities), rel=1e-5)


@pytest.mark.parametrize("shape", [(N,), (N, 1)])
def test_regression_is_scikit_learns(shape: tuple[int, ...], examples: Examples) -> None:
    model = nn.Linear(6, 1)
    y = (examples.x @ torch.arange(6.0) + torch.randn(N)).reshape(shape)
    result = evaluate(model, Examples(examples.x, y), REGRESSION)
    with torch.no_grad():
        outputs = model(examples.x).reshape(shape).double().numpy()
    assert result.loss == pytest.approx(mean_squared_error(y, outputs), rel=1e-5)
    assert result.score == pytest.approx(r2_score(y, outputs), rel=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8])
def test_a_memory_map_gives_what_a_tensor_gives(
    kind: type[np.generic], network: Callable[[], nn.Sequential], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    everything = rng.integers(0, 9, (3 * N, 6)).astype(kind)
    np.save(tmp_path / "x.npy", everything)
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = rng.permutation(3 * N)[:N]
    y = torch.from_numpy(rng.integers(0, 3, N))
    model = network()
    taken = Examples(torch.from_numpy(everything[rows].astype(np.float32)), y)
    assert evaluate(model, Examples(stored, y, rows), CLASSIFICATION) == evaluate(model, taken, CLASSIFICATION)
    whole = predict(model, Examples(stored, torch.zeros(3 * N)))
    assert torch.equal(whole[torch.from_numpy(rows)].argmax(1), predict(model, taken).argmax(1))


def test_rows_of_a_tensor() -> None:
    x = torch.arange(10.0).reshape(10, 1)
    chosen = Examples(x, torch.zeros(3), np.array([7, 2, 5]))
    assert predict(nn.Identity(), chosen).flatten().tolist() == [7, 2, 5]
    assert len(chosen) == 3


def test_every_module_gets_its_own_mode_back(network: Callable[[], nn.Sequential]) -> None:
    model = network()
    model[1].eval()  # a frozen batch norm in a training network
    before = [module.training for module in model.modules()]
    with evaluation_mode(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == before
    assert before == [True, True, False, True, True, True]
    with pytest.raises(ZeroDivisionError), evaluation_mode(model):
        1 / 0  # noqa: B018
    assert [module.training for module in model.modules()] == before


def test_predicting_leaves_no_trace(network: Callable[[], nn.Sequential], examples: Examples) -> None:
    model = network()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    outputs = predict(model, examples)
    assert not outputs.requires_grad
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(outputs, predict(model, examples))


def test_outputs_that_are_there_already_are_judged_alike(
    network: Callable[[], nn.Sequential], examples: Examples
) -> None:
    model = network()
    targets: Tensor = examples.y
    assert judge(predict(model, examples), targets, CLASSIFICATION) == evaluate(model, examples, CLASSIFICATION)
