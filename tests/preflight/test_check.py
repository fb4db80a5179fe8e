"""`bs.check` as a user calls it: batches of all shapes, refusals, and nothing changed."""

from __future__ import annotations

import copy
import math
import random
import re
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import babysit as bs
from babysit.errors import InputError
from babysit.measure.record import Probe
from babysit.preflight import CheckError, Report
from babysit.preflight.probes import EXPERIMENTS
from babysit.rules import Severity
from babysit.rules._config import DEFAULTS

CLASSES = 5


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    """Inputs of spread 1 and classes that depend on them."""
    torch.manual_seed(0)
    x = torch.randn(64, 20)
    return x, x[:, :CLASSES].argmax(dim=1)


def mlp(*last: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, CLASSES), *last)


def check(*args: Any, **kwargs: Any) -> Report:
    return bs.check(*args, config=DEFAULTS, **({"seconds": 2.0} | kwargs))


def test_a_healthy_model_passes_every_check_that_applies(data: tuple[Tensor, Tensor]) -> None:
    model = mlp()
    report = check(model, F.cross_entropy, data, torch.optim.AdamW(model.parameters(), 1e-3), seconds=20.0)
    assert report.findings == ()
    marks = {item.name: item.mark for item in report.checks}
    not_applicable = {name for name, mark in marks.items() if mark == "not applicable"}
    assert not_applicable == {"normalisation", "future-leakage"}
    assert {mark for name, mark in marks.items() if name not in not_applicable} == {"passed"}
    assert report.raise_for("info") is report
    assert 1e-4 <= report.suggestion["lr"] <= 0.1
    record = report.record.probe("initial-loss")
    assert record is not None
    assert record.numbers["expected"] == pytest.approx(np.log(CLASSES))


