from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from babysit.data.inputs import arrange_inputs, to_float32
from babysit.errors import InputError


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "arranged"),
    [
        ((7,), "float64", "features", (7, 1)),
        ((7, 3), "int64", "features", (7, 3)),
        ((7, 3), "uint8", "features", (7, 3)),
        ((7, 28, 28), "uint8", "image", (7, 1, 28, 28)),
        ((7, 2, 3), "uint8", "image", (7, 1, 2, 3)),
        ((7, 4, 5), "float32", "image", (7, 1, 4, 5)),
        ((7, 32, 32, 3), "uint8", "image", (7, 3, 32, 32)),
        ((7, 32, 30, 1), "float64", "image", (7, 1, 32, 30)),
        ((7, 3, 32, 32), "uint8", "image", (7, 3, 32, 32)),
        ((7, 4, 6, 8), "bool", "image", (7, 4, 6, 8)),
        ((7, 4, 4, 3), "uint8", "image", (7, 3, 4, 4)),  # both could be channels: height equals width
        ((7, 3, 4, 4), "uint8", "image", (7, 3, 4, 4)),
    ],
)
def test_layouts(shape: tuple[int, ...], dtype: str, kind: str, arranged: tuple[int, ...]) -> None:
    found, x, _ = arrange_inputs(np.zeros(shape, dtype), subject="toy")
    assert (found, x.shape) == (kind, arranged)
    assert x.dtype == (np.uint8 if kind == "image" and dtype == "uint8" else np.float32)
    assert x.flags.c_contiguous


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(5, 7), st.integers(5, 7), st.just(3))))
def test_channels_last_is_the_transpose(x: np.ndarray) -> None:
    assert np.array_equal(arrange_inputs(x, subject="toy")[1], np.einsum("nhwc->nchw", x))


def test_an_ambiguous_layout_is_noted() -> None:
    _, _, notes = arrange_inputs(np.zeros((7, 4, 4, 3), np.uint8), subject="toy")
    assert notes == ("'x' of shape (7, 4, 4, 3) was taken as (N, H, W, C)",)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array(["a", "b"]), "expected numbers in 'x' .* found an array of <U1"),
        (np.zeros(3, complex), "found an array of complex128"),
        (np.zeros(3, "M8[s]"), "found an array of datetime64"),
        (np.float64(1), "found shape \\(\\) of float64"),
        (np.zeros((0, 4)), "found shape \\(0, 4\\)"),
        (np.zeros((5, 2, 3)), "found shape \\(5, 2, 3\\)"),
        (np.zeros((5, 7, 8, 9)), "found shape \\(5, 7, 8, 9\\)"),
        (np.zeros((5, 1, 2, 3, 4)), "found shape \\(5, 1, 2, 3, 4\\)"),
    ],
)
def test_other_arrays_are_refused(x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arrange_inputs(x, subject="toy")


def test_what_float32_loses_is_noted() -> None:
    assert to_float32(np.array([2**24, -(2**24)]), "x")[1] == ()
    assert to_float32(np.array([2**24 + 1]), "x")[1] == ("'x' has integers beyond 16777216, which float32 rounds",)
    values, notes = to_float32(np.array([1e300, np.inf, 1.0]), "x")
    assert notes == ("'x' has 1 values beyond float32's range, now infinite",)
    assert list(np.isinf(values)) == [True, True, False]
    assert to_float32(np.array([np.iinfo(np.int64).min]), "x")[1] != ()
