from __future__ import annotations

from babysit.measure.record import LossCall, Numbers
from babysit.rules._alike import alike, scale, size, spread, targets_vary


def call(
    step: int, name: str = "mse_loss", shape: tuple[int, ...] = (8, 1), std: float | None = 1.0, **changes
) -> LossCall:
    numbers = Numbers(-3.0, 2.0, -9.0, 9.0)
    usual = {"outputs": numbers, "targets": Numbers(0.0, 5.0, -9.0, 9.0), "example_std": std, **changes}
    return LossCall(step, "train", name, 1.0, shape, shape, **usual)


def test_the_first_of_each_step_belong_together() -> None:
    calls = [call(step, std=number) for step in range(3) for number in (1.0, 2.0)]
    calls += [call(step, shape=(8, 4), std=3.0) for step in range(3)] + [call(9, std=None)]
    groups = [[item.example_std for item in group] for group in alike(calls)]
    assert groups == [[1.0] * 3, [2.0] * 3, [3.0] * 3]
    # the last batch of an epoch is smaller, and is of the same kind
    assert [len(group) for group in alike([call(0), call(1, shape=(3, 1))])] == [2]


def test_sizes() -> None:
    assert scale(call(0)) == 5.0
    assert scale(call(0, "cross_entropy")) == 1.0
    assert size(call(0)) == 3.0
    assert spread(call(0, std=None)) == 0.0


def test_targets_that_vary() -> None:
    assert targets_vary(call(0))
    assert targets_vary(call(0, counts=(1, 0, 7)))
    assert not targets_vary(call(0, counts=(0, 8)))
    assert not targets_vary(call(0, targets=Numbers(0.0, 0.0, 0.0, 0.0)))
    assert not targets_vary(call(0, targets=Numbers(*[float("nan")] * 4)))
