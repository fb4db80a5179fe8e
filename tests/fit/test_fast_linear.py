from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.fit import fast_linear
from babysit.fit.fast_linear import SMALLEST, fast_linears, product

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no linear of oneDNN"
)
N, WIDE = 128, 160
assert N * WIDE * WIDE > SMALLEST


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine, oneDNN is taken for the faster one."""
    monkeypatch.setattr(fast_linear, "onednn_is_faster", lambda: True)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each product that oneDNN is given by a layer."""
    rows: list[int] = []

    def spy(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rows.append(len(x))
        return product(x, weight, bias)

    monkeypatch.setattr(fast_linear, "product", spy)
    return rows


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).requires_grad_()


@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_float64(bias: bool) -> None:
    inputs = [drawn(9, 7), drawn(5, 7), *([drawn(5)] if bias else [])]
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    weights = drawn(9, 5).detach()
    found = product(*inputs)
    expected = F.linear(*exact)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    (found * weights).sum().backward()  # type: ignore[no-untyped-call]
    (expected * weights.double()).sum().backward()  # type: ignore[no-untyped-call]
    for tensor, reference in zip(inputs, exact, strict=True):
        assert tensor.grad is not None
        assert reference.grad is not None
        torch.testing.assert_close(tensor.grad.double(), reference.grad, rtol=1e-5, atol=1e-5)


def test_it_can_be_differentiated_twice() -> None:
    def penalty(linear: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        outputs = linear(x, weight, bias).tanh().sum()
        (gradient,) = torch.autograd.grad(outputs, x, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), weight)
        return second

    inputs = drawn(6, 4), drawn(3, 4), drawn(3)
    expected = penalty(F.linear, *(tensor.detach().double().requires_grad_() for tensor in inputs))
    torch.testing.assert_close(penalty(product, *inputs).double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frozen", ["x", "weight", "bias"])
def test_what_needs_no_gradient_gets_none(frozen: str) -> None:
    tensors = {"x": drawn(6, 4), "weight": drawn(3, 4), "bias": drawn(3)}
    tensors[frozen].requires_grad_(False)
    product(**tensors).sum().backward()  # type: ignore[no-untyped-call]
    assert {name for name, tensor in tensors.items() if tensor.grad is None} == {frozen}


@pytest.mark.usefixtures("faster")
def test_large_products_of_plain_layers_go_to_onednn_inside_the_block_only(spied: list[int]) -> None:
    class Own(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(WIDE, WIDE), nn.ReLU(), Own(WIDE, WIDE), nn.Linear(WIDE, 1))
    x = drawn(N, WIDE).detach()
    before = model(x)
    with fast_linears(model):
        inside = model(x)
    assert spied == [N]  # neither the subclass nor the small one
    torch.testing.assert_close(inside, before)
    assert torch.equal(model(x), before)
    assert spied == [N]
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.usefixtures("faster")
def test_after_an_error_the_layers_are_as_before() -> None:
    model = nn.Linear(WIDE, WIDE)
    with pytest.raises(ZeroDivisionError), fast_linears(model):
        1 / 0  # noqa: B018
    assert "forward" not in vars(model)


@pytest.mark.usefixtures("faster")
def test_a_forward_of_ones_own_is_kept(spied: list[int]) -> None:
    model = nn.Linear(WIDE, WIDE)
    model.forward = lambda x: x + 1  # type: ignore[assignment, method-assign]
    with fast_linears(model):
        assert torch.equal(model(torch.zeros(N, WIDE)), torch.ones(N, WIDE))
    assert torch.equal(model(torch.zeros(N, WIDE)), torch.ones(N, WIDE))
    assert spied == []


@pytest.mark.usefixtures("faster")
@pytest.mark.parametrize("case", ["three dimensions", "float64", "autocast", "vmap", "grad"])
def test_what_onednn_does_not_do_is_left_to_torch(case: str, spied: list[int]) -> None:
    model, x = nn.Linear(WIDE, WIDE), drawn(N, WIDE).detach()
    if case == "three dimensions":
        x = x.reshape(2, N // 2, WIDE)
    if case == "float64":
        model, x = model.double(), x.double()

    def call() -> Tensor:
        if case == "vmap":
            return torch.vmap(model)(x.expand(2, N, WIDE))
        if case == "grad":
            return torch.func.grad(lambda x: model(x).sum())(x)
        with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
            out: Tensor = model(x)
        return out

    expected = call()
    with fast_linears(model):
        assert torch.equal(call(), expected)
    assert spied == []


def test_where_mkl_is_as_fast_nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_linear, "onednn_is_faster", lambda: False)
    model = nn.Linear(WIDE, WIDE)
    with fast_linears(model):
        assert "forward" not in vars(model)


@pytest.mark.parametrize(
    ("capability", "processor", "expected"),
    [("AVX512", "AuthenticAMD", True), ("AVX512", "GenuineIntel", False), ("AVX2", "AuthenticAMD", False)],
)
def test_the_processors_it_is_for(
    capability: str, processor: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(fast_linear.Path, "read_text", lambda *_, **__: f"vendor_id : {processor}")
    assert fast_linear.onednn_is_faster.__wrapped__() is expected
