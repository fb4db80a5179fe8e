from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from babysit.fit.settings import TrainSettings
from babysit.nn import MLPConfig
from babysit.recipe.architecture import Configured
from babysit.recipe.prepared import prepare
from babysit.recipe.searching import challengers
from babysit.recipe.subject import Subject
from babysit.search.given import hyperparameters


def subject(dataset: Any, *, in_memory: bool = True) -> Subject:
    prepared = prepare(dataset, "none", lambda _: in_memory)
    architecture = Configured(MLPConfig(dataset.example_shape, dataset.classes))
    return Subject(prepared, architecture, TrainSettings(), architecture.build({}, 0, prepared.few(2)[0]), chance=1.0)


@dataclasses.dataclass
class Asked:
    """As much of a run as the challengers look at."""

    augment: str | None = None

    @property
    def options(self) -> Asked:
        return self


def test_challengers_are_the_best_with_more_regularisation(digits_run: Any) -> None:
    small = subject(digits_run.dataset)
    best = {"lr": 0.1, "l2": 1e-4}
    assert challengers(Asked(), small, best) == [  # type: ignore[arg-type]
        {"lr": 0.1, "l2": pytest.approx(3e-4)},
        {"lr": 0.1, "l2": pytest.approx(1e-3)},
    ]
    assert challengers(Asked(), small, {"lr": 0.1}) == []  # type: ignore[arg-type]


def test_mirrored_images_are_tried_where_they_are_large_and_nothing_was_asked_for(
    picture_run: Any,
) -> None:
    large = subject(picture_run.dataset)
    flipped = [setting.get("augment") for setting in challengers(Asked(), large, {"l2": 1e-4})]  # type: ignore[arg-type]
    assert flipped.count("flip") == 2
    assert all("augment" not in s for s in challengers(Asked("none"), large, {"l2": 1e-4}))  # type: ignore[arg-type]
    read = subject(picture_run.dataset, in_memory=False)
    assert all("augment" not in s for s in challengers(Asked(), read, {"l2": 1e-4}))  # type: ignore[arg-type]


def test_values_for_people() -> None:
    setting = {"lr": 0.012345, "hidden": (256, 128), "activation": "relu", "batch_norm": True}
    assert hyperparameters(setting) == "lr 0.012, hidden 256-128, activation relu, batch_norm true"
