"""Ranges of what babysit itself understands end where that does, however far the best values pull them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from torch import nn

import babysit as bs
from babysit.errors import InputError
from babysit.fit.settings import TrainSettings
from babysit.search.bounds import BOUNDS, bounded
from babysit.search.space import When


@pytest.mark.parametrize(
    ("name", "drawn", "end"),
    [
        ("momentum", bs.Uniform(0.5, 0.95), "high"),
        ("momentum", bs.Uniform(0.1, 0.9), "low"),
        ("lr", bs.Uniform(0.001, 0.1), "low"),
        ("l2", bs.Uniform(0.001, 0.1), "low"),
        ("batch_size", bs.IntUniform(2, 64), "low"),
    ],
)
def test_no_move_leads_to_a_setting_that_is_refused(name, drawn, end) -> None:
    moved = bounded(bs.Space({name: drawn}))[name]
    for _ in range(5):
        moved = moved.extended(end)
    # both ends, and all between, can be trained with
    for quantile in (0.0, 0.5, 1 - 1e-9):
        TrainSettings(**{name: moved.at(quantile)})
    limit = getattr(moved.to_range(), end)
    assert limit == BOUNDS[name][end == "high"]


def test_conditional_ranges_are_bounded_and_other_names_are_not() -> None:
    space = bounded(
        bs.Space(
            {
                "optimizer": bs.Choice("sgd", "momentum"),
                "momentum": bs.When("optimizer", ["momentum"], bs.Uniform(0.5, 0.95)),
                "temperature": bs.Uniform(0.5, 0.95),
            }
        )
    )
    assert space["momentum"].extended("high").to_range().high == 0.999
    assert space["temperature"].extended("high").to_range().high > 1
    assert space["optimizer"] == bs.Choice("sgd", "momentum")


def test_own_limits_stay_where_they_are_tighter() -> None:
    space = bounded(bs.Space({"momentum": bs.Uniform(0.5, 0.9, ceiling=0.92)}))
    assert space["momentum"].extended("high").to_range().high == 0.92


def test_a_range_outside_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(InputError, match=r"space, momentum: expected numbers from 0 to 0\.999, found 0\.5 to 1\.5"):
        bounded(bs.Space({"momentum": bs.Uniform(0.5, 1.5)}))


@pytest.mark.parametrize(
    ("name", "known", "says"),
    [
        ("dropout", bs.Uniform(-1, 0.5), "numbers from 0 to 0.95, found -1 to 0.5"),
        ("batch_size", bs.Uniform(8, 16), "whole numbers of at least 1, found all numbers from 8 to 16; write int:8.."),
        ("batch_size", bs.LogUniform(8, 16), "whole numbers of at least 1, found all numbers from 8 to 16"),
        ("batch_size", bs.Choice(8, 16.0), "whole numbers of at least 1, found 16.0"),
        ("lr", bs.Choice("foo", "bar"), "numbers of at least 1e-12, found 'foo'"),
        ("lr", bs.Choice(0.1, 0), "numbers of at least 1e-12, found 0"),
        ("lr", bs.Choice(math.inf), "numbers of at least 1e-12, found inf"),
        ("l2", bs.Choice(True), "numbers of at least 0, found True"),
        ("momentum", When("optimizer", ["momentum"], bs.Choice(0.9, 1.0)), "numbers from 0 to 0.999, found 1.0"),
    ],
)
def test_values_outside_are_refused_before_anything_is_trained(name: str, known: bs.Distribution, says: str) -> None:
    space = bs.Space({"optimizer": bs.Choice("sgd", "momentum"), name: known})
    with pytest.raises(InputError, match=f"^search space, {name}: expected {re.escape(says)}"):
        bs.search(lambda _: nn.Linear(2, 2), (torch.zeros(20, 2), torch.arange(20) % 2), space=space, trials=1)


def test_values_inside_stay_what_they_are() -> None:
    known = {"batch_size": bs.Choice(8, np.int64(16)), "lr": bs.Choice(1, 0.1, np.float32(0.5)), "l2": bs.Choice(0)}
    assert dict(bounded(bs.Space(known))) == known


def test_a_search_whose_best_momentum_is_at_the_edge_goes_on() -> None:
    # plain steps are far too short here: the more momentum, the better
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    y = (x.sum(dim=1) > 0).long()

    def build(_: dict[str, float]) -> nn.Module:
        layer = nn.Linear(4, 2)
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)  # the momentum alone makes the difference
        return layer

    found = bs.search(
        build, (x, y), space={"momentum": bs.Uniform(0.6, 0.95)}, lr=1e-3, trials=36, epochs=8, batch_size=16,
        metric=nn.functional.cross_entropy, maximize=False, workers=1, engine="single",
    )  # fmt: skip
    highs = [record.ranges["momentum"].high for record in found.rounds]
    assert max(highs) == 0.999
    assert all(trial.status != "failed" for trial in found.trials)
