"""A lack of memory, real ones of the processor's allocator: told in one line, whatever part of a check asked for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import babysit as bs
from babysit.errors import InputError
from babysit.preflight import Report
from babysit.preflight.failures import failure, lacks_memory, refusal
from babysit.rules._config import DEFAULTS

TOO_MANY = 1 << 50


class Greedy(nn.Module):
    """A small network that asks for more memory than there is, at one place."""

    def __init__(self, place: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.place = place
        self.body = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 5))

    def forward(self, x: Tensor) -> Tensor:
        if self.place == "forward" or (self.place == "double precision" and x.dtype is torch.float64):
            torch.empty(TOO_MANY)
        return Backward.apply(self.body(x)) if self.place == "backward" else self.body(x)

    def __deepcopy__(self, memo: Any) -> Greedy:
        if self.place == "copy":
            torch.empty(TOO_MANY)
        made = Greedy(self.place)
        made.load_state_dict(self.state_dict())
        return made


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return torch.empty(TOO_MANY)


def check(place: str) -> Report:
    torch.manual_seed(0)
    x = torch.randn(64, 20)
    return bs.check(Greedy(place), F.cross_entropy, (x, x[:, :5].argmax(1)), seconds=2.0, config=DEFAULTS)


@pytest.mark.parametrize("place", ["copy", "forward", "backward"])
def test_what_cannot_be_checked_for_lack_of_memory_is_refused_in_one_line(place: str) -> None:
    with pytest.raises(InputError) as refused:
        check(place)
    said = str(refused.value)
    assert said.startswith("Greedy: expected memory for copies of the model and a step with this batch, found out of ")
    assert said.endswith("give a smaller batch, or check a smaller model of the same kind")
    assert "\n" not in said


def test_an_experiment_that_lacks_memory_says_so_and_the_others_are_made() -> None:
    checks = {item.name: item for item in check("double precision").checks}
    assert checks["gradient"].mark == "not applicable"
    assert "out of memory (RuntimeError: " in checks["gradient"].measured
    assert checks["initial-loss"].mark == checks["learning-rate"].mark == "passed"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
    ],
)
def test_what_other_devices_say(error: Exception) -> None:
    assert lacks_memory(error)
    assert failure(error).startswith("out of memory (")
    assert "memory for copies" in str(refusal("Net", error, expected="a copy", todo="mend it"))


def test_what_is_no_lack_of_memory_is_told_as_it_is() -> None:
    error = ValueError("a memory\nof words")
    assert failure(error) == "ValueError: a memory of words"
    assert str(refusal("Net", error, expected="a copy", todo="mend it")) == (
        "Net: expected a copy, found ValueError: a memory of words; mend it"
    )


def test_a_backward_pass_that_raises_is_refused_in_one_line() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(20, 5)

        def forward(self, x: Tensor) -> Tensor:
            outputs: Tensor = self.body(x)
            if outputs.requires_grad:
                outputs.register_hook(lambda _: 1 / 0)
            return outputs

    x = torch.randn(64, 20)
    with pytest.raises(InputError, match="can take a step of training, found ZeroDivisionError"):
        bs.check(Broken(), F.cross_entropy, (x, x[:, :5].argmax(1)), config=DEFAULTS)
