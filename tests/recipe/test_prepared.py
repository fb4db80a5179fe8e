from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from babysit.data.dataset import Dataset, Splits
from babysit.fit.evaluation import evaluate
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import Trainer
from babysit.nn import MLPConfig, build
from babysit.recipe import prepared as module
from babysit.recipe.prepared import Prepared, held_out, prepare

IMAGES = np.random.default_rng(0).integers(0, 256, (90, 3, 5, 4), dtype=np.uint8)
CLASSES = np.random.default_rng(1).integers(0, 3, 90)


def dataset(**changes: Any) -> Dataset:
    order = np.random.default_rng(2).permutation(90)
    plain = Dataset(
        name="images",
        source="made up",
        kind="image",
        task="classification",
        x=IMAGES,
        y=CLASSES,
        splits=Splits(np.sort(order[:60]), np.sort(order[60:75]), np.sort(order[75:])),
        class_names=("a", "b", "c"),
        feature_names=(),
        table=None,
        notes=(),
        fixed_test=False,
    )
    return dataclasses.replace(plain, **changes)


def regression() -> Dataset:
    generator = np.random.default_rng(3)
    features = generator.normal(5, 3, (90, 4)).astype(np.float32)
    targets = (features @ np.array([1, -2, 0.5, 3]) + 100).astype(np.float32)
    return dataset(kind="features", task="regression", x=features, y=targets, class_names=())


def held(data: Dataset, spec: str = "mean-image,scale") -> Prepared:
    return prepare(data, spec, lambda _: True)


def batch_by_batch(data: Dataset, spec: str = "mean-image,scale") -> Prepared:
    return prepare(data, spec, lambda _: False)


def test_the_statistics_are_those_of_the_training_split() -> None:
    data = dataset()
    train = IMAGES[data.splits.train].astype(np.float64)
    centred = train - train.mean(axis=0)
    found = held(data)
    assert isinstance(found.train.x, Tensor)
    np.testing.assert_allclose(found.train.x.numpy(), centred / centred.std(), atol=1e-5)
    validation = IMAGES[data.splits.validation] - train.mean(axis=0)
    assert isinstance(found.validation.x, Tensor)
    np.testing.assert_allclose(found.validation.x.numpy(), validation / centred.std(), atol=1e-5)


