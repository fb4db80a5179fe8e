"""The data behind a script's first batch, found among its variables or drawn from its loader."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from babysit.preflight import loaders
from babysit.preflight.batch import Batch
from babysit.preflight.more_data import BATCHES, MoreData, find_more


class Made(Dataset[Any]):
    """Examples that exist only when they are asked for; the third part is not for the model."""

    def __init__(self, count: int, scale: float = 1.0) -> None:
        self.count, self.scale = count, scale

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(index)
        image = self.scale * torch.randn(1, 4, 4, generator=generator)
        return {"image": image, "number": index, "label": index % 5}


def batch_of(inputs: list[Tensor], targets: list[Tensor]) -> Batch:
    return Batch(tuple(inputs), tuple(targets), len(inputs[0]))


def rows(parts: Any) -> set[tuple[float, ...]]:
    return {tuple(row.flatten().tolist()) for row in parts}


def test_rows_are_found_and_weights_of_classes_are_kept() -> None:
    torch.manual_seed(0)
    x, y, weights = torch.randn(200, 3), torch.randint(0, 4, (200,)), torch.rand(4)
    chosen = torch.randperm(200)[:20]
    more = find_more(batch_of([x[chosen]], [y[chosen], weights, torch.tensor(65536.0)]), sys._getframe())
    assert more is not None
    assert len(more.batches) == BATCHES
    answers = {tuple(row.tolist()): int(label) for row, label in zip(x, y, strict=True)}
    for batch in (*more.batches, more.extreme):
        assert batch.size == 20
        assert torch.equal(batch.targets[1], weights)
        assert batch.targets[2] == 65536
        assert [answers[tuple(row.tolist())] for row in batch.inputs[0]] == batch.targets[0].tolist()


def test_the_training_part_is_preferred_to_the_whole() -> None:
    torch.manual_seed(0)
    everything = torch.randn(100, 3)
    training = everything[:60]
    more = find_more(batch_of([training[5:15]], []), sys._getframe())
    assert more is not None
    assert {row for batch in more.batches for row in rows(batch.inputs[0])} <= rows(training)


def test_the_next_step_of_sequences() -> None:
    torch.manual_seed(0)
    series = torch.randn(90, 7, 2)
    some = series[torch.randperm(90)[:8]]
    more = find_more(batch_of([some[:, :-1]], [some[:, 1:]]), sys._getframe())
    assert more is not None
    known = {tuple(row[:-1].flatten().tolist()): row[1:] for row in series}
    for batch in more.batches:
        assert all(torch.equal(known[tuple(x.flatten().tolist())], y)
                   for x, y in zip(batch.inputs[0], batch.targets[0], strict=True))  # fmt: skip


def test_windows_of_one_long_text() -> None:
    torch.manual_seed(0)
    tokens = torch.randint(0, 50, (400,))
    starts = torch.randint(0, 400 - 9, (6,)).tolist()
    x = torch.stack([tokens[at : at + 8] for at in starts])
    y = torch.stack([tokens[at + 1 : at + 9] for at in starts])
    more = find_more(batch_of([x], [y]), sys._getframe())
    assert more is not None
    assert len(more.batches) == BATCHES
    text = tokens.tolist()
    for batch in more.batches:
        for given, answer in zip(batch.inputs[0].tolist(), batch.targets[0].tolist(), strict=True):
            assert given[1:] == answer[:-1]
            assert any(text[at : at + 9] == [*given, answer[-1]] for at in range(392))


def first_of(loader: DataLoader[Any]) -> dict[str, Tensor]:
    batch: dict[str, Tensor] = next(iter(loader))
    return batch


def checked(more: MoreData | None, scale: float = 1.0) -> None:
    assert more is not None
    assert len(more.batches) == BATCHES
    data = Made(300, scale)
    whole = {tuple(data[place]["image"].flatten().tolist()): place % 5 for place in range(300)}
    for batch in more.batches:
        found = [whole[tuple(row.flatten().tolist())] for row in batch.inputs[0]]
        assert found == batch.targets[0].tolist()
        assert batch.targets[0].dtype == torch.int64


def test_a_loader_of_data_that_are_made_when_asked_for() -> None:
    torch.manual_seed(0)
    validation = DataLoader(Made(300, 1.5), batch_size=25)
    loader = DataLoader(Made(300), batch_size=25, shuffle=True, num_workers=2)
    batch = first_of(DataLoader(loader.dataset, batch_size=25, shuffle=True))
    checked(find_more(batch_of([batch["image"]], [batch["label"]]), sys._getframe()))
    # as a model of dense layers takes it
    checked(find_more(batch_of([batch["image"].flatten(1)], [batch["label"]]), sys._getframe()))
    assert validation.batch_size == 25


def test_the_loader_of_an_object() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.loader = DataLoader(Made(300), batch_size=10, shuffle=True)

        def train(self, batch: dict[str, Tensor]) -> MoreData | None:
            return find_more(batch_of([batch["image"]], [batch["label"]]), sys._getframe())

    torch.manual_seed(0)
    trainer = Trainer()
    checked(trainer.train(first_of(trainer.loader)))


def test_what_reconstructs_its_input_is_given_it_twice() -> None:
    torch.manual_seed(0)
    loader = DataLoader(Made(300), batch_size=10, shuffle=True)
    image = first_of(loader)["image"]
    more = find_more(batch_of([image], [image.flatten(1)]), sys._getframe())
    assert more is not None
    assert all(torch.equal(batch.inputs[0].flatten(1), batch.targets[0]) for batch in more.batches)


@pytest.mark.parametrize("change", ["scaled", "shifted", "other labels", "other size", "stream", "broken"])
def test_a_loader_that_does_not_fit_is_not_followed(change: str) -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            yield from map(Made(300).__getitem__, range(300))

    class Broken(Made):
        def __getitem__(self, index: int) -> dict[str, Any]:
            raise OSError("no such file")

    torch.manual_seed(0)
    batch = first_of(DataLoader(Made(300), batch_size=30, shuffle=True))
    image, label = batch["image"], batch["label"]
    of = {"stream": Stream(), "broken": Broken(300)}
    loader: DataLoader[Any] = DataLoader(of.get(change, Made(300)), batch_size=20 if change == "other size" else 30)
    image = 255 * image if change == "scaled" else image + 3 if change == "shifted" else image
    label = label + 100 if change == "other labels" else label
    assert find_more(batch_of([image], [label]), sys._getframe()) is None
    assert loader.batch_size


def test_drawing_ends_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(loaders.time, "monotonic", lambda: float(next(clock)))
    torch.manual_seed(0)
    loader = DataLoader(Made(300), batch_size=10, shuffle=True)
    batch = first_of(loader)
    found = loaders.draw_batches(batch_of([batch["image"]], [batch["label"]]), sys._getframe(), 15, seconds=3.5)
    assert len(found) == 4


def test_random_numbers_are_as_before() -> None:
    class Noisy(Made):
        def __init__(self) -> None:
            super().__init__(300)
            self.own = random.Random(0)
            self.numbers = np.random.default_rng(0)
            self.tensors = torch.Generator().manual_seed(0)

        def draws(self) -> tuple[float, ...]:
            noise = torch.randn((), generator=self.tensors)
            return self.own.random(), self.numbers.random(), random.random(), np.random.rand(), float(noise)

        def __getitem__(self, index: int) -> dict[str, Any]:
            example = super().__getitem__(index)
            return {**example, "image": example["image"] + 0.01 * sum(self.draws()) + 0.01 * torch.randn(1, 4, 4)}

    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    twins = Noisy(), Noisy()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    loader = DataLoader(Subset(twins[0], range(200)), batch_size=20, shuffle=True)
    batch = twins[1][0]
    batch = {name: torch.stack([torch.as_tensor(twins[1][place][name]) for place in range(20)]) for name in batch}
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])
    more = find_more(batch_of([batch["image"]], [batch["label"]]), sys._getframe())
    assert more is not None
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2][1].tolist()
    assert len(loader) == 10
    fresh = Noisy()
    assert twins[0].own.getstate() == fresh.own.getstate()
    assert twins[0].numbers.bit_generator.state == fresh.numbers.bit_generator.state
    assert torch.equal(twins[0].tensors.get_state(), fresh.tensors.get_state())


def test_tensors_in_a_data_set_need_no_drawing() -> None:
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(torch.randn(100, 3), torch.arange(100)), batch_size=10, shuffle=True)
    x, y = next(iter(loader))
    more = find_more(batch_of([x], [y]), sys._getframe())
    assert more is not None
    assert len({int(label) for batch in more.batches for label in batch.targets[0]}) == 100
