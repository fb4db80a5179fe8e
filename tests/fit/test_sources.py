from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import babysit as bs
from babysit.data import read
from babysit.errors import InputError
from babysit.fit.settings import TrainSettings
from babysit.fit.sources import sources

CPU = torch.device("cpu")
SETTINGS = TrainSettings(batch_size=16)


@pytest.fixture
def mapped(tmp_path: Path) -> tuple[np.memmap, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    x = (rng.normal(size=(300, 5)) + 3 * y[:, None]).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    return np.load(tmp_path / "x.npy", mmap_mode="r"), y


def train(data: object, **options: object) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    result = bs.fit(nn.Linear(5, 2), data, lr=0.1, epochs=3, batch_size=20, threads=1, **options)  # type: ignore[operator,arg-type]
    return result.model.state_dict()


def test_a_memory_map_is_never_held_and_trains_as_its_copy_does(mapped: tuple[np.memmap, np.ndarray]) -> None:
    x, y = mapped
    given = sources((x, y), (x, y), SETTINGS, CPU)
    assert given.examples["validation"].x is x
    assert not isinstance(given.batches, type(sources((np.array(x), y), None, SETTINGS, CPU).batches))
    held, read_piecewise = train((np.array(x), y), validation=(x, y)), train((x, y), validation=(x, y))
    # the order of the rows within a batch differs, and with it the last bits of the sums
    torch.testing.assert_close(read_piecewise, held, rtol=1e-5, atol=1e-6)


def test_a_mapped_data_set_gives_each_split_its_own_rows(tmp_path: Path) -> None:
    whole = read("digits")
    np.save(tmp_path / "x.npy", whole.x)
    data = dataclasses.replace(whole, x=np.load(tmp_path / "x.npy", mmap_mode="r"))
    mapped, held = sources(data, None, SETTINGS, CPU), sources(whole, None, SETTINGS, CPU)
    for split in ("train", "validation"):
        some, same = mapped.examples[split], held.examples[split]
        assert torch.equal(some.inputs(slice(0, 50)), same.inputs(slice(0, 50)))
        assert torch.equal(some.y, same.y)
    inputs, targets = mapped.batches.batch(3)
    expected_inputs, expected_targets = held.batches.batch(3)
    assert sorted(inputs.flatten(1).tolist()) == sorted(expected_inputs.flatten(1).tolist())
    assert sorted(targets.tolist()) == sorted(expected_targets.tolist())


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(np.uint8, torch.float32), (np.float64, torch.float32), (np.float32, torch.float32), (np.int32, torch.int64)],
)
def test_pixels_become_floats_and_tokens_stay_whole(given: type, wanted: torch.dtype) -> None:
    x = np.ones((32, 3), given)
    inputs, targets = sources((x, np.zeros(32, np.int32)), None, SETTINGS, CPU).batches.batch(0)
    assert (inputs.dtype, targets.dtype) == (wanted, torch.int64)


@pytest.mark.parametrize("batch", [3, {"x": 1, "y": 2}, (torch.zeros(2, 3), [0, 1])])
def test_a_loader_of_something_else_than_pairs_of_tensors_is_refused_for_validation(batch: object) -> None:
    with pytest.raises(InputError, match="data: expected batches of two tensors, inputs and targets, found "):
        sources((torch.zeros(4, 3), torch.zeros(4)), [batch], TrainSettings(), torch.device("cpu"))


def test_words_are_refused() -> None:
    with pytest.raises(InputError, match="expected arrays of numbers, found values of type <U"):
        sources((np.array(["a"] * 4), np.zeros(4)), None, SETTINGS, CPU)


def test_floats_become_those_of_the_model(mapped: tuple[np.memmap, np.ndarray]) -> None:
    x, y = np.array(mapped[0], np.float64), mapped[1]
    given = sources((x, y / 3), (mapped[0], y), SETTINGS, CPU, torch.float64)
    inputs, targets = given.batches.batch(0)
    assert inputs.dtype == targets.dtype == torch.float64
    assert sources(mapped, None, SETTINGS, CPU, torch.float64).batches.batch(0)[0].dtype == torch.float64
    assert given.examples["validation"].inputs(slice(0, 2)).dtype == torch.float64
    assert sources((x, y), None, SETTINGS, CPU, torch.bfloat16).batches.batch(0)[0].dtype == torch.bfloat16


@pytest.mark.parametrize("kind", ["tensors", "mapped", "loader"])
def test_a_model_of_doubles_trains_as_its_twin_of_floats(kind: str, mapped: tuple[np.memmap, np.ndarray]) -> None:
    x, y = mapped
    if kind == "loader":
        x, y = (torch.tensor(part) for part in (np.array(x, np.float64), y))
        data = DataLoader(TensorDataset(x, y), 50)
    else:
        data = (torch.tensor(np.array(x), dtype=torch.float64), torch.tensor(y)) if kind == "tensors" else mapped
    torch.manual_seed(0)
    single, double = nn.Linear(5, 2), nn.Linear(5, 2).double()
    double.load_state_dict(single.state_dict())
    held = (np.array(mapped[0], np.float64), mapped[1])
    best = bs.fit(double, data, validation=held, lr=0.1, epochs=2, batch_size=50, threads=1).best
    if kind != "loader":
        bs.fit(single, mapped, lr=0.1, epochs=2, batch_size=50, threads=1)
        torch.testing.assert_close(double.weight.float(), single.weight, rtol=1e-4, atol=1e-5)
    assert best.score > 0.6


def test_a_loader_for_validation_draws_nothing_from_the_caller(mapped: tuple[np.memmap, np.ndarray]) -> None:
    pairs = TensorDataset(torch.tensor(np.array(mapped[0])), torch.tensor(mapped[1]))
    before = torch.get_rng_state()
    first, second = (
        sources(mapped, DataLoader(pairs, 50, shuffle=True), SETTINGS, CPU).examples["validation"] for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.y, second.y)


@pytest.mark.parametrize("validation", [False, True])
def test_what_is_no_pair_of_batches_is_refused(validation: bool) -> None:
    x, y = torch.zeros(20, 5), torch.zeros(20).long()
    for given, found in [
        (TensorDataset(x, y), "a single example"),
        ([x, y], "Tensor"),
        (DataLoader(TensorDataset(x, y, y), 10), "Tensor, Tensor, Tensor"),
        ([({"x": x}, y)], "dict, Tensor"),
    ]:
        data, held = ((x, y), given) if validation else (given, None)
        with pytest.raises(InputError, match=f"expected batches of two tensors, inputs and targets, found {found};"):
            sources(data, held, SETTINGS, CPU).batches.batch(0)
    with pytest.raises(InputError, match=r"expected a pair \(x, y\), found 3 values"):
        sources((x, y, y), None, SETTINGS, CPU)
