from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.fit.losses import REGRESSION
from babysit.measure.rate_range import first_exploding
from babysit.measure.record import Probe
from babysit.preflight import api, suggested_rate
from babysit.preflight.batch import Batch
from babysit.preflight.learning_rate import EXPLODES, FALLS, RATES, probe_learning_rates, try_rates
from babysit.preflight.longer_trials import try_longer
from babysit.preflight.probes import EXPERIMENTS
from babysit.preflight.subject import Subject, call
from babysit.preflight.suggested_rate import probe_rates

TwoLayers = Callable[..., nn.Sequential]
Data = tuple[Tensor, Tensor]
STEPS = 40


class Valley(nn.Module):
    """One weight, whose loss is a parabola: ½·curvature·weight² for inputs of one."""

    def __init__(self, curvature: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.scale = math.sqrt(curvature)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.scale * self.weight * inputs


def half_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (outputs - targets).square().mean()


def sgd(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=rate)


def batches(*inputs: float) -> list[Data]:
    return [(torch.tensor([value], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)) for value in inputs]


def verdicts(probe: Probe) -> dict[float, str]:
    return dict(zip(probe.series["lr"], probe.texts["verdicts"].split(","), strict=True))


def in_theory(rate: float, curvature: float) -> tuple[float, str]:
    """Gradient descent multiplies the weight by (1 − rate · curvature) every step, and the loss by its square."""
    losses = [0.5 * curvature * (1 - rate * curvature) ** (2 * step) for step in range(STEPS)]
    if any(loss > EXPLODES * losses[0] for loss in losses):
        return math.inf, "explodes"
    ratio = sum(losses[-STEPS // 4 :]) / (STEPS // 4) / losses[0]
    return ratio, "slow" if ratio > FALLS else "falls"


@pytest.mark.parametrize("curvature", [0.5, 1.0, 30.0, 2e4])
def test_verdicts_on_a_parabola_are_those_of_the_formula(curvature: float) -> None:
    probe = probe_learning_rates(Valley(curvature), half_squared, batches(*[1.0] * STEPS), sgd)
    found = verdicts(probe)
    expected = {rate: in_theory(rate, curvature) for rate in found}
    assert found == {rate: verdict for rate, (_, verdict) in expected.items()}
    assert {"slow", "falls", "explodes"} == set(found.values())
    for rate, ratio in zip(probe.series["lr"], probe.series["ratio"], strict=True):
        assert ratio == pytest.approx(expected[rate][0], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("curvature", [1.0, 30.0])
def test_a_negative_loss_falls_as_the_same_loss_above_zero_does(curvature: float) -> None:
    def below(outputs: Tensor, targets: Tensor) -> Tensor:
        return half_squared(outputs, targets) - curvature  # from −½·curvature, where the other starts at +½·curvature

    probe = probe_learning_rates(Valley(curvature), below, batches(*[1.0] * STEPS), sgd)
    expected = {rate: in_theory(rate, curvature) for rate in verdicts(probe)}
    assert verdicts(probe) == {rate: verdict for rate, (_, verdict) in expected.items()}
    assert probe.series["ratio"] == pytest.approx([ratio for ratio, _ in expected.values()], rel=1e-9, abs=1e-12)
    assert {"slow", "falls", "explodes"} == set(verdicts(probe).values())


def test_a_loss_of_zero_is_nothing_to_measure_a_fall_against() -> None:
    probe = probe_learning_rates(Valley(1.0), lambda outputs, _: 0.0 * outputs.sum(), batches(1.0, 1.0), sgd)
    assert "no change can be measured" in probe.texts["reason"]
    assert "best" not in probe.numbers


@pytest.mark.parametrize(
    ("rates", "mark", "said"), [(RATES, "passed", "falls at"), ((1e-9,), "not applicable", "no rate of 1")]
)
def test_where_no_rate_brings_the_loss_down_the_check_has_not_passed(
    rates: tuple[float, ...], mark: str, said: str
) -> None:
    subject, parts = supervised(Valley(1.0), batches(*[1.0] * 4), lambda *both: half_squared(*both) - 1.0)
    item = next(item for item in EXPERIMENTS if item.name == "learning-rate")
    found = api._experiment(item, probe_rates(subject, parts, rates=rates), set(), 0.0)
    assert (found.mark, said in found.measured) == (mark, True)


def test_a_loss_that_falls_to_minus_infinity_explodes() -> None:
    def endless(outputs: Tensor, targets: Tensor) -> Tensor:
        return -(outputs**4).sum()

    found = verdicts(probe_learning_rates(Valley(1.0), endless, batches(*[1.0] * STEPS), sgd, rates=(1.0,)))
    assert found == {1.0: "explodes"}


def test_the_range_to_search_is_where_the_loss_falls_and_half_a_decade_more() -> None:
    probe = probe_learning_rates(Valley(1.0), half_squared, batches(*[1.0] * STEPS), sgd)
    falling = [rate for rate, verdict in verdicts(probe).items() if verdict == "falls"]
    assert probe.numbers["low"] == falling[0]
    assert probe.numbers["high"] == pytest.approx(falling[-1] * math.sqrt(10))
    assert probe.numbers["best"] == pytest.approx(1.0)  # one step of rate 1 / curvature reaches the bottom
    assert probe.numbers["steps"] == STEPS


@pytest.mark.parametrize("curvature", [0.5, 1.0, 30.0, 2e4])
def test_the_first_rate_that_explodes_is_the_first_past_the_limit_of_gradient_descent(curvature: float) -> None:
    probe = probe_learning_rates(Valley(curvature), half_squared, batches(*[1.0] * STEPS), sgd)
    expected = next(rate for rate in RATES if in_theory(rate, curvature)[1] == "explodes")
    assert first_exploding(probe) == expected > 2 / curvature


@pytest.mark.parametrize(
    ("said", "best", "expected"),
    [
        ("slow,falls,falls,explodes,explodes", 1e-2, 1e-1),
        ("falls,explodes,falls,explodes,explodes", 1e-4, 1e-3),
        ("falls,explodes,falls,explodes,explodes", 1e-2, 1e-1),  # one below the best is luck, and no limit
        ("slow,falls,falls,falls,slow", 1e-2, None),
        ("slow,slow,slow,explodes,explodes", None, None),
    ],
)
def test_the_first_rate_that_explodes_lies_above_the_best(
    said: str, best: float | None, expected: float | None
) -> None:
    series = {"lr": (1e-4, 1e-3, 1e-2, 1e-1, 1.0), "ratio": (0.5,) * 5}
    probe = Probe("learning-rate", {} if best is None else {"best": best}, series, {"verdicts": said})
    assert first_exploding(probe) == expected


def test_rates_beyond_two_that_explode_are_left_out() -> None:
    probe = probe_learning_rates(Valley(1.0), half_squared, batches(*[1.0] * STEPS), sgd)
    said = probe.texts["verdicts"].split(",")
    assert said[-2:] == ["explodes", "explodes"]
    assert "explodes" not in said[:-2]
    assert len(said) < len(RATES)


def test_an_exploding_rate_is_left_at_once() -> None:
    probe = probe_learning_rates(Valley(1.0), half_squared, batches(*[1.0] * STEPS), sgd, rates=(10.0,))
    assert probe.series["losses:10"] == pytest.approx((0.5, 40.5))


def test_a_loss_that_refuses_what_came_of_the_weights_has_exploded() -> None:
    def picky(outputs: Tensor, targets: Tensor) -> Tensor:
        if not outputs.abs().max() < 1.5:
            raise RuntimeError("all elements of input should be between -1.5 and 1.5")
        return half_squared(outputs, targets)

    probe = probe_learning_rates(Valley(1.0), picky, batches(*[1.0] * 4), sgd)
    plain = probe_learning_rates(Valley(1.0), half_squared, batches(*[1.0] * 4), sgd)
    assert probe.series["ratio"][-1] == math.inf
    assert probe.numbers["best"] == plain.numbers["best"]

    def refused(outputs: Tensor, targets: Tensor) -> Tensor:
        raise RuntimeError("never")

    with pytest.raises(RuntimeError, match="never"):
        probe_learning_rates(Valley(1.0), refused, batches(1.0), sgd)


def test_where_nothing_falls_nothing_is_usable(two_layers: TwoLayers, digits: Data) -> None:
    x, y = digits
    blind = two_layers(64, std=0.0)
    blind[2].requires_grad_(False)
    probe = probe_learning_rates(blind, F.cross_entropy, [(x[:32], y[:32])] * 8, sgd)
    assert set(verdicts(probe).values()) == {"slow"}
    assert not {"low", "high", "best"} & probe.numbers.keys()


def test_a_loss_that_is_nan_from_the_start_is_no_rate_s_merit() -> None:
    probe = probe_learning_rates(Valley(math.nan), half_squared, batches(*[1.0] * 4), sgd)
    assert set(verdicts(probe).values()) == {"explodes"}
    assert "low" not in probe.numbers


@pytest.mark.parametrize("spike", [0, 1, 17, STEPS - 1])
@pytest.mark.parametrize("size", [0.01, 5.0], ids=["easy", "hard"])
def test_one_odd_batch_fools_nobody(spike: int, size: float) -> None:
    inputs = [1.0] * STEPS
    inputs[spike] = size
    found = verdicts(probe_learning_rates(Valley(1.0), half_squared, batches(*inputs), sgd))
    without = verdicts(probe_learning_rates(Valley(1.0), half_squared, batches(*[1.0] * STEPS), sgd))
    below = [rate for rate in without if rate <= 1e-2]  # a rate times the hard batch's curvature of 25 stays small
    assert [found[rate] for rate in below] == [without[rate] for rate in below]


def test_batches_of_very_different_losses_do_not_hide_what_a_rate_does() -> None:
    x, y = load_diabetes(return_X_y=True)
    inputs = torch.from_numpy(x).float() * 21  # to a standard deviation of about 1
    targets = torch.from_numpy((y - y.mean()) / y.std()).float()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
    parts = [(inputs[start : start + 16], targets[start : start + 16]) for start in range(0, 432, 16)]
    losses = [REGRESSION.loss(model(inputs), targets).item() for inputs, targets in parts]
    assert max(losses) > 3 * min(losses), "batches that differ more than any rate changes them"

    found = verdicts(probe_learning_rates(model, REGRESSION.loss, parts, sgd))
    assert [found[rate] for rate in RATES[:4]] == ["slow"] * 4
    assert found[RATES[10]] == "falls"  # 1e-2
    order = [verdict for verdict in ("slow", "falls", "explodes") for said in found.values() if said == verdict]
    assert list(found.values()) == order, "first slow, then falling, then exploding"


def test_digits_with_the_lecture_s_network(two_layers: TwoLayers, digits: Data) -> None:
    x, y = digits
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    parts = [(x[rows], y[rows]) for rows in order[: 50 * 32].reshape(50, 32)]
    probe = probe_learning_rates(two_layers(64, std=0.1), F.cross_entropy, parts, sgd)
    found = verdicts(probe)
    # E4 and E5: 1e-6 is too low, 1e6 far too high; a rate of 1e-2 works
    assert found[RATES[2]] == "slow"
    assert found[RATES[10]] == "falls"
    assert max(found) < 1e6
    assert found[max(found)] == "explodes"
    assert probe.numbers["low"] < probe.numbers["best"] <= probe.numbers["high"]


def test_the_optimizer_is_the_caller_s() -> None:
    made: list[float] = []

    def adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
        made.append(rate)
        return torch.optim.Adam(model.parameters(), lr=rate)

    probe = probe_learning_rates(Valley(1e-8), half_squared, batches(*[1.0] * STEPS), adam)
    # Adam's steps are as long as its rate however small the gradient is
    assert "falls" in verdicts(probe).values()
    assert tuple(made) == probe.series["lr"]


def test_it_can_be_interrupted() -> None:
    def between() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe_learning_rates(Valley(1.0), half_squared, batches(1.0), sgd, between=between)


def supervised(
    model: nn.Module,
    parts: list[Data],
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer | None = None,
) -> tuple[Subject, list[Batch]]:
    parts_ = [Batch(x, y, len(x)) for x, y in parts]
    subject = Subject(model, parts_[0], call, lambda net, batch: loss_fn(call(net, batch), batch.targets), optimizer)
    return subject, parts_


def parts_of(digits: Data, count: int) -> list[Data]:
    x, y = digits
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return [(x[rows], y[rows]) for rows in order[: count * 32].reshape(count, 32)]


def test_a_subject_s_rates_are_those_of_its_loss_and_optimizer(two_layers: TwoLayers, digits: Data) -> None:
    model = two_layers(64, std=0.1)
    parts = parts_of(digits, 40)
    probe = probe_rates(*supervised(model, parts, F.cross_entropy, sgd(model, 0.5)))
    other = probe_learning_rates(model, F.cross_entropy, parts, sgd)
    left_out = len(other.series["lr"]) - len(probe.series["lr"])
    for name in ("lr", "ratio"):
        assert probe.series[name] == other.series[name][left_out:]
    for name in (name for name in probe.series if name.startswith("losses:")):
        assert probe.series[name] == other.series[name]
    assert verdicts(probe) == dict(list(verdicts(other).items())[left_out:])
    assert set(list(verdicts(other).values())[:left_out]) == {"slow"}
    assert list(verdicts(probe).values())[:3] == ["slow", "slow", "falls"]
    assert {"longer:lr", "longer:loss"} <= probe.series.keys()
    assert other.numbers.items() <= probe.numbers.items()
    assert probe.numbers["given"] == 0.5


@pytest.mark.parametrize("count", [1, 12], ids=["a batch alone", "no time for longer trials"])
def test_the_suggestion_on_a_parabola(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if count > 1:
        monkeypatch.setattr(suggested_rate, "LONGER", (10**9, 10**9))
    given = supervised(model := Valley(1.0), batches(*[1.0] * count), half_squared, sgd(model, 1e-3))
    probe = probe_rates(*given, time_limit=60.0 if count > 1 else math.inf)
    ratios = dict(zip(probe.series["lr"], probe.series["ratio"], strict=True))
    enough = [rate for rate in ratios if 1 - ratios[rate] >= 0.9 * (1 - min(ratios.values()))]
    assert probe.numbers["suggested"] == enough[0]
    assert probe.numbers["suggested"] < probe.numbers["best"]
    assert "longer:lr" not in probe.series


def test_what_is_suggested_did_best_in_longer_trials(two_layers: TwoLayers, digits: Data) -> None:
    model = two_layers(64, std=0.1)
    parts = parts_of(digits, 12)
    probe = probe_rates(*supervised(model, parts, F.cross_entropy, sgd(model, 1e-3)))

    def end(rate: float) -> float:
        network = two_layers(64, std=0.1)
        losses = []
        for step in range(300):
            x, y = parts[step % 12]
            loss = F.cross_entropy(network(x), y)
            network.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter -= rate * parameter.grad
            losses.append(loss.item())
        return sum(losses[-75:]) / 75

    found = dict(zip(probe.series["longer:lr"], probe.series["longer:loss"], strict=True))
    assert found == pytest.approx({rate: end(rate) for rate in found}, rel=1e-3)
    good = max(1.1 * min(found.values()), 0.001 * 2.3)
    as_good = sorted(rate for rate, end in found.items() if end <= good)
    assert probe.numbers["suggested"] == as_good[len(as_good) // 2]
    assert 1 < len(found) <= 4
    assert probe.numbers["longer_steps"] == 300


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("count", [1, 8, 40])
def test_a_training_at_the_suggested_rate_goes_well(kind: str, count: int, two_layers: TwoLayers, digits: Data) -> None:
    def make(model: nn.Module, rate: float) -> torch.optim.Optimizer:
        if kind == "adam":
            return torch.optim.Adam(model.parameters(), lr=rate)
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9 if kind == "momentum" else 0.0)

    def train(rate: float) -> float:
        network = two_layers(64, std=0.1)
        optimizer = make(network, rate)
        losses = []
        for x, y in parts_of(digits, 50) * 3:
            loss = F.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
        return sum(losses[-50:]) / 50

    model = two_layers(64, std=0.1)
    probe = probe_rates(*supervised(model, parts_of(digits, count), F.cross_entropy, make(model, 1e-3)))
    rate = probe.numbers["suggested"]
    reached = train(rate)
    assert reached < 0.35, (rate, reached)
    assert reached < train(rate / 10)


def test_parameter_groups_keep_the_ratio_of_their_rates() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters()}, {"params": model[1].parameters(), "lr": 0.01}], lr=0.1
    )
    seen: list[list[float]] = []

    class Noted(torch.optim.SGD):
        def step(self, closure=None):  # type: ignore[no-untyped-def]
            seen.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    optimizer.__class__ = Noted
    parts = [(torch.randn(4, 2), torch.arange(4) % 2)]
    probe_rates(*supervised(model, parts, F.cross_entropy, optimizer), rates=(1e-3, 1e-2))
    assert {(round(first, 9), round(second, 9)) for first, second in seen} == {(1e-3, 1e-4), (1e-2, 1e-3)}
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]


@pytest.mark.parametrize("schedule", ["warm-up", "one cycle", "decay"])
def test_the_own_rate_of_a_schedule_is_the_one_it_goes_up_to(schedule: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters()}, {"params": model[1].parameters(), "lr": 0.01}], lr=0.1
    )
    if schedule == "warm-up":
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 100)
    elif schedule == "one cycle":
        torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=[0.1, 0.01], total_steps=100)
    else:
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    subject, _ = supervised(model, [(torch.randn(4, 2), torch.arange(4) % 2)], F.cross_entropy, optimizer)
    rates = suggested_rate._optimizers(subject)
    assert suggested_rate._rates_of(optimizer) == pytest.approx([0.1, 0.01])
    assert [group["lr"] for group in rates(model, 1.0).param_groups] == pytest.approx([1.0, 0.1])


