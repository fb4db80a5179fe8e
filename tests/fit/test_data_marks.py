from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from babysit.errors import RunFolderError
from babysit.fit.data_marks import SAMPLE, are_alike, data_marks, require_same
from babysit.fit.evaluation import Examples

NUMBERS = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=st.floats(-100, 100, width=32)
)


def marks(x: np.ndarray, y: torch.Tensor | None = None) -> list[float]:
    return data_marks([Examples(torch.from_numpy(x.copy()), torch.zeros(len(x)) if y is None else y)])


@given(NUMBERS, st.integers(0, 2**32 - 1))
def test_what_rounding_changes_is_the_same(x: np.ndarray, seed: int) -> None:
    rounded = x * (1 + 1e-6 * np.random.default_rng(seed).uniform(-1, 1, x.shape)).astype(np.float32)
    assert are_alike(marks(x), marks(rounded))


@given(NUMBERS, st.data())
def test_an_input_that_changes_by_more_is_seen(x: np.ndarray, data: st.DataObject) -> None:
    other = x.copy()
    place = data.draw(st.integers(0, x.size - 1))
    other.flat[place] = abs(x.flat[place]) + 0.01 * np.abs(x).sum() + 1
    assert not are_alike(marks(x), marks(other))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50), st.data())
def test_every_class_counts(classes: list[int], data: st.DataObject) -> None:
    x = np.ones((len(classes), 1), np.float32)
    place = data.draw(st.integers(0, len(classes) - 1))
    other = [*classes[:place], (classes[place] + 1) % 10, *classes[place + 1 :]]
    assert marks(x, torch.tensor(classes)) == marks(x, torch.tensor(classes))
    assert not are_alike(marks(x, torch.tensor(classes)), marks(x, torch.tensor(other)))


def test_arrays_and_tensors_are_marked_alike_and_large_ones_by_a_sample() -> None:
    x = np.random.default_rng(0).normal(size=(3 * SAMPLE, 2)).astype(np.float32)
    y = torch.arange(len(x)) % 3
    rows = np.random.default_rng(1).permutation(len(x))
    whole = data_marks([Examples(x, y)])
    assert whole == data_marks([Examples(torch.from_numpy(x), y)])
    assert whole == data_marks([Examples(x[rows], y, np.argsort(rows))])
    between = x.copy()
    between[1] += 100  # the rows of the sample are three apart
    assert whole == data_marks([Examples(between, y)])


def test_what_is_no_number_and_what_is_no_split() -> None:
    broken = np.array([[np.nan, np.inf], [1.0, 2.0]], np.float32)
    assert are_alike(marks(broken), marks(broken))
    assert data_marks([None, [(torch.ones(1), torch.ones(1))]]) == []
    assert data_marks([Examples(torch.ones(0, 2), torch.ones(0))]) == [0, 0.0, 0.0]


def test_a_run_from_before_data_were_noted_goes_on() -> None:
    require_same("run", {"lr": 0.1}, {"lr": 0.1, "data": [3, 0.5, 17]}, what="a run")
    with pytest.raises(RunFolderError, match=r"run: expected a run with lr 0\.2, found lr 0\.1"):
        require_same("run", {"lr": 0.1, "data": [3]}, {"lr": 0.2, "data": [4]}, what="a run")
