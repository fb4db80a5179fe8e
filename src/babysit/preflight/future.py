"""Does a model that predicts the next token see it? The output at a position must not depend on later inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from babysit.measure.record import Probe
from babysit.preflight.answers import (
    Clock,
    NotApplicable,
    answers,
    attempt,
    difference,
    finite,
    first_difference,
    rounding,
    trace,
    worst,
)
from babysit.preflight.batch import Batch, tensors_of
from babysit.preflight.gradients import input_gradients
from babysit.preflight.subject import Subject

NAME = "future-leakage"
EXAMPLES = 4
"""Of the batch, where the model takes any number."""
SHIFTED = 0.9
"""Share of the targets that have to be the next input, counted where that is another than the input itself."""
FEWEST = 8
"""Places where they have to be compared."""
CLEAR = 1e-5
"""A dependence below this is not looked into further."""


@dataclass(frozen=True)
class Sequences:
    """Inputs whose next value is the target.

    Attributes:
        place: Which of the tensors among the inputs.
        shape: Of the sequences: ``(N, T)``, ``(T, N)`` or ``(T,)``.
        axis: The dimension of time.
        share: Of the targets that are the next input.
    """

    place: int
    shape: tuple[int, ...]
    axis: int
    share: float

    @property
    def length(self) -> int:
        """Positions."""
        return self.shape[self.axis]


def probe_future(subject: Subject, *, time_limit: float = 5.0) -> Probe:
    """Change the inputs after a position, and see whether the outputs before it change.

    Args:
        subject: Left as it is.
        time_limit: Seconds after which nothing further is begun.

    Returns:
        A probe with ``difference``, the largest change of an earlier output relative to the outputs; ``gradient``, the
        largest gradient of one by later inputs over that by any, where there is one; ``later``, the change of the
        outputs at the changed positions; ``control``, the change when nothing was changed; and the module where it is
        first seen. A reason where the target is not the next input.
    """
    return attempt(NAME, lambda: _measure(subject, Clock(time_limit)))


def _measure(subject: Subject, clock: Clock) -> Probe:
    found = next_inputs(subject.batch)
    if found is None:
        raise NotApplicable("the targets are not the next inputs of a sequence")
    is_batched = len(found.shape) == 2 and found.axis == 1 and found.shape[0] == subject.batch.size
    batch = subject.few(EXAMPLES) if is_batched and not subject.fixed_size else subject.batch
    if is_batched:
        found = Sequences(found.place, (batch.size, found.shape[1]), found.axis, found.share)
    base = answers(subject, batch)
    layouts = list(_layouts(base, found))
    if not layouts:
        raise NotApplicable("the outputs have no place for every position")
    # where the shapes leave two readings, the one that sees nothing of the future is the right one
    probes = [_probe(subject, batch, found, base, layout, clock) for layout in layouts[:2]]
    return min(probes, key=lambda probe: probe.numbers["difference"])


def next_inputs(batch: Batch) -> Sequences | None:
    """The input of which the targets, or another input, are the next values; ``None`` without one."""
    inputs = batch.tensors()
    targets = tensors_of(batch.targets) or inputs
    best: Sequences | None = None
    for place, given in enumerate(inputs):
        values = _tokens(given)
        for target in targets:
            for axis, share in _shares(values, target) if target is not given else ():
                if share > SHIFTED and (best is None or share > best.share):
                    best = Sequences(place, tuple(given.shape[: min(values.dim(), 2)]), axis, share)
    return best


def _tokens(given: Tensor) -> Tensor:
    """Classes where an input is one-hot."""
    if given.dim() < 2 or not given.is_floating_point() or given.shape[-1] < 2:
        return given
    is_one_hot = bool(((given == 0) | (given == 1)).all()) and bool((given.sum(dim=-1) == 1).all())
    return given.argmax(dim=-1) if is_one_hot else given


def _shares(values: Tensor, target: Tensor) -> Iterator[tuple[int, float]]:
    """For every dimension that may be time: the share of the targets that are the next value."""
    if not values.dim() or target.numel() != values.numel() or target.is_floating_point() != values.is_floating_point():
        return
    same = target.reshape(values.shape).to(values.device)
    forms = [same]
    if values.dim() == 2 and target.dim() == 1 and values.shape[0] != values.shape[1]:
        forms.append(target.reshape(values.shape[::-1]).t().to(values.device))
    for axis in range(min(2, values.dim())):
        if values.shape[axis] < 3 or (axis and values.dim() == 2 and values.is_floating_point()):
            continue
        now, later = values.narrow(axis, 0, values.shape[axis] - 1), values.narrow(axis, 1, values.shape[axis] - 1)
        for form in forms:
            answer = form.narrow(axis, 0, values.shape[axis] - 1)
            telling = (now != later) & (answer != -100)
            if int(telling.sum()) >= FEWEST:
                yield axis, (answer == later)[telling].double().mean().item()


Layout = tuple[int, str]
"""Which of the outputs, and how positions lie in it: ``first``, ``last``, ``flat``, ``flat-turned``."""


def _layouts(outputs: list[Tensor], found: Sequences) -> Iterator[Layout]:
    rows, dims = found.shape, len(found.shape)
    count = rows[0] * rows[1] if dims == 2 else rows[0]
    for place, item in enumerate(outputs):
        if item.dim() >= dims and tuple(item.shape[:dims]) == rows:
            yield place, "first"
        if dims == 2 and item.dim() == 3 and (item.shape[0], item.shape[2]) == rows:
            yield place, "last"
        if dims == 2 and item.dim() and len(item) == count and rows[0] > 1:
            yield place, "flat"
            yield place, "flat-turned"


def _arranged(item: Tensor, layout: str, found: Sequences) -> Tensor:
    """An output with its positions in the first dimension."""
    if layout == "last":
        item = item.movedim(2, 1)
    elif layout == "flat":
        item = item.reshape(*found.shape, *item.shape[1:])
    elif layout == "flat-turned":
        item = item.reshape(*found.shape[::-1], *item.shape[1:]).transpose(0, 1)
    return item.movedim(found.axis, 0)


def _probe(subject: Subject, batch: Batch, found: Sequences, base: list[Tensor], layout: Layout, clock: Clock) -> Probe:
    place, form = layout
    before = _arranged(finite(base[place]), form, found)
    cuts = sorted({max(1, found.length * part // 4) for part in (2, 1, 3)}, key=lambda cut: abs(cut - found.length / 2))
    earlier: list[tuple[float, int]] = []
    later: list[float] = []
    for cut in cuts:
        if earlier and clock.over:
            break
        after = _arranged(answers(subject, _changed(batch, found, cut))[place], form, found)
        scale = before.abs().max().item() or 1.0
        earlier.append(((before[:cut] - after[:cut]).abs().max().item() / scale, cut))
        later.append((before[cut:] - after[cut:]).abs().max().item() / scale)
    again = _arranged(answers(subject, batch)[place], form, found)
    numbers = {
        "difference": worst([value for value, _ in earlier]),
        "later": worst(later),
        "control": difference(before, again),
        "precision": rounding(before),
        "positions": float(found.length),
        "shifted": found.share,
    }
    gradient = None if clock.over else _by_gradient(subject, batch, found, layout, cuts[0])
    if gradient is not None:
        numbers["gradient"] = gradient
    texts: dict[str, str] = {}
    if numbers["difference"] > CLEAR:
        texts["module"] = _place(subject, batch, found, max(earlier)[1])
    return Probe(NAME, numbers=numbers, texts=texts | clock.note)


def _changed(batch: Batch, found: Sequences, cut: int) -> Batch:
    """The sequences with other values from a position on, taken from all over them."""
    count = -1

    def change(item: Tensor) -> Tensor:
        nonlocal count
        count += 1
        if count != found.place:
            return item
        whole = item.movedim(found.axis, 0)
        rows = whole.reshape(-1, *item.shape[len(found.shape) :])
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(cut)).to(item.device)
        mixed = rows[order].reshape(whole.shape)
        return torch.cat([whole[:cut], mixed[cut:]]).movedim(0, found.axis).contiguous()

    return batch.with_inputs(change)


def _by_gradient(subject: Subject, batch: Batch, found: Sequences, layout: Layout, cut: int) -> float | None:
    """The largest gradient of earlier outputs by later inputs over that by any; ``None`` where there is none."""
    place, form = layout

    def output(outputs: object) -> Tensor:
        return [item for item in tensors_of(outputs) if item.is_floating_point()][place]

    def part(item: Tensor) -> Tensor:
        return _arranged(item, form, found)[:cut]

    try:
        (leaves,) = input_gradients(subject, batch, output, [part])
    except Exception:  # no gradient in evaluation mode, or none at all: the other opinion has to do
        return None
    shares = []
    for item in leaves:
        if item.dim() < len(found.shape) or tuple(item.shape[: len(found.shape)]) != found.shape:
            continue
        sizes = item.abs().movedim(found.axis, 0).reshape(found.length, -1).amax(dim=1)
        largest = sizes.max().item()
        if 0 < largest < float("inf"):
            shares.append(sizes[cut:].max().item() / largest)
    # of several embeddings, those of another sequence, such as a translation's source, may be seen whole
    return min(shares, default=None)


def _place(subject: Subject, batch: Batch, found: Sequences, cut: int) -> str:
    def part(item: Tensor) -> Tensor | None:
        dims = len(found.shape)
        if item.dim() < dims or tuple(item.shape[:dims]) != found.shape:
            return None
        return item.movedim(found.axis, 0)[:cut]

    return first_difference(trace(subject, batch), trace(subject, _changed(batch, found, cut)), part)
