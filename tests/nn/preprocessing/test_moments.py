from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from babysit.nn.preprocessing._moments import covariance, moments


def split(rows: np.ndarray, cuts: list[int]) -> list[torch.Tensor]:
    places = sorted({cut % len(rows) for cut in cuts} - {0})
    return [torch.from_numpy(part) for part in np.split(rows, places)]


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 60),
    offset=st.floats(-1e9, 1e9),
    spread=st.floats(1e-3, 1e6),
    cuts=st.lists(st.integers(0, 59), max_size=8),
)
def test_any_chunks_any_offset(seed: int, count: int, offset: float, spread: float, cuts: list[int]) -> None:
    rows = offset + spread * np.random.default_rng(seed).standard_normal((count, 3))
    found = moments(split(rows, cuts))
    exact = rows.astype(np.longdouble)
    # what 53 bits can hold at this offset
    rounding = 1e-15 * count * (abs(offset) + spread)
    np.testing.assert_allclose(found.mean.numpy(), exact.mean(0).astype(float), rtol=1e-13, atol=rounding)
    np.testing.assert_allclose(
        found.variance.numpy(), exact.var(0).astype(float), rtol=1e-9, atol=rounding**2 + rounding * spread * 10
    )
    assert found.count == count


@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 39), max_size=6), offset=st.floats(-1e6, 1e6))
def test_covariance_is_numpys(seed: int, cuts: list[int], offset: float) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((40, 4)) @ generator.standard_normal((4, 4)) + offset
    mean, matrix = covariance(split(rows, cuts))
    np.testing.assert_allclose(mean.numpy(), rows.mean(0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(matrix.numpy(), np.cov(rows.T, bias=True), atol=1e-8)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e8, 3e-20])
def test_constant_columns_are_recognised_as_scikit_learn_does(constant: float) -> None:
    rows = np.full((1001, 2), constant)
    rows[:, 1] += np.random.default_rng(0).standard_normal(1001)
    found = moments(split(rows, [3, 500, 501])).divisor.numpy()
    np.testing.assert_allclose(found, StandardScaler().fit(rows).scale_, rtol=1e-9)
    assert found[0] == 1


def test_float32_chunks_are_summed_in_float64() -> None:
    rows = np.random.default_rng(0).uniform(0, 255, (20_000, 2)).astype(np.float32)
    found = moments(split(rows, [7, 9_999]))
    np.testing.assert_allclose(found.mean.numpy(), rows.astype(np.float64).mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.variance.numpy(), rows.astype(np.float64).var(0), rtol=1e-12)
