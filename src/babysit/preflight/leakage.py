"""Does the answer to one example depend on another's input? In evaluation mode it must not.

Two opinions: the gradient of one example's output by all inputs, and the output itself when the other examples are
replaced. The second also sees what has no gradient, the first what replacing happens not to change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from babysit.measure.record import Probe
from babysit.preflight.answers import (
    Clock,
    NotApplicable,
    answer,
    answers,
    asked,
    attempt,
    batch_axis,
    difference,
    first_difference,
    output_of,
    own,
    pick,
    rounding,
    some,
    trace,
    worst,
)
from babysit.preflight.batch import Batch, tensors_of
from babysit.preflight.gradients import input_gradients
from babysit.preflight.subject import Subject

NAME = "batch-leakage"
EXAMPLES = 4
"""Of the batch, where the model takes any number."""
CLEAR = 1e-5
"""A dependence below this is not looked into further."""

Change = tuple[float, int, list[int]]
"""How far an example's output goes, which example, and which of the batch's lay at its places."""


def probe_leakage(subject: Subject, *, time_limit: float = 5.0) -> Probe:
    """Change the other examples of a batch, and see whether an example's output changes.

    Args:
        subject: Left as it is.
        time_limit: Seconds after which nothing further is begun.

    Returns:
        A probe with ``difference``, the largest change of an output relative to itself; ``gradient``, the largest
        gradient by another example over that by any, where there is one; ``control``, the change when nothing was
        changed; ``precision``, the relative rounding; and the module where it is first seen.
    """
    return attempt(NAME, lambda: _measure(subject, Clock(time_limit)))


def _measure(subject: Subject, clock: Clock) -> Probe:
    axis = batch_axis(subject.batch)
    if subject.batch.size < 2:
        raise NotApplicable("a batch of a single example has no other examples")
    batch, found = some(subject, EXAMPLES)
    base = output_of(found, batch)
    readings = []
    for output_axis in _output_axes(subject, batch, axis, tuple(base.shape)):
        readings.append(_read(subject, batch, axis, base, output_axis, clock))
        if _dependence(readings[-1][0]) <= CLEAR:
            break
    # where the shapes leave two readings, the one in which the examples are apart is the right one
    numbers, changes = min(readings, key=lambda reading: _dependence(reading[0]))
    if not numbers:
        raise NotApplicable("the model takes no other examples beside the one, and has no gradient by its inputs")
    numbers |= {
        "examples": float(batch.size),
        "control": difference(base, answer(subject, batch)),
        "precision": rounding(base),
    }
    texts: dict[str, str] = {}
    if _dependence(numbers) > CLEAR:
        if _differentiates(subject, batch):
            raise NotApplicable("a gradient is taken on the way to the outputs, of the whole batch, as inner steps are")
        _refuse_explained(subject, batch, axis, base)
        if changes:
            _, row, places = max(changes)
            texts["module"] = _place(subject, batch, pick(batch, places, axis), axis, row)
    return Probe(NAME, numbers=numbers, texts=texts | clock.note)


def _dependence(numbers: Mapping[str, float]) -> float:
    """By whichever opinion is the worse."""
    return max(numbers.get("difference", 0.0), numbers.get("gradient", 0.0))


def _read(
    subject: Subject, batch: Batch, axis: int, base: Tensor, output_axis: int, clock: Clock
) -> tuple[dict[str, float], list[Change]]:
    """Both opinions, where the outputs have the examples in one of their dimensions."""
    rows = sorted({0, batch.size // 2, batch.size - 1})
    changes = _changes(subject, batch, axis, base, output_axis, rows, clock)
    numbers = {"difference": worst([value for value, _, _ in changes])} if changes else {}
    gradient = None if changes and clock.over else _by_gradient(subject, batch, axis, output_axis, rows)
    return numbers if gradient is None else {**numbers, "gradient": gradient}, changes


def _output_axes(subject: Subject, batch: Batch, axis: int, shape: tuple[int, ...]) -> list[int]:
    """The dimension of the output that grows with the batch; all that may be it, likely ones first, where none can."""
    grown: tuple[int, ...] | None = None
    if not subject.fixed_size:
        try:
            places = [*range(batch.size), batch.size - 1]
            outputs = [tuple(item.shape) for item in answers(subject, pick(batch, places, axis))]
            grown = next((item for item in outputs if len(item) == len(shape) and _by_one(shape, item)), None)
        except Exception:  # a model may have a size of its own: shapes have to do
            grown = None
        else:
            if grown is None:
                raise NotApplicable("the output has no row for every example")
    sized = [place for place, length in enumerate(shape) if length == batch.size]
    if grown is not None:
        sized = [place for place in sized if grown[place] == batch.size + 1]
        if len(sized) > 1:
            raise NotApplicable("the output compares the examples of a batch with each other")
    if not sized:
        raise NotApplicable("the output has no row for every example")
    return sorted(sized, key=lambda place: place != axis)


def _by_one(shape: Sequence[int], larger: Sequence[int]) -> bool:
    growth = [more - length for length, more in zip(shape, larger, strict=True)]
    return set(growth) <= {0, 1} and 1 in growth


def _changes(
    subject: Subject, batch: Batch, axis: int, base: Tensor, output_axis: int, rows: Sequence[int], clock: Clock
) -> list[Change]:
    """How far each row goes when other examples lie beside it; arrangements that the model rejects are left out."""
    found: list[Change] = []
    for row in rows:
        for places in _arrangements(row, batch.size):
            if found and clock.over:
                return found
            try:
                changed = answer(subject, pick(batch, places, axis))
            except Exception:  # lengths that have to be sorted, sizes that have to match
                continue
            if changed.shape == base.shape:
                pair = (item.select(output_axis, row) for item in (base, changed))
                found.append((difference(*pair), row, places))
    return found


def _arrangements(row: int, size: int) -> list[list[int]]:
    """The example alone, the others the other way round, the others after it replaced by it (which keeps an order)."""
    others = [place for place in range(size) if place != row]
    turned = dict(zip(others, others[::-1], strict=True))
    kept = [place if place <= row else row for place in range(size)]
    found = [[row] * size, [turned.get(place, row) for place in range(size)], kept]
    return [item for place, item in enumerate(found) if item != list(range(size)) and item not in found[:place]]


def _by_gradient(subject: Subject, batch: Batch, axis: int, output_axis: int, rows: Sequence[int]) -> float | None:
    """The largest gradient by another example over the largest by any; ``None`` where there is none."""

    def output(outputs: object) -> Tensor:
        return output_of([item for item in tensors_of(outputs) if item.is_floating_point()], batch)

    try:
        parts = [lambda item, row=row: item.select(output_axis, row) for row in rows]
        gradients = input_gradients(subject, batch, output, parts)
    except Exception:  # no gradient in evaluation mode, or none at all: the other opinion has to do
        return None
    shares = []
    for row, leaves in zip(rows, gradients, strict=True):
        for item in leaves:
            if item.dim() <= axis or item.shape[axis] != batch.size:
                continue
            sizes = item.abs().movedim(axis, 0).reshape(batch.size, -1).amax(dim=1)
            largest = sizes.max().item()
            sizes[row] = 0
            if 0 < largest < float("inf"):
                shares.append(sizes.max().item() / largest)
    return worst(shares) if shares else None


def _refuse_explained(subject: Subject, batch: Batch, axis: int, base: Tensor) -> None:
    """Rows that depend on each other may not be examples.

    Raises:
        NotApplicable: There is such an explanation.
    """
    _refuse_connected(subject, batch, axis)
    first = next(item for item in batch.tensors() if item.dim() > axis and item.shape[axis] == batch.size)
    sequences = first.dim() > 2 or (first.dim() == 2 and not first.is_floating_point())
    if first.dim() == 1 and not first.is_floating_point() and _reads_along(subject.model):
        raise NotApplicable("a single row of tokens, which the model reads one after the other, has no other examples")
    if axis or not sequences:
        return
    size, length = first.shape[:2]
    if size == length:
        raise NotApplicable("examples and positions are equally many: which dimension holds the examples is unclear")
    targets = tensors_of(batch.targets)
    if targets and not any(item.dim() and len(item) == size for item in targets):
        raise NotApplicable("the targets have no row for every example")
    per_position = any(item.dim() > 1 and item.shape[:2] == first.shape[:2] for item in targets or [base])
    if per_position and base.shape[:2] == first.shape[:2] and not _columns_leak(subject, batch, length):
        raise NotApplicable(
            "rows depend on each other and columns do not: the inputs are time-major, or the model takes them for that "
            "(batch_first)"
        )


def _refuse_connected(subject: Subject, batch: Batch, axis: int) -> None:
    """Rows may be the nodes of a graph.

    Raises:
        NotApplicable: They look like that.
    """
    for item in batch.tensors():
        is_batched = item.dim() > axis and item.shape[axis] == batch.size
        if item.dim() > 1 and not item.is_floating_point() and not is_batched:
            raise NotApplicable("an input without a row for every example may connect them, as the edges of a graph do")
        if item.dim() == 2 and item.shape[0] == item.shape[1] == batch.size and len(batch.tensors()) > 1:
            raise NotApplicable("an input may connect the examples, as an adjacency matrix does")
    if any(tuple(item.shape) == (batch.size, batch.size) for item in subject.model.buffers()):
        raise NotApplicable("the model holds a matrix that may connect the examples, as an adjacency matrix does")
    if _takes_some_rows(batch):
        raise NotApplicable("the loss takes some of the outputs' rows only, as of the nodes of a graph")


def _reads_along(model: nn.Module) -> bool:
    """Whether the model has layers that relate the places of a sequence to each other."""
    return any(isinstance(item, nn.RNNBase | nn.MultiheadAttention | nn.Conv1d) for item in model.modules())


@torch.no_grad()
def _differentiates(subject: Subject, batch: Batch) -> bool:
    """Whether the outputs do not come about without a graph."""
    try:
        with asked(subject) as model:
            subject.forward(model, own(batch))
    except RuntimeError:
        return True
    return False


def _takes_some_rows(batch: Batch) -> bool:
    """Whether there are targets for some of the rows only, beside the mask or the index that picks these."""
    targets = [item for item in tensors_of(batch.targets) if item.dim()]
    is_mask = [item.dtype is torch.bool and tuple(item.shape) == (batch.size,) for item in targets]
    lengths = Counter(len(item) for item, mask in zip(targets, is_mask, strict=True) if not mask)
    if batch.size in lengths:
        return False
    picked = [int(item.sum()) for item, mask in zip(targets, is_mask, strict=True) if mask]
    indexed = any(item.dtype is torch.int64 and item.dim() == 1 and lengths[len(item)] > 1 for item in targets)
    return indexed or any(count in lengths for count in picked)


def _columns_leak(subject: Subject, batch: Batch, length: int) -> bool:
    """Whether the output at a column depends on other columns."""

    def alone(item: Tensor) -> Tensor:
        has_columns = item.dim() > 1 and item.shape[1] == length
        return item[:, :1].expand_as(item).clone() if has_columns else item

    one, other = answer(subject, batch), answer(subject, batch.with_inputs(alone))
    return one.shape != other.shape or difference(one[:, 0], other[:, 0]) > CLEAR


def _place(subject: Subject, batch: Batch, changed: Batch, axis: int, row: int) -> str:
    def part(item: Tensor) -> Tensor | None:
        places = [place for place in (axis, 1 - axis) if item.dim() > place and item.shape[place] == batch.size]
        return item.select(places[0], row) if places else None

    return first_difference(trace(subject, batch), trace(subject, changed), part)
