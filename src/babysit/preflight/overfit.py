"""Can the model learn twenty examples by heart? If not, it will not learn fifty thousand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn

from babysit.measure.record import Probe
from babysit.preflight.isolation import isolated
from babysit.preflight.modes import set_training

Evaluate = Callable[[nn.Module], tuple[Tensor, float]]

EXAMPLES = 20
"""The lecture's."""
STEPS = 400
"""Full-batch steps at each rate before a smaller one is tried (the lecture's example takes 200 epochs)."""
RATES = (1e-3, 1e-2, 1e-4)
"""Adam's usual rate first, then a decade to either side."""
LONGER = 4 * STEPS
"""For the best rate where its loss still falls then."""
FALLING = 0.05
"""Share of the loss that its last quarter of the steps still fell by, as for PRE003."""
TARGET = 0.01
"""Share of the chance loss that counts as zero: the lecture's example ends at 0.002 of 2.3, we ask for 0.023."""


def probe_overfit(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    score: Callable[[Tensor, Tensor], float],
    inputs: Tensor,
    targets: Tensor,
    *,
    chance_loss: float,
    between: Callable[[], None] = lambda: None,
) -> Probe:
    """Train on a handful of examples, without regularisation or dropout, until the loss is about zero.

    Args:
        model: Untrained.
        loss_fn: ``(outputs, targets) -> mean loss``.
        score: Accuracy or R² of the outputs.
        inputs: About twenty examples.
        targets: Their targets.
        chance_loss: Loss of a constant prediction; a hundredth of it (``TARGET``) counts as zero.
        between: Called after every step, for signals.

    Returns:
        A probe with the curve of the best of the rates that were tried.
    """

    def evaluate(network: nn.Module) -> tuple[Tensor, float]:
        outputs = network(inputs)
        return loss_fn(outputs, targets), score(outputs.detach(), targets)

    return fit_by_heart(model, evaluate, len(inputs), chance_loss=chance_loss, between=between)


def fit_by_heart(
    model: nn.Module,
    evaluate: Evaluate,
    examples: int,
    *,
    chance_loss: float,
    between: Callable[[], None] = lambda: None,
    time_limit: float = math.inf,
) -> Probe:
    """The same for any model and loss.

    Args:
        model: Untrained.
        evaluate: Loss and score of a copy on the examples; a score of NaN where there is none.
        examples: How many they are.
        chance_loss: Loss of a constant prediction.
        between: Called after every step, for signals.
        time_limit: Seconds; a loss that has not got there when they are over is not judged, and the probe says why.
    """
    end = time.monotonic() + time_limit
    curves: list[tuple[float, float, list[float], list[float]]] = []
    target = TARGET * chance_loss
    for rate in RATES:
        with isolated(model) as copy:
            _without_dropout(copy)
            losses, scores = _train(copy, evaluate, rate, STEPS, target, between, end)
        curves.append((math.inf if math.isnan(losses[-1]) else losses[-1], rate, losses, scores))
        if losses[-1] <= target or time.monotonic() > end:
            break
    _, rate, losses, scores = min(curves, key=lambda curve: curve[0])
    if losses[-1] > target and _still_falls(losses) and time.monotonic() < end:
        with isolated(model) as copy:
            _without_dropout(copy)
            longer = _train(copy, evaluate, rate, LONGER, target, between, end)
        if len(longer[0]) > len(losses):  # it begins anew, so that a lack of time may leave it behind
            losses, scores = longer
    cut = time.monotonic() > end and math.isfinite(losses[-1])
    if losses[-1] > target and cut:
        reason = f"the loss had come to {losses[-1]:.3g} after {len(losses) - 1} steps when the time was over"
        return Probe("overfit", texts={"reason": reason})
    numbers = {
        "examples": float(examples),
        "loss": losses[-1],
        "score": scores[-1],
        "epochs": float(len(losses) - 1),
        "lr": rate,
        "target_loss": target,
        "initial_loss": losses[0],
    }
    return Probe(
        "overfit",
        numbers={name: value for name, value in numbers.items() if name != "score" or not math.isnan(value)},
        series={"losses": tuple(losses), "scores": tuple(scores)},
    )


def _still_falls(losses: list[float]) -> bool:
    quarter = len(losses) // 4
    return bool(quarter) and median(losses[-quarter:]) < (1 - FALLING) * median(losses[-2 * quarter : -quarter])


def _train(
    model: nn.Module,
    evaluate: Evaluate,
    rate: float,
    steps: int,
    target: float,
    between: Callable[[], None],
    end: float,
) -> tuple[list[float], list[float]]:
    """Losses and scores before each step and after the last."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    losses: list[float] = []
    scores: list[float] = []
    while True:
        loss, score = evaluate(model)
        losses.append(loss.item())
        scores.append(score)
        # a non-finite loss compares false with everything, so this also ends a diverged training;
        # a loss without a gradient has nothing to train
        done = len(losses) > steps or not losses[-1] > target or not loss.requires_grad
        if done or time.monotonic() > end:
            return losses, scores
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        between()


def _without_dropout(model: nn.Module) -> None:
    """Training mode with every dropout off: noise is regularisation too."""
    set_training(model, True)
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
