"""What a loss function of torch was given: the model's outputs and the targets, in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from babysit.measure.record import CLASS_BUCKETS, LossCall, Numbers
from babysit.watch.gather import Gather, Values
from babysit.watch.graph import made_by
from babysit.watch.numbers import put_numbers
from babysit.watch.values import has_no_values, is_array

LOSSES = (
    "cross_entropy",
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "poisson_nll_loss",
    "gaussian_nll_loss",
    "soft_margin_loss",
    "multilabel_soft_margin_loss",
    "multi_margin_loss",
    "hinge_embedding_loss",
    "ctc_loss",
)
"""Loss functions of `torch.nn.functional` that take the model's outputs first and the targets second."""

CLASSIFIERS = ("cross_entropy", "nll_loss", "multi_margin_loss")
BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
DISTANCES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_BUDGET = 1 << 16
_MOST_COUNTED = 1 << 20


@dataclass(frozen=True)
class Call:
    """A call of a loss function as it came.

    Attributes:
        name: The function.
        outputs: Its first argument; the second one of a distance, where only that is trained.
        targets: The other one.
        options: Its other arguments by name.
        result: What it gave; ``None`` where it raised.
    """

    name: str
    outputs: Tensor
    targets: Tensor
    options: Mapping[str, Any]
    result: Tensor | None

    @property
    def reduction(self) -> str:
        """``"mean"``, ``"sum"``, ``"none"`` or ``"batchmean"``."""
        return str(self.options.get("reduction", "mean"))

    @property
    def is_classification(self) -> bool:
        """Whether the targets are class indices of the outputs' second dimension."""
        return self.name in CLASSIFIERS and not self.targets.is_floating_point() and self.outputs.dim() > 0

    @property
    def value(self) -> Tensor:
        """Its mean over what it was given; NaN where it raised."""
        result = self.result
        if result is None:
            return torch.tensor(math.nan)
        result = result.detach()
        if result.dim():
            return result.float().mean()
        if self.reduction == "sum":
            elements = self.targets.numel() if self.is_classification else self.outputs.numel()
            return result / max(elements, 1)
        return result


@dataclass(frozen=True)
class Memory:
    """Where the two arguments of a call lie, as addresses that keep nothing alive.

    Attributes:
        connected: Of those with a graph.
        cut: Of those without one.
    """

    connected: frozenset[int]
    cut: frozenset[int]


def memory_of(call: Call) -> Memory:
    """Where a call's arguments lie.

    Example:
        >>> x = torch.ones(3, requires_grad=True) * 2
        >>> memory = memory_of(Call("mse_loss", x, x.detach(), {}, None))
        >>> memory.connected == memory.cut
        True
    """
    arguments = [item for item in (call.outputs, call.targets) if is_array(item) and not has_no_values(item)]
    connected, cut = (
        frozenset(item.untyped_storage().data_ptr() for item in arguments if item.requires_grad is graph) - {0}
        for graph in (True, False)
    )
    return Memory(connected, cut)


def measure_call(call: Call, gather: Gather, *, whole: bool = False) -> Callable[[int, str], LossCall]:
    """Measure a call; what it gives makes the record of a step and a phase, once the numbers were read.

    Args:
        call: The call.
        gather: Takes the numbers.
        whole: Take the accuracy over all of it, not over a sample.
    """
    rows, row_count = _rows(call)
    outputs = put_numbers(rows, gather)
    extra = gather.put(_row_numbers(rows, call))
    targets, counts = _put_targets(call, gather)
    correct = gather.put(_correct(call, None if whole else row_count))
    value = gather.put(call.value.clone())  # the script may write to its loss before the step is over
    made = made_by(call.outputs)
    classes = _classes(call)
    shapes = tuple(call.outputs.shape), tuple(call.targets.shape)

    def build(step: int, phase: str) -> LossCall:
        spread, row_error, log_row_error = (float(number) for number in extra())
        accuracy = float(correct()[0])
        return LossCall(
            step=step,
            phase=phase,
            name=call.name,
            value=float(value()[0]),
            output_shape=shapes[0],
            target_shape=shapes[1],
            outputs=outputs(),
            targets=targets(),
            output_op=made,
            row_error=None if math.isnan(row_error) else row_error,
            log_row_error=None if math.isnan(log_row_error) else log_row_error,
            example_std=None if math.isnan(spread) else spread,
            classes=classes,
            counts=tuple(int(count) for count in counts()) if counts is not None else (),
            accuracy=None if math.isnan(accuracy) else accuracy,
            reduction=call.reduction,
            smoothing=float(call.options.get("label_smoothing", 0.0)),
        )

    return build