def test_nothing_is_changed(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    schedule.step()

    def state() -> Any:
        gradients = [item.grad for item in model.parameters()]
        modes = [module.training for module in model.modules()]
        parts = (model.state_dict(), optimizer.state_dict(), gradients, modes, torch.get_rng_state())
        return copy.deepcopy((*parts, np.random.get_state()[1], random.getstate(), x, y, torch.get_num_threads()))

    before = state()
    check(model, F.cross_entropy, (x, y), optimizer)
    torch.testing.assert_close(state(), before, rtol=0, atol=0, equal_nan=True)
    assert type(model).__call__ is nn.Module.__call__


@pytest.mark.parametrize(
    ("model", "loss_fn", "code"),
    [
        (lambda: mlp(nn.Softmax(dim=1)), nn.CrossEntropyLoss(), "LOS007"),
        (lambda: mlp(), nn.CrossEntropyLoss(reduction="sum"), "PRE001"),
        (lambda: nn.Sequential(nn.Linear(20, 64), nn.Linear(64, CLASSES)), nn.CrossEntropyLoss(), "ACT004"),
        (lambda: mlp(), nn.NLLLoss(), "LOS009"),
    ],
)
def test_faults_are_named(
    data: tuple[Tensor, Tensor], model: Callable[[], nn.Module], loss_fn: nn.Module, code: str
) -> None:
    report = check(model(), loss_fn, data)
    assert code in {item.code for item in report.findings}
    assert report.verdict in ("errors", "warnings")
    failed = [item for item in report.checks if item.mark == "failed"]
    assert any(code in item.codes for item in failed)
    with pytest.raises(CheckError, match=code):
        report.raise_for("warning")


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = mlp()

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.body(torch.cat([left, right], dim=1))


class OwnLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = mlp()

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.body(x)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def test_batches_as_models_take_them(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    two = (x[:, :10], x[:, 10:], y)
    named = {"left": x[:, :10], "right": x[:, 10:], "labels": y}
    for model, loss_fn, batch in (
        (mlp(), F.cross_entropy, loader),
        (TwoInputs(), F.cross_entropy, two),
        (TwoInputs(), F.cross_entropy, named),
        (OwnLoss(), None, {"x": x, "labels": y}),
        (mlp(), F.cross_entropy, [(x, y), (x, y)]),
    ):
        report = check(model, loss_fn, batch)
        assert report.findings == (), (type(model), type(batch))
        assert next(item for item in report.checks if item.name == "initial-loss").mark == "passed"


class Noisy:
    """Draws from every kind of random numbers that there is, of its own and of all; of no class of torch's."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors
        self.own = random.Random(0)
        self.numbers = np.random.default_rng(0)
        self.older = np.random.RandomState(0)
        self.torch = torch.Generator().manual_seed(0)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        noise = random.random() + np.random.random() + torch.rand(()).item()
        noise += self.own.random() + self.numbers.random() + self.older.rand()
        x, y = (item[index] for item in self.tensors)
        return x + 0.01 * (noise + torch.rand((), generator=self.torch).item()), y

    def drawn(self) -> tuple[float, ...]:
        """What each of them gives next."""
        everyone = random.random(), np.random.random(), torch.rand(()).item()
        own = self.own.random(), self.numbers.random(), self.older.rand()
        return *everyone, *own, torch.rand((), generator=self.torch).item()


def test_the_random_numbers_that_a_loader_draws_are_drawn_again(data: tuple[Tensor, Tensor]) -> None:
    def seeded() -> tuple[Noisy, torch.Generator]:
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        return Noisy(*data), torch.Generator().manual_seed(2)

    expected = *(own := seeded())[0].drawn(), torch.rand((), generator=own[1]).item()
    model = mlp()
    noisy, order = seeded()
    loader: Any = DataLoader(noisy, batch_size=16, shuffle=True, generator=order)
    check(model, F.cross_entropy, loader, seconds=0.2)
    assert (*noisy.drawn(), torch.rand((), generator=order).item()) == expected


def test_no_more_is_taken_of_an_iterator_than_is_needed(data: tuple[Tensor, Tensor]) -> None:
    each = iter([data] * 80)
    check(mlp(), F.cross_entropy, each, seconds=0.2)
    assert len(list(each)) == 80 - 16


@pytest.mark.parametrize(
    ("model", "loss_fn", "batch", "said"),
    [
        (mlp, F.cross_entropy, (torch.randn(8, 7), torch.zeros(8).long()), "accept inputs of shape (8, 7)"),
        (mlp, lambda out, _: out, (torch.randn(8, 20), torch.zeros(8)), "a scalar tensor, found a tensor of shape"),
        (mlp, lambda out, _: out.detach().mean(), (torch.randn(8, 20), torch.zeros(8)), "trainable parameters"),
        (mlp, lambda *_: 1.0, (torch.randn(8, 20), torch.zeros(8)), "found float"),
        (mlp, F.cross_entropy, {"x": torch.randn(8, 20)}, "among its keys, found x"),
        (mlp, F.cross_entropy, torch.randn(8, 20), "(inputs, targets)"),
        (mlp, F.cross_entropy, [], "an empty iterable"),
    ],
)
def test_refusals_are_one_line(model: Callable[[], nn.Module], loss_fn: Any, batch: Any, said: str) -> None:
    with pytest.raises(InputError) as refused:
        check(model(), loss_fn, batch)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_model_that_cannot_be_copied_is_refused(data: tuple[Tensor, Tensor]) -> None:
    model = mlp()
    model.lock = threading.Lock()
    with pytest.raises(InputError, match=r"copy.deepcopy can copy, found TypeError"):
        check(model, F.cross_entropy, data)


def test_a_loss_that_raw_inputs_make_is_folded_under_them(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    raw = check(mlp(), F.cross_entropy, (x * 255, y))
    codes = {item.code for item in raw.findings}
    assert "DAT002" in codes
    assert raw.diagnosis.folded["PRE001"].code == "DAT002"
    probe = raw.record.probe("initial-loss")
    assert probe is not None
    expected = F.cross_entropy(mlp()((x - x.mean(0)) / x.std(0)), y).item()
    assert probe.numbers["loss_of_scaled"] == pytest.approx(expected, rel=1e-4)
    summed = check(mlp(), nn.CrossEntropyLoss(reduction="sum"), (x * 255, y))
    assert {"DAT002", "PRE001"} <= {item.code for item in summed.findings}


def initial(report: Report) -> dict[str, float]:
    found = report.record.probe("initial-loss")
    assert found is not None, report.checks
    return dict(found.numbers)


def test_a_sum_over_an_examples_own_numbers_is_no_sum_over_the_batch(data: tuple[Tensor, Tensor]) -> None:
    """Of as many features as examples, as an autoencoder of 64 pixels has in batches of 64."""
    x = data[0][:20]
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 20))
    report = check(model, lambda outputs, y: F.mse_loss(outputs, y, reduction="sum") / len(y), (x, x), seconds=0.5)
    assert initial(report)["expected"] == pytest.approx(20 * x.var(correction=0).item(), rel=1e-3)
    assert "PRE001" not in {item.code for item in report.findings}
    summed = check(mlp(), lambda outputs, y: F.cross_entropy(outputs, y, reduction="sum"), data, seconds=0.5)
    assert "sums over the batch" in next(item.message for item in summed.findings if item.code == "PRE001")


@pytest.mark.parametrize(("reduction", "codes"), [("mean", set()), ("sum", {"PRE001"})])
def test_a_sum_of_as_many_losses_as_each_has_examples(reduction: str, codes: set[str]) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(6, 6, 8), torch.randint(CLASSES, (6, 6))
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, CLASSES))

    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        parts = [
            F.cross_entropy(item, given, reduction=reduction) for item, given in zip(outputs, targets, strict=True)
        ]
        return torch.stack(parts).sum() if reduction == "mean" else torch.stack(parts).mean()

    report = check(model, loss_of, (x, y), seconds=0.5)
    expected = (6 if reduction == "mean" else 1) * math.log(CLASSES)
    assert initial(report)["expected"] == pytest.approx(expected)
    assert codes == {"PRE001"} & {item.code for item in report.findings}


def test_a_sum_of_more_losses_than_are_recorded() -> None:
    """As of the words of a sequence, one by one, of which there are as many as classes."""
    torch.manual_seed(0)
    x, y = torch.randn(1, CLASSES * 5, 8), torch.randint(CLASSES * 5, (1, CLASSES * 5))
    model = nn.Linear(8, CLASSES * 5)

    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        return sum(F.cross_entropy(item[None], given[None]) for item, given in zip(outputs[0], targets[0], strict=True))

    report = check(model, loss_of, (x, y), seconds=0.5)
    assert initial(report)["expected"] == pytest.approx(CLASSES * 5 * math.log(CLASSES * 5), rel=0.1)
    assert "PRE001" not in {item.code for item in report.findings}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_large_outputs_are_no_sum_over_the_batch(data: tuple[Tensor, Tensor], reduction: str) -> None:
    """Even where the loss is as many times too high as there are examples."""
    x, y = (item[:8] for item in data)
    torch.manual_seed(0)
    model = nn.Linear(20, CLASSES)
    if reduction == "mean":
        with torch.no_grad():
            model.weight.mul_(8 * math.log(CLASSES) / F.cross_entropy(model(x), y))
            for _ in range(20):  # of large outputs the loss is in proportion to their size
                model.weight.mul_(8 * math.log(CLASSES) / F.cross_entropy(model(x), y))
    report = check(model, lambda outputs, given: F.cross_entropy(outputs, given, reduction=reduction), (x, y))
    found = next(item.message for item in report.findings if item.code == "PRE001")
    assert ("sums over the batch" in found) is (reduction == "sum")


def test_no_remedy_scales_tokens() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(50, 128), nn.Linear(128, 50, bias=False))
    model[1].weight = model[0].weight
    report = check(model, F.cross_entropy, (torch.randint(50, (64,)), torch.randint(50, (64,))), seconds=0.5)
    (finding,) = [item for item in report.findings if item.code == "PRE001"]
    assert not any("inputs" in remedy for remedy in finding.remedies)


def test_a_row_says_what_was_measured_whether_all_is_well_or_not(data: tuple[Tensor, Tensor]) -> None:
    apart, together = check(mlp(), F.cross_entropy, data, seconds=0.5), check(Centred(), F.cross_entropy, data)
    # what follows, the gradient, takes time that there may not be
    for report, mark, said in ((apart, "passed", "by 0"), (together, "failed", "by 1")):
        found = next(item for item in report.checks if item.name == "batch-leakage")
        assert (found.mark, found.expected) == (mark, "nothing")
        assert re.match(f"other examples' inputs change an output {said}(,|;|$)", found.measured)


@pytest.mark.parametrize(
    ("name", "numbers", "said"),
    [
        ("batch-leakage", {"gradient": 0.25}, "gradient by other examples' inputs 0.2"),
        ("future-leakage", {"difference": 0.5}, "later inputs change earlier outputs by 0.5; 8 positions looked at"),
    ],
)
def test_either_opinion_may_be_lacking(name: str, numbers: dict[str, float], said: str) -> None:
    say = next(item.say for item in EXPERIMENTS if item.name == name)
    assert say(Probe(name, {**numbers, "positions": 8.0}))[0] == said


class Centred(nn.Module):
    """Over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(20, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(x)
        return found - found.mean(0)


class Angles(nn.Module):
    """A head of normalised weights for normalised features, with a margin on the angle and a scale: ArcFace's."""

    def __init__(self, scale: float, margin: float, *, normalised: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 16))
        self.weight = nn.Parameter(torch.randn(CLASSES, 16))
        self.scale, self.margin, self.normalised = scale, margin, normalised

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features, weight = self.body(x), self.weight
        if not self.normalised:
            return self.scale * features @ weight.T
        angles = torch.acos((F.normalize(features) @ F.normalize(weight).T).clamp(-1 + 1e-6, 1 - 1e-6))
        return self.scale * torch.cos(angles + self.margin * F.one_hot(y, CLASSES))


@pytest.mark.parametrize(("scale", "margin"), [(30.0, 0.5), (64.0, 0.5), (30.0, 0.0)])
def test_a_margin_and_a_scale_of_cosines_are_no_fault(data: tuple[Tensor, Tensor], scale: float, margin: float) -> None:
    x, y = data
    torch.manual_seed(0)
    model = Angles(scale, margin)
    report = check(model, F.cross_entropy, ((x, y), y), seconds=0.5)
    numbers = initial(report)
    assert numbers["loss"] == pytest.approx(F.cross_entropy(model(x, y), y).item(), rel=1e-4)
    assert numbers["loss"] > 2 * numbers["expected"]
    assert [item.severity for item in report.findings if item.code == "PRE001"] == [Severity.INFO]


def test_a_scale_of_products_that_are_not_normalised_is_a_fault(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    torch.manual_seed(0)
    report = check(Angles(30.0, 0.0, normalised=False), F.cross_entropy, ((x, y), y), seconds=0.5)
    numbers = initial(report)
    excess, halved = (numbers[name] - numbers["expected"] for name in ("loss", "loss_of_halved"))
    assert halved < excess / 2  # as cross-entropy is convex along a scaling of the outputs, and least at zero
    assert [item.severity for item in report.findings if item.code == "PRE001"] == [Severity.ERROR]


def test_what_guessing_loses_is_that_of_all_batches(data: tuple[Tensor, Tensor]) -> None:
    """Easy examples first, whose targets spread little."""
    x = data[0]
    y = torch.cat([0.1 * x[:16, :1], 3.0 * x[16:, :1]])
    model = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 1))
    loader = DataLoader(TensorDataset(x, y), batch_size=16)
    numbers = initial(check(model, F.mse_loss, loader, seconds=0.5))
    expected = np.mean([float(part.var(correction=0)) for part in y.split(16)])
    assert numbers["expected"] == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize(("offset", "codes"), [(1.5, set()), (6.0, {"PRE001"})])
def test_targets_off_zero(data: tuple[Tensor, Tensor], offset: float, codes: set[str]) -> None:
    torch.manual_seed(0)
    y = torch.randn(64, 1) + offset
    model = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 1))
    report = check(model, F.mse_loss, (data[0], y), seconds=0.5)
    assert initial(report)["target_offset"] == pytest.approx((y.mean() / y.std(correction=0)).item(), rel=1e-3)
    assert {item.code for item in report.findings} & {"PRE001"} == codes


