from __future__ import annotations

import copy
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from babysit import fit
from babysit import watch as watching
from babysit.fit import fast_pooling as subject
from babysit.fit.fast_pooling import fast_pooling, looks_only, norm_relu_pool


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of maps of each block that was fused."""
    maps: list[int] = []

    def spy(norm: nn.BatchNorm2d, pool: nn.MaxPool2d, x: Tensor) -> Tensor:
        maps.append(x.shape[1])
        return norm_relu_pool(norm, pool, x)

    monkeypatch.setattr(subject, "norm_relu_pool", spy)
    return maps


def block(pool: nn.MaxPool2d | None = None, **norm: object) -> nn.Sequential:
    layer = nn.BatchNorm2d(4, **norm)  # type: ignore[arg-type]
    return nn.Sequential(layer, nn.ReLU(), pool or nn.MaxPool2d(2))


def drawn(*shape: int, mean: float = 0.0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))) + mean
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def with_weights(model: nn.Sequential, weight: list[float]) -> nn.Sequential:
    norm = model[0]
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(weight))
        norm.bias.copy_(torch.tensor([0.3, -0.2, 0.1, 0.4]))
    return model


def everything(model: nn.Module, x: Tensor, *, fast: bool) -> dict[str, Tensor]:
    """Output, gradients and running statistics after one step; float64 gives the reference."""
    model.train()
    for parameter in model.parameters():
        parameter.grad = None
    x = x.detach().requires_grad_()
    with fast_pooling(model) if fast else nullcontext():
        y = model(x)
    weights = torch.linspace(-1, 2, y.numel()).view(y.shape).to(y)
    (y * weights).sum().backward()  # type: ignore[no-untyped-call]
    found = {"y": y.detach(), "x.grad": x.grad, **dict(model.named_buffers())}
    found |= {f"{name}.grad": parameter.grad for name, parameter in model.named_parameters()}
    return {name: tensor.double() for name, tensor in found.items() if tensor is not None}


def assert_same(model: nn.Module, x: Tensor) -> None:
    exact = everything(copy.deepcopy(model).double(), x.double(), fast=False)
    found = everything(model, x, fast=True)
    assert found.keys() == exact.keys()
    for name, tensor in exact.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=2e-5, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("weight", [[1.0, 0.5, 2.0, 1.0], [-1.0, 0.5, -2.0, 1.0], [0.0, 0.5, -2.0, 1.0]], ids=str)
@pytest.mark.parametrize("shape", [(6, 4, 8, 8), (3, 4, 7, 9), (1, 4, 2, 3)], ids=str)
def test_values_gradients_and_statistics_are_those_of_float64(
    weight: list[float], shape: tuple[int, ...], fused: list[int]
) -> None:
    assert_same(with_weights(block(), weight), drawn(*shape))
    assert fused == [4]


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 1, padding=1), nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d((1, 2))],
    ids=repr,
)
def test_other_poolings_are_right_too(pool: nn.MaxPool2d, fused: list[int]) -> None:
    assert_same(with_weights(block(pool), [1.0, -0.5, 2.0, 1.0]), drawn(5, 4, 7, 7))
    assert fused == [4]


def test_a_mean_far_from_zero_is_no_worse_than_the_plain_modules() -> None:
    x, model = drawn(8, 4, 8, 8, mean=50.0), with_weights(block(), [1.0, 0.5, 2.0, 1.0])
    exact = everything(copy.deepcopy(model).double(), x.double(), fast=False)
    plain = everything(copy.deepcopy(model), x, fast=False)
    found = everything(model, x, fast=True)
    for name, tensor in exact.items():
        allowed = 4 * (plain[name] - tensor).abs().max() + 1e-4
        assert (found[name] - tensor).abs().max() <= allowed, name


def test_equal_values_send_their_gradient_to_the_first_of_them() -> None:
    x = torch.zeros(2, 4, 4, 4)
    x[0, :, 0, 0] = 1.0
    assert_same(block(), x.contiguous(memory_format=torch.channels_last))


def test_a_map_that_is_zero_after_the_relu_passes_nothing() -> None:
    model = with_weights(block(), [1.0, 1.0, 1.0, 1.0])
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
    found = everything(model, drawn(4, 4, 6, 6), fast=True)
    assert all(not found[name].any() for name in ("y", "x.grad", "0.weight.grad", "0.bias.grad"))


def test_it_can_be_differentiated_twice() -> None:
    def penalty(model: nn.Module, fast: bool) -> Tensor:
        x = drawn(4, 4, 6, 6)
        with fast_pooling(model) if fast else nullcontext():
            (slope,) = torch.autograd.grad(model(x).square().sum(), x, create_graph=True)
        slope.square().sum().backward()  # type: ignore[no-untyped-call]
        grad = model[0].weight.grad  # type: ignore[index]
        assert isinstance(grad, Tensor)
        return grad

    torch.testing.assert_close(penalty(block(), True), penalty(block(), False), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (block(momentum=None), drawn(4, 4, 6, 6)),
        (block(affine=False), drawn(4, 4, 6, 6)),
        (block(track_running_stats=False), drawn(4, 4, 6, 6)),
        (block(), torch.randn(4, 4, 6, 6)),
    ],
    ids=["momentum", "affine", "statistics", "layout"],
)
def test_what_it_cannot_do_is_done_by_the_plain_modules(model: nn.Sequential, x: Tensor, fused: list[int]) -> None:
    assert_same(model, x)
    assert not fused


def test_evaluation_and_double_precision_are_plain(fused: list[int]) -> None:
    model, x = block(), drawn(4, 4, 6, 6)
    with fast_pooling(model):
        model.eval()
        found = model(x)
        model.train().double()(x.double())
    assert not fused
    torch.testing.assert_close(found, block().eval()(x))


def test_a_relu_alone_is_exchanged_with_the_pooling_bit_for_bit() -> None:
    def grads(fast: bool) -> list[Tensor]:
        found = everything(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), drawn(3, 4, 6, 6), fast=fast)
        return [found["y"], found["x.grad"]]

    assert all(map(torch.equal, grads(True), grads(False)))


def test_hooks_that_look_see_the_plain_values_and_change_nothing(fused: list[int]) -> None:
    x, model = drawn(4, 4, 6, 6), with_weights(block(), [1.0, -0.5, 2.0, 1.0])
    alone = everything(copy.deepcopy(model), x, fast=True)
    expected = [x.detach()]
    for module in copy.deepcopy(model):
        expected.append(module(expected[-1]))
    seen: list[Tensor] = []
    for module in model:
        module.register_forward_hook(looks_only(lambda _module, inputs, output: seen.extend((inputs[0], output))))
    watched = everything(model, x, fast=True)
    assert fused == [4, 4]
    assert all(torch.equal(watched[name], alone[name]) for name in alone)
    shown = [expected[0], expected[1], expected[1], expected[2], expected[2], expected[3]]
    for found, value in zip(seen, shown, strict=True):
        torch.testing.assert_close(found, value)


def test_other_hooks_get_the_plain_modules(fused: list[int]) -> None:
    model = block()
    model[1].register_forward_hook(lambda _module, _inputs, output: output * 2)
    x = drawn(4, 4, 6, 6)
    expected = everything(copy.deepcopy(model), x, fast=False)
    found = everything(model, x, fast=True)
    assert not fused
    torch.testing.assert_close(found["y"], expected["y"])


def test_a_module_that_is_used_twice_keeps_its_places(fused: list[int]) -> None:
    relu, pool = nn.ReLU(), nn.MaxPool2d(2)
    model = nn.Sequential(nn.BatchNorm2d(4), relu, pool, nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), relu, pool)
    assert_same(model.to(memory_format=torch.channels_last), drawn(4, 4, 8, 8))  # type: ignore[call-overload]
    assert fused == [4, 4]


def test_all_is_as_before_afterwards_an_exception_included() -> None:
    model = block()
    with fast_pooling(model):
        assert "forward" in vars(model)
    assert "forward" not in vars(model)
    with pytest.raises(RuntimeError), fast_pooling(model):
        model(torch.zeros(2, 3, 4, 4))
    assert "forward" not in vars(model)


def trained(watch: bool) -> dict[str, Tensor]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), *block(), nn.Flatten(), nn.Linear(36, 2))
    data = (drawn(64, 1, 8, 8).detach(), torch.arange(64) % 2)
    with watching() if watch else nullcontext():
        fit(model, data, epochs=2, batch_size=8, watch=False, threads=1)
    return model.state_dict()


def test_a_training_that_is_watched_from_outside_is_the_same_bit_for_bit(fused: list[int]) -> None:
    alone, watched = trained(False), trained(True)
    assert fused == [4] * 32
    assert all(torch.equal(watched[name], alone[name]) for name in alone)
