"""A7, A9: ReLUs that leave the data cloud are dead; the higher the learning rate, the more; leaky ReLUs come back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import babysit as bs
from babysit.lab.activations.cloud import Cloud, draw_cloud, train_cloud
from babysit.lab.activations.section import SECTION
from babysit.lab.activations.shapes import draw_with_slope, slopes
from babysit.lab.activations.trainings import accuracy, descend, digits, layer_outputs, mlp, percent
from babysit.lab.asking import first
from babysit.lab.drawing import BLUE, GREEN, RED
from babysit.lab.measures import above, named, near, told, true
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.statistics import alive_units
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HIDDEN = (50, 50, 50)
_RATES = (1e-3, 3e-3, 1e-2, 3e-2, 5e-2, 1e-1)
_STEPS = 280  # fewer, and ACT001 has too few sampled steps to be sure


@dataclass(frozen=True, eq=False)
class _Training:
    """Which hidden units are below zero on the whole training set, and how good the network is.

    Attributes:
        off_midway: ``(units,)`` after half of the steps: input at most zero on every training example.
        off: The same at the end.
        dead: ``(units,)`` output exactly zero on every training example at the end.
        accuracy: On the validation split.
        findings: Of the watched ones.
    """

    off_midway: Tensor
    off: Tensor
    dead: Tensor
    accuracy: float
    findings: tuple[Finding, ...] = ()

    @property
    def share(self) -> float:
        """Of the hidden units, those that are dead at the end."""
        return self.dead.double().mean().item()

    @property
    def came_back(self) -> float:
        """Of the units that were off midway, those that are not at the end; NaN where none was."""
        return (~self.off[self.off_midway]).double().mean().item()


@SECTION.claim(
    "A7",
    "Dead ReLUs: a unit outside the data cloud never fires again; unlucky initialisation and, more often, too high a "
    "learning rate bring it there; 10–20 % dead is common.",
    expected="share dead over the whole training set rises with lr; a unit pushed off the data stays dead; named by "
    "ACT001",
    cost=30,
)
def relus_die(bench: Bench) -> Outcome:
    """Train with ever higher learning rates and count the units that are zero on every training example.

    Example:
        >>> relu = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU())
        >>> _ = relu[0].bias.data.fill_(-100.0)  # off the data cloud
        >>> relu(torch.randn(1000, 2)).sum().backward()
        >>> relu[0].weight.grad.abs().sum().item()
        0.0
    """
    rates = bench.pick((1e-3, 1e-2, 1e-1), _RATES)
    high = rates[-1]
    trained = {rate: [_train("relu", rate, seed, watched=rate == high) for seed in bench.seeds] for rate in rates}
    fewer = bench.seeds[:1] if bench.quick else bench.seeds
    clouds = [train_cloud(seed) for seed in fewer]
    shares = {rate: [one.share for one in of_one] for rate, of_one in trained.items()}
    best = max(rates, key=lambda rate: median(one.accuracy for one in trained[rate]))
    rises = [high - low for low, high in zip(shares[rates[0]], shares[high], strict=True)]
    return Outcome(
        [
            above(f"dead at lr {high:g} less dead at lr {rates[0]:g}", rises, 0.3, unit="%"),
            *(told(f"dead at lr {rate:g}", shares[rate], unit="%") for rate in rates),
            named("ACT001", [one.findings for one in trained[high]], name=f"lr {high:g} named by ACT001"),
            named("ACT001", [cloud.findings for cloud in clouds], name="the cloud's training named by ACT001"),
            true("dead units' weights the same, bit for bit, after 200 more steps", [c.stays_dead for c in clouds]),
            told("cloud: dead before", [cloud.dead_before for cloud in clouds], unit="%"),
            told("cloud: dead after", [cloud.dead_after for cloud in clouds], unit="%"),
            named("ACT001", [_unlucky(seed) for seed in fewer], name="biases of −6 named by ACT001"),
        ],
        [
            _cloud_drawing(clouds[0]),
            Drawing(
                "learning-rate",
                f"The higher the learning rate the more ReLUs die: {percent(median(shares[rates[0]]))} of the hidden "
                f"units at {rates[0]:g}, {percent(median(shares[high]))} at {high:g}",
                lambda figure: _draw_shares(figure, {"ReLU": trained}),
                finding=first("ACT001", trained[high][0].findings),
            ),
        ],
        findings=[finding for finding in (first("ACT001", trained[high][0].findings), clouds[0].finding) if finding],
        subtle="" if 0.1 <= median(shares[best]) <= 0.2 else _how_common(shares, best),
        note="Adam on digits, three hidden layers of 50.",
    )


@SECTION.claim(
    "A9",
    "Leaky ReLU: a small negative slope, no dying.",
    expected="gradient at −10 = slope; dead fraction 0",
    cost=25,
)
def leaky_relus_do_not_die(bench: Bench) -> Outcome:
    """Train with the learning rates that kill ReLUs, and count the units without a gradient.

    Example:
        >>> x = torch.tensor([-10.0, 10.0], requires_grad=True)
        >>> torch.nn.functional.leaky_relu(x, 0.01).sum().backward()
        >>> [f"{slope:g}" for slope in x.grad.tolist()]
        ['0.01', '1']
    """
    rates = bench.pick((1e-3, 1e-2, 1e-1), _RATES)
    trained = {
        name: {rate: [_train(name, rate, seed) for seed in bench.seeds] for rate in rates}
        for name in ("relu", "leaky_relu")
    }
    high = rates[-1]
    relu, leaky = (trained[name][high] for name in ("relu", "leaky_relu"))
    slope = 0.01
    gradient = slopes("leaky_relu", torch.tensor([-10.0])).item()
    return Outcome(
        [
            near("gradient at −10", gradient, slope, within=slope * torch.finfo(torch.float32).eps),
            near(f"dead units at lr {high:g}, leaky ReLU", [one.share for one in leaky], 0, within=0, unit="%"),
            told(f"dead units at lr {high:g}, ReLU", [one.share for one in relu], unit="%"),
            told(f"accuracy at lr {high:g}, leaky ReLU", [one.accuracy for one in leaky], unit="%"),
            told(f"accuracy at lr {high:g}, ReLU", [one.accuracy for one in relu], unit="%"),
            above(
                "below zero on all data midway, came back: leaky ReLU", [one.came_back for one in leaky], 0, unit="%"
            ),
            told("below zero on all data midway, came back: ReLU", [one.came_back for one in relu], unit="%"),
        ],
        [
            Drawing("leaky", "A leaky ReLU passes a hundredth of the gradient on below zero", _draw_leaky),
            Drawing(
                "learning-rate",
                f"At lr {high:g} ReLUs are {percent(median(one.share for one in relu))} dead and reach "
                f"{percent(median(one.accuracy for one in relu))}; with leaky ReLUs the same network reaches "
                f"{percent(median(one.accuracy for one in leaky))}",
                lambda figure: _draw_shares(figure, {"ReLU": trained["relu"], "leaky ReLU": trained["leaky_relu"]}),
                size=(7.6, 3.4),
            ),
        ],
    )


def _how_common(shares: dict[float, list[float]], best: float) -> str:
    """At which of the learning rates the lecture's share is dead."""
    common = [f"{rate:g}" for rate, of_one in shares.items() if 0.1 <= median(of_one) <= 0.2]
    where = f"at {' and '.join(common)}" if common else "between two of the rates"
    return (
        "ReLUs die as claimed, and of too high a learning rate. That 10 to 20 % are is true here only "
        f"{where}: at {best:g}, which validates best, {percent(median(shares[best]))} are dead."
    )


