"""What is recorded of trainings of all kinds, and that nothing in them changes."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.diagnose import diagnose
from babysit.measure.record import RunRecord
from babysit.measure.sampling import is_sampled
from babysit.watch import Monitor

# torch.optim takes the name of this module away
optimizer_module = importlib.import_module("torch.optim.optimizer")
X, Y = torch.randn(256, 8, generator=torch.Generator().manual_seed(0)), torch.arange(256) % 3
Step = Callable[[nn.Module, int], float]


def net(seed: int = 0, norm: bool = False, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [nn.Linear(8, 16), *([nn.BatchNorm1d(16)] if norm else []), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(16, 3))


def batch(step: int, size: int = 32) -> tuple[Tensor, Tensor]:
    rows = torch.arange(step * size, (step + 1) * size) % len(X)
    return X[rows], Y[rows]


def train(model: nn.Module, steps: int = 40, optimizer: torch.optim.Optimizer | None = None) -> list[float]:
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(steps):
        x, y = batch(step)
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_losses_of_every_step_and_the_numbers_of_sampled_ones() -> None:
    with Monitor() as monitor:
        losses = train(net(), 300)
    run = monitor.record
    assert run.losses == pytest.approx(losses)
    assert [step.step for step in run.steps][:64] == list(range(64))
    assert len(run.steps) == sum(is_sampled(step) for step in range(300))
    assert [layer.module for layer in run.steps[0].layers] == ["0", "1", "2", "3"]
    assert run.header.loss_name == "cross_entropy"
    assert run.header.chance_loss == pytest.approx(math.log(3), abs=1e-3)
    assert (run.header.batch_size, run.header.optimizer, run.header.settings["lr"]) == (32, "Adam", 0.01)
    assert all(step.cleared for step in run.steps[1:])
    assert {call.phase for call in run.calls} == {"train"}


def test_nothing_changes_and_nothing_is_left_behind() -> None:
    places = [(F, "cross_entropy"), (torch.autograd, "backward"), (nn.Module, "train"), (torch.no_grad, "__enter__")]
    before = [vars(place)[name] for place, name in places]
    plain = net(dropout=0.5)
    torch.manual_seed(1)
    expected = train(plain)
    watched = net(dropout=0.5)
    torch.manual_seed(1)
    with Monitor() as monitor:
        assert train(watched) == expected
    assert monitor.notes == ()
    for one, other in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)
    assert [vars(place)[name] for place, name in places] == before
    module = nn.modules.module
    assert not module._global_forward_hooks
    assert not module._global_forward_pre_hooks
    assert not optimizer_module._global_optimizer_pre_hooks
    assert torch.is_grad_enabled()


def test_a_step_that_is_not_sampled_runs_without_module_hooks() -> None:
    hooked = []
    model = net()
    model.register_forward_hook(lambda *_: hooked.append(bool(nn.modules.module._global_forward_hooks)))
    with Monitor():
        train(model, 600)
    assert hooked[:129] == [True] * 129
    assert hooked[129] is False
    assert sum(hooked[256:512]) == 64


def test_accumulated_gradients_make_one_step() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with Monitor() as monitor:
        for step in range(20):
            total = 0.0
            for part in range(4):
                x, y = batch(4 * step + part)
                loss = F.cross_entropy(model(x), y) / 4
                loss.backward()
                total += loss.item()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(total)
    run = monitor.record
    assert run.losses == pytest.approx(losses)
    assert {step.backwards for step in run.steps} == {4}
    assert all(step.cleared for step in run.steps[1:])
    assert run.header.chance_loss == pytest.approx(math.log(3), abs=1e-2)


def test_gradients_that_are_never_cleared() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with Monitor() as monitor:
        for step in range(10):
            x, y = batch(step)
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert [step.cleared for step in monitor.record.steps] == [None] + [False] * 9


@pytest.mark.parametrize("clip", [nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_])
def test_clipping(clip: Callable[..., object]) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    clip = getattr(nn.utils, clip.__name__)
    with Monitor() as monitor:
        for step in range(5):
            x, y = batch(step)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            getattr(nn.utils, clip.__name__)(model.parameters(), 1e-3)
            optimizer.step()
    for step in monitor.record.steps:
        assert step.clip_limit == 1e-3
        assert step.clipped_from is not None
        assert step.clipped_from > 0.01
        assert step.gradient_norm is not None
        assert step.gradient_norm < step.clipped_from


def test_clipping_by_hand() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Monitor() as monitor:
        for step in range(5):
            x, y = batch(step)
            optimizer.zero_grad()
            for part in (slice(16), slice(16, 32)):
                (F.cross_entropy(model(x[part]), y[part]) / 2).backward()
            largest = max(float(item.grad.abs().max()) for item in model.parameters() if item.grad is not None)
            for item in model.parameters():
                assert item.grad is not None
                item.grad.clamp_(-1e-3, 1e-3)
            optimizer.step()
    assert [step.gradient_peaks is None for step in monitor.record.steps] == [True, *[False] * 4]
    assert monitor.record.steps[-1].gradient_peaks == pytest.approx((largest, 1e-3))
    assert monitor.record.steps[-1].clip_limit is None


def test_evaluation_is_told_from_training() -> None:
    model = net(norm=True, dropout=0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    held_out = torch.randn(40, 8), torch.arange(40) % 3
    expected = []
    with Monitor() as monitor:
        for _ in range(3):
            model.train()
            train(model, 8, optimizer)
            model.eval()
            with torch.no_grad():
                outputs = model(held_out[0])
                expected.append(F.cross_entropy(outputs, held_out[1]).item())
                expected.append((outputs.argmax(1) == held_out[1]).float().mean().item())
    run = monitor.record
    seen = [number for item in run.evaluated("validation") for number in (item.loss, item.score)]
    assert seen == pytest.approx(expected)
    assert [item.step for item in run.evaluated("validation")] == [8, 16, 24]
    assert [item.step for item in run.evaluated("batches")] == [8, 16, 24]
    evaluated = run.forwarded("evaluation")
    assert [forward.training for forward in evaluated] == [False] * 3
    assert [(forward.norms_training, forward.dropouts_training) for forward in evaluated] == [(0, 0)] * 3
    assert all(forward.norms_training == forward.dropouts_training == 1 for forward in run.forwarded("train"))


def test_evaluation_with_gradients_is_told_by_the_mode() -> None:
    model = net(dropout=0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with Monitor() as monitor:
        for _ in range(2):
            model.train()
            train(model, 8, optimizer)
            model.eval()
            F.cross_entropy(model(X[:50]), Y[:50])
        model.train()
        train(model, 8, optimizer)
    assert [item.step for item in monitor.record.evaluated("train")] == [8, 16]
    assert len(monitor.record.losses) == 24


def test_a_loss_of_evaluation_outside_the_block_without_gradients() -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with Monitor() as monitor:
        for _ in range(4):
            model.train()
            train(model, 40, optimizer)
            for part in (X[:100] + 9.0, X[100:200] - 9.0):
                model.eval()
                with torch.no_grad():
                    outputs = model(part)
                F.cross_entropy(outputs, Y[:100])
    assert [item.step for item in monitor.record.evaluated("validation")] == [40, 80, 120, 160]
    assert [item.step for item in monitor.record.evaluated("test")] == [40, 80, 120, 160]
    assert max(item.loss for item in monitor.record.evaluated("batches")) < 1.2


def test_classes_of_a_loss_that_is_written_by_hand() -> None:
    torch.manual_seed(0)
    w = torch.zeros(8, 3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    rare = torch.where(torch.arange(256) < 250, 0, 1)
    with Monitor() as monitor:
        for _ in range(70):
            rows = torch.randperm(256)[:64]
            loss = -(X[rows] @ w).log_softmax(1)[torch.arange(64), rare[rows]].mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert monitor.record.header.classes == 3
    assert monitor.record.header.chance_loss is None
    probe = monitor.record.probe("data")
    assert probe is not None
    assert 20 < probe.numbers["imbalance_ratio"] < 80


@pytest.mark.parametrize("swapped", [False, True])
def test_the_side_of_a_distance_that_is_trained_is_the_output(swapped: bool) -> None:
    model, wanted = net(), F.one_hot(Y[:32], 3) + 5.0
    with Monitor() as monitor:
        for _ in range(3):
            pair = (wanted, model(X[:32])) if swapped else (model(X[:32]), wanted)
            F.mse_loss(*pair).backward()
            train(model, 0)
            model.zero_grad()
            with torch.no_grad():
                model[0].weight.sub_(0.0)
    call = monitor.record.calls[0]
    assert (call.targets.low, call.targets.high) == (5.0, 6.0)
    assert call.outputs.high < 5


def test_the_words_of_a_sequence_are_no_classes_to_be_balanced() -> None:
    def imbalance(length: int) -> float | None:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        rare = torch.where(torch.arange(256) < 250, 0, 1)
        with Monitor() as monitor:
            for step in range(80):
                rows = torch.randperm(256, generator=torch.Generator().manual_seed(step))[:length]
                losses = [F.cross_entropy(model(X[row : row + 1]), rare[row : row + 1]) for row in rows.tolist()]
                optimizer.zero_grad()
                torch.stack(losses).sum().backward()
                optimizer.step()
        probe = monitor.record.probe("data")
        return None if probe is None else probe.numbers.get("imbalance_ratio")

    found = imbalance(2)
    assert found is not None
    assert found > 10
    assert imbalance(8) is None


def test_a_functional_activation_that_comes_late_is_found_at_the_next_close_look() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.out, self.late = nn.Linear(8, 16), nn.Linear(16, 3), False

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.fc(x)
            return self.out(torch.relu(hidden) if self.late else hidden)

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    with Monitor() as monitor:
        for step in range(100):
            model.late = step >= 81
            x, y = batch(step)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    seen = [step.step for step in monitor.record.steps if any(layer.type == "ReLU" for layer in step.layers)]
    assert seen == list(range(84, 100)), "every fourth step is looked at closely by then"


def test_a_rectifier_that_is_written_as_a_clamp() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.first(x).clamp(min=0)
            return self.last(hidden) - (1 - hidden).clamp(min=0).mean() + torch.clamp(hidden, 0, 1).mean()

    model = Net()
    with Monitor() as monitor:
        train(model, 3)
    assert [layer.type for layer in monitor.record.steps[0].layers] == ["Linear", "ReLU", "Linear"]


def test_an_evaluation_on_the_training_data_is_called_so() -> None:
    model = net()
    with Monitor() as monitor:
        train(model, 8)
        with torch.no_grad():
            F.cross_entropy(model(X), Y)
    assert monitor.record.evaluations[0].split == "train"


def test_two_models_against_each_other() -> None:
    torch.manual_seed(0)
    maker, judge = nn.Linear(2, 8), nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 1))
    of_maker = torch.optim.Adam(maker.parameters(), lr=1e-3)
    of_judge = torch.optim.Adam(judge.parameters(), lr=1e-3)
    real, fake = torch.ones(32, 1), torch.zeros(32, 1)
    with Monitor() as monitor:
        for step in range(30):
            x, _ = batch(step)
            made = maker(torch.randn(32, 2))
            loss = F.binary_cross_entropy_with_logits(judge(x), real)
            loss = loss + F.binary_cross_entropy_with_logits(judge(made.detach()), fake)
            of_judge.zero_grad()
            loss.backward()
            of_judge.step()
            loss = F.binary_cross_entropy_with_logits(judge(made), real)
            of_maker.zero_grad()
            loss.backward()
            of_maker.step()
    (run,) = monitor.records
    assert run.header.progress is False
    assert monitor.steps == 30
    assert "Sequential.0" in run.modules or "Linear" in run.modules
    assert all(step.cleared for step in run.steps[2:])


def test_trainings_that_follow_each_other_are_recorded_one_by_one() -> None:
    with Monitor() as monitor:
        losses = [train(net(seed), 20) for seed in range(3)]
    runs = monitor.records
    assert [len(run.losses) for run in runs] == [20, 20, 20]
    for run, expected in zip(runs, losses, strict=True):
        assert run.losses == pytest.approx(expected)
        assert run.header.progress


def test_a_new_optimizer_for_the_same_model_goes_on_with_the_training() -> None:
    model = net()
    with Monitor() as monitor:
        for _ in range(3):
            train(model, 15, torch.optim.SGD(model.parameters(), lr=0.1))
    assert [len(run.losses) for run in monitor.records] == [45]


def test_updates_by_hand() -> None:
    model, losses = net(), []
    with Monitor() as monitor:
        for step in range(140):
            x, y = batch(step)
            loss = F.cross_entropy(model(x), y)
            for parameter in model.parameters():
                parameter.grad = None
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.1 * parameter.grad
            losses.append(loss.item())
    run = monitor.record
    assert monitor.notes == ()
    assert run.losses == pytest.approx(losses)
    layer = run.steps[50].layers[0]
    assert layer.gradient_norm is not None
    assert layer.update_norm == pytest.approx(0.1 * layer.gradient_norm, rel=1e-4)


@pytest.mark.parametrize("clears", [True, False])
@pytest.mark.parametrize("trains", [slice(None), slice(2, None)])  # all, or the last layer alone
def test_whether_gradients_are_cleared_between_updates_by_hand(clears: bool, trains: slice) -> None:
    model = net()
    trained = list(model.parameters())[trains]
    with Monitor() as monitor:
        for step in range(20):
            x, y = batch(step)
            F.cross_entropy(model(x), y).backward()
            with torch.no_grad():
                for parameter in trained:
                    assert parameter.grad is not None
                    parameter -= 0.1 * parameter.grad
                    if clears:
                        parameter.grad.zero_()
    assert [step.cleared for step in monitor.record.steps[1:]] == [clears] * 19


def through_data(parameter: Tensor, gradient: Tensor) -> None:
    parameter.data.sub_(gradient.data * 0.1)


def in_its_place(parameter: Tensor, gradient: Tensor) -> None:
    parameter.data = parameter.data - 0.1 * gradient


@pytest.mark.parametrize("update", [through_data, in_its_place])
@pytest.mark.parametrize("passes", [1, 3])
def test_updates_by_hand_that_move_no_version_counter(update: Callable[[Tensor, Tensor], None], passes: int) -> None:
    model, losses, differences = net(), [], []
    with Monitor() as monitor:
        for step in range(40):
            model.zero_grad()
            total = 0.0
            for part in range(passes):
                x, y = batch(passes * step + part)
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                total += loss.item()
            before = model[0].weight.detach().clone()
            for parameter in model.parameters():
                assert parameter.grad is not None
                update(parameter, parameter.grad)
            differences.append(float((model[0].weight.detach() - before).norm()))
            losses.append(total)
    run = monitor.record
    assert monitor.notes == ()
    assert run.losses == pytest.approx(losses)
    updates = [step.layers[0].update_norm for step in run.steps[1:]]
    assert updates == pytest.approx(differences[1:], rel=1e-4)


def test_an_input_that_is_changed_to_attack_a_model_is_no_training() -> None:
    model, attacked = net(), torch.zeros(32, 8, requires_grad=True)
    x, y = batch(0)
    with Monitor() as monitor:
        for _ in range(10):
            F.cross_entropy(model(x + attacked), y).backward()
            assert attacked.grad is not None
            attacked.data.add_(0.1 * attacked.grad.sign())
    assert monitor.steps == 0


def test_gradients_asked_for_by_function() -> None:
    model, losses = net(), []
    with Monitor() as monitor:
        for step in range(20):
            x, y = batch(step)
            loss = F.cross_entropy(model(x), y)
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                    parameter -= 0.1 * gradient
            losses.append(loss.item())
    assert monitor.record.losses == pytest.approx(losses)


def test_closures() -> None:
    model = net()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    first: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        first.append(loss.item())
        return loss

    expected = []
    with Monitor() as monitor:
        for _ in range(5):
            first.clear()
            optimizer.step(closure)
            expected.append(first[0])
    assert monitor.record.losses == pytest.approx(expected)


def test_a_gradient_scaler() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    losses = []
    with Monitor() as monitor:
        for step in range(12):
            x, y = batch(step)
            loss = F.cross_entropy(model(x), y)
            if step == 5:
                loss = loss * math.inf
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if step != 5:
                losses.append(loss.item())
    run = monitor.record
    assert run.losses == pytest.approx(losses)
    assert [step.skipped for step in run.steps] == [0] * 5 + [1] + [0] * 5
    layer = run.steps[0].layers[0]
    assert layer.gradient_norm is not None
    assert layer.gradient_norm < 10


class Compiler:
    """A backend that runs graphs as they are and counts them."""

    def __init__(self) -> None:
        self.graphs = self.runs = 0

    def __call__(self, graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        self.graphs += 1

        def run(*args: object) -> object:
            self.runs += 1
            return graph(*args)

        return run


@pytest.fixture
def compiler() -> Iterator[Compiler]:
    torch._dynamo.reset()
    yield Compiler()
    torch._dynamo.reset()


@pytest.mark.parametrize("before", [False, True])
def test_compiled_models_are_left_alone(compiler: Compiler, before: bool) -> None:
    compiled: Any = torch.compile(net(), backend=compiler) if before else None
    with Monitor() as monitor, warnings.catch_warnings():
        # a hook was there at the first call of a model that was compiled before
        warnings.simplefilter("ignore" if before else "error")
        losses = train(compiled if before else torch.compile(net(), backend=compiler), 70)  # type: ignore[arg-type]
    run = monitor.record
    assert losses == train(net(), 70)
    assert run.losses == pytest.approx(losses)
    assert compiler.runs == 70
    (note,) = monitor.notes
    assert "compiled: what its layers put out" in note
    assert [(layer.module, layer.type, layer.mean) for layer in run.steps[3].layers] == [
        ("0", "Linear", None),
        ("3", "Linear", None),
    ]
    assert all(layer.update_norm for layer in run.steps[3].layers)
    assert run.calls
    assert diagnose(run).broken == {}


def test_compiled_models_run_uncompiled_at_sampled_steps_where_that_is_asked_for(compiler: Compiler) -> None:
    filters = list(warnings.filters)
    with Monitor(eager=True) as monitor:
        losses = train(torch.compile(net(norm=True), backend=compiler), 140)  # type: ignore[arg-type]
    run = monitor.record
    assert [step.step for step in run.steps] == [step for step in range(140) if is_sampled(step)]
    assert (compiler.graphs, compiler.runs) == (1, 140 - len(run.steps))
    for step in run.steps:
        assert [layer.module for layer in step.layers] == ["0", "1", "2", "3", "4"]
        assert all(layer.mean is not None for layer in step.layers)
    assert {forward.training for forward in run.forwards} == {True}
    (note,) = monitor.notes
    assert "ran uncompiled at sampled steps" in note
    assert run.losses == pytest.approx(losses)
    assert losses == pytest.approx(train(net(norm=True), 140))
    assert torch._dynamo.eval_frame._stance.stance == "default"
    assert warnings.filters == filters


def test_a_stance_that_cannot_be_taken_costs_what_is_inside_and_nothing_else(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: str) -> None:
        raise RuntimeError("attempted to set_stance in a torch.compile region")

    monkeypatch.setattr(torch.compiler, "set_stance", refused)
    with Monitor(eager=True) as monitor:
        losses = train(torch.compile(net(), backend=compiler), 6)  # type: ignore[arg-type]
    assert monitor.record.losses == pytest.approx(losses)
    assert compiler.runs == 6


def test_functional_activations_and_parts_called_by_themselves() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Linear(8, 16), nn.Linear(16, 3)

        def encode(self, x: Tensor) -> Tensor:
            return torch.relu(self.encoder(x))

        def forward(self, x: Tensor) -> Tensor:
            return self.decoder(F.tanh(self.encode(x)))

    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    with Monitor() as monitor:
        train(model, 3, optimizer)
    assert [layer.module for layer in monitor.record.steps[0].layers] == ["encoder", "F.relu", "F.tanh", "decoder"]
    assert [layer.type for layer in monitor.record.steps[0].layers] == ["Linear", "ReLU", "Tanh", "Linear"]
    with Monitor() as monitor:
        for step in range(3):
            x, y = batch(step)
            optimizer.zero_grad()
            F.cross_entropy(model.decoder(model.encode(x)), y).backward()
            optimizer.step()
    assert [layer.module for layer in monitor.record.steps[0].layers] == ["encoder", "decoder"]


def first_bad(make: Callable[[Tensor], Tensor], broken: int = 3) -> RunRecord:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Monitor() as monitor:
        for step in range(6):
            x, y = batch(step)
            optimizer.zero_grad()
            out = model(x)
            loss = F.cross_entropy(make(out) if step == broken else out, y)
            loss.backward()
            optimizer.step()
    return monitor.record


@pytest.mark.parametrize(
    ("make", "operation"),
    [
        (lambda out: out + torch.log(out - out), "log"),
        (lambda out: out * torch.exp(out + 1000), "exp"),
        (lambda out: out + (out - out) / (out - out), "div"),
        (lambda out: out + torch.sqrt(out - 100), "sqrt"),
    ],
)
def test_where_a_nan_arose(make: Callable[[Tensor], Tensor], operation: str) -> None:
    (origin,) = first_bad(make).origins
    assert (origin.step, origin.stage, origin.operation) == (3, "forward", operation)


def test_a_nan_that_came_with_the_gradient() -> None:
    # sqrt(0) is 0, its slope infinite, times 0
    (origin,) = first_bad(lambda out: out + 0 * torch.sqrt(out - out)).origins
    assert (origin.step, origin.stage, origin.module) == (3, "gradient", "3")


def test_a_nan_among_the_inputs() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Monitor() as monitor:
        for step in range(4):
            x, y = batch(step)
            if step == 2:
                x = x.clone()
                x[3, 3] = math.nan
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    (origin,) = monitor.record.origins
    assert (origin.step, origin.stage) == (2, "input")


def test_a_long_run_keeps_few_records() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x = torch.randn(4, 2)
    with Monitor() as monitor:
        for _ in range(6000):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    run = monitor.record
    assert len(run.losses) == 6000
    assert len(run.steps) < 64 * 8
    assert len(run.blocks) < 80


def test_a_frozen_network_in_the_loss_is_neither_trained_nor_evaluated() -> None:
    model, judge = net(), net(1, dropout=0.5).eval().requires_grad_(False)
    model[-1] = nn.Linear(16, 8)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with Monitor() as monitor:
        for step in range(6):
            x, _ = batch(step)
            out = model(x)
            loss = F.mse_loss(out, x) + F.mse_loss(judge(out), judge(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    run = monitor.record
    assert monitor.notes == ()
    assert len(run.losses) == len(run.forwarded("train")) == 6
    assert not run.forwarded("evaluation")


def test_a_model_in_evaluation_mode_beside_one_that_is_trained() -> None:
    model, other = net(), net(1).eval()
    optimizer = torch.optim.Adam([*model.parameters(), *other.parameters()], lr=1e-2)
    with Monitor() as monitor:
        for step in range(6):
            x, y = batch(step)
            loss = F.cross_entropy(model(x), y) + F.cross_entropy(other(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert monitor.notes == ()
    assert len(monitor.record.losses) == 6


def test_a_step_before_the_backward_pass() -> None:
    model, losses = net(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Monitor() as monitor:
        for step in range(10):
            x, y = batch(step)
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            optimizer.step()
            loss.backward()
            losses.append(loss.item())
    assert monitor.notes == ()
    assert monitor.record.losses == pytest.approx(losses[: len(monitor.record.losses)])
    assert len(monitor.record.losses) >= 9


def test_examples_that_are_made_by_a_frozen_model_are_no_steps_of_its_training() -> None:
    model, losses = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)), []
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with Monitor() as monitor:
        for step in range(150):
            model.requires_grad_(False)
            made = torch.randn(32, 8).requires_grad_()
            for _ in range(12):  # along the gradient of the energy, as contrastive divergence takes them
                model(made).sum().backward()
                made.data.sub_(made.grad)
                made.grad = None
            model.requires_grad_(True)
            loss = model(batch(step)[0]).mean() - model(made.detach()).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    run = monitor.record
    assert run.losses == pytest.approx(losses)
    assert all(step.cleared and step.backwards == 1 for step in run.steps[1:])
    assert not [finding for finding in monitor.findings if finding.code == "GRD005"]


def test_a_picture_that_is_trained_through_a_frozen_model() -> None:
    model, losses = net(), []
    model.requires_grad_(False)
    picture = torch.randn(4, 8).requires_grad_()
    optimizer = torch.optim.Adam([picture], lr=1e-2)
    with Monitor() as monitor:
        for _ in range(20):
            loss = F.cross_entropy(model(picture), torch.arange(4) % 3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert monitor.record.losses == pytest.approx(losses)


def test_an_optimizer_of_two_models_whose_own_optimizers_go_on_beside_it() -> None:
    torch.manual_seed(0)
    body, judge, guess = nn.Linear(8, 16), nn.Linear(16, 1), nn.Linear(16, 3)
    models = nn.ModuleDict({"body": body, "judge": judge, "guess": guess})
    of_judge = torch.optim.Adam([*body.parameters(), *judge.parameters()], lr=1e-3)
    of_all = torch.optim.Adam(models.parameters(), lr=1e-3)  # as InfoGAN's, whose loss does not reach the judge
    with Monitor() as monitor:
        for step in range(70):
            x, y = batch(step)
            of_judge.zero_grad()
            judge(torch.tanh(body(x))).square().mean().backward()
            of_judge.step()
            of_all.zero_grad()
            F.cross_entropy(guess(torch.tanh(body(x))), y).backward()
            of_all.step()
    assert not [finding for finding in monitor.findings if finding.code == "GRD004"]


def test_a_part_that_neither_of_two_optimizers_has_a_gradient_for_is_found() -> None:
    torch.manual_seed(0)
    body, judge, guess = nn.Linear(8, 16), nn.Linear(16, 1), nn.Linear(16, 3)
    models = nn.ModuleDict({"body": body, "judge": judge, "guess": guess})
    of_body = torch.optim.Adam(body.parameters(), lr=1e-3)
    of_all = torch.optim.Adam(models.parameters(), lr=1e-3)
    with Monitor() as monitor:
        for step in range(70):
            x, y = batch(step)
            for optimizer in (of_body, of_all):
                optimizer.zero_grad()
                features = torch.tanh(body(x))
                loss = F.cross_entropy(guess(features), y)
                (loss + judge(features).detach().square().mean()).backward()
                optimizer.step()
    assert [finding.module for finding in monitor.findings if finding.code == "GRD004"] == ["judge"]
