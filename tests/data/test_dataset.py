from __future__ import annotations

import numpy as np
import pytest

from babysit.data.read import read
from babysit.errors import InputError


def test_splits_select_inputs_and_targets() -> None:
    digits = read("digits")
    assert digits.example_shape == (1, 8, 8)
    assert digits.classes == 10
    for name in ("train", "validation", "test"):
        assert np.array_equal(digits.inputs(name), digits.x[digits.splits.of(name)])
        assert np.array_equal(digits.targets(name), digits.y[digits.splits.of(name)])


def test_what_is_taken_is_a_copy() -> None:
    digits = read("digits")
    digits.inputs("train")[:] = 99
    assert digits.x.max() == 16


def test_other_splits_are_refused() -> None:
    with pytest.raises(InputError, match="expected train, validation, test, found 'dev'"):
        read("iris").inputs("dev")