def test_nothing_of_a_subject_is_changed(two_layers: TwoLayers, digits: Data) -> None:
    model = two_layers(64, std=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    subject, parts = supervised(model, parts_of(digits, 2), F.cross_entropy, optimizer)
    subject.loss(model, parts[0]).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    before = {name: item.clone() for name, item in model.state_dict().items()}
    state, drawn = str(optimizer.state_dict()), torch.get_rng_state()
    probe_rates(subject, parts, time_limit=5.0)
    assert all(torch.equal(before[name], item) for name, item in model.state_dict().items())
    assert str(optimizer.state_dict()) == state
    assert torch.equal(torch.get_rng_state(), drawn)


def test_what_has_no_rate_or_no_time_says_so(two_layers: TwoLayers, digits: Data) -> None:
    model = two_layers(64, std=0.1)
    subject, parts = supervised(model, parts_of(digits, 1), F.cross_entropy, torch.optim.LBFGS(model.parameters()))
    assert "L-BFGS" in probe_rates(subject, parts).texts["reason"]
    subject, parts = supervised(model, parts_of(digits, 1), F.cross_entropy)
    late = probe_rates(subject, parts, time_limit=1e-6)
    assert "trying 10 rates takes" in late.texts["reason"]
    assert not late.numbers


def test_with_little_time_every_other_rate_is_tried(
    two_layers: TwoLayers, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggested_rate, "quickest", lambda *_, **__: 0.01)
    subject, parts = supervised(two_layers(64, std=0.1), parts_of(digits, 2), F.cross_entropy)
    probe = probe_rates(subject, parts, time_limit=1.0)
    assert probe.numbers["steps"] == 15
    assert set(probe.series["lr"]) < set(RATES[::2])
    assert probe.numbers["suggested"] in probe.series["lr"]
    more = probe_rates(subject, parts, time_limit=3.0)
    first = RATES.index(more.series["lr"][0])
    assert more.series["lr"] == RATES[first : first + len(more.series["lr"])]


def test_steps_that_turn_out_slower_than_timed_end_the_search(
    two_layers: TwoLayers, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggested_rate, "quickest", lambda *_, **__: 1e-6)
    subject, parts = supervised(two_layers(64, std=0.1), parts_of(digits, 2), F.cross_entropy)
    probe = probe_rates(subject, parts, time_limit=0.01)
    assert not probe.numbers
    assert re.fullmatch(r"the time was over after \d+ of 19 rates", probe.texts["reason"])


def test_where_nothing_falls_nothing_is_suggested(two_layers: TwoLayers, digits: Data) -> None:
    blind = two_layers(64, std=0.0)
    blind[2].requires_grad_(False)
    x, y = digits
    found = probe_rates(*supervised(blind, [(x[:32], y[:32])], F.cross_entropy)).numbers
    assert not {"suggested", "best"} & found.keys()


def test_longer_trials_compare_two_rates_at_least(two_layers: TwoLayers, digits: Data) -> None:
    subject, parts = supervised(two_layers(64, std=0.1), parts_of(digits, 12), F.cross_entropy)
    probe = probe_rates(subject, parts[:1], rates=RATES[8:])
    late, timely = (
        try_longer(subject, parts, sgd, probe, RATES[8:], steps=80, latest=latest) for latest in (-math.inf, math.inf)
    )
    best = RATES.index(probe.numbers["best"])
    assert list(late) == [RATES[best - 1], RATES[best]]
    assert list(timely) == sorted(timely)
    assert late.items() <= timely.items()


def test_a_longer_trial_that_explodes_is_told_and_not_suggested() -> None:
    """At 1.6 the weight shrinks while the curvature is 1, and explodes when the batches of curvature 4 come."""
    given = supervised(model := Valley(1.0), batches(*[1.0] * 40, *[2.0] * 24), half_squared, sgd(model, 0.1))
    probe = probe_rates(*given, rates=(0.015, 0.05, 0.15, 0.45, 1.6))
    assert probe.numbers["best"] == 0.45
    found = dict(zip(probe.series["longer:lr"], probe.series["longer:loss"], strict=True))
    assert found[1.6] == math.inf
    assert math.isfinite(found[probe.numbers["suggested"]])
    said, _ = next(item for item in EXPERIMENTS if item.name == "learning-rate").say(probe)
    assert f"as good as the best of {len(found)} after 300 steps" in said


def test_memory_that_is_used_up_is_no_explosion(two_layers: TwoLayers, digits: Data) -> None:
    x, y = digits

    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        if len(outputs) > 8:
            raise RuntimeError("CUDA error: out of memory")
        return F.cross_entropy(outputs, targets)

    model = two_layers(64, std=0.1)
    parts = [(x[:8], y[:8]), (x[:16], y[:16])]
    with pytest.raises(RuntimeError, match="out of memory"):
        try_rates(
            model, lambda net, part: loss_of(net(part[0]), part[1]), parts, sgd, rates=(0.1,), untrained=(2.3, 2.3)
        )


@pytest.mark.parametrize("best", range(2, 16))
def test_from_the_middle_the_same_is_found_as_from_below(best: int) -> None:
    """Wherever the rates lie at which a parabola's bottom is reached."""
    curvature = 1 / RATES[best]
    parts = batches(*[1.0] * STEPS)
    every, quick = (
        try_rates(Valley(curvature), lambda net, part: half_squared(net(part[0]), part[1]), parts, sgd, quickly=quickly)
        for quickly in (False, True)
    )
    assert verdicts(quick).items() <= verdicts(every).items()
    assert set(verdicts(every)) - set(verdicts(quick)) == set(list(verdicts(every))[: -len(verdicts(quick)) or None])
    assert quick.numbers == every.numbers


def test_rates_that_leave_the_loss_at_the_level_of_guessing_hide_no_lower_ones() -> None:
    """High rates soon go over an edge, to where there is no gradient any longer, a little below the first loss."""

    class Cliff(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(0.0, dtype=torch.float64))

        def forward(self, inputs: Tensor) -> Tensor:
            inside = self.weight < 0.03
            return torch.where(inside, 1.0 - 30 * self.weight, 0.99 + 0 * self.weight) + 0 * inputs.sum()

    parts = batches(*[1.0] * STEPS)
    probe = try_rates(Cliff(), lambda net, part: net(part[0]), parts, sgd, quickly=True)
    assert verdicts(probe)[RATES[10]] == verdicts(probe)[RATES[9]] == "slow"
    assert "falls" in verdicts(probe).values()


@pytest.mark.parametrize(("highest", "trials"), [(1.8, 3), (2.5, 2)], ids=["falls", "explodes"])
def test_time_is_kept_for_as_many_longer_trials_as_there_are_rates(
    highest: float, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best rate of a curvature of 1 is 1, and what is above 2 explodes."""
    asked: list[int] = []
    monkeypatch.setattr(suggested_rate, "_affordable", lambda _seconds, _left, trials: asked.append(trials) or 0)
    given = supervised(model := Valley(1.0), batches(*[1.0] * 12), half_squared, sgd(model, 0.1))
    probe_rates(*given, rates=(0.01, 0.1, 0.3, 1.0, highest))
    assert asked == [trials]