@lru_cache(maxsize=64)
def _train(name: str, rate: float, seed: int, *, watched: bool = False) -> _Training:
    data = digits()
    model = mlp(data, name, _HIDDEN, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    midway = torch.zeros(0)
    loop = descend(model, optimizer, data.train, steps=_STEPS, seed=seed)
    if watched:
        with bs.watch(model, optimizer) as monitor:
            for _ in loop:
                pass
        findings = monitor.findings
    else:
        findings = ()
        for step, _ in loop:
            if step == _STEPS // 2:
                midway, _ = _off_and_dead(model, data.train[0])
    off, dead = _off_and_dead(model, data.train[0])
    return _Training(midway, off, dead, accuracy(model, data.validation), findings)


def _off_and_dead(model: nn.Sequential, x: Tensor) -> tuple[Tensor, Tensor]:
    """Which hidden units get at most zero from every example, and which give exactly zero: for ReLUs the same."""
    given = layer_outputs(model, x)
    depths = range(1, len(_HIDDEN) + 1)
    off = torch.cat([~alive_units(given[f"fc{depth}"].relu()) for depth in depths])
    return off, torch.cat([~alive_units(given[f"act{depth}"]) for depth in depths])


def _unlucky(seed: int) -> tuple[Finding, ...]:
    """What the rules say where the biases put most of the first layer off the data from the start."""
    data = digits()
    model = mlp(data, "relu", (100,), seed)
    model.get_parameter("fc1.bias").data.fill_(-6.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with bs.watch(model, optimizer) as monitor:
        for _ in descend(model, optimizer, data.train, steps=80, seed=seed):
            pass
    return monitor.findings


def _cloud_drawing(cloud: Cloud) -> Drawing:
    return Drawing(
        "data-cloud",
        f"{percent(cloud.dead_before)} of these ReLUs are off the data cloud at the start, {percent(cloud.dead_after)} "
        f"after {cloud.steps} steps at a learning rate of {cloud.rate:g}; they never fire again",
        lambda figure: draw_cloud(figure, cloud),
        size=(7.6, 4.3),
        finding=cloud.finding,
    )


def _draw_leaky(figure: Figure) -> None:
    axes = figure.subplots()
    draw_with_slope(axes, "leaky_relu", low=-10, high=2)
    axes.set(xlabel="input of the unit", ylabel="output, gradient", ylim=(-0.3, 1.2))
    axes.legend(loc="upper left")


def _draw_shares(figure: Figure, trained: dict[str, dict[float, list[_Training]]]) -> None:
    left, right = figure.subplots(1, 2)
    for (name, of_rate), colour, dash in zip(trained.items(), (RED, BLUE, GREEN), ("-", "--", ":"), strict=False):
        rates = list(of_rate)
        shares = [[100 * one.share for one in of_one] for of_one in of_rate.values()]
        scores = [[100 * one.accuracy for one in of_one] for of_one in of_rate.values()]
        for axes, values in ((left, shares), (right, scores)):
            axes.plot(
                rates, [median(of_one) for of_one in values], colour, linestyle=dash, marker="o", ms=4, label=name
            )
            axes.fill_between(
                rates, [min(v) for v in values], [max(v) for v in values], color=colour, alpha=0.2, linewidth=0
            )
    left.axhspan(10, 20, color="#E3E5E8", zorder=0)
    left.text(0.03, 15, "common, says the lecture", transform=left.get_yaxis_transform(), va="center", fontsize=8)
    left.set(
        xscale="log", xlabel="learning rate of Adam", ylabel="units dead on all training examples (%)", ylim=(-3, 103)
    )
    right.set(xscale="log", xlabel="learning rate of Adam", ylabel="validation accuracy (%)", ylim=(0, 103))
    if len(trained) > 1:
        right.legend(loc="center left")
