from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder

from babysit.data.labels import encode_targets, guess_task, label_text, map_labels
from babysit.errors import InputError


def encode(raw: object, task: str | None = None):
    return encode_targets(np.asarray(raw), task, subject="toy")


@pytest.mark.parametrize(
    ("raw", "codes", "names"),
    [
        (["b", "a", "b", "a"], [1, 0, 1, 0], ("a", "b")),
        ([b"b", b"a"] * 2, [1, 0] * 2, ("a", "b")),
        (["10", "9", "100", "9"], [1, 0, 2, 0], ("9", "10", "100")),
        ([2.0, 1.0, 2.0, 1.0], [1, 0, 1, 0], ("1", "2")),
        ([-1, 1, -1, 1], [0, 1, 0, 1], ("-1", "1")),
        ([3, 7, 700, 3, 7, 700], [0, 1, 2] * 2, ("3", "7", "700")),
        ([True, False, True, False], [1, 0, 1, 0], ("False", "True")),
        ([[1], [0], [1], [0]], [1, 0, 1, 0], ("0", "1")),
    ],
    ids=["text", "bytes", "numerals", "whole floats", "minus one", "gaps", "booleans", "column"],
)
def test_labels_become_codes(raw: list[object], codes: list[int], names: tuple[str, ...]) -> None:
    targets = encode(raw)
    assert targets.task == "classification"
    assert targets.y.dtype == np.int64
    assert list(targets.y) == codes
    assert targets.class_names == names


@given(st.lists(st.sampled_from(["cat", "dog", "eel", "ox"]), min_size=4).filter(lambda v: len(set(v)) > 1))
def test_text_is_coded_as_scikit_learn_does(values: list[str]) -> None:
    if 2 * len(set(values)) > len(values) >= 20:
        return
    targets = encode(values)
    reference = LabelEncoder().fit(values)
    assert np.array_equal(targets.y, reference.transform(values))
    assert list(targets.class_names) == list(reference.classes_)


@given(st.lists(st.integers(-5, 5), min_size=22, max_size=60).filter(lambda v: len(set(v)) > 1))
def test_known_names_map_labels_back(values: list[int]) -> None:
    targets = encode(values)
    for raw in (np.array(values), np.array(values, dtype=np.float64), np.array([str(v) for v in values])):
        assert np.array_equal(map_labels(raw, targets.class_names), targets.y)


def test_mapping_is_noted_unless_it_is_identity() -> None:
    assert encode([-1, 1] * 5).notes == (
        "target 'y' has 2 distinct values: classification",
        "labels -1, 1 became classes 0 to 1",
    )
    assert encode([0, 1] * 5).notes == ("target 'y' has 2 distinct values: classification",)
    assert encode([0, 1] * 5, "classification").notes == ()


def test_one_hot_rows_are_classes() -> None:
    targets = encode(np.eye(3)[[2, 0, 1, 1, 0, 2]])
    assert list(targets.y) == [2, 0, 1, 1, 0, 2]
    assert targets.notes[0] == "target 'y' was one-hot: 3 classes"


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (np.arange(442), "regression"),
        (np.tile([0.5, 1.5], 50), "regression"),
        (np.tile(np.arange(10.0), 20), "classification"),
        (np.tile(np.arange(100), 10), "classification"),
        (np.tile(np.arange(1, 27), 10), "classification"),
        (np.tile(np.arange(17, 91), 400), "regression"),  # ages
        (np.tile(np.arange(0, 2000, 2), 100), "regression"),  # many, with gaps
        (np.arange(10), "regression"),  # nothing repeats
        (np.array(["a", "b"]), "classification"),
    ],
)
def test_task_is_guessed(values: np.ndarray, task: str) -> None:
    assert guess_task(values) == task


def test_the_guess_can_be_overridden() -> None:
    regression = encode([0, 1] * 5, "regression")
    assert regression.y.dtype == np.float32
    assert regression.class_names == ()
    assert encode([0.5, 1.5] * 5, "classification").class_names == ("0.5", "1.5")


@pytest.mark.parametrize(
    ("raw", "task", "message"),
    [
        ([1.0, np.nan, 2.0, np.nan], None, "found 2 NaN or infinite, the first in row 1"),
        ([1.0, 2.5, np.inf], "regression", "found 1 NaN or infinite, the first in row 2"),
        (["a", "", "b"], None, "found 1 empty, the first in row 1"),
        (["a", "b"], "regression", "expected numbers in 'y' for a regression, found text such as 'a'"),
        (["a"] * 5, None, "expected at least 2 classes in 'y', found one class only: 'a'"),
        ([3] * 5, None, "one class only: '3'"),
        ([2.5] * 5, None, "expected values that differ in 'y', found 2.5 in every example"),
        ([str(i) for i in range(20)], None, "found 20 different values in 20 examples"),
        (np.ones((4, 2)), None, "expected one label an example .* found shape \\(4, 2\\)"),
        ([1j, 2j], None, "found an array of complex128"),
        (np.array([1e300, 2.0]), "regression", "found 1 NaN or infinite"),
    ],
)
def test_unusable_labels_are_refused(raw: object, task: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        encode(raw, task)
    assert "\n" not in str(caught.value)


def test_a_class_with_one_example_is_accepted() -> None:
    assert encode(["a"] * 20 + ["b"]).class_names == ("a", "b")


def test_unknown_labels_map_to_nothing() -> None:
    assert list(map_labels(np.array(["b", "z", "a"]), ("a", "b"))) == [1, -1, 0]
    assert map_labels(np.zeros((2, 3)), ("a", "b")) is None
    assert map_labels(np.array([object()]), ("a", "b")) is None
    assert list(map_labels(np.array([[0, 1], [1, 0]]), ("a", "b"))) == [1, 0]
    assert list(map_labels(np.array([["b"], ["a"]]), ("a", "b"))) == [1, 0]


def test_large_numbers_keep_their_digits() -> None:
    assert label_text(np.int64(2**53 + 1)) == "9007199254740993"