@pytest.mark.parametrize(("scale", "codes"), [(1.0, set()), (40.0, {"PRE001"})])
def test_outputs_that_begin_between_black_and_white(scale: float, codes: set[str]) -> None:
    """A sigmoid of an autoencoder begins at a half, off mostly dark pictures; a saturated one is another case."""
    torch.manual_seed(0)
    pictures = torch.rand(64, 20) * (torch.rand(64, 20) < 0.2)
    model = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 20), nn.Sigmoid())
    with torch.no_grad():
        model[2].weight *= scale  # type: ignore[operator]
    report = check(model, F.mse_loss, (pictures, pictures), seconds=0.5)
    numbers = initial(report)
    away = (model(pictures).mean() - pictures.mean()) / pictures.std(correction=0)
    assert numbers["loss"] > 2 * numbers["expected"]
    assert numbers["output_offset"] == pytest.approx(away.item(), rel=1e-3)
    assert {item.code for item in report.findings} & {"PRE001"} == codes


def test_an_optimizer_whose_step_takes_no_closure(data: tuple[Tensor, Tensor]) -> None:
    class Plain(torch.optim.Optimizer):
        def __init__(self, parameters: Any) -> None:
            super().__init__(parameters, {"lr": 0.1})

        @torch.no_grad()
        def step(self) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for item in group["params"]:
                    item -= group["lr"] * item.grad

    model = mlp()
    assert not check(model, F.cross_entropy, data, Plain(model.parameters())).findings


