from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from babysit.data.unpickle import load_plain

plain = st.recursive(
    st.integers() | st.text() | st.binary(min_size=1),  # Python 3 writes empty bytes for Python 2 as a call
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.binary(min_size=1), inner),
    max_leaves=10,
)


@given(plain, st.integers(0, 5))
def test_plain_values_are_read(value: object, protocol: int) -> None:
    assert load_plain(pickle.dumps(value, protocol=protocol)) == value


@given(
    hnp.arrays(st.sampled_from(["u1", "<i8", ">i4", "<u2"]), hnp.array_shapes(max_dims=3, max_side=5)),
    st.sampled_from(["C", "F"]),
    st.sampled_from([b"numpy.core.multiarray", b"numpy._core.multiarray"]),
)
def test_arrays_are_read_as_numpy_reads_them(array: np.ndarray, order: str, module: bytes) -> None:
    content = pickle.dumps({"a": np.asarray(array, order=order)}, protocol=2)
    content = content.replace(b"numpy._core.multiarray", module)
    loaded = load_plain(content)["a"]
    expected = pickle.loads(pickle.dumps(array, protocol=2))
    assert np.array_equal(loaded, expected)
    assert loaded.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")


def test_texts_of_python_2_are_bytes() -> None:
    assert load_plain(b"\x80\x02}U\x04dataK\x01s.") == {b"data": 1}


class Exploit:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch exploited",)


class Built:
    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("open('exploited', 'w')",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("thing", [Exploit(), Built(), {"data": [Exploit()]}, np.array([Exploit()], dtype=object)])
def test_nothing_is_ever_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thing: object, protocol: int) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"which no data needs|not of integers"):
        load_plain(pickle.dumps(thing, protocol=protocol))
    assert not Path("exploited").exists()


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (np.array([1.5]), "an array of 'f8', not of integers"),
        (np.array([None]), "an array of 'O8', not of integers"),
        (np.array(["a"]), "an array of 'U1', not of integers"),
        ((1, 2), "it holds a tuple"),
        (1.5, "it holds a float"),
        ({1, 2}, "it holds a set|which no data needs"),
        (pickle.Unpickler, "Unpickler, which no data needs"),
    ],
)
def test_other_values_are_refused(thing: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_plain(pickle.dumps(thing, protocol=2))


def test_persistent_references_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the file"):
        load_plain(b"\x80\x02K\x01Q.")


def test_an_array_cannot_claim_more_bytes_than_it_has() -> None:
    content = pickle.dumps(np.zeros(4, np.uint8), protocol=2).replace(b"K\x04\x85", b"K\x05\x85")
    with pytest.raises(ValueError, match="reshape"):
        load_plain(content)


@given(st.binary(max_size=60))
def test_rubbish_is_refused_with_one_error(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        load_plain(b"\x80\x02" + content)


def test_damaged_pickles_are_refused() -> None:
    content = pickle.dumps({"data": np.arange(12, dtype=np.uint8), "labels": [1, 2]}, protocol=2)
    for end in range(len(content)):
        with pytest.raises(ValueError, match=r".*"):
            load_plain(content[:end])
