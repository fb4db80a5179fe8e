from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from babysit.data.batches import ArrayBatches, Batches, LoaderBatches, TensorBatches, permutation
from babysit.errors import InputError

Batch = tuple[Tensor, Tensor]


def numbered(count: int, batch_size: int, seed: int = 0) -> TensorBatches:
    """Examples that know their number: x is (i, −i), y is 10·i."""
    x = torch.arange(count, dtype=torch.float32)
    return TensorBatches(torch.stack([x, -x], dim=1), torch.arange(count) * 10, batch_size, seed)


def epoch_of(batches: Batches, epoch: int) -> list[int]:
    """The numbers of the examples in one epoch, in order."""
    first = epoch * batches.steps_per_epoch
    steps = range(first, first + batches.steps_per_epoch)
    return list(chain.from_iterable(batches.batch(step)[0][:, 0].int().tolist() for step in steps))


# ---- tensors ------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(count=st.integers(1, 70), batch_size=st.integers(1, 80), seed=st.integers(0, 2**40), epoch=st.integers(0, 99))
def test_an_epoch_repeats_no_example_and_drops_less_than_a_batch(
    count: int, batch_size: int, seed: int, epoch: int
) -> None:
    batches = numbered(count, batch_size, seed)
    size = min(batch_size, count)
    assert (batches.batch_size, batches.steps_per_epoch) == (size, count // size)
    seen = epoch_of(batches, epoch)
    assert len(seen) == len(set(seen)) == count - count % size
    assert set(seen) <= set(range(count))


@settings(deadline=None)
@given(count=st.integers(1, 50), batch_size=st.integers(1, 9), step=st.integers(0, 500))
def test_a_batch_is_of_one_size_and_keeps_inputs_and_targets_together(count: int, batch_size: int, step: int) -> None:
    batches = numbered(count, batch_size)
    x, y = batches.batch(step)
    assert x.shape == (batches.batch_size, 2)
    assert torch.equal(x[:, 0] * 10, y.float())
    assert torch.equal(x[:, 1], -x[:, 0])


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    batches = numbered(32, 8, seed=5)
    orders = [epoch_of(batches, epoch) for epoch in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    assert epoch_of(numbered(32, 8, seed=5), 2) == orders[2]  # without having seen the epochs before
    assert epoch_of(numbered(32, 8, seed=6), 2) != orders[2]
    backwards = [batches.batch(step)[0][:, 0].int().tolist() for step in reversed(range(16))]
    assert list(chain.from_iterable(reversed(backwards))) == list(chain.from_iterable(orders))


def test_no_example_is_left_out_for_good() -> None:
    batches = numbered(10, 7)
    assert set(chain.from_iterable(epoch_of(batches, epoch) for epoch in range(40))) == set(range(10))


def test_the_order_shows_no_preference() -> None:
    """Each of 20 places holds each of 20 examples about equally often: χ² with 19² degrees of freedom."""
    counts = np.zeros((20, 20))
    for epoch in range(2000):
        counts[np.arange(20), permutation(20, 3, epoch).numpy()] += 1
    chi_square = ((counts - 100) ** 2 / 100).sum()
    assert abs(chi_square - 361) < 5 * np.sqrt(2 * 361)


def test_no_random_number_of_the_caller_is_drawn() -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state(legacy=False)
    epoch_of(numbered(40, 8), 1)
    loader = DataLoader(TensorDataset(torch.randn(40, 2, generator=torch.Generator())), batch_size=8, shuffle=True)
    epoch_of(LoaderBatches(_pairs(loader)), 1)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert str(np.random.get_state(legacy=False)) == str(numpy_state)


@pytest.mark.parametrize(("inputs", "targets"), [(5, 4), (0, 0)])
def test_unequal_or_empty_data_is_refused(inputs: int, targets: int) -> None:
    message = (
        f"^data: expected as many targets as inputs, and at least one, found {inputs} inputs and {targets} targets"
    )
    with pytest.raises(InputError, match=message):
        TensorBatches(torch.zeros(inputs, 2), torch.zeros(targets), 2, 0)
    with pytest.raises(InputError, match=message):
        ArrayBatches(np.zeros((inputs, 2)), torch.zeros(targets), 2, 0)


# ---- memory maps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("part", [False, True])
def test_a_memory_map_gives_the_batches_of_the_tensor(kind: type[np.generic], part: bool, tmp_path: Path) -> None:
    everything = np.random.default_rng(0).integers(0, 256, (60, 3, 4)).astype(kind)
    np.save(tmp_path / "x.npy", everything)
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = np.random.default_rng(1).permutation(60)[:23] if part else None
    x = torch.from_numpy((everything if rows is None else everything[rows]).astype(np.float32))
    y = torch.arange(len(x))
    mapped, held = ArrayBatches(stored, y, 5, seed=8, rows=rows), TensorBatches(x, y, 5, seed=8)
    assert (mapped.batch_size, mapped.steps_per_epoch) == (held.batch_size, held.steps_per_epoch)
    for step in range(3 * held.steps_per_epoch):
        (x_mapped, y_mapped), (x_held, y_held) = mapped.batch(step), held.batch(step)
        assert x_mapped.dtype == torch.float32
        order = y_held.argsort()
        assert torch.equal(y_mapped.sort().values, y_held[order])
        assert torch.equal(x_mapped[y_mapped.argsort()], x_held[order])
        assert torch.equal(x_mapped, x[y_mapped])


def test_rows_are_read_in_the_disks_order() -> None:
    rows = np.array([40, 3, 17, 28, 9, 31])
    batches = ArrayBatches(np.arange(50.0)[:, None], torch.from_numpy(rows), 3, 0, rows)
    for step in range(6):
        x, y = batches.batch(step)
        assert torch.equal(x[:, 0].long(), y)
        assert torch.equal(y, y.sort().values)


def test_batches_of_a_read_only_array_can_be_written_to() -> None:
    x = np.ones((4, 2), dtype=np.float32)
    x.flags.writeable = False
    taken, _ = ArrayBatches(x, torch.zeros(4), 4, 0).batch(0)
    taken.zero_()
    assert x.sum() == 8


# ---- one's own loader ---------------------------------------------------------------------------------------------


class _pairs:  # noqa: N801 - a function to its users
    """A loader's own single tensors as pairs."""

    def __init__(self, loader: DataLoader[tuple[Tensor, ...]]) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        return ((x, x) for (x,) in self._loader)


def a_loader(count: int = 22, workers: int = 0, own: bool = False, **options: object) -> DataLoader[tuple[Tensor, ...]]:
    x = torch.arange(count, dtype=torch.float32)
    data = TensorDataset(torch.stack([x, -x], dim=1), torch.arange(count) * 10)
    generator = torch.Generator().manual_seed(77) if own else None
    return DataLoader(data, batch_size=5, generator=generator, num_workers=workers, **options)  # type: ignore[arg-type]


def test_a_loaders_batches_are_taken_in_its_own_order_every_epoch() -> None:
    loader = a_loader()
    batches = LoaderBatches(loader)
    assert (batches.steps_per_epoch, batches.batch_size) == (5, 5)
    for step, (x, y) in enumerate(chain(loader, loader, loader)):
        taken_x, taken_y = batches.batch(step)
        assert torch.equal(taken_x, x)
        assert torch.equal(taken_y, y)


@pytest.mark.parametrize("own", [False, True])
def test_a_shuffled_loader_gives_whole_epochs_in_new_orders(own: bool) -> None:
    batches = LoaderBatches(a_loader(shuffle=True, own=own))
    orders = [epoch_of(batches, epoch) for epoch in range(3)]
    assert all(sorted(order) == list(range(22)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shuffled_loaders_order_is_a_function_of_the_seed(workers: int) -> None:
    torch.manual_seed(1)
    one = epoch_of(LoaderBatches(a_loader(workers=workers, shuffle=True), seed=4), 0)
    torch.manual_seed(2)
    again = epoch_of(LoaderBatches(a_loader(shuffle=True), seed=4), 0)
    other = epoch_of(LoaderBatches(a_loader(shuffle=True), seed=5), 0)
    assert one == again != other


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("start", [1, 4, 5, 7, 13])
def test_going_on_from_a_later_step_gives_what_it_would_have_been(start: int, own: bool) -> None:
    whole = LoaderBatches(a_loader(shuffle=True, own=own), seed=6)
    steps = [whole.batch(step)[1].tolist() for step in range(15)]
    later = LoaderBatches(a_loader(shuffle=True, own=own), seed=6)
    state = torch.get_rng_state()
    assert later.batch(start)[1].tolist() == steps[start]
    assert [later.batch(step)[1].tolist() for step in range(start, 15)] == steps[start:]
    assert torch.equal(torch.get_rng_state(), state)


def test_going_back_and_asking_twice() -> None:
    batches = LoaderBatches(a_loader(shuffle=True), seed=6)
    steps = [batches.batch(step)[1].tolist() for step in range(8)]
    assert batches.batch(7)[1].tolist() == steps[7]
    assert batches.batch(2)[1].tolist() == steps[2]
    assert batches.batch(3)[1].tolist() == steps[3]


def test_what_the_loader_draws_for_its_examples_is_the_trainings() -> None:
    """Augmentation in the training's own process draws from its stream, so that it can be resumed."""

    class Noisy(TensorDataset):
        def __getitem__(self, index: int) -> tuple[Tensor, ...]:
            x, y = self.tensors[0][index], self.tensors[1][index]
            return x + torch.rand(2), y

    data = Noisy(torch.zeros(20, 2), torch.zeros(20))
    batches = LoaderBatches(DataLoader(data, batch_size=5))
    batches.batch(0)
    state = torch.get_rng_state()
    drawn = batches.batch(1)[0]
    torch.set_rng_state(state)
    later = LoaderBatches(DataLoader(data, batch_size=5))
    assert torch.equal(later.batch(1)[0], drawn)


def test_a_plain_list_of_pairs_will_do() -> None:
    pairs = [(torch.full((2, 2), float(number)), torch.zeros(2)) for number in range(3)]
    batches = LoaderBatches(pairs)
    assert (batches.steps_per_epoch, batches.batch_size) == (3, 0)
    assert [batches.batch(step)[0][0, 0].item() for step in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_batches_come_on_the_device_that_is_wanted() -> None:
    x, y = LoaderBatches(a_loader(), device="meta").batch(0)
    assert x.device.type == y.device.type == "meta"


class Endless(IterableDataset[Batch]):
    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield torch.zeros(2), torch.zeros(())


@pytest.mark.parametrize("loader", [[], DataLoader(Endless()), iter([])], ids=["empty", "endless", "iterator"])
def test_a_loader_without_length_or_batches_is_refused(loader: object) -> None:
    with pytest.raises(InputError, match=r"^data: expected a loader with a length and at least one batch, found none"):
        LoaderBatches(loader)  # type: ignore[arg-type]


@pytest.mark.parametrize("there", [0, 2])
def test_a_loader_that_ends_too_early_is_refused(there: int) -> None:
    class Short(list[Batch]):
        def __len__(self) -> int:
            return 4

    batches = LoaderBatches(Short([(torch.zeros(1, 2), torch.zeros(1))] * there))
    for step in range(there):
        batches.batch(step)
    with pytest.raises(InputError, match=f"^data: expected a loader of 4 batches, as its length says, found {there};"):
        batches.batch(there)