def test_a_single_example_over_and_over_has_no_spread() -> None:
    torch.manual_seed(0)
    report = check(mlp(), F.cross_entropy, (5 * torch.randn(1, 20), torch.tensor([2])), seconds=0.5)
    assert {"DAT001", "DAT002"}.isdisjoint(item.code for item in report.findings)


def test_a_later_batch_that_raises_is_explained(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    report = check(mlp(), F.cross_entropy, [(x, y), (x, y + 1)])
    assert [item.code for item in report.findings] == ["DAT007"]
    assert "IndexError: Target 5 is out of bounds" in report.notes[0]
    with pytest.raises(InputError, match=r"take a step of training, found RuntimeError: .* batches after the first"):
        check(mlp(), F.cross_entropy, [(x, y), (x[:, 1:], y)])


def test_the_warnings_of_steps_are_not_repeated(data: tuple[Tensor, Tensor]) -> None:
    x, _ = data
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        report = check(nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 1)), F.mse_loss, (x, x[:, 0]))
    assert "DAT010" in {item.code for item in report.findings}
    assert not seen


def test_what_was_left_out_for_lack_of_time_is_said(data: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(1)
    layers = [layer for _ in range(30) for layer in (nn.Linear(20, 20), nn.BatchNorm1d(20), nn.ReLU())]
    report = check(nn.Sequential(*layers, nn.Linear(20, CLASSES)), F.cross_entropy, data, seconds=0.1)
    lines = {item.name: item.measured for item in report.checks}
    for name, share in (("gradient", 0.2), ("batch-leakage", 0.05)):
        assert lines[name].endswith(f"; the rest was left out after {share * 0.1:.2g} s"), lines[name]


def test_a_slow_model_is_called_no_more_often_than_it_takes() -> None:
    calls: list[int] = []

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3))

        def forward(self, inputs: Tensor) -> Tensor:
            calls.append(len(inputs))
            time.sleep(0.05)
            return self.layers(inputs)

    torch.manual_seed(0)
    batches = [(torch.randn(16, 20), torch.randint(0, 3, (16,))) for _ in range(16)]
    report = check(Slow(), F.cross_entropy, batches, seconds=0.25)
    assert len(calls) < 35  # 21 on an idle machine; 53 where time was looked at between experiments only
    lines = {item.name: item for item in report.checks}
    assert lines["initial-loss"].mark == lines["gradient"].mark == "passed"
    assert lines["gradient"].measured.endswith("of 4 parameters; the rest was left out after 0.05 s")
    assert lines["learning-rate"].measured.endswith("more than there was")


