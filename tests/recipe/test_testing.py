from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from babysit.data import ReadOptions, read
from babysit.fit.averages import copy_weights
from babysit.recipe.prepared import prepare
from babysit.recipe.testing import with_trained_weights


class Own(nn.Module):
    """A person's model whose parts are called as those around it are."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(4, 3)
        self.preprocess = nn.BatchNorm1d(4)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network(self.preprocess(inputs))
        return outputs


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("make", [Own, lambda: nn.Linear(4, 3)])
def test_weights_of_a_training_fit_any_network(make: type[nn.Module], in_memory: bool) -> None:
    prepared = prepare(read("iris", ReadOptions()), "standardize", lambda _: in_memory)
    network, other = make().eval(), make().eval()
    inputs = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    before, expected = network(inputs), other(inputs)
    averaged = with_trained_weights(prepared, network, copy_weights(prepared.around(other)))
    assert torch.equal(averaged(inputs), expected)
    assert torch.equal(network(inputs), before)
