from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from babysit.errors import InputError
from babysit.nn.preprocessing import Preprocessing, fit_preprocessing
from babysit.nn.preprocessing.tabular import Tabular

COLUMNS = [
    ("age", "numeric", ()),
    ("smokes", "boolean", ()),
    ("city", "categorical", ("Berne", "Oslo", "Rome")),
    ("income", "numeric", ()),
    ("size", "categorical", ("S", "L")),
]


def rows(count: int = 500) -> np.ndarray:
    generator = np.random.default_rng(0)
    found = np.column_stack(
        [
            generator.normal(40, 10, count),
            generator.random(count) < 0.7,
            generator.integers(0, 3, count),
            generator.normal(1e6, 1, count),
            generator.integers(0, 2, count),
        ]
    ).astype(np.float32)
    found[generator.random(found.shape) < 0.1] = np.nan
    found[:3] = [[0, 0, 0, 1e6, 0], [0, 1, 1, 1e6, 1], [0, 1, 2, 1e6, 1]]
    return found


def test_is_scikit_learns_imputer_and_encoder(toy: Any) -> None:
    train, new = rows(), rows(40)
    new[5, 2] = new[6, 4] = -1  # unseen categories
    found = fit_preprocessing("none", toy(train, columns=COLUMNS))(torch.from_numpy(new)).numpy()

    def one_hot(count: int) -> OneHotEncoder:
        categories = [np.arange(count, dtype=np.float64)]
        return OneHotEncoder(categories=categories, handle_unknown="ignore", sparse_output=False)

    reference = ColumnTransformer(
        [
            ("age", SimpleImputer(), [0]),
            ("smokes", SimpleImputer(strategy="most_frequent"), [1]),
            ("city", one_hot(3), [2]),
            ("income", SimpleImputer(), [3]),
            ("size", one_hot(2), [4]),
        ]
    )
    known = train[~np.isnan(train[:, [2, 4]]).any(1)].astype(np.float64)
    reference.fit(known)
    expected = reference.transform(new.astype(np.float64))
    # the imputers see all rows, not only those with known categories
    for output, column in ((0, 0), (5, 3)):
        expected[np.isnan(new[:, column]), output] = np.nanmean(train[:, column].astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_unseen_and_missing_categories_are_all_zeros(toy: Any) -> None:
    fitted = fit_preprocessing("none", toy(rows(), columns=COLUMNS))
    strange = torch.tensor([[1.0, 1.0, -1.0, 2.0, float("nan")], [1.0, 1.0, 3.0, 2.0, 1.0]])
    assert fitted(strange)[:, 2:5].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert fitted(strange)[:, 6:].tolist() == [[0, 0], [0, 1]]


def test_missing_booleans_take_the_majority(toy: Any) -> None:
    for values, majority in (([1, 1, 0], 1), ([0, 0, 1], 0), ([0, 1], 0)):
        train = np.array(values, np.float32).reshape(-1, 1)
        fitted = fit_preprocessing("none", toy(train, columns=[("smokes", "boolean", ())]))
        assert fitted(torch.tensor([[float("nan")]])).item() == majority


def test_later_steps_see_the_widened_columns(toy: Any) -> None:
    train = rows()
    fitted = fit_preprocessing("standardize", toy(train, columns=COLUMNS))
    assert fitted.output_shape == (8,)
    found = fitted(torch.from_numpy(train)).double().numpy()
    np.testing.assert_allclose(found.mean(0), 0, atol=0.07)  # the income's float32 spacing is 0.0625 of its spread
    np.testing.assert_allclose(found[:, :5].std(0), 1, atol=1e-4)
    assert fitted.describe().startswith(
        "fill missing values with the training mean or majority, "
        "2 categorical columns one-hot (5 → 8 columns), subtract the mean of each of 8 features"
    )


def test_a_column_without_values_is_named(toy: Any) -> None:
    train = rows()
    train[:, 3] = np.nan
    with pytest.raises(InputError, match="column 'income': expected finite values"):
        fit_preprocessing("none", toy(train, columns=COLUMNS))


def test_an_infinite_value_is_named(toy: Any) -> None:
    train = rows()
    train[7, 0] = np.inf
    with pytest.raises(InputError, match="column 'age': expected finite values"):
        fit_preprocessing("standardize", toy(train, columns=COLUMNS))


def test_a_categorical_column_without_categories_vanishes(toy: Any) -> None:
    train = np.column_stack([np.arange(6), np.full(6, -1)]).astype(np.float32)
    fitted = fit_preprocessing("none", toy(train, columns=[("n", "numeric", ()), ("c", "categorical", ())]))
    assert fitted(torch.from_numpy(train)).tolist() == [[float(i)] for i in range(6)]


def test_unknown_kind() -> None:
    with pytest.raises(InputError, match="column 0: expected one of numeric, boolean, categorical, found 'date'"):
        Tabular([("date", 0)])


def test_chunks_give_the_same_statistics() -> None:
    train = torch.from_numpy(rows())
    whole, parts = (Tabular([(kind, len(categories)) for _, kind, categories in COLUMNS]) for _ in range(2))
    whole._fit([train])
    parts._fit(train.split(7))
    torch.testing.assert_close(parts.fill, whole.fill, rtol=1e-6, atol=0)


def test_structure_from_json_takes_the_state_dict(toy: Any) -> None:
    train = rows()
    fitted = fit_preprocessing("standardize", toy(train, columns=COLUMNS))
    empty = Preprocessing.from_json(fitted.to_json())
    empty.load_state_dict(fitted.state_dict())
    x = torch.from_numpy(train)
    assert torch.equal(empty(x), fitted(x))
