from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from babysit.errors import InputError
from babysit.fit.settings import TrainSettings


def test_the_defaults_are_the_lectures_and_survive_json() -> None:
    settings = TrainSettings()
    assert (settings.optimizer, settings.momentum, settings.l2) == ("momentum", 0.9, 0.0)
    assert TrainSettings(**json.loads(json.dumps(settings.to_json()))) == settings


def test_changed_replaces_what_it_knows_and_passes_over_the_rest() -> None:
    settings = TrainSettings(epochs=3)
    changed = settings.changed({"lr": 0.5, "optimizer": "adam", "hidden": (8,)})
    assert changed == TrainSettings(optimizer="adam", lr=0.5, epochs=3)
    assert settings == TrainSettings(epochs=3)


@pytest.mark.parametrize(
    "values",
    [
        {"lr": 0.0},
        {"lr": -1.0},
        {"lr": math.nan},
        {"lr": math.inf},
        {"l2": -1e-9},
        {"l2": math.nan},
        {"momentum": 1.0},
        {"momentum": -0.1},
        {"epochs": 0},
        {"batch_size": 0},
        {"seed": -1},
        {"seed": 2**63},
        {"schedule": "cosin"},
        {"optimizer": "adma"},
        {"lr": "0.1"},
        {"momentum": None},
        {"epochs": 2.5},
        {"batch_size": 64.0},
        {"seed": True},
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused_by_its_name(values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(InputError, match=f"^{name}: expected .*{str(values[name])!s}"):
        TrainSettings(**values)


def test_numbers_may_be_numpys() -> None:
    settings = TrainSettings(lr=np.float32(0.5), epochs=np.int64(3))  # type: ignore[arg-type]
    assert (settings.lr, settings.epochs) == (0.5, 3)


def test_a_change_is_checked_as_well() -> None:
    with pytest.raises(InputError, match=r"^lr: "):
        TrainSettings().changed({"lr": -1.0})
