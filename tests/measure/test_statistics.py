from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from babysit.measure import statistics

FINITE = st.floats(-1e6, 1e6, width=32)
# half of the values are zero, as behind a ReLU
VALUES = st.one_of(st.just(0.0), FINITE)


def arrays(elements: st.SearchStrategy[float], least: int = 1, most: int = 4) -> st.SearchStrategy[np.ndarray]:
    shapes = hnp.array_shapes(min_dims=least, max_dims=most, min_side=1, max_side=6)
    return hnp.arrays(np.float32, shapes, elements=elements)


@settings(deadline=None)
@given(values=arrays(FINITE))
def test_mean_and_standard_deviation(values: np.ndarray) -> None:
    mean, std = statistics.mean_and_std(torch.from_numpy(values))
    exact = values.astype(np.float64)
    scale = np.abs(exact).max()
    assert mean.item() == pytest.approx(exact.mean(), rel=1e-5, abs=1e-6 * scale)
    # below 1e-18 the squares are no longer normal float32 numbers
    assert std.item() == pytest.approx(exact.std(), rel=1e-4, abs=1e-5 * scale + 1e-18)


def test_a_large_mean_does_not_drown_a_small_spread() -> None:
    values = 1000 + np.random.default_rng(0).normal(size=(300, 50))
    _, std = statistics.mean_and_std(torch.from_numpy(values).float())
    assert std.item() == pytest.approx(values.std(), rel=1e-3)


def test_the_layout_in_memory_does_not_matter() -> None:
    maps = torch.randn(4, 5, 6, 7).relu()
    last = maps.to(memory_format=torch.channels_last)
    for function in (statistics.zero_fraction, statistics.alive_units, lambda x: statistics.mean_and_std(x)[1]):
        torch.testing.assert_close(function(last), function(maps))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_short_floats_do_not_overflow(kind: torch.dtype) -> None:
    values = torch.tensor([-1000.0, 1000.0, 1000.0, -1000.0], dtype=kind)
    mean, std = statistics.mean_and_std(values)
    assert (mean.item(), std.item()) == (0, 1000)


@settings(deadline=None)
@given(values=arrays(VALUES))
def test_zero_fraction(values: np.ndarray) -> None:
    assert statistics.zero_fraction(torch.from_numpy(values)).item() == pytest.approx((values == 0).mean(), abs=1e-6)


@settings(deadline=None)
@given(values=arrays(VALUES, least=2))
def test_units_lie_along_dimension_one(values: np.ndarray) -> None:
    expected = [bool(np.any(values[:, unit])) for unit in range(values.shape[1])]
    assert statistics.alive_units(torch.from_numpy(values)).tolist() == expected


@settings(deadline=None)
@given(alive=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_dead_units_are_alive_in_no_batch(alive: np.ndarray) -> None:
    expected = np.mean([not any(unit) for unit in alive.T])
    assert statistics.dead_fraction(torch.from_numpy(alive)).item() == pytest.approx(expected, abs=1e-6)


def test_a_unit_that_is_not_a_number_is_not_dead() -> None:
    outputs = torch.tensor([[0.0, float("nan"), float("inf")], [0.0, 0.0, 0.0]])
    assert statistics.alive_units(outputs).tolist() == [False, True, True]
    assert statistics.zero_fraction(outputs).item() == pytest.approx(4 / 6)


@settings(deadline=None)
@given(values=arrays(st.floats(-1, 1, width=32)), limits=st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (-1.0, 0.25)]))
def test_saturated_fraction(values: np.ndarray, limits: tuple[float, float]) -> None:
    low, high = limits
    margin = 0.01 * (high - low)
    exact = values.astype(np.float64)
    # a value on the very line may fall on either side in float32
    clear = (np.abs(exact - low - margin) > 1e-6) & (np.abs(exact - high + margin) > 1e-6)
    saturated = (exact < low + margin) | (exact > high - margin)
    found = statistics.saturated_fraction(torch.from_numpy(values), low, high).item() * values.size
    assert saturated[clear].sum() - 1e-3 <= found <= saturated[clear].sum() + (~clear).sum() + 1e-3