@pytest.mark.parametrize("rate", [1e-3, 10.0])
def test_updates_stand_beside_their_range(data: tuple[Tensor, Tensor], rate: float) -> None:
    model = mlp()
    report = check(model, F.cross_entropy, data, torch.optim.SGD(model.parameters(), rate))
    updates = next(item for item in report.checks if item.name == "updates")
    assert updates.expected == "1e-05 … 0.2, about 0.001"
    # the first step, by hand
    before = model[0].weight.detach().clone(), model[0].bias.detach().clone()
    F.cross_entropy(model(data[0]), data[1]).backward()
    gradient = math.hypot(float(model[0].weight.grad.norm()), float(model[0].bias.grad.norm()))
    first = rate * gradient / math.hypot(*(float(item.norm()) for item in before))
    low, _, high = updates.measured.partition("(")[2].rstrip(")").split()
    assert float(low) <= first * 1.01
    assert first * 0.99 <= float(high)


def test_selected_rules_alone_are_asked(data: tuple[Tensor, Tensor]) -> None:
    from dataclasses import replace

    report = bs.check(mlp(), F.cross_entropy, data, seconds=2.0, config=replace(DEFAULTS, select=("PRE001", "DAT")))
    assert {item.name for item in report.checks} == {"inputs", "targets", "loss-function", "initial-loss"}


def test_the_fixture_fails_a_test(data: tuple[Tensor, Tensor], babysit_check: Callable[..., Report]) -> None:
    assert babysit_check(mlp(), F.cross_entropy, data, config=DEFAULTS, seconds=2.0).verdict == "healthy"
    with pytest.raises(CheckError, match="LOS007"):
        babysit_check(mlp(nn.Softmax(dim=1)), F.cross_entropy, data, config=DEFAULTS, seconds=2.0)
