from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from babysit.errors import InputError
from babysit.nn.preprocessing import fit_preprocessing

_GENERATOR = np.random.default_rng(0)
FEATURES = (_GENERATOR.standard_normal((500, 8)) @ _GENERATOR.standard_normal((8, 8)) + 3).astype(np.float32)


def apply(spec: str, dataset: Any, x: np.ndarray) -> np.ndarray:
    return fit_preprocessing(spec, dataset)(torch.from_numpy(x)).double().numpy()


def same_up_to_sign(found: np.ndarray, expected: np.ndarray, atol: float) -> None:
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=atol)


@pytest.mark.parametrize("components", [1, 3, 8])
def test_pca_is_scikit_learns(toy: Any, components: int) -> None:
    expected = PCA(components, svd_solver="full").fit_transform(FEATURES.astype(np.float64))
    same_up_to_sign(apply(f"pca:{components}", toy(FEATURES), FEATURES), expected, atol=1e-4)


def test_pca_decorrelates_in_descending_order(toy: Any) -> None:
    """B2."""
    matrix = np.cov(apply("pca:8", toy(FEATURES), FEATURES).T, bias=True)
    np.testing.assert_allclose(matrix, np.diag(np.diag(matrix)), atol=1e-4)
    np.testing.assert_allclose(np.diag(matrix), np.linalg.eigvalsh(np.cov(FEATURES.T, bias=True))[::-1], rtol=1e-4)


def test_axes_point_where_their_largest_coefficient_is_positive(toy: Any) -> None:
    components = fit_preprocessing("pca:8", toy(FEATURES)).steps[0].components.numpy()
    assert (components[np.arange(8), np.abs(components).argmax(1)] > 0).all()


@pytest.mark.parametrize(("spec", "epsilon"), [("whiten", 1e-5), ("whiten:0.1", 0.1)])
def test_whitening_gives_the_identity_but_for_epsilon(toy: Any, spec: str, epsilon: float) -> None:
    """B2."""
    variances = np.linalg.eigvalsh(np.cov(FEATURES.astype(np.float64).T, bias=True))[::-1]
    white = apply(spec, toy(FEATURES), FEATURES)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-5)
    expected = variances / (variances + epsilon * variances[0])
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.diag(expected), atol=1e-3)


def test_whitening_is_scikit_learns(toy: Any) -> None:
    expected = PCA(whiten=True, svd_solver="full").fit_transform(FEATURES.astype(np.float64))
    expected *= np.sqrt(500 / 499)  # scikit-learn divides by n − 1
    same_up_to_sign(apply("whiten:1e-12", toy(FEATURES), FEATURES), expected, atol=2e-3)


def test_directions_without_variance_become_zero_not_noise(toy: Any) -> None:
    flat = np.column_stack([FEATURES[:, 0], np.full(500, 7, np.float32), 2 * FEATURES[:, 0]])
    white = apply("whiten", toy(flat), flat)
    assert white[:, 0].var() == pytest.approx(1, abs=1e-3)
    assert np.abs(white[:, 1:]).max() < 1e-2
    assert not apply("whiten", toy(np.full((9, 2), 3, np.float32)), np.full((9, 2), 3, np.float32)).any()


def test_images_go_flat(toy: Any) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 2, 3, 4), dtype=np.uint8)
    fitted = fit_preprocessing("mean-image,pca:5", toy(images))
    assert fitted.output_shape == (5,)
    expected = PCA(5, svd_solver="full").fit_transform(images.reshape(60, -1).astype(np.float64))
    same_up_to_sign(fitted(torch.from_numpy(images)).double().numpy(), expected, atol=1e-3)
    assert fitted.describe() == "subtract the mean image (2×3×4), project 24 features on 5 principal components"


@pytest.mark.parametrize("components", ["9", "2.5", "0.1"])
def test_impossible_component_counts(toy: Any, components: str) -> None:
    with pytest.raises(InputError, match="from 1 to the 8 features"):
        fit_preprocessing(f"pca:{components}", toy(FEATURES))


def test_descriptions(toy: Any) -> None:
    described = fit_preprocessing("standardize,whiten", toy(FEATURES)).describe()
    assert described == (
        "subtract the mean of each of 8 features and divide by its standard deviation, "
        "whiten 8 features (ε = 1e-05 of the largest variance)"
    )
