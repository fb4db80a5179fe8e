from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.data.options import ReadOptions
from babysit.data.splits import TEST, TRAIN, VALIDATION, split
from babysit.errors import InputError

SPLITS = ("train", "validation", "test")


@st.composite
def labels(draw: st.DrawFn) -> np.ndarray:
    """Classes of very different sizes, in any order."""
    counts = draw(st.lists(st.integers(1, 60), min_size=2, max_size=6).filter(lambda c: sum(c) >= 10))
    y = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(draw(st.integers(0, 99))).permutation(y)


fractions = st.floats(0.01, 0.25)


def names(y: np.ndarray) -> list[str]:
    return [str(code) for code in range(int(y.max()) + 1)]


@given(labels(), fractions, fractions, st.integers(0, 2**31))
def test_split_partitions_each_class_in_proportion(y: np.ndarray, validation: float, test: float, seed: int) -> None:
    options = ReadOptions(seed=seed, validation_fraction=validation, test_fraction=test)
    splits, _ = split(y, names(y), np.zeros(len(y)), options, "toy")

    everything = np.concatenate([splits.of(name) for name in SPLITS])
    assert sorted(everything) == list(range(len(y)))  # disjoint and complete
    for name in SPLITS:
        assert splits.of(name).dtype == np.int64
        assert np.all(np.diff(splits.of(name)) > 0)
    for code in range(int(y.max()) + 1):
        size = int((y == code).sum())
        assert (y[splits.train] == code).sum() >= 1
        for name, fraction in (("validation", validation), ("test", test)):
            assert abs((y[splits.of(name)] == code).sum() - size * fraction) <= 1 + 1e-9


@given(labels(), st.integers(0, 2**31))
def test_split_is_a_function_of_seed_and_labels(y: np.ndarray, seed: int) -> None:
    np.random.seed(0)
    first, _ = split(y, names(y), np.zeros(len(y)), ReadOptions(seed=seed), "toy")
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    second, _ = split(y, names(y), np.zeros(len(y)), ReadOptions(seed=seed), "toy")
    assert np.array_equal(np.random.get_state()[1], state)
    for name in SPLITS:
        assert np.array_equal(first.of(name), second.of(name))


def test_another_seed_gives_another_split() -> None:
    y = np.repeat([0, 1], 50)
    first, _ = split(y, names(y), np.zeros(100), ReadOptions(seed=0), "toy")
    second, _ = split(y, names(y), np.zeros(100), ReadOptions(seed=1), "toy")
    assert not np.array_equal(first.test, second.test)


def test_a_seed_means_the_same_split_for_ever() -> None:
    splits, _ = split(np.repeat([0, 1], 10), ["a", "b"], np.zeros(20), ReadOptions(seed=7), "toy")
    order = np.argsort(np.random.PCG64(7).random_raw(20)[:10], kind="stable")  # PCG64's outputs are NumPy's promise
    assert set(splits.test) & set(range(10)) <= set(order[:2])
    assert len(splits.test) == len(splits.validation) == 3


def test_totals_are_right_with_many_small_classes() -> None:
    y = np.repeat(np.arange(100), 3)  # each class's share is below one example
    splits, _ = split(y, names(y), np.zeros(300), ReadOptions(), "toy")
    assert (len(splits.validation), len(splits.test)) == (45, 45)
    assert set(y[splits.train]) == set(range(100))


def test_small_classes_never_give_all_they_have() -> None:
    y = np.repeat(np.arange(50), 2)
    splits, _ = split(y, names(y), np.zeros(100), ReadOptions(validation_fraction=0.25, test_fraction=0.25), "toy")
    assert set(y[splits.train]) == set(range(50))
    assert (len(splits.validation), len(splits.test)) == (25, 25)


def test_regression_is_divided_without_classes() -> None:
    splits, notes = split(np.linspace(0, 1, 20, dtype=np.float32), (), np.zeros(20), ReadOptions(), "toy")
    assert [len(splits.of(name)) for name in SPLITS] == [14, 3, 3]
    assert notes == ()


def test_existing_splits_are_kept() -> None:
    part = np.array([TEST] * 5 + [TRAIN] * 40 + [TEST] * 5)
    splits, _ = split(np.tile([0, 1], 25), ["a", "b"], part, ReadOptions(), "toy")
    assert list(splits.test) == [0, 1, 2, 3, 4, 45, 46, 47, 48, 49]
    assert len(splits.validation) == 6
    assert np.all((splits.validation >= 5) & (splits.validation < 45))


def test_existing_validation_and_test_leave_training_whole() -> None:
    part = np.array([TRAIN, TRAIN, VALIDATION, TEST])
    splits, _ = split(np.array([0, 1, 0, 1]), ["a", "b"], part, ReadOptions(), "toy")
    assert (list(splits.train), list(splits.validation), list(splits.test)) == ([0, 1], [2], [3])


def test_single_and_absent_classes_are_noted() -> None:
    y = np.array([0] * 20 + [1] + [2])
    part = np.array([TRAIN] * 21 + [TEST])
    splits, notes = split(y, ["a", "b", "c"], part, ReadOptions(), "toy")
    assert 20 in splits.train
    assert notes == (
        "class 'b' has a single example to divide: it is in the training split only",
        "class 'c' has no training example",
    )


def test_fractions_of_zero_leave_splits_empty() -> None:
    options = ReadOptions(validation_fraction=0, test_fraction=0)
    splits, _ = split(np.array([0, 1]), ["a", "b"], np.zeros(2), options, "toy")
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (2, 0, 0)


@pytest.mark.parametrize("count", [0, 3, 9])
def test_too_few_examples_are_refused(count: int) -> None:
    y = np.arange(count) % 2
    with pytest.raises(InputError, match=rf"toy: expected at least 10 examples .* found {count} example"):
        split(y, ["a", "b"], np.zeros(count), ReadOptions(), "toy")


def test_a_large_data_set_keeps_its_examples_for_training() -> None:
    y = np.arange(40_000) % 4
    splits, _ = split(y, names(y), np.full(len(y), TRAIN), ReadOptions(), "toy")
    assert [len(splits.of(name)) for name in SPLITS] == [30_000, 5_000, 5_000]
    fewer, _ = split(y, names(y), np.full(len(y), TRAIN), ReadOptions(most_held_out=100), "toy")
    assert [len(fewer.of(name)) for name in SPLITS] == [39_800, 100, 100]
