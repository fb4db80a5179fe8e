from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from babysit.rules.dat001_uncentred_input import UncentredInput
from babysit.testing import record

RULE = UncentredInput()


def statistics(x: np.ndarray) -> dict[str, float]:
    """What the probe records, in NumPy."""
    std = x.std(0)
    varying = std > 0
    return {
        "mean": float(x.mean()),
        "std": float(x.std()),
        "largest_offset": float((np.abs(x.mean(0)[varying]) / std[varying]).max()),
        "largest_shift": float(np.abs(x.mean(0)[varying]).max() / np.sqrt(np.mean(std[varying] ** 2))),
        "smallest_std": float(std[varying].min()),
        "largest_std": float(std.max()),
    }


def check(x: np.ndarray):
    return list(RULE.check(record(probes={"inputs": statistics(x)})))


DIGITS = datasets.load_digits().data
WINE = datasets.load_wine().data


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)


@pytest.mark.parametrize(
    "x", [standardised(DIGITS), standardised(WINE), (DIGITS - DIGITS.mean()) / DIGITS.std(), DIGITS / 16]
)
def test_real_centred_and_sparse_data_are_silent(x: np.ndarray) -> None:
    assert check(x) == []


def test_real_data_with_all_values_far_from_zero() -> None:
    (finding,) = check(standardised(WINE) + 5)
    assert finding.evidence[0].value == pytest.approx(5, rel=1e-6)
    assert "subtract the training set's mean" in finding.remedies[0]


def test_features_that_cancel_on_average() -> None:
    x = standardised(WINE)
    x[:, ::2] += 6
    x[:, 1::2] -= 7
    (finding,) = check(x)
    assert "a feature lies 7" in finding.message


def test_a_nearly_constant_feature_does_no_harm() -> None:
    x = standardised(DIGITS)
    x[:, 0] = -0.4
    x[0, 0] = 1.0
    assert statistics(x)["largest_offset"] > 10
    assert check(x) == []


def test_pixels_that_hardly_vary_beside_pixels_that_do() -> None:
    """Digits turned by quarters, centred as a whole: the corners are dark nearly always, a usual spread from zero."""
    images = DIGITS[:900].reshape(-1, 8, 8)
    x = np.concatenate([np.rot90(images, turns, axes=(1, 2)) for turns in range(4)]).reshape(-1, 64)
    x = (x - x.mean()) / x.std() + 0.2 * np.random.default_rng(0).normal(size=x.shape)
    numbers = statistics(x)
    assert numbers["largest_offset"] > 3
    assert numbers["largest_std"] < 10 * numbers["smallest_std"]
    assert numbers["largest_shift"] < 1.5
    assert check(x) == []


@pytest.mark.parametrize("numbers", [{}, {"mean": 1.0, "std": 0.0}, {"mean": float("nan"), "std": float("nan")}])
def test_silent_without_evidence(numbers: dict[str, float]) -> None:
    assert list(RULE.check(record(probes={"inputs": numbers}))) == []
    assert list(RULE.check(record())) == []
