from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from babysit.fit.settings import TrainSettings
from babysit.nn import CNNConfig, MLPConfig
from babysit.recipe.activations import activation_probe
from babysit.recipe.architecture import Configured
from babysit.recipe.prepared import prepare
from babysit.recipe.searching import challengers
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
    found = subject(digits_run.dataset, MLPConfig((1, 8, 8), 10, hidden=(20,)))
    before = state(found.network)
    assert measure_step(found) > 0
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


def test_activations_are_described_layer_by_layer() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(4, 6), nn.Linear(6, 2)
    network = nn.Sequential(first, nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), second)
    network[3].eval()
    before, modes = state(network), [module.training for module in network.modules()]
    inputs = torch.randn(50, 4)
    probe = activation_probe("activations-initial", network, inputs)

    hidden = np.asarray(first(inputs).detach(), dtype=np.float64)
    assert probe.numbers["0:mean"] == pytest.approx(hidden.mean(), rel=1e-4)
    assert probe.numbers["0:std"] == pytest.approx(hidden.std(), rel=1e-4)
    assert (probe.numbers["0:low"], probe.numbers["0:high"]) == pytest.approx((hidden.min(), hidden.max()), rel=1e-4)
    counts, _ = np.histogram(hidden, bins=len(probe.series["0"]), range=(hidden.min(), hidden.max()))
    assert sum(probe.series["0"]) == 300
    assert np.abs(np.array(probe.series["0"]) - counts).sum() <= 2  # a value at a border may fall to either side
    assert list(probe.series) == ["0", "1", "2", "4"]
    assert probe.numbers["2:low"] == 0.0
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@dataclasses.dataclass
class Asked:
    """As much of a run as the challengers look at."""

    augment: str | None = None

    @property
    def options(self) -> Asked:
        return self


def test_challengers_are_the_best_with_more_regularisation(digits_run: Any) -> None:
    small = subject(digits_run.dataset, MLPConfig((1, 8, 8), 10))
    best = {"lr": 0.1, "l2": 1e-4}
    assert challengers(Asked(), small, best) == [  # type: ignore[arg-type]
        {"lr": 0.1, "l2": pytest.approx(3e-4)},
        {"lr": 0.1, "l2": pytest.approx(1e-3)},
    ]
    assert challengers(Asked(), small, {"lr": 0.1}) == []  # type: ignore[arg-type]


def test_mirrored_images_are_tried_where_they_are_large_and_nothing_was_asked_for(
    picture_run: Any,
) -> None:
    large = subject(picture_run.dataset, MLPConfig((3, 16, 16), 2))
    flipped = [setting.get("augment") for setting in challengers(Asked(), large, {"l2": 1e-4})]  # type: ignore[arg-type]
    assert flipped.count("flip") == 2
    assert all("augment" not in s for s in challengers(Asked("none"), large, {"l2": 1e-4}))  # type: ignore[arg-type]
    read = subject(picture_run.dataset, MLPConfig((3, 16, 16), 2), in_memory=False)
    assert all("augment" not in s for s in challengers(Asked(), read, {"l2": 1e-4}))  # type: ignore[arg-type]
