from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from babysit.errors import InputError
from babysit.nn.preprocessing import fit_preprocessing

IMAGES = np.random.default_rng(0).integers(0, 200, (300, 3, 5, 4), dtype=np.uint8)
IMAGES[:, 1] //= 4
FEATURES = (
    np.random.default_rng(1).standard_normal((400, 6)) * [1, 10, 1e-3, 1, 5, 0] + [0, 100, 0, -50, 1, 7]
).astype(np.float32)


def apply(spec: str, dataset: Any, x: np.ndarray) -> np.ndarray:
    return fit_preprocessing(spec, dataset)(torch.from_numpy(x)).numpy()


def test_mean_image(toy: Any) -> None:
    expected = IMAGES.astype(np.float64) - IMAGES.mean(0)
    np.testing.assert_allclose(apply("mean-image", toy(IMAGES), IMAGES), expected, atol=1e-4)


def test_mean_image_and_one_scale(toy: Any) -> None:
    centred = IMAGES.astype(np.float64) - IMAGES.mean(0)
    fitted = fit_preprocessing("mean-image,scale", toy(IMAGES))
    np.testing.assert_allclose(fitted(torch.from_numpy(IMAGES)).numpy(), centred / centred.std(), atol=1e-5)
    assert fitted.describe() == f"subtract the mean image (3×5×4), divide by {centred.std():.3g}"


def test_channel_statistics(toy: Any) -> None:
    mean = IMAGES.mean((0, 2, 3)).reshape(3, 1, 1)
    std = IMAGES.std((0, 2, 3)).reshape(3, 1, 1)
    fitted = fit_preprocessing("channel-mean,channel-std", toy(IMAGES))
    np.testing.assert_allclose(fitted(torch.from_numpy(IMAGES)).numpy(), (IMAGES - mean) / std, atol=1e-5)
    means, stds = (", ".join(f"{v:.3g}" for v in values.ravel()) for values in (mean, std))
    assert fitted.describe() == (
        f"subtract the channel means ({means}), divide by the channel standard deviations ({stds})"
    )


def test_steps_are_fitted_on_what_the_steps_before_give(toy: Any) -> None:
    scaled_first = IMAGES / IMAGES.std()
    expected = scaled_first - scaled_first.mean(0)
    np.testing.assert_allclose(apply("scale,mean-image", toy(IMAGES), IMAGES), expected, atol=1e-4)


def test_standardize_is_scikit_learns(toy: Any) -> None:
    """B1; the last feature is constant."""
    expected = StandardScaler().fit_transform(FEATURES.astype(np.float64))
    found = apply("standardize", toy(FEATURES), FEATURES)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert (found[:, 5] == 0).all()
    np.testing.assert_allclose(found[:, :5].std(0), 1, atol=1e-5)


@pytest.mark.parametrize("data", [FEATURES, IMAGES])
def test_center(toy: Any, data: np.ndarray) -> None:
    expected = data.astype(np.float64) - data.astype(np.float64).mean(0)
    np.testing.assert_allclose(apply("center", toy(data), data), expected, atol=1e-4)


def test_constant_data_are_not_divided_by_nothing(toy: Any) -> None:
    black = np.zeros((20, 1, 2, 2), dtype=np.uint8)
    for spec in ("channel-mean,channel-std", "mean-image,scale", "standardize"):
        assert not apply(spec, toy(black), black).any()


def test_zero_to_255_is_kept(toy: Any) -> None:
    found = apply("none", toy(IMAGES), IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, IMAGES)


@pytest.mark.parametrize("spec", ["mean-image", "channel-mean", "channel-std"])
def test_image_steps_refuse_features(toy: Any, spec: str) -> None:
    with pytest.raises(InputError, match=rf"step '{spec}': expected images .* found examples of shape 6; use"):
        fit_preprocessing(spec, toy(FEATURES))
