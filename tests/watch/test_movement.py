"""Parameters that were written to, told by their version counters and by their values."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from babysit.watch.movement import WHOLE, Movement


def noted(*parameters: Tensor) -> Movement:
    movement = Movement()
    movement.note(parameters)
    return movement


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.complex128])
@pytest.mark.parametrize("size", [1, 10, WHOLE + 1])
def test_what_is_written_through_data_is_noticed(kind: torch.dtype, size: int) -> None:
    weight = nn.Parameter(torch.ones(size, dtype=kind))
    movement = noted(weight)
    assert not movement.happened
    weight.data.mul_(2)
    assert movement.happened
    movement.note([weight])
    assert not movement.happened


def test_the_rows_of_an_embedding_that_a_step_reached() -> None:
    embedding = nn.Embedding(4099, 7)
    embedding(torch.tensor([1234])).sum().backward()
    assert embedding.weight.grad is not None
    movement = noted(embedding.weight)
    embedding.weight.data.sub_(0.1 * embedding.weight.grad)
    assert movement.happened


def test_what_is_not_a_number_stands_still() -> None:
    weight = nn.Parameter(torch.tensor([math.nan, 1.0]))
    movement = noted(weight)
    assert not movement.happened
    weight.data[0] = 0.0
    assert movement.happened


def test_other_forms_of_the_same_values_are_no_update() -> None:
    model = nn.Conv2d(3, 4, 3)
    movement = noted(*model.parameters())
    model.to(memory_format=torch.channels_last)
    assert not movement.happened
    model.double()
    assert not movement.happened


def test_parameters_that_cannot_be_read_are_left_out() -> None:
    weight, gone = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(5))
    others = [
        nn.Parameter(torch.empty(0)),
        nn.Parameter(torch.empty(3, device="meta")),
        nn.Parameter(torch.eye(2).to_sparse()),
        nn.Parameter(torch.ones(4, dtype=torch.float8_e5m2)),
        gone,
    ]
    movement = noted(*others, weight)
    assert not movement.happened
    gone.untyped_storage().resize_(0)
    assert not movement.happened
    del gone
    others.pop()
    assert not movement.happened
    movement.note(movement.parameters)
    weight.data.zero_()
    assert movement.happened


def test_after_an_update_that_version_counters_tell_of_no_values_are_compared() -> None:
    weight = nn.Parameter(torch.ones(3))
    movement = noted(weight)
    with torch.no_grad():
        weight += 1
    assert movement.happened
    movement.note([weight])
    with torch.no_grad():
        weight += 1
    assert movement.happened
    movement.note([weight])
    assert not movement.happened
    movement.note([weight])
    weight.data.zero_()
    assert movement.happened
