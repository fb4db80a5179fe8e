from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.fit.optimizers import OPTIMIZERS, WITHOUT_MOMENTUM, make_optimizer
from babysit.recipe.options import TrainOptions

sizes = st.lists(st.integers(1, 500), max_size=3).map(tuple)
options = st.builds(
    TrainOptions,
    data=st.text(min_size=1, max_size=8),
    target=st.none() | st.text(max_size=5),
    image_size=st.none() | st.tuples(st.integers(1, 64), st.integers(1, 64)),
    hidden=st.none() | sizes,
    activation=st.sampled_from([None, "relu", "maxout", "elu"]),
    batch_norm=st.none() | st.booleans(),
    dropout=st.none() | st.floats(0, 0.9),
    init=st.sampled_from([None, "he", "normal:0.01"]),
    preprocess=st.sampled_from([None, "none", "standardize", "center,pca:5"]),
    model=st.sampled_from([None, "mlp", "cnn", "net.py:build"]),
    batch_size=st.none() | st.integers(1, 512),
    search=st.sampled_from([(), ("hidden", "dropout=0..0.5"), ("activation=relu|elu",)]),
    budget=st.sampled_from([None, "10s", "5trials"]),
    ensemble=st.integers(1, 4),
    seed=st.integers(0, 2**40),
    force=st.booleans(),
)


@given(options)
def test_options_survive_json(chosen: TrainOptions) -> None:
    assert TrainOptions.from_json(json.loads(json.dumps(chosen.to_json()))) == chosen


def test_options_of_a_later_version_are_passed_over() -> None:
    saved = {**TrainOptions("digits", epochs=3).to_json(), "colour": "red"}
    assert TrainOptions.from_json(saved) == TrainOptions("digits", epochs=3)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"budget": "soon"}, "--budget: expected a time"),
        ({"search": ("droput",)}, "did you mean 'dropout'?"),
        ({"schedule": "sometimes"}, "schedule: expected one of constant"),
        ({"optimizer": "amsgrad"}, "--optimizer: expected one of sgd, momentum"),
        ({"epochs": 0}, "epochs: expected a whole number of at least 1, found 0"),
        ({"batch_size": -3}, "batch_size: expected a whole number of at least 1, found -3"),
        ({"search": ("momentum",), "optimizer": "rmsprop"}, "--search momentum: expected an optimizer that has one"),
        ({"ensemble": 0}, "--ensemble: expected at least 1 model, found 0"),
        ({"seed": -1}, "--seed: expected zero or more, found -1"),
        (
            {"model": "transformer"},
            "--model: expected mlp, cnn, file.py:function or module:function, found 'transformer'",
        ),
        ({"activation": "rellu"}, "relu"),
        ({"init": "hee"}, "init: expected one of"),
        ({"dropout": 1.0}, "dropout: expected a probability from 0 to below 1, found 1.0"),
        ({"dropout": float("nan")}, "dropout: expected a probability"),
        ({"hidden": (50, 0)}, "hidden: expected whole numbers of at least 1"),
        ({"channels": ()}, "channels: expected at least one number"),
        ({"augment": "flop"}, "augmentation: expected none, flip"),
        ({"preprocess": "mean-picture"}, "preprocessing 'mean-picture': expected steps among"),
    ],
)
def test_what_no_data_could_make_sense_of_is_refused_before_they_are_read(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        TrainOptions("digits", **wrong)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_network_s_options_are_those_that_were_given() -> None:
    assert TrainOptions("digits").network() == {}
    given = TrainOptions("digits", hidden=(), batch_norm=False, dropout=0.0, channels=(8,), optimizer="adam")
    assert given.network() == {"hidden": (), "batch_norm": False, "dropout": 0.0, "channels": (8,)}


def test_what_is_asked_of_the_network_is_known_by_its_options() -> None:
    asked = TrainOptions("digits", hidden=(8,), batch_norm=False, search=("hidden", "batch-norm", "dropout", "lr"))
    assert asked.asked_of_network() == {
        "hidden": "--hidden", "batch_norm": "--batch-norm", "dropout": "--search dropout"
    }  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_momentum_is_searched_where_it_changes_the_update(name: str) -> None:
    def after(momentum: float) -> torch.Tensor:
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(model.weight)
        optimizer = make_optimizer(name, model, lr=0.1, momentum=momentum)
        for scale in (1.0, 3.0):
            optimizer.zero_grad()
            (scale * model(torch.ones(1, 1)).sum()).backward()
            optimizer.step()
        return model.weight.detach()

    has_effect = not torch.equal(after(0.5), after(0.9))
    assert has_effect is (name not in WITHOUT_MOMENTUM)
    TrainOptions("digits", search=("momentum", "optimizer"), optimizer=name)
