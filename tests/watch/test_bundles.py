"""Parameters that are looked at together, against each by itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.watch.bundles import WHOLE, Bundle, Moves, bundled
from babysit.watch.gather import Gather


def trained(*shape: int, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    parameter = nn.Parameter(torch.randn(shape, dtype=dtype))
    parameter.grad = torch.randn(shape, dtype=dtype)
    return parameter


def moved(parameters: list[Tensor], changes: list[Tensor], *, multiplied: float = 1.0, closely: bool = True) -> Moves:
    with torch.no_grad():
        bundle, gather = Bundle(parameters, multiplied), Gather()
        for parameter, change in zip(parameters, changes, strict=True):
            parameter += change
        bundle.end(closely=closely)
        read = bundle.put(gather)
    gather.read()
    return read()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_the_numbers_are_those_of_each_parameter(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    parameters: list[Tensor] = [trained(*shape, dtype=dtype) for shape in ((5, 7), (7,), (), (3, 2, 2))]
    parameters.append(nn.Parameter(trained(6, 4, dtype=dtype).detach().t()))
    parameters[-1].grad = torch.randn(4, 6, dtype=dtype)
    before = [item.detach().clone() for item in parameters]
    changes = [0.1 * torch.randn_like(item) for item in before]
    each, downhill = moved(parameters, changes, multiplied=4.0)
    gradients = [item.grad for item in parameters if item.grad is not None]
    for move, weight, gradient, change in zip(each, before, gradients, changes, strict=True):
        assert move.weight == pytest.approx(float(weight.norm()), rel=1e-5)
        assert move.gradient == pytest.approx(float(gradient.norm()) / 4, rel=1e-5)
        assert move.update == pytest.approx(float(change.norm()), rel=1e-5)
    product = sum(float((c.conj() * g).sum().real) for c, g in zip(changes, gradients, strict=True))
    assert downhill == pytest.approx(product / 4, rel=1e-3)


def test_of_large_parameters_a_part_tells_of_the_whole() -> None:
    torch.manual_seed(0)
    parameters: list[Tensor] = [trained(10), trained(2 * WHOLE // 100, 100)]
    gradients = [item.grad for item in parameters if item.grad is not None]
    changes = [-0.01 * item for item in gradients]
    each, downhill = moved(parameters, changes)
    assert [move.update for move in each] == pytest.approx([float(item.norm()) for item in changes], rel=0.02)
    assert downhill == pytest.approx(-0.01 * sum(float(item.square().sum()) for item in gradients), rel=0.02)


def test_small_updates_in_half_precision_are_not_rounded_away() -> None:
    parameter = trained(8, 8, dtype=torch.float16)
    with torch.no_grad():
        parameter.fill_(1e-4)
    assert parameter.grad is not None
    parameter.grad.fill_(1e-4)
    before = parameter.detach().clone()
    _, downhill = moved([parameter], [torch.full_like(parameter, 1e-5)])
    change = (parameter.detach().double() - before.double()).sum()
    assert downhill == pytest.approx(1e-4 * float(change), rel=1e-2)


def test_what_is_not_looked_at_closely_has_no_direction() -> None:
    each, downhill = moved([trained(3)], [torch.ones(3)], closely=False)
    assert downhill is None
    assert each[0].update == pytest.approx(3**0.5)


def test_parameters_without_a_gradient_or_with_a_sparse_one_have_bundles_of_their_own() -> None:
    dense, without, sparse, wide = trained(3, 2), nn.Parameter(torch.ones(3)), trained(4, 2), trained(2)
    sparse.grad = None
    F.embedding(torch.tensor([1, 1]), sparse, sparse=True).backward(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    found = bundled([dense, without, sparse, wide])
    assert [[id(item) for item in some] for some in found] == [[id(dense), id(wide)], [id(without), id(sparse)]]
    each, downhill = moved(found[1], [torch.ones(3), torch.ones(4, 2)])
    assert (each[0].gradient, each[1].gradient, downhill) == (None, pytest.approx(5.0), None)
