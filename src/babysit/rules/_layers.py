"""The layers of a recorded model by their part in it, as far as their types and order say."""

from __future__ import annotations

from collections.abc import Sequence

from babysit.measure.record import LayerStats

_ACTIVATIONS = frozenset(
    {"ReLU", "ReLU6", "LeakyReLU", "PReLU", "RReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "Softplus"}
    | {"Tanh", "Sigmoid", "Hardtanh", "Hardswish", "Hardsigmoid", "Softsign", "LogSigmoid", "Threshold", "GLU"}
)
_TRANSPARENT = ("Dropout", "AlphaDropout", "Flatten", "Unflatten", "Identity", "MaxPool", "AvgPool", "Adaptive")


def is_activation(layer: LayerStats) -> bool:
    """Whether the module is one of torch's elementwise activations."""
    return layer.type in _ACTIVATIONS


def is_weighted(layer: LayerStats) -> bool:
    """Whether the module has weights of its own that are trained; scales and biases alone do not count."""
    return layer.weight_norm is not None


def hidden_activations(layers: Sequence[LayerStats]) -> Sequence[LayerStats]:
    """The activations that a layer with weights comes after; the others are the model's outputs."""
    last = max((place for place, layer in enumerate(layers) if is_weighted(layer)), default=0)
    return [layer for layer in layers[:last] if is_activation(layer)]


def deepest_stack(layers: Sequence[LayerStats], activation: str) -> Sequence[LayerStats]:
    """The longest unbroken sequence of layers with weights that each have this activation and another layer after it.

    Any other module, such as another activation or a normalisation, and two layers in a row break a sequence; dropout
    and pooling do not.

    Args:
        layers: In the model's order.
        activation: Class name of the activation.

    Returns:
        The layers with weights, without their activations.

    Example:
        >>> types = ["Linear", "Sigmoid", "Linear", "Dropout", "Sigmoid", "Linear", "Sigmoid"]
        >>> norms = {"Linear": 1.0}
        >>> layers = [LayerStats(str(place), kind, weight_norm=norms.get(kind)) for place, kind in enumerate(types)]
        >>> [layer.module for layer in deepest_stack(layers, "Sigmoid")]
        ['0', '2']
    """
    stacks: list[list[LayerStats]] = [[]]
    waiting: LayerStats | None = None  # has weights, and nothing after it yet
    activated: LayerStats | None = None  # has its activation too, and counts once another layer follows
    for layer in layers:
        if layer.type.startswith(_TRANSPARENT):
            continue
        if is_weighted(layer):
            if activated:
                stacks[-1].append(activated)
            else:
                stacks.append([])
            waiting, activated = layer, None
        elif layer.type == activation and waiting:
            waiting, activated = None, waiting
        else:
            stacks.append([])
            waiting, activated = None, None
    return max(stacks, key=len)