def test_nothing_of_validation_or_test_gets_into_them() -> None:
    data = dataset()
    other = IMAGES.copy()
    other[data.splits.validation] = 0
    other[data.splits.test] = 255
    first, second = held(data), held(dataset(x=other))
    states = [found.preprocess.state_dict() for found in (first, second)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert torch.equal(first.train.inputs(slice(None)), second.train.inputs(slice(None)))


def test_the_test_split_is_not_touched_until_it_is_asked_for() -> None:
    broken = regression()
    broken.x[broken.splits.test] = np.nan
    found = held(broken, "standardize")
    assert all(bool(examples.inputs(slice(None)).isfinite().all()) for examples in (found.train, found.validation))
    asked = held_out(broken, "test", found.preprocess, found.target_scaling)
    assert bool(asked.inputs(slice(None)).isnan().all())


def test_what_is_held_out_is_preprocessed_by_the_training_s_statistics() -> None:
    data = dataset()
    train = IMAGES[data.splits.train].astype(np.float64)
    test = (IMAGES[data.splits.test] - train.mean(axis=0)) / (train - train.mean(axis=0)).std()
    found = held_out(data, "test", held(data).preprocess, None)
    np.testing.assert_allclose(found.inputs(slice(None)).numpy(), test, atol=1e-5)
    assert found.y.tolist() == CLASSES[data.splits.test].tolist()


@pytest.mark.parametrize("make", [dataset, regression], ids=["images", "features"])
def test_in_memory_and_batch_by_batch_are_the_same(make: Callable[[], Dataset]) -> None:
    data = make()
    spec = "mean-image,scale" if data.kind == "image" else "standardize"
    memory, batches = held(data, spec), batch_by_batch(data, spec)
    assert memory.in_memory
    assert not batches.in_memory
    rows = np.array([3, 1, 40])
    for left, right in ((memory.sample(rows), batches.sample(rows)), (memory.few(7), batches.few(7))):
        assert torch.equal(left[0], right[0])
        assert torch.equal(left[1], right[1])
    for step in (0, 4, 11):
        inputs, targets = batches.batches(16, 5).batch(step)
        # the same examples; from a disk they are read in the order they lie there
        assert pairs(*memory.batches(16, 5).batch(step)) == pairs(batches.preprocess(inputs), targets)
    assert torch.equal(memory.train_sample.y, batches.train_sample.y)


def pairs(inputs: Tensor, targets: Tensor) -> list[tuple[list[float], float]]:
    return sorted((x.flatten().tolist(), y.item()) for x, y in zip(inputs, targets, strict=True))


@pytest.mark.parametrize("spec", ["mean-image,scale", "channel-mean", "none", "center,pca:6"])
def test_a_training_is_the_same_either_way(spec: str) -> None:
    losses = []
    for prepared in (held(dataset(), spec), batch_by_batch(dataset(), spec)):
        network = build(MLPConfig(prepared.preprocess.output_shape, 3, hidden=(8,)), 0, None)
        settings = TrainSettings(lr=1e-3, epochs=3, batch_size=16)
        trainer = Trainer(prepared.around(network), prepared.task.loss, prepared.batches(16, 0), settings)
        trainer.run(9)
        found = [
            evaluate(trainer.model, examples, prepared.task)
            for examples in (prepared.train_sample, prepared.validation)
        ]
        losses.append([trainer.initial_loss, *(result.loss for result in found)])
        assert [result.examples for result in found] == [60, 15]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_around_leaves_a_network_alone_that_gets_its_inputs_ready() -> None:
    network = nn.Linear(1, 1)
    assert held(dataset()).around(network) is network
    assert dict(batch_by_batch(dataset()).around(network).named_children())["network"] is network


def test_where_the_examples_are_held_is_asked_once_with_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def decide(fits: bool) -> bool:
        asked.append(fits)
        return fits

    assert prepare(dataset(), "none", decide).in_memory
    monkeypatch.setattr(module, "MEMORY_SHARE", 0.0)
    assert not prepare(dataset(), "none", decide).in_memory
    assert asked == [True, False]


def test_a_third_of_the_memory_that_is_to_be_had_is_for_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 75 * 3 * 5 * 4 * np.dtype(np.float32).itemsize  # those of the test split are not held
    for free, fits in ((3.01 * size, True), (2.99 * size, False)):
        monkeypatch.setattr(module, "available_memory", lambda free=free: free)
        assert prepare(dataset(), "none").in_memory is fits


def test_the_sample_of_the_training_split_is_fixed_and_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRAIN_SAMPLE", 20)
    first, again = held(dataset()).train_sample, batch_by_batch(dataset()).train_sample
    assert len(first) == 20
    assert torch.equal(first.y, again.y)
    assert again.rows is not None
    assert len(set(again.rows.tolist())) == 20
    assert set(again.rows.tolist()) <= set(dataset().splits.train.tolist())


def labelled(labels: list[int]) -> Prepared:
    """Training examples of these classes, each an image of its own number."""
    count = len(labels)
    numbers = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    splits = Splits(np.arange(count), np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    names = tuple("abcde")
    return held(dataset(x=numbers, y=np.array(labels), splits=splits, class_names=names), "none")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 30))
def test_a_few_examples_come_from_all_classes_alike(labels: list[int], count: int) -> None:
    inputs, targets = labelled(labels).few(count)
    rows = inputs.flatten().int().tolist()
    assert len(rows) == min(count, len(labels))
    assert rows == sorted(set(rows))
    assert targets.tolist() == [labels[row] for row in rows]
    taken = {label: targets.tolist().count(label) for label in set(labels)}
    unfinished = [taken[label] for label in taken if taken[label] < labels.count(label)]
    assert max(taken.values()) <= min(unfinished, default=count) + 1
    for label in taken:  # the first of each class
        assert [row for row in rows if labels[row] == label] == [n for n, of in enumerate(labels) if of == label][
            : taken[label]
        ]


def test_twenty_of_ten_classes_are_two_of_each() -> None:
    data = dataset(
        x=np.zeros((500, 1, 2, 2), dtype=np.uint8),
        y=np.sort(np.arange(500) % 10),  # sorted by class, as files often are
        splits=Splits(np.arange(500), np.array([], dtype=np.int64), np.array([], dtype=np.int64)),
        class_names=tuple("0123456789"),
    )
    assert held(data, "none").few(20)[1].tolist() == [label for label in range(10) for _ in range(2)]


def test_a_regression_s_targets_have_mean_0_and_deviation_1_in_training() -> None:
    data = regression()
    found = held(data, "standardize")
    assert found.target_scaling is not None
    assert found.train.y.double().mean().item() == pytest.approx(0.0, abs=1e-6)
    assert found.train.y.double().std(correction=0).item() == pytest.approx(1.0, abs=1e-6)
    truth = data.y[data.splits.train].astype(np.float64)
    expected = (data.y[data.splits.validation] - truth.mean()) / truth.std()
    np.testing.assert_allclose(found.validation.y.numpy(), expected, atol=1e-5)
    assert torch.equal(found.few(5)[1], found.train.y[:5])
