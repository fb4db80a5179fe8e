from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from babysit.fit.settings import TrainSettings
from babysit.nn import CNNConfig, MLPConfig
from babysit.recipe.architecture import Configured
from babysit.recipe.prepared import prepare
from babysit.recipe.subject import Subject, count_flops, measure_step


def subject(dataset: Any, config: MLPConfig | CNNConfig, *, in_memory: bool = True, spec: str = "none") -> Subject:
    prepared = prepare(dataset, spec, lambda _: in_memory)
    architecture = Configured(config)
    network = architecture.build({}, 0, prepared.few(10)[0])
    return Subject(prepared, architecture, TrainSettings(batch_size=16), network, chance=1.0)


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_the_operations_of_a_step_are_three_forward_passes(digits_run: Any) -> None:
    found = subject(digits_run.dataset, MLPConfig((1, 8, 8), 10, hidden=(20,), batch_norm=True, dropout=0.5))
    before, random_state = state(found.network), torch.get_rng_state()
    # a multiplication and an addition for every weight and example
    assert count_flops(found) == 3 * 2 * 16 * (64 * 20 + 20 * 10)
    assert all(torch.equal(before[name], tensor) for name, tensor in found.network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_step_takes_time_and_leaves_the_subject_alone(digits_run: Any) -> None:
    found = subject(digits_run.dataset, MLPConfig((1, 8, 8), 10, hidden=(20,), dropout=0.5))
    before, random_state = state(found.network), torch.get_rng_state()
    assert measure_step(found) > 0
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(before[name], tensor) for name, tensor in found.network.state_dict().items())


def test_batches_are_as_the_network_takes_them_wherever_they_are_held(digits_run: Any) -> None:
    config = MLPConfig((1, 8, 8), 10, hidden=(20,))
    held, read = (
        subject(digits_run.dataset, config, in_memory=in_memory, spec="mean-image,scale") for in_memory in (True, False)
    )
    for left, right in zip(held.batches(3), read.batches(3), strict=True):
        assert left[0].shape == right[0].shape == (16, 1, 8, 8)
        assert sorted(left[0].sum(dim=(1, 2, 3)).tolist()) == pytest.approx(
            sorted(right[0].sum(dim=(1, 2, 3)).tolist()), abs=1e-4
        )
