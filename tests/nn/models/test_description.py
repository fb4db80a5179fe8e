from __future__ import annotations

import torch
from torch import nn

from babysit.nn.models import CNNConfig, build, describe


def test_rows_of_a_convolutional_net() -> None:
    config = CNNConfig((3, 16, 16), 10, channels=(8,), hidden=(20,), activation="maxout", dropout=0.5)
    network = build(config, 0)
    assert [tuple(row) for row in describe(network, (3, 16, 16))] == [
        ("conv1", "MaxoutConv2d", (8, 16, 16), 16 * 27 + 32),
        ("drop1", "Dropout", (8, 16, 16), 0),
        ("pool1", "MaxPool2d", (8, 8, 8), 0),
        ("flatten", "Flatten", (512,), 0),
        ("fc2", "Maxout", (20,), 512 * 40 + 80),
        ("drop2", "Dropout", (20,), 0),
        ("output", "Linear", (10,), 210),
    ]


def test_all_parameters_are_counted_and_nothing_changes() -> None:
    network = build(CNNConfig((1, 8, 8), 3, channels=(4,)), 0)
    network.bn1.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rows = describe(network, (1, 8, 8))
    assert sum(row.parameters for row in rows) == sum(parameter.numel() for parameter in network.parameters())
    assert network.training
    assert not network.bn1.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_nested_and_double_precision() -> None:
    nested = nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), nn.Linear(3, 2)).double()
    assert [row.name for row in describe(nested, (4,))] == ["0.0", "0.1", "1"]


def test_a_single_layer() -> None:
    assert describe(nn.Linear(4, 3), (4,)) == [("", "Linear", (3,), 15)]


def test_a_recurrent_layer_is_described_by_its_first_output() -> None:
    assert describe(nn.LSTM(4, 3, batch_first=True), (5, 4)) == [("", "LSTM", (5, 3), 4 * 3 * (4 + 3 + 2))]
