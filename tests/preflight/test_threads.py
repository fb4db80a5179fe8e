from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from babysit.errors import InputError
from babysit.preflight.api import check


@pytest.fixture
def several() -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


def test_a_step_that_fails_when_it_is_timed_is_refused(several: int) -> None:
    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        loss = (outputs - targets).square().mean()
        loss.register_hook(lambda _: 1 / 0)
        return loss

    with pytest.raises(InputError, match="a model that can take a step of training, found ZeroDivisionError"):
        check(nn.Linear(3, 1), loss_of, (torch.randn(8, 3), torch.randn(8, 1)))
    assert torch.get_num_threads() == several
