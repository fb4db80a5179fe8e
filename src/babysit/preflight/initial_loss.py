"""Is the loss at the start what chance would give? −ln(1/C) for C classes, the variance for squared error."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from babysit.measure.record import Probe
from babysit.preflight.isolation import isolated, without_graph
from babysit.preflight.modes import set_training


@without_graph
def probe_initial_loss(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    batches: Sequence[tuple[Tensor, Tensor]],
    *,
    expected: float,
    loss_name: str,
) -> Probe:
    """The loss of an untrained model, without regularisation, on several batches in training mode.

    Args:
        model: Untrained.
        loss_fn: ``(outputs, targets) -> mean loss``.
        batches: Pairs of inputs and targets.
        expected: Loss of the best constant prediction.
        loss_name: For the reader.
    """
    with isolated(model) as copy:
        set_training(copy, True)
        losses = [loss_fn(copy(inputs), targets).item() for inputs, targets in batches]
    return beside(losses, expected, size=len(batches[0][1]), loss_name=loss_name)


def beside(losses: Sequence[float], expected: float, *, size: int, loss_name: str) -> Probe:
    """The mean of losses beside the expected one, and the one that is nearest to it, as a probe.

    Args:
        losses: One a batch.
        expected: Loss of the best constant prediction.
        size: Examples in a batch.
        loss_name: For the reader.

    Example:
        >>> beside([2.2, 2.4], 2.303, size=32, loss_name="cross_entropy").numbers["loss"]
        2.3
    """
    numbers = {
        "loss": statistics.fmean(losses),
        "expected": expected,
        "spread": statistics.pstdev(losses),
        "nearest": min(losses, key=lambda loss: abs(loss - expected)),
        "batch_size": float(size),
    }
    return Probe("initial-loss", numbers, texts={"loss_name": loss_name})
