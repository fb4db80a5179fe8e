from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data.batches import TensorBatches
from babysit.fit.recording import LayerRecorder
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import Trainer
from babysit.measure.record import DEAD_BATCHES, LayerStats, StepRecord
from babysit.measure.sampling import is_sampled

Data = tuple[Tensor, Tensor]
LR = 0.25


def mlp() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return nn.Sequential(
            nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, 5), nn.Sigmoid(), nn.Linear(5, 3)
        )


def linear(model: nn.Sequential, place: int) -> nn.Linear:
    layer = model[place]
    assert isinstance(layer, nn.Linear)
    return layer


def one_step(model: nn.Module, x: Tensor, y: Tensor) -> tuple[dict[str, LayerStats], StepRecord]:
    records: list[StepRecord] = []
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    with LayerRecorder(model, records.append).sampled(7, LR) as tell:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tell(loss.detach())
    (record,) = records
    return {layer.module: layer for layer in record.layers}, record


class InNumPy:
    """The same network forward and backward, by hand, in float64."""

    def __init__(self, model: nn.Sequential, x: Tensor, y: Tensor) -> None:
        self.weights = {name: linear(model, name).weight.detach().double().numpy() for name in (0, 2, 4, 6)}
        self.biases = {name: linear(model, name).bias.detach().double().numpy() for name in (0, 2, 4, 6)}
        a = x.double().numpy()
        self.outputs: dict[int, np.ndarray] = {}
        inputs = {}
        for name in range(7):
            inputs[name] = a
            if name % 2 == 0:
                a = a @ self.weights[name].T + self.biases[name]
            else:
                a = {1: np.maximum(a, 0), 3: np.tanh(a), 5: 1 / (1 + np.exp(-a))}[name]
            self.outputs[name] = a
        probabilities = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
        hits = np.eye(3)[y.numpy()]
        self.loss = -np.log((probabilities * hits).sum(axis=1)).mean()
        gradient = (probabilities - hits) / len(x)
        self.gradients = {}
        for name in (6, 5, 4, 3, 2, 1, 0):
            out = self.outputs[name]
            if name % 2 == 0:
                self.gradients[name] = gradient.T @ inputs[name]
                gradient = gradient @ self.weights[name]
            else:
                gradient = gradient * {1: out > 0, 3: 1 - out**2, 5: out * (1 - out)}[name]


def test_a_step_of_an_mlp_against_numpy() -> None:
    draw = torch.Generator().manual_seed(4)
    x, y = 3 * torch.randn(32, 6, generator=draw), torch.randint(0, 3, (32,), generator=draw)
    model = mlp()
    with torch.no_grad():
        linear(model, 0).bias[:2] = -100.0  # two units off the data
        linear(model, 2).weight.mul_(8)  # saturates the tanh
    expected = InNumPy(model, x, y)
    layers, record = one_step(model, x, y)
    assert (record.step, record.lr) == (7, LR)
    assert record.loss == pytest.approx(expected.loss, rel=1e-5)
    assert [layer.type for layer in record.layers] == [
        "Linear", "ReLU", "Linear", "Tanh", "Linear", "Sigmoid", "Linear",
    ]  # fmt: skip
    for name, out in expected.outputs.items():
        layer = layers[str(name)]
        assert layer.mean == pytest.approx(out.mean(), rel=1e-4, abs=1e-6)
        assert layer.std == pytest.approx(out.std(), rel=1e-4)
    for name, gradient in expected.gradients.items():
        layer = layers[str(name)]
        assert layer.weight_norm == pytest.approx(np.linalg.norm(expected.weights[name]), rel=1e-5)
        assert layer.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
        assert layer.update_norm == pytest.approx(LR * np.linalg.norm(gradient), rel=1e-3)
    relu, tanh, sigmoid = expected.outputs[1], expected.outputs[3], expected.outputs[5]
    assert layers["1"].zero_fraction == pytest.approx((relu == 0).mean())
    assert layers["1"].dead_fraction == pytest.approx((relu == 0).all(axis=0).mean())
    assert (relu == 0).all(axis=0).sum() >= 2
    assert layers["3"].saturated_fraction == pytest.approx((abs(tanh) > 0.98).mean())
    assert 0.1 < (abs(tanh) > 0.98).mean() < 1
    assert layers["5"].saturated_fraction == pytest.approx(((sigmoid < 0.01) | (sigmoid > 0.99)).mean())


