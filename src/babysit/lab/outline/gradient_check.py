"""H1: the gradient by autograd against differences of the loss: what a check finds, and how small a step it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import babysit as bs
from babysit.lab.asking import first
from babysit.lab.drawing import BLACK, BLUE, GREEN, GREY, RED
from babysit.lab.measures import above, below, between, named, near, true
from babysit.lab.outline.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn import CNNConfig, MLPConfig, ModelConfig, build, initialize
from babysit.preflight import Report
from babysit.preflight.gradient import STEPS
from babysit.rules._config import Config
from babysit.rules.pre004_gradient_mismatch import GradientMismatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLANTED = 0.01
"""Share by which a backward is made wrong."""
EXAMPLES = 16
SECONDS = 30.0
"""What a check may take on a busy machine; it takes less than one."""
ENTRIES = 40
"""Entries of the gradient that differences are taken of."""
HEALTHY = 2e-5
"""Relative errors of right gradients are below this; see the rule's page."""


class OwnTanh(torch.autograd.Function):
    """tanh with a backward written by hand, wrong by a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        """Of a batch."""
        y = x.tanh()
        ctx.save_for_backward(y)
        ctx.factor = factor
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """1 − tanh², times the factor."""
        (y,) = ctx.saved_tensors
        return ctx.factor * (1 - y**2) * gradients[0], None


class WithOwnTanh(nn.Module):
    """The layer of it."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Of a batch."""
        result: Tensor = OwnTanh.apply(x, self.factor)  # type: ignore[no-untyped-call]
        return result


def with_own_tanh(seed: int, factor: float) -> nn.Sequential:
    """A network whose first activation has a backward of its own."""
    network = build(MLPConfig((20,), 5, hidden=(30, 30), activation="tanh"), seed)
    network.act1 = WithOwnTanh(factor)
    return network


def checked(network: nn.Module, shape: tuple[int, ...], seed: int) -> Report:
    """The product's gradient check alone, on random inputs."""
    random = torch.Generator().manual_seed(seed)
    batch = torch.randn(EXAMPLES, *shape, generator=random), torch.randint(5, (EXAMPLES,), generator=random)
    return bs.check(network, F.cross_entropy, batch, seconds=SECONDS, config=Config(select=("PRE004",)))


def found_error(report: Report) -> float:
    """The worst relative error of any entry that the check looked at."""
    probe = report.record.probe("gradient")
    return probe.numbers["error"] if probe else float("nan")


def reports(seed: int) -> dict[str, Report]:
    """Checks of a backward that is wrong, of the same when it is right, and of networks with kinks."""
    configs: dict[str, ModelConfig] = {
        "ReLU network": MLPConfig((20,), 5, hidden=(30, 30)),
        "max-pool network": CNNConfig((1, 8, 8), 5, channels=(6,), hidden=(20,)),
    }
    return {
        f"tanh, backward {PLANTED:.0%} wrong": checked(with_own_tanh(seed, 1 + PLANTED), (20,), seed),
        "tanh, backward right": checked(with_own_tanh(seed, 1.0), (20,), seed),
        **{name: checked(build(config, seed), config.input_shape, seed) for name, config in configs.items()},
    }


@dataclass(frozen=True, eq=False)
class StepErrors:
    """How far differences are from the gradient, for every step size.

    Attributes:
        centred: With ``(f(w + h) − f(w − h)) / 2h``.
        one_sided: With ``(f(w + h) − f(w)) / h``.
    """

    centred: np.ndarray
    one_sided: np.ndarray


def step_errors(seed: int, dtype: torch.dtype, steps: np.ndarray) -> StepErrors:
    """The relative error of some entries of a smooth network's gradient: ‖a − n‖ over the larger norm.

    Args:
        seed: Of the network, the examples and the entries.
        dtype: In which losses and gradient are computed.
        steps: h, ``(S,)``.
    """
    random = torch.Generator().manual_seed(seed)
    network = build(MLPConfig((20,), 5, hidden=(30,), activation="tanh"), seed)
    initialize(network, "xavier", generator=random)  # the output layer too, so that no gradient is tiny
    network.to(dtype)
    x = torch.randn(EXAMPLES, 20, generator=random, dtype=torch.float64).to(dtype)
    y = torch.randint(5, (EXAMPLES,), generator=random)
    F.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]
    places = torch.randperm(20 * 30, generator=random)[:ENTRIES]
    weight = network.get_parameter("fc1.weight")
    assert weight.grad is not None
    analytic = weight.grad.flatten()[places].double().numpy()
    centred, one_sided = [], []
    with torch.no_grad():
        flat = weight.flatten()
        middle = F.cross_entropy(network(x), y).item()

        def moved(place: Tensor, by: float) -> float:
            before = flat[place].clone()
            flat[place] += by
            value = F.cross_entropy(network(x), y).item()
            flat[place] = before
            return value

        for step in steps:
            up = np.array([moved(place, step) for place in places])
            down = np.array([moved(place, -step) for place in places])
            centred.append(_relative(analytic, (up - down) / (2 * step)))
            one_sided.append(_relative(analytic, (up - middle) / step))
    return StepErrors(np.array(centred), np.array(one_sided))


