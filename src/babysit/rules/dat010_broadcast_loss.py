"""DAT010: the loss compares every prediction with every target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import TRAIN, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._calls import by_name

Shape = tuple[int, ...]

_ELEMENTWISE = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})


@dataclass(frozen=True)
class BroadcastLoss(Rule):
    """Predictions and targets have different numbers of dimensions, and the loss expands them to all pairs.

    ## What it measures
    The shapes that are given to an elementwise loss (mse_loss, l1_loss, smooth_l1_loss, huber_loss), and those of the
    difference in a hand-written one such as `((prediction - y) ** 2).mean()`. A column (N, 1) against a row (N,) is
    expanded to (N, N): more numbers than there are predictions or targets. Predictions (N,) against targets (N, N) are
    what remains where the targets themselves were made so.

    ## Why it hurts
    Every prediction is compared with the targets of all examples. The best answer to that is the mean of the batch's
    targets, for every input: the loss falls to their variance and stays there, and nothing of the inputs is learnt.

    ## What to try
    Make the shapes equal: `prediction.squeeze(-1)` for targets (N,), or `y.unsqueeze(-1)` for predictions (N, 1).

    ## When it is a false alarm
    When all pairs are meant to be compared. Where both sides have the same number of dimensions, as in quantile
    regression with (N, 1, K) against (N, K, 1), or both carry a gradient, that is taken for granted.

    ## Options
    `most` is the share of the training calls in which it has to happen.

    ## References
    torch.nn.functional.mse_loss warns of it once: "This will likely lead to incorrect results due to broadcasting."
    Hand-written losses do not.
    """

    code: ClassVar[str] = "DAT010"
    name: ClassVar[str] = "broadcast-loss"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "torch.nn.functional: warning about target sizes"

    most: float = threshold(0.5, unit="of the training calls")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        for name, calls in by_name(call for call in run.calls if call.phase == TRAIN).items():
            wrong = [call for call in calls if _is_expanded(call.output_shape, call.target_shape)]
            if name in _ELEMENTWISE and wrong and len(wrong) > self.most * len(calls):
                first = wrong[0]
                yield self._found(
                    name, first.output_shape, first.target_shape, len(wrong) / len(calls), (first.step, wrong[-1].step)
                )
        graphs = [graph for graph in run.graphs if graph.predicted]
        pairs = [graph for graph in graphs if _target_of(graph.predicted, graph.differences)]
        if pairs and len(pairs) > self.most * len(graphs):
            first_graph = pairs[0]
            target = _target_of(first_graph.predicted, first_graph.differences)
            share, steps = len(pairs) / len(graphs), (first_graph.step, pairs[-1].step)
            yield self._found("the loss", first_graph.predicted, target, share, steps)

    def _found(self, name: str, output: Shape, target: Shape, share: float, steps: tuple[int, int]) -> Finding:
        together = _together(output, target) or ()
        longer = len(output) > len(target)
        remedies: tuple[str, ...] = (
            f"make the shapes equal: {'squeeze' if longer else 'unsqueeze'} the predictions "
            f"({'prediction.squeeze(-1)' if longer else 'prediction.unsqueeze(-1)'})",
            f"or {'unsqueeze' if longer else 'squeeze'} the targets "
            f"({'y.unsqueeze(-1)' if longer else 'y.squeeze(-1)'})",
        )
        if _were_expanded(output, target):
            remedies = ("squeeze a dimension of one of what the targets are made of: (N, 1) and (N,) become (N, N)",)
        return self.finding(
            f"{name} compares predictions of shape {output} with targets of shape {target}: they are broadcast to "
            f"{together}, so every prediction is held against the targets of all examples",
            evidence=(
                Evidence("numbers compared", float(math.prod(together)), float(math.prod(output))),
                Evidence("share of the training calls", share, self.most),
            ),
            remedies=remedies,
            steps=steps,
        )


def _is_expanded(output: Shape, target: Shape) -> bool:
    """Whether both are expanded, as one lacks a dimension; those of equally many dimensions are paired on purpose."""
    together = _together(output, target)
    if _were_expanded(output, target):
        return True
    if together is None or len(output) == len(target) or not output or not target:
        return False
    return math.prod(together) > max(math.prod(output), math.prod(target))


def _were_expanded(output: Shape, target: Shape) -> bool:
    """Whether the targets are those of all examples for each one, as they were broadcast when they were made."""
    return len(output) == 1 and output[0] > 1 and target == output * 2


def _target_of(predicted: Shape, differences: Shape) -> Shape:
    """The shape of targets that makes these differences of these predictions by accident; empty where none does."""
    square = len(differences) == 2 and differences[0] == differences[1] > 1
    size = differences[0] if differences else 0
    return {(size, 1): (size,), (size,): (size, 1)}.get(predicted, ()) if square else ()


def _together(one: Shape, other: Shape) -> Shape | None:
    """The shape that two are broadcast to; ``None`` where they do not fit."""
    width = max(len(one), len(other))
    sizes = zip(*((1,) * (width - len(shape)) + tuple(shape) for shape in (one, other)), strict=True)
    together = []
    for a, b in sizes:
        if a != b and 1 not in (a, b):
            return None
        together.append(b if a == 1 else a)
    return tuple(together)