def test_numbers_that_do_not_apply_are_left_out() -> None:
    layers, _ = one_step(mlp(), torch.randn(8, 6), torch.zeros(8, dtype=torch.long))
    assert layers["1"].weight_norm is layers["1"].saturated_fraction is None
    assert layers["3"].zero_fraction is layers["3"].dead_fraction is None
    assert layers["0"].zero_fraction is layers["0"].saturated_fraction is None


def test_the_update_is_what_the_weights_did_and_not_the_gradient() -> None:
    model = mlp()
    model[0].requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    layers: dict[str, LayerStats] = {}

    def write(record: StepRecord) -> None:
        layers.update({layer.module: layer for layer in record.layers})

    optimizer = torch.optim.Adam(filter(lambda parameter: parameter.requires_grad, model.parameters()), lr=0.1)
    with LayerRecorder(model, write).sampled(0, 0.1) as tell:
        loss = F.cross_entropy(model(torch.randn(8, 6)), torch.zeros(8, dtype=torch.long))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tell(loss.detach())
    assert layers["0"].update_norm is None
    for name in ("2", "4", "6"):
        moved = (model.state_dict()[f"{name}.weight"] - before[f"{name}.weight"]).norm().item()
        assert layers[name].update_norm == pytest.approx(moved, rel=1e-5)


def test_dead_and_zero_units_of_feature_maps() -> None:
    convolution = nn.Conv2d(1, 4, 3)
    convolution.bias = nn.Parameter(torch.tensor([-100.0, 0.0, 100.0, 0.0]))
    model = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3))
    layers, _ = one_step(model, torch.randn(8, 1, 6, 6), torch.zeros(8, dtype=torch.long))
    assert layers["1"].dead_fraction == 0.25
    assert layers["1"].zero_fraction is not None
    assert 0.25 < layers["1"].zero_fraction < 0.75


def watch(recorder: LayerRecorder, model: nn.Module, batches: list[Tensor], first: int = 0) -> None:
    for step, x in enumerate(batches, start=first):
        with recorder.sampled(step, LR) as tell:
            tell(model(x).sum().detach())


def test_a_unit_is_dead_when_it_is_zero_on_all_of_the_last_batches() -> None:
    draw = torch.Generator().manual_seed(1)
    batches = [torch.randn(2, 6, generator=draw) for _ in range(3 * DEAD_BATCHES)]
    model = mlp()
    with torch.no_grad():
        linear(model, 0).bias -= 1.2  # units that answer to few examples
    records: list[StepRecord] = []
    watch(LayerRecorder(model, records.append), model, batches)
    weight, bias = (part.detach().double().numpy() for part in (linear(model, 0).weight, linear(model, 0).bias))
    fires = np.array([((x.double().numpy() @ weight.T + bias) > 0).any(axis=0) for x in batches])
    expected = [
        1 - fires[max(0, last + 1 - DEAD_BATCHES) : last + 1].any(axis=0).mean() for last in range(len(batches))
    ]
    found = [record.layers[1].dead_fraction for record in records]
    assert found == pytest.approx(expected)
    assert max(expected) > min(expected) > 0
    assert len(set(expected[DEAD_BATCHES:])) > 1  # batches are forgotten again


@pytest.mark.parametrize("stop", [0, 1, DEAD_BATCHES, DEAD_BATCHES + 3])
def test_what_it_remembers_goes_on_with_the_state(stop: int) -> None:
    draw = torch.Generator().manual_seed(1)
    batches = [torch.randn(2, 6, generator=draw) for _ in range(2 * DEAD_BATCHES)]
    model = mlp()
    whole: list[StepRecord] = []
    parts: list[StepRecord] = []
    watch(LayerRecorder(model, whole.append), model, batches)
    first, second = LayerRecorder(model, parts.append), LayerRecorder(model, parts.append)
    watch(first, model, batches[:stop])
    state = first.state_dict()
    assert all(mask.dtype is torch.bool and len(mask) <= DEAD_BATCHES for mask in state.values())
    second.load_state_dict(state)
    watch(second, model, batches[stop:], first=stop)
    assert [record.layers for record in parts] == [record.layers for record in whole]