def _relative(analytic: np.ndarray, numeric: np.ndarray) -> float:
    scale = max(np.linalg.norm(analytic), np.linalg.norm(numeric))
    return float(np.linalg.norm(analytic - numeric) / scale)


def slope(steps: np.ndarray, errors: np.ndarray) -> float:
    """The power of the step size that the error goes with, where rounding does not count."""
    smooth = (steps >= 1e-3) & (steps <= 1e-1)
    return float(np.polyfit(np.log(steps[smooth]), np.log(errors[smooth]), 1)[0])


@SECTION.claim(
    "H1",
    "A gradient check finds a wrong backward: autograd against centred differences, in double precision.",
    expected="an error of 1 % is found as such (PRE004), ReLU and max-pool pass; error ∝ h², float32 too coarse",
    cost=10,
)
def wrong_backward_is_found(bench: Bench) -> Outcome:
    """Make a backward wrong by one per cent and let the check before training look; then take differences by hand.

    Example:
        >>> f, w, h = torch.tanh, torch.tensor(0.5, dtype=torch.float64), 1e-5
        >>> numeric = (f(w + h) - f(w - h)) / (2 * h)
        >>> analytic = 1 - f(w) ** 2
        >>> bool(abs(analytic - numeric) < 1e-9), bool(abs(1.01 * analytic - numeric) < 1e-9)
        (True, False)
    """
    of_seeds = [reports(seed) for seed in bench.seeds]
    errors = {name: [found_error(report[name]) for report in of_seeds] for name in of_seeds[0]}
    wrong = next(iter(errors))
    steps = np.logspace(-12, 0, bench.pick(25, 49))
    double = [step_errors(seed, torch.float64, steps) for seed in bench.seeds]
    single = [step_errors(seed, torch.float32, steps) for seed in bench.seeds]
    best = {name: [float(one.centred.min()) for one in of] for name, of in (("float64", double), ("float32", single))}
    finding = first("PRE004", of_seeds[0][wrong].findings)
    title = (
        f"A backward that is {PLANTED:.0%} wrong is found; differences in float64 are right to "
        f"{np.median(best['float64']):.0e}, in float32 to {np.median(best['float32']):.0e}"
    )
    passing = [name for name in errors if name != wrong]
    return Outcome(
        [
            # |1.01·g − g| over the larger of the two
            near(f"error found, {wrong}", errors[wrong], PLANTED / (1 + PLANTED), within=HEALTHY),
            named("PRE004", [report[wrong].findings for report in of_seeds]),
            *(below(f"error found, {name}", errors[name], HEALTHY) for name in passing),
            true(
                "nothing is said of the right ones", [not any(r[name].findings for name in passing) for r in of_seeds]
            ),
            near("power of h, centred", [slope(steps, one.centred) for one in double], 2, within=0.1),
            near("power of h, one-sided", [slope(steps, one.one_sided) for one in double], 1, within=0.1),
            below("smallest error, float64", best["float64"], 1e-8),
            above("smallest error, float32", best["float32"], 1e-5),
            between("best h, float64", [float(steps[one.centred.argmin()]) for one in double], 1e-7, 1e-3),
            between("best h, float32", [float(steps[one.centred.argmin()]) for one in single], 1e-3, 1e-1),
        ],
        [
            Drawing(
                "gradient-check",
                title,
                lambda figure: draw_check(figure, steps, double, single, errors),
                (10.0, 3.8),
                finding,
            )
        ],
        findings=of_seeds[0][wrong].findings,
    )


def draw_check(
    figure: Figure,
    steps: np.ndarray,
    double: Sequence[StepErrors],
    single: Sequence[StepErrors],
    errors: Mapping[str, Sequence[float]],
) -> None:
    """The error against the step size, and what the check found in each network."""
    curves, found = figure.subplots(1, 2, width_ratios=(1.2, 1))
    for of, name, label, colour, dash in (
        (double, "centred", "centred, float64", BLUE, "-"),
        (double, "one_sided", "one-sided, float64", GREEN, "--"),
        (single, "centred", "centred, float32", RED, ":"),
    ):
        known = np.array([getattr(one, name) for one in of])
        curves.plot(steps, np.median(known, axis=0), color=colour, linestyle=dash, label=label)
        curves.fill_between(steps, known.min(axis=0), known.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    curves.axvline(STEPS[0], color=GREY, linewidth=1, linestyle="-.", label=f"the check's h = {STEPS[0]:g}")
    curves.set(xlabel="step h", ylabel="relative error of the differences", xscale="log", yscale="log")
    curves.legend(loc="lower left")
    limits = GradientMismatch()
    for place, values in enumerate(errors.values()):
        wrong = max(values) > limits.uneasy
        colour, marker = (RED, "x") if wrong else (BLUE, "o")
        found.plot(values, [place] * len(values), color=colour, marker=marker, linestyle="none")
    for limit, name, dash in ((limits.uneasy, "warning", ":"), (limits.wrong, "error", "--")):
        found.axvline(limit, color=BLACK, linewidth=1, linestyle=dash, label=f"{name} from {limit:g}")
    found.set_yticks(range(len(errors)), list(errors))
    found.set(xlabel="worst relative error that the check found", xscale="log", ylim=(len(errors) - 0.5, -0.5))
    found.legend(loc="upper left")
