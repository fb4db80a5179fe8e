from __future__ import annotations

import pytest

from babysit.measure.record import LayerStats
from babysit.rules._layers import deepest_stack, hidden_activations

WEIGHTED = ("Linear", "Conv2d", "LSTM")


def layers(types: str) -> list[LayerStats]:
    return [
        LayerStats(str(place), kind, weight_norm=1.0 if kind in WEIGHTED else None)
        for place, kind in enumerate(types.split())
    ]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("Linear Sigmoid Linear Sigmoid Linear", "0 2"),
        ("Linear Sigmoid Linear Sigmoid", "0"),  # the last one is an output
        ("Conv2d Sigmoid MaxPool2d Flatten Linear Dropout Sigmoid Linear", "0 4"),
        ("Linear ReLU Linear Sigmoid Linear Sigmoid Linear", "2 4"),
        ("Linear Sigmoid Linear ReLU Linear Sigmoid Linear", "0"),
        ("Linear BatchNorm1d Sigmoid Linear BatchNorm1d Sigmoid Linear", ""),
        ("Linear Sigmoid Linear Linear Sigmoid Linear Sigmoid Linear", "3 5"),
        ("Conv2d ReLU Linear ReLU Linear Sigmoid Conv2d ReLU Linear ReLU Linear Sigmoid Conv2d", "4"),  # gates
        ("Linear Sigmoid Sigmoid Linear", ""),
        ("LSTM Linear", ""),
        ("", ""),
    ],
)
def test_the_deepest_stack(types: str, expected: str) -> None:
    assert [layer.module for layer in deepest_stack(layers(types), "Sigmoid")] == expected.split()


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("Linear Tanh Linear Sigmoid", "1"),
        ("Linear Tanh Dropout Linear", "1"),
        ("Linear BatchNorm1d ReLU Linear Tanh Flatten", "2"),
        ("Tanh", ""),
        ("", ""),
    ],
)
def test_an_activation_at_the_end_is_not_hidden(types: str, expected: str) -> None:
    assert [layer.module for layer in hidden_activations(layers(types))] == expected.split()