class Shared(nn.Module):
    """One ReLU for layers of different widths; the last one it serves depends on the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide, self.relu = nn.Linear(6, 2), nn.Linear(2, 4), nn.ReLU()
        nn.init.constant_(self.wide.bias, -100.0)
        nn.init.constant_(self.narrow.bias, 100.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.narrow(x))
        return x if len(x) == 1 else self.relu(self.wide(x / 1000))  # type: ignore[no-any-return]


def test_a_rectifier_that_serves_other_units_begins_anew() -> None:
    model, records = Shared(), list[StepRecord]()
    watch(LayerRecorder(model, records.append), model, [torch.randn(rows, 6) for rows in (3, 3, 1, 1, 3)])
    assert [record.layers[2].dead_fraction for record in records] == [1, 1, 0, 0, 1]


class Odd(nn.Module):
    """Gives a tuple, gives integers, shares a layer, and never calls one."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = nn.LSTM(6, 4, batch_first=True)
        self.shared = nn.Linear(4, 4)
        self.again = self.shared
        self.unused = nn.Linear(4, 4)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        sequence, _ = self.pair(x.unsqueeze(1))
        out: Tensor = self.last(self.again(self.shared(sequence[:, 0])))
        return out


def test_unusual_modules_are_measured_as_far_as_they_can_be() -> None:
    layers, _ = one_step(Odd(), torch.randn(8, 6), torch.zeros(8, dtype=torch.long))
    assert set(layers) == {"pair", "shared", "unused", "last"}
    assert layers["pair"].mean is None
    assert layers["pair"].weight_norm is not None
    assert layers["unused"].mean is layers["unused"].gradient_norm is None
    assert layers["unused"].update_norm == 0
    assert layers["shared"].mean is not None


def hooks(model: nn.Module) -> int:
    return sum(
        len(found)
        for module in model.modules()
        for found in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    )


def test_hooks_are_there_inside_a_sampled_step_only() -> None:
    model = mlp()
    recorder = LayerRecorder(model, lambda _: None)
    assert hooks(model) == 0
    with recorder.sampled(0, 0.1) as tell:
        assert hooks(model) > 0
        tell(torch.zeros(()))
    assert hooks(model) == 0
    with pytest.raises(ZeroDivisionError), recorder.sampled(0, 0.1):
        1 / 0  # noqa: B018
    assert hooks(model) == 0


@pytest.mark.parametrize(("alike", "share"), [(False, 0.0), (True, 1.0)])
def test_units_that_are_alike_are_counted_at_few_steps(
    data: Data, network: Callable[[], nn.Sequential], alike: bool, share: float
) -> None:
    model = network()
    if alike:
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
    records: list[StepRecord] = []
    recorder = LayerRecorder(model, records.append)
    Trainer(model, F.cross_entropy, TensorBatches(*data, 8, 0), TrainSettings(), sampler=recorder).run(18)
    found = {record.step: record.layers[0].identical_units for record in records}
    assert {step: value for step, value in found.items() if value is not None} == dict.fromkeys((0, 1, 4, 16), share)


def test_a_recorded_training_is_the_training(
    data: Data, network: Callable[[], nn.Sequential], same: Callable[[object, object], bool]
) -> None:
    def train(records: list[StepRecord] | None) -> dict[str, Any]:
        model = network()
        settings = TrainSettings("adam", lr=0.02, epochs=40, batch_size=8)
        sampler = None if records is None else LayerRecorder(model, records.append)
        trainer = Trainer(model, F.cross_entropy, TensorBatches(*data, 8, 0), settings, sampler=sampler)
        trainer.run(200)
        return copy.deepcopy(trainer.state_dict())

    records: list[StepRecord] = []
    state, unwatched = train(records), train(None)
    assert set(state.pop("sampler")) == {"2"}
    assert unwatched.pop("sampler") == {}
    assert same(state, unwatched)
    assert [record.step for record in records] == [step for step in range(200) if is_sampled(step)]
    assert all(layer.mean is not None for record in records for layer in record.layers)
