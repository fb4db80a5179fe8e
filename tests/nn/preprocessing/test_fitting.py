from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

from babysit.errors import InputError
from babysit.nn.preprocessing import fit_preprocessing, fit_target_scaling, fitting

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 3, 4, 4), dtype=np.uint8)
FEATURES = np.random.default_rng(0).standard_normal((90, 4)).astype(np.float32)
SPECS = ["mean-image,scale", "channel-mean,channel-std", "standardize", "pca:5", "whiten"]


@pytest.mark.parametrize("spec", SPECS)
def test_only_the_training_split_counts(toy: Any, spec: str) -> None:
    """B4: whatever stands in the other splits changes nothing."""
    one, other = toy(IMAGES), toy(IMAGES)
    held_out = np.setdiff1d(np.arange(len(other.x)), other.splits.train)
    assert len(held_out) > 0
    other.x[held_out] = np.random.default_rng(9).integers(0, 256, other.x[held_out].shape)
    left, right = (fit_preprocessing(spec, dataset).state_dict() for dataset in (one, other))
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("spec", SPECS)
def test_chunk_size_matters_by_rounding_only(toy: Any, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_preprocessing(spec, toy(IMAGES))
    monkeypatch.setattr(fitting, "_CHUNK_VALUES", 48 * 7)
    parts = fit_preprocessing(spec, toy(IMAGES))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=1e-5, atol=1e-5)


def test_no_float_copy_of_all_images(toy: Any) -> None:
    images = np.zeros((3000, 3, 32, 32), dtype=np.uint8)
    dataset = toy(images)
    tracemalloc.start()  # NumPy's memory; torch's chunks follow the same rows
    fit_preprocessing("mean-image,scale", dataset)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < images.nbytes / 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spec", ["standardize", "scale", "whiten", "center,pca:2"])
def test_a_column_that_is_not_finite_is_named(toy: Any, spec: str, bad: float) -> None:
    train = FEATURES.copy()
    train[17, 2] = bad
    with pytest.raises(InputError, match="column 'f2': expected finite values in the training examples"):
        fit_preprocessing(spec, toy(train))


def test_an_image_value_that_is_not_finite_is_named(toy: Any) -> None:
    images = IMAGES.astype(np.float32)
    images[3, 1, 0, 2] = np.nan
    with pytest.raises(InputError, match="value 18: expected finite"):
        fit_preprocessing("channel-mean", toy(images))


def test_no_training_examples(toy: Any) -> None:
    dataset = toy(FEATURES)
    dataset.splits.train = np.array([], dtype=np.int64)
    for fit in (lambda: fit_preprocessing("standardize", dataset), lambda: fit_target_scaling(dataset)):
        with pytest.raises(InputError, match="expected training examples, found none"):
            fit()


def test_the_random_state_and_gradients_are_left_alone(toy: Any) -> None:
    state = torch.get_rng_state()
    fitted = fit_preprocessing("standardize,whiten", toy(FEATURES))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    x = torch.from_numpy(FEATURES).requires_grad_()
    fitted(x).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("shape", [(90,), (90, 1), (90, 3)])
def test_target_scaling(toy: Any, shape: tuple[int, ...]) -> None:
    y = (np.random.default_rng(0).standard_normal(shape) * 20 + 1000).astype(np.float32)
    scaling = fit_target_scaling(toy(FEATURES, y))
    targets = torch.from_numpy(y)
    encoded = scaling.encode(targets)
    expected = (y - y.astype(np.float64).mean(0)) / y.astype(np.float64).std(0)
    np.testing.assert_allclose(encoded.numpy(), expected, atol=1e-4)
    assert encoded.shape == targets.shape
    torch.testing.assert_close(scaling.decode(encoded), targets, rtol=1e-6, atol=1e-4)


def test_constant_and_integer_targets(toy: Any) -> None:
    scaling = fit_target_scaling(toy(FEATURES, np.full(90, 7, dtype=np.int64)))
    assert scaling.encode(torch.tensor([7, 9])).tolist() == [0, 2]


def test_targets_that_are_not_finite(toy: Any) -> None:
    y = np.zeros((90, 2), dtype=np.float32)
    y[5, 1] = np.nan
    with pytest.raises(InputError, match="target 1: expected finite"):
        fit_target_scaling(toy(FEATURES, y))
