"""A loss as a function of the parameters and of nothing else, so that differences can be taken of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from babysit.preflight.batch import map_tensors, tensors_of
from babysit.preflight.randomness import other_randomness, set_other_randomness

SEED = 0
SAME = 1e-12
"""Two values of a loss this close are the same, relative to it: sums in another order on a GPU."""


class UnsteadyError(Exception):
    """Why no differences can be taken of a loss."""


class MovedError(Exception):
    """Two evaluations took different ways, so that their difference says nothing."""


class StillLoss:
    """The loss of a model in double precision, the same whenever the parameters are the same.

    Dropout draws the same units every time, buffers begin as they were, and what autograd is not to see (detached, or
    computed under ``no_grad``, as targets, baselines and straight-through estimators are) keeps its value, as
    autograd takes it for a constant.

    Args:
        model: A copy in float64; its buffers are changed.
        loss: ``() -> scalar``, of this model.
    """

    def __init__(self, model: nn.Module, loss: Callable[[], Tensor]) -> None:
        self._loss = loss
        self._buffers = [
            (module, {name: (item, item.clone()) for name, item in module._buffers.items() if item is not None})
            for module in model.modules()
        ]
        self._randomness = other_randomness()
        self._constants = _Constants()

    def differentiate(self) -> float:
        """The loss, whose gradient is then in the parameters.

        Raises:
            UnsteadyError: The loss cannot be evaluated in double precision, or is not the same twice.
        """
        loss = self._evaluate()
        value = loss.item()
        if loss.dtype != torch.float64 or self._constants.lossy:
            found = self._constants.lossy or str(loss.dtype).removeprefix("torch.")
            raise UnsteadyError(f"the model computes in lower precision by itself ({found})")
        if not loss.requires_grad:
            raise UnsteadyError("the loss has no gradient")
        if not abs(value) < float("inf"):
            raise UnsteadyError("the loss is not finite")
        loss.backward()  # type: ignore[no-untyped-call]
        self._constants.known = True
        try:
            again = self()
        except MovedError as error:
            raise UnsteadyError("the model computes something else each time") from error
        if not abs(again - value) <= SAME * abs(value):
            raise UnsteadyError(
                f"the loss is not the same twice ({value:.6g}, {again:.6g}) with the same random numbers"
            )
        return again

    def __call__(self) -> float:
        """The loss at the parameters as they are.

        Raises:
            MovedError: The model went another way than where it was differentiated.
        """
        return self._evaluate().item()

    def _evaluate(self) -> Tensor:
        with torch.no_grad():
            for module, buffers in self._buffers:
                for name, (item, value) in buffers.items():
                    item.copy_(value)
                    module._buffers[name] = item
        torch.manual_seed(SEED)
        set_other_randomness(self._randomness)
        with torch.enable_grad(), self._constants.again():
            return self._loss()


@contextmanager
def double_precision() -> Iterator[None]:
    """New tensors are of double precision, and nothing is compiled."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _eager():
            yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _eager() -> Iterator[None]:
    if "torch._dynamo" not in sys.modules or not hasattr(torch.compiler, "set_stance"):
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


class _Constants(TorchFunctionMode):
    """What autograd takes for constant though it depends on the parameters: noted once, then given back.

    Attributes:
        lossy: A function that gave up double precision on the way to the loss.
        known: Whether the values have been noted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lossy = ""
        self.known = False
        self._values: list[Any] = []
        self._place = 0
        self._own: frozenset[CodeType] | None = None

    def again(self) -> _Constants:
        """For another evaluation."""
        self._place = 0
        self._own = None
        return self

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = tensors_of((*args, *kwargs.values()))
        seen = any(item.requires_grad for item in given)
        if func is torch.nn.functional.gumbel_softmax and seen:
            return self._gumbel_softmax(*args, **kwargs)
        result = _promoting(func, args, kwargs)
        if isinstance(result, float):
            return self._constant(result, given) if seen and not self._within_own() else result
        if isinstance(result, Tensor) and result.is_floating_point():
            self._check_precision(func, result, given)
            if seen and not result.requires_grad and not self._within_own():
                return self._constant(result, given)
        elif seen and isinstance(result, tuple):  # such as torch.autograd.grad's
            constant = [isinstance(item, Tensor) and not item.requires_grad for item in result]
            if (
                constant
                and all(constant)
                and all(item.is_floating_point() for item in result)
                and not self._within_own()
            ):
                return tuple(self._constant(item, given) for item in result)
        return result

    def _gumbel_softmax(self, logits: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Detaches within torch, out of sight: done again here, with what is detached as a constant."""
        names = ("tau", "hard", "eps", "dim")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        soft = torch.nn.functional.gumbel_softmax(logits, **{**given, "hard": False})
        if not given.get("hard", False):
            return soft
        dim = given.get("dim", -1)
        chosen = torch.zeros_like(soft).scatter(dim, soft.argmax(dim, keepdim=True), 1.0)
        constant: Tensor = self._constant(soft.detach(), [])
        return chosen - constant + soft

    def _constant(self, value: Any, given: list[Tensor]) -> Any:
        is_tensor = isinstance(value, Tensor)
        if not self.known:
            self._values.append(value.clone() if is_tensor else value)
            return value
        if self._place == len(self._values):
            raise MovedError
        noted = self._values[self._place]
        self._place += 1
        if isinstance(noted, Tensor) != is_tensor or (is_tensor and noted.shape != value.shape):
            raise MovedError
        if any(value is item for item in given):  # changed in place
            with torch.no_grad():
                return value.copy_(noted)
        return noted.clone() if is_tensor else noted

    def _check_precision(self, func: Any, result: Tensor, given: list[Tensor]) -> None:
        if result.dtype == torch.float64 or self.lossy:
            return
        if result.requires_grad or (any(item.dtype == torch.float64 for item in given) and self._within_own()):
            name = getattr(func, "__name__", "")
            self.lossy = f"{name}, {str(result.dtype).removeprefix('torch.')}"

    def _within_own(self) -> bool:
        """Whether this happens inside the forward of an ``autograd.Function``, whose backward speaks for it."""
        if self._own is None:
            self._own = frozenset(_forwards())
        frame = sys._getframe(2)
        while frame.f_back is not None:
            if frame.f_code in self._own:
                return True
            frame = frame.f_back
        return False


def _promoting(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a function; where it refuses to mix precisions, with constants (as class weights are) in the higher one."""
    try:
        return func(*args, **kwargs)
    except RuntimeError:
        given = tensors_of((*args, *kwargs.values()))
        if not any(_is_lower(item) for item in given) or not any(item.dtype == torch.float64 for item in given):
            raise

    def promote(item: Tensor) -> Tensor:
        return item.double() if _is_lower(item) else item

    return func(*map_tensors(args, promote), **map_tensors(dict(kwargs), promote))


def _is_lower(item: Tensor) -> bool:
    return item.is_floating_point() and item.dtype != torch.float64 and not item.requires_grad


def _forwards() -> Iterator[CodeType]:
    kinds: list[type] = [torch.autograd.Function]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        code = getattr(kind.__dict__.get("forward"), "__func__", None)
        if code is not None and hasattr(code, "__code__"):
            yield code.__code__
