"""What a model answers, asked again and again from the same state: the ground of probes that compare answers."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np
import torch
from torch import Tensor, nn

from babysit.measure.record import Probe
from babysit.preflight.batch import Batch, tensors_of
from babysit.preflight.failures import failure
from babysit.preflight.isolation import isolated, without_graph
from babysit.preflight.modes import set_training
from babysit.preflight.randomness import randomness_kept
from babysit.preflight.subject import Subject

Trace = list[tuple[str, Tensor]]
"""What every module gave, by its path, in the order in which they were through."""
SEEN = 1e-5
"""Relative difference from which a module's answers count as different: a hundred roundings of float32."""


class NotApplicable(Exception):  # noqa: N818 - a reason, not an error
    """Why a question cannot be put to this subject."""


def attempt(name: str, measure: Callable[[], Probe]) -> Probe:
    """Make a probe; one that cannot be made says why, in ``texts["reason"]``."""
    try:
        return measure()
    except NotApplicable as reason:
        return Probe(name, texts={"reason": str(reason)})
    except Exception as error:  # whatever somebody's model raises
        return Probe(name, texts={"reason": f"the model failed: {failure(error)}"})


class Clock:
    """A time limit.

    Args:
        limit: Seconds.

    Attributes:
        cut: Whether anything was left out because the time was over.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._end = time.monotonic() + limit
        self.cut = False

    @property
    def over(self) -> bool:
        """Whether nothing more should be begun; what would have come is then taken for left out."""
        self.cut = self.cut or time.monotonic() > self._end
        return self.cut

    @property
    def note(self) -> dict[str, str]:
        """The text ``"gave_up"`` for a probe from which something was left out."""
        return {"gave_up": f"after {self._limit:.2g} s"} if self.cut else {}

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._end - time.monotonic())


@contextmanager
def asked(subject: Subject, seed: int = 0, *, training: bool = False) -> Iterator[nn.Module]:
    """A copy in evaluation mode; random numbers of torch, NumPy and Python begin at ``seed`` and are put back."""
    with randomness_kept(), isolated(subject.model, seed) as model:
        random.seed(seed)
        np.random.seed(seed)
        set_training(model, training)
        yield model


@without_graph
def answers(subject: Subject, batch: Batch, seed: int = 0) -> list[Tensor]:
    """Every floating-point tensor that a fresh copy gives."""
    with asked(subject, seed) as model:
        return [item.clone() for item in floating(subject.forward(model, own(batch)))]


def answer(subject: Subject, batch: Batch, seed: int = 0) -> Tensor:
    """The one that counts as the output."""
    return output_of(answers(subject, batch, seed), batch)


def output_of(found: Sequence[Tensor], batch: Batch) -> Tensor:
    """The first tensor with a row for every example, or the first at all, as :meth:`Subject.output` has it.

    Raises:
        NotApplicable: There is none, or it is not finite.
    """
    if not found:
        raise NotApplicable("the model gives no floating-point numbers")
    return finite(next((item for item in found if item.dim() and len(item) == batch.size), found[0]))


def some(subject: Subject, count: int) -> tuple[Batch, list[Tensor]]:
    """A few examples, or the batch where the model takes no fewer; with everything that is answered to them."""
    if not subject.fixed_size and count < subject.batch.size and batch_axis(subject.batch) == 0:
        with suppress(Exception):  # edges that lead to other nodes, a size that is set
            few = subject.few(count)
            return few, answers(subject, few)
    return subject.batch, answers(subject, subject.batch)


@without_graph
def trace(subject: Subject, batch: Batch, seed: int = 0) -> Trace:
    """What every module of a fresh copy gives."""
    found: Trace = []
    with asked(subject, seed) as model, hooked(model, lambda path, item: found.append((path, item.clone()))):
        subject.forward(model, own(batch))
    return found


@contextmanager
def hooked(model: nn.Module, note: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Tell ``note`` the first floating-point tensor that each submodule gives."""

    def hook_for(path: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, outputs: object) -> None:
            for item in floating(outputs)[:1]:
                note(path, item)

        return hook

    handles = [module.register_forward_hook(hook_for(path)) for path, module in model.named_modules() if path]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def first_difference(one: Trace, other: Trace, part: Callable[[Tensor], Tensor | None]) -> str:
    """The path of the first module whose answers differ in the part that should be alike; ``""`` without one."""
    for (path, left), (_, right) in zip(one, other, strict=False):
        if left.shape != right.shape:
            return ""
        parts = part(left), part(right)
        if parts[0] is not None and parts[1] is not None and difference(parts[0], parts[1]) > SEEN:
            return path
    return ""


def difference(one: Tensor, other: Tensor) -> float:
    """Largest difference over the largest value; 0 for equal ones, NaN where a value is not finite."""
    if not one.numel():
        return 0.0
    one, other = one.double(), other.double()
    size = max(one.abs().max().item(), other.abs().max().item())
    largest = (one - other).abs().max().item()
    return largest / size if size else largest


def floating(value: object) -> list[Tensor]:
    """The floating-point tensors in whatever a model gives, without a graph."""
    return [item.detach() for item in tensors_of(value) if item.is_floating_point()]


def finite(item: Tensor) -> Tensor:
    """The tensor itself.

    Raises:
        NotApplicable: It holds NaN or infinities.
    """
    if not bool(item.isfinite().all()):
        raise NotApplicable("the outputs are not finite")
    return item


def own(batch: Batch) -> Batch:
    """A batch that a model may write into."""
    return batch.with_inputs(torch.clone)


def batch_axis(batch: Batch) -> int:
    """The dimension of the inputs along which examples lie: 1 where none has them in the first, as time-major ones.

    Raises:
        NotApplicable: It is neither.
    """
    tensors = batch.tensors()
    if any(item.dim() and len(item) == batch.size for item in tensors):
        return 0
    if any(item.dim() > 1 and item.shape[1] == batch.size for item in tensors):
        return 1
    raise NotApplicable("no input has a row for every example")


def pick(batch: Batch, places: Sequence[int], axis: int) -> Batch:
    """The same batch with other examples at its places; targets stay."""
    index = torch.as_tensor(places)

    def change(item: Tensor) -> Tensor:
        is_batched = item.dim() > axis and item.shape[axis] == batch.size
        return item.index_select(axis, index.to(item.device)) if is_batched else item

    return batch.with_inputs(change)


def rounding(item: Tensor) -> float:
    """The relative rounding of a tensor's numbers."""
    return float(torch.finfo(item.dtype).eps)


def worst(values: Sequence[float]) -> float:
    """The largest, 0 without any; NaN counts as none."""
    return max((value for value in values if not math.isnan(value)), default=0.0)