def correct_share(call: Call) -> Tensor:
    """Share of the targets that the outputs got right; NaN where that has no meaning."""
    return _correct(call, None)


def _classes(call: Call) -> int:
    if call.is_classification:
        return int(call.outputs.shape[1] if call.outputs.dim() > 1 else call.outputs.shape[0])
    return 2 if call.name in BINARY and _one_each(call) else 0


def _one_each(call: Call) -> bool:
    """Whether a binary loss has one output an example, not one for each of many labels or pixels."""
    return call.outputs.dim() == 0 or call.outputs.numel() == call.outputs.shape[0]


def _rows(call: Call) -> tuple[Tensor, int]:
    """Some of the outputs as ``(rows, classes)``, and how many examples (or positions) those rows are the first of."""
    outputs = call.outputs.detach()
    if outputs.dim() < 2:
        flat = outputs.reshape(-1, 1)[:_BUDGET]
        return flat.float(), len(flat)
    if outputs.dim() > 2 and call.name == "ctc_loss":  # (T, N, C)
        rows = outputs.flatten(0, -2)
    elif outputs.dim() > 2 and call.is_classification:
        examples = outputs[: max(1, min(8, _BUDGET // max(outputs.numel() // max(len(outputs), 1), 1)))]
        rows = examples.movedim(1, -1).reshape(-1, outputs.shape[1])
    else:
        rows = outputs[:1024].flatten(1)
    if rows.shape[1] > _BUDGET // 8 and not call.is_classification:
        rows = rows[:, :: rows.shape[1] // (_BUDGET // 64)]
    rows = rows[: max(8, _BUDGET // max(rows.shape[1], 1))]
    return rows.float(), len(rows)


def _row_numbers(rows: Tensor, call: Call) -> Tensor:
    """Spread over the examples, |Σ − 1| and |Σ exp − 1| over the classes, NaN where they have no meaning."""
    unknown = rows.new_tensor(math.nan)
    spread = rows.var(dim=0, correction=0).mean().sqrt() if len(rows) > 1 else unknown
    if rows.shape[1] < 2 or call.outputs.dim() < 2 or rows.numel() == 0:
        return torch.stack([spread, unknown, unknown])
    return torch.stack(
        [spread, (rows.sum(dim=1) - 1).abs().amax(), (rows.logsumexp(dim=1).exp() - 1).abs().amax()]
    ).nan_to_num(nan=math.nan, posinf=1e30)


def _put_targets(call: Call, gather: Gather) -> tuple[Callable[[], Numbers], Callable[[], Values] | None]:
    targets = call.targets.detach().reshape(-1)[:_MOST_COUNTED]
    if not call.is_classification:
        numbers = put_numbers(targets, gather)
        if call.name in BINARY and _one_each(call):
            return numbers, gather.put(torch.stack([(targets < 0.5).sum(), (targets >= 0.5).sum()]))
        return numbers, None
    targets = targets[targets != call.options.get("ignore_index", -100)]
    buckets = min(_classes(call), CLASS_BUCKETS)
    return put_numbers(targets, gather), gather.put(_bucket_counts(targets, buckets))


def _bucket_counts(targets: Tensor, buckets: int) -> Tensor:
    places = targets.long() % max(buckets, 1)
    if targets.device.type == "cpu":
        return torch.bincount(places, minlength=buckets)
    # bincount is not deterministic on devices and may be forbidden there
    return (places.unsqueeze(1) == torch.arange(buckets, device=targets.device)).sum(dim=0)


def _correct(call: Call, rows: int | None) -> Tensor:
    outputs, targets = call.outputs.detach(), call.targets.detach()
    if call.is_classification and outputs.dim() > 1 and targets.shape[:1] == outputs.shape[:1]:
        if rows is not None and outputs.dim() == 2:
            outputs, targets = outputs[:rows], targets[:rows]
        counted = targets != call.options.get("ignore_index", -100)
        right = outputs.argmax(dim=1).eq(targets) & counted
        return torch.as_tensor(right.sum() / counted.sum())
    if call.name in BINARY and outputs.shape == targets.shape:
        said = outputs > (0.0 if call.name.endswith("logits") else 0.5)
        return torch.as_tensor(said.eq(targets > 0.5).float().mean())
    return torch.tensor(math.nan)


def counts_entropy(counts: NDArray[np.int64], smoothing: float = 0.0) -> float:
    """Cross-entropy of the best constant prediction of classes that came so often, natural logarithm.

    Args:
        counts: ``(C,)``.
        smoothing: Of the labels.

    Example:
        >>> round(counts_entropy(np.array([5, 5, 0])), 4)
        0.6931
    """
    shares = counts / counts.sum()
    shares = (1 - smoothing) * shares + smoothing / len(shares)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
