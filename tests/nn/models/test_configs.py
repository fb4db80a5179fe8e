from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from babysit.errors import InputError
from babysit.nn.activations import ACTIVATIONS, Maxout, MaxoutConv2d
from babysit.nn.models import CNNConfig, MLPConfig, ModelConfig, config_from_json, config_to_json

sizes = st.integers(1, 500)
shared: dict[str, Any] = {
    "outputs": sizes,
    "hidden": st.lists(sizes, max_size=4).map(tuple),
    "activation": st.sampled_from(ACTIVATIONS),
    "pieces": st.integers(2, 5),
    "batch_norm": st.booleans(),
    "dropout": st.floats(0, 0.99),
    "init": st.sampled_from(["he", "xavier", "normal:0.01", "sparse:15", "lsuv"]),
    "bias": st.floats(-1, 1),
}
mlps = st.builds(MLPConfig, input_shape=st.lists(sizes, min_size=1, max_size=3).map(tuple), **shared)
cnns = st.builds(
    CNNConfig,
    input_shape=st.tuples(st.integers(1, 4), st.integers(8, 40), st.integers(8, 40)),
    channels=st.lists(sizes, min_size=1, max_size=3).map(tuple),
    **shared,
)


@given(mlps | cnns)
def test_json_round_trip(config: ModelConfig) -> None:
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


def test_mlp_layers() -> None:
    config = MLPConfig((3, 32, 32), 10, hidden=(50, 20), batch_norm=True, dropout=0.25, activation="elu")
    layers = dict(config.layers())
    assert list(layers) == ["flatten", "fc1", "bn1", "act1", "drop1", "fc2", "bn2", "act2", "drop2", "output"]
    assert (layers["fc1"].in_features, layers["fc1"].out_features) == (3072, 50)
    assert layers["fc1"].bias is None
    assert isinstance(layers["act2"], nn.ELU)
    assert layers["drop2"].p == 0.25
    assert layers["output"].bias is not None


def test_cnn_layers() -> None:
    config = CNNConfig((3, 33, 40), 7, channels=(8, 16), hidden=(64,), dropout=0.1)
    layers = dict(config.layers())
    names = "conv1 bn1 act1 drop1 pool1 conv2 bn2 act2 drop2 pool2 flatten fc3 bn3 act3 drop3 output"
    assert list(layers) == names.split()
    assert layers["fc3"].in_features == 16 * 8 * 10
    assert layers["conv2"].padding == (1, 1)


def test_maxout_takes_the_place_of_layer_norm_and_activation() -> None:
    mlp = dict(MLPConfig((4,), 2, hidden=(6,), activation="maxout", pieces=3).layers())
    assert list(mlp) == ["flatten", "fc1", "output"]
    assert isinstance(mlp["fc1"], Maxout)
    assert mlp["fc1"].linear.out_features == 18
    cnn = dict(CNNConfig((1, 8, 8), 2, channels=(4,), hidden=(), activation="maxout").layers())
    assert list(cnn) == ["conv1", "pool1", "flatten", "output"]
    assert isinstance(cnn["conv1"], MaxoutConv2d)
    assert isinstance(cnn["conv1"].norm, nn.BatchNorm2d)


def test_no_hidden_layer_is_a_linear_model() -> None:
    assert [name for name, _ in MLPConfig((4,), 2, hidden=()).layers()] == ["flatten", "output"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": (50, 0)}, "hidden: expected whole numbers of at least 1"),
        ({"hidden": 50}, "hidden: expected whole numbers"),
        ({"hidden": (True,)}, "hidden: expected whole numbers"),
        ({"outputs": 0}, "outputs: expected whole numbers"),
        ({"input_shape": ()}, "input_shape: expected at least one number"),
        ({"dropout": -0.1}, "dropout: expected a probability"),
        ({"dropout": 1.0}, "dropout: expected a probability"),
        ({"dropout": float("nan")}, "dropout: expected a probability"),
        ({"dropout": "0.5"}, "dropout: expected a probability"),
        ({"bias": float("inf")}, "bias: expected a finite number"),
        ({"batch_norm": 1}, "batch_norm: expected true or false"),
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"pieces": 1}, "pieces: expected at least 2"),
        ({"init": "kaiming"}, "init: expected one of he"),
    ],
)
def test_impossible_values(changes: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"input_shape": (4,), "outputs": 2, **changes}
    with pytest.raises(InputError, match=message):
        MLPConfig(**values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_shape": (64,)}, "channels, height and width"),
        ({"channels": ()}, "channels: expected at least one number"),
        ({"channels": (8, -1)}, "channels: expected whole numbers"),
        ({"channels": (8, 8, 8, 8)}, "at most 3 blocks"),
    ],
)
def test_impossible_convolutional_nets(changes: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"input_shape": (1, 8, 30), "outputs": 2, **changes}
    with pytest.raises(InputError, match=message):
        CNNConfig(**values)


def test_as_many_blocks_as_the_image_allows() -> None:
    assert dict(CNNConfig((1, 8, 8), 2, channels=(4, 4, 4), hidden=()).layers())["output"].in_features == 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "model kind: expected mlp or cnn, found None"),
        ({"kind": "rnn"}, "found rnn"),
        ({"kind": ["mlp"]}, "model kind: expected mlp or cnn"),
        ({"kind": "mlp", "input_shape": [3], "outputs": 2, "hiden": [4]}, "did you mean 'hidden'"),
        ({"kind": "mlp", "outputs": 2}, "mlp: expected input_shape, found none"),
        ({"kind": "cnn"}, "found neither"),
        ({"kind": "mlp", "input_shape": [3], "outputs": "2"}, "outputs: expected whole numbers"),
    ],
)
def test_bad_json(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config_from_json(data)