def test_the_margin_is_one_percent_of_the_range() -> None:
    tanh = torch.tensor([-1.0, -0.981, -0.979, 0.0, 0.979, 0.981, 1.0])
    assert statistics.saturated_fraction(tanh, -1, 1).item() == pytest.approx(4 / 7)


@settings(deadline=None)
@given(parts=st.lists(arrays(FINITE), min_size=1, max_size=4))
def test_joint_norm_is_that_of_one_long_vector(parts: list[np.ndarray]) -> None:
    whole = np.concatenate([part.astype(np.float64).ravel() for part in parts])
    found = statistics.joint_norm([torch.from_numpy(part) for part in parts]).item()
    assert found == pytest.approx(np.linalg.norm(whole), rel=1e-5, abs=1e-18)


@settings(deadline=None)
@given(values=arrays(st.floats(-1e3, 1e3, width=32)), bins=st.integers(1, 20))
def test_histogram_is_numpys(values: np.ndarray, bins: int) -> None:
    counts, low, high = statistics.histogram(torch.from_numpy(values), bins)
    assert (low, high) == (values.min(), values.max())
    assert counts.sum().item() == values.size
    if low == high:
        assert counts.argmax().item() == bins // 2
        return
    expected, edges = np.histogram(values.astype(np.float64), bins=bins, range=(low, high))
    # a value on an edge may fall on either side of it
    near = sum(np.isclose(values, edge, rtol=1e-6, atol=1e-6 * (high - low)).sum() for edge in edges)
    assert np.abs(counts.numpy() - expected).sum() <= 2 * near


def test_histogram_leaves_out_what_is_not_finite() -> None:
    values = torch.tensor([float("nan"), 1.0, float("inf"), 3.0, -float("inf"), 2.0], requires_grad=True)
    counts, low, high = statistics.histogram(values, 2)
    assert (counts.tolist(), low, high) == ([1, 2], 1, 3)
    assert statistics.histogram(torch.tensor([float("nan")]), 3)[0].tolist() == [0, 0, 0]
    assert statistics.histogram(torch.empty(0), 3)[1:] == (0.0, 0.0)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_histogram_takes_every_kind_of_float(kind: torch.dtype) -> None:
    counts, low, high = statistics.histogram(torch.tensor([0.0, 0.5, 4.0], dtype=kind), 4)
    assert (counts.tolist(), low, high) == ([2, 0, 0, 1], 0, 4)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e30, 1e-40])
def test_equal_values_are_in_the_middle(value: float) -> None:
    counts, low, high = statistics.histogram(torch.full((5,), value), 4)
    assert counts.tolist() == [0, 0, 5, 0]
    assert low == high == torch.tensor(value).item()


def test_a_range_wider_than_float32_can_say() -> None:
    counts, _, _ = statistics.histogram(torch.tensor([-3.4e38, 0.0, 3.4e38]), 3)
    assert counts.tolist() == [1, 1, 1]


def test_every_number_is_a_scalar_of_the_same_device() -> None:
    values = torch.randn(4, 5, device="meta")
    mean, std = statistics.mean_and_std(values)
    for number in (
        mean,
        std,
        statistics.zero_fraction(values.relu()),
        statistics.dead_fraction(torch.stack([statistics.alive_units(values.relu())])),
        statistics.saturated_fraction(values.tanh(), -1, 1),
        statistics.joint_norm([values, values]),
    ):
        assert (number.shape, number.device.type) == ((), "meta")


@given(st.integers(0, 1000))
def test_identical_units_against_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(0, 3, size=(6, 3)).astype(np.float32)
    twins = [any((weight[i] == weight[j]).all() for j in range(6) if j != i) for i in range(6)]
    assert float(statistics.identical_units(torch.from_numpy(weight))) == pytest.approx(np.mean(twins))
