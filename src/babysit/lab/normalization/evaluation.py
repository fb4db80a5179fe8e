"""D6: at test time the running averages of training are used, and what happens where they are not."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from babysit.lab.drawing import BLUE, GREEN, GREY, RED
from babysit.lab.measures import above, below, named, near, told, true
from babysit.lab.normalization.networks import two_layers
from babysit.lab.normalization.section import SECTION
from babysit.lab.preprocessing.axes import plain_log, whole_numbers
from babysit.lab.preprocessing.examples import Pair, pictures, prepared, stood_in
from babysit.lab.preprocessing.loops import Watched, accuracy, train_watched
from babysit.lab.section import Bench, Drawing, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH = 64
STEPS = 200


@dataclass(frozen=True)
class Convergence:
    """How far the running mean of a layer is from the mean of all examples, batch after batch.

    Attributes:
        errors: Root mean square over the units, in standard deviations of each.
        floor: What the noise of the batches leaves of it for ever: √(m/(2 − m)/B) with momentum m and B examples.
    """

    errors: tuple[float, ...]
    floor: float

    @property
    def ratio(self) -> float:
        """The error in the second half of the batches over what the noise explains."""
        late = self.errors[len(self.errors) // 2 :]
        return math.sqrt(sum(error**2 for error in late) / len(late)) / self.floor


@torch.no_grad()
def convergence(x: Tensor, seed: int) -> Convergence:
    """Send random batches through a network whose weights stay as they are."""
    network = two_layers(tuple(x.shape[1:]), seed).train()
    first, norm = nn.Sequential(*list(network)[:2]), network.get_submodule("bn1")
    sums = first(x)
    mean, std = sums.mean(0), sums.std(0, correction=0)
    generator = Bench.generator(seed)
    errors = []
    for _ in range(STEPS):
        norm(sums[torch.randint(len(x), (BATCH,), generator=generator)])
        running = norm.get_buffer("running_mean")
        errors.append(((running - mean) / std)[std > 0].square().mean().sqrt().item())
    momentum = 0.1
    assert getattr(norm, "momentum", None) == momentum
    return Convergence(tuple(errors), math.sqrt(momentum / (2 - momentum) / BATCH))


@torch.no_grad()
def distance_from_running_formula(network: nn.Sequential, x: Tensor) -> float:
    """Largest difference between the evaluated layer and (x − running mean)/√(running variance + ε)·γ + β."""
    network = copy.deepcopy(network).eval()
    norm = network.get_submodule("bn1")
    assert isinstance(norm, nn.BatchNorm1d)
    sums = nn.Sequential(*list(network)[:2])(x)
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    written = (sums - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias
    before = {name: values.clone() for name, values in norm.state_dict().items()}
    difference = float((norm(sums) - written).abs().max())
    assert all(torch.equal(values, before[name]) for name, values in norm.state_dict().items())
    return difference


@dataclass(frozen=True)
class Modes:
    """One training, evaluated in either mode after every epoch."""

    right: Watched
    wrong: Watched
    network: nn.Sequential


def both_modes(train: Pair, validation: Pair, seed: int, bench: Bench) -> Modes:
    """Train twice alike; the validation split is sorted by class, as it often lies on the disk."""
    x, y = validation
    order = y.argsort(stable=True)
    x, y = x[order], y[order]
    epochs = bench.pick(4, 8)
    runs, networks = [], []
    for training in (False, True):
        network = two_layers(tuple(x.shape[1:]), seed)
        evaluations = {"accuracy": lambda model, mode=training: accuracy(model, x, y, training=mode, batch_size=BATCH)}
        runs.append(train_watched(network, train, evaluations, lr=0.05, epochs=epochs, batch_size=BATCH, seed=seed))
        networks.append(network)
    return Modes(runs[0], runs[1], networks[0])


def refuses_one_example(network: nn.Module, x: Tensor) -> bool:
    """Whether a single example cannot be normalised by its own batch."""
    try:
        copy.deepcopy(network).train()(x[:1])
    except ValueError:
        return True
    return False


@SECTION.claim(
    "D6",
    "At test time batch normalisation uses the running averages of training, not the batch.",
    expected="outputs by the running averages; the running mean converges to the data's",
    cost=25,
)
def running_averages_at_test_time(bench: Bench) -> Outcome:
    """Follow the running mean to the data's, and evaluate a trained network in either mode.

    Example:
        >>> norm = nn.BatchNorm1d(1)
        >>> for _ in range(100):
        ...     _ = norm(torch.randn(64, 1, generator=torch.Generator().manual_seed(0)) + 5)
        >>> round(norm.running_mean.item())
        5
    """
    dataset = pictures(bench)
    train, validation = prepared("mean-image,scale", dataset)
    uncentred = prepared("scale", dataset)[0][0]  # so that there is something to converge to
    following = [convergence(uncentred, seed) for seed in bench.seeds]
    modes = [both_modes(train, validation, seed, bench) for seed in bench.seeds]
    right, wrong = ([getattr(one, kind).scores["accuracy"][-1] for one in modes] for kind in ("right", "wrong"))
    finding = modes[0].wrong.finding("GEN003")
    x = validation[0][:BATCH]
    apart = [_modes_apart(one.network, x) for one in modes]
    return Outcome(
        [
            below("outputs − formula with running averages", [_distance(one, x) for one in modes], 1e-4),
            # averaged over a hundred batches of fifty units, which go together
            near("error of the running mean / √(m/(2−m)/B)", [one.ratio for one in following], 1, within=0.3),
            below(
                "error of the running mean after 200 batches", [one.errors[-1] for one in following], 0.1, unit="std"
            ),
            true("one example alone: refused in training mode", [refuses_one_example(one.network, x) for one in modes]),
            named("GEN003", [one.wrong.findings for one in modes], name="evaluation in training mode named by GEN003"),
            true("GEN003 silent in evaluation mode", [one.right.finding("GEN003") is None for one in modes]),
            above(
                "accuracy lost in training mode, validation sorted by class",
                [one - other for one, other in zip(right, wrong, strict=True)],
                0.05,
                unit="%",
            ),
            told("accuracy in evaluation mode", right, unit="%"),
            told("difference of a logit between the modes", apart),
        ],
        [
            Drawing(
                "running-mean",
                f"The running mean comes from {following[0].errors[0]:.1f} to within {following[0].errors[-1]:.3f} "
                "standard deviations of the data's, as far as the noise of the batches lets it",
                partial(_draw_convergence, following=following),
            ),
            Drawing(
                "modes",
                f"Evaluated in training mode on batches of one class, the network that scores {100 * right[0]:.0f} % "
                f"seems to score {100 * wrong[0]:.0f} %",
                partial(_draw_modes, modes=modes[0], x=x),
                size=(7.4, 3.4),
                finding=finding,
            ),
        ],
        findings=[finding] if finding else [],
        note=stood_in(bench),
    )


def _distance(modes: Modes, x: Tensor) -> float:
    return distance_from_running_formula(modes.network, x)


@torch.no_grad()
def _both_outputs(network: nn.Sequential, x: Tensor) -> tuple[Tensor, Tensor]:
    own = copy.deepcopy(network)
    return own.eval()(x), own.train()(x)


def _modes_apart(network: nn.Sequential, x: Tensor) -> float:
    evaluated, trained = _both_outputs(network, x)
    return (evaluated - trained).square().mean().sqrt().item()


def _draw_convergence(figure: Figure, following: list[Convergence]) -> None:
    axes = figure.subplots()
    batches = range(1, STEPS + 1)
    for number, one in enumerate(following):
        label = "measured, a line a seed" if number == 0 else None
        axes.plot(batches, one.errors, color=BLUE, linestyle="-", alpha=0.6, linewidth=1.1, label=label)
    start = following[0].errors[0] / 0.9
    decay = [math.hypot(start * 0.9**batch, following[0].floor) for batch in batches]
    axes.plot(batches, decay, color=RED, linestyle="--", label="0.9ᵗ of the start, and the noise of the batches")
    axes.axhline(following[0].floor, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel="batches", ylabel="error of the running mean (std)", yscale="log")
    plain_log(axes.yaxis)
    axes.legend()


def _draw_modes(figure: Figure, modes: Modes, x: Tensor) -> None:
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(modes.right.losses) + 1)
    for name, one, colour, dashes in (
        ("evaluation mode", modes.right, GREEN, "-"),
        ("training mode", modes.wrong, RED, ":"),
    ):
        left.plot(epochs, one.scores["accuracy"], color=colour, linestyle=dashes, marker="o", markersize=4, label=name)
    left.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
    whole_numbers(left.xaxis)
    left.legend(loc="best")
    evaluated, trained = _both_outputs(modes.network, x)
    ends = torch.stack([evaluated, trained]).aminmax()
    low, high = ends.min.item(), ends.max.item()
    right.plot([low, high], [low, high], color=GREY, linestyle="-", linewidth=1)
    right.scatter(evaluated.numpy(), trained.numpy(), s=7, color=BLUE, alpha=0.5, linewidths=0, rasterized=True)
    right.set(xlabel="logit in evaluation mode", ylabel="the same in training mode", aspect="equal")
