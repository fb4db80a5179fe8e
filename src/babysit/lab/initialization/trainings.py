"""Trainings on digits of the nets whose first weights are looked at here."""

from __future__ import annotations

from functools import cache
from statistics import median

from torch import Tensor

from babysit.data import read
from babysit.fit import FitResult, fit
from babysit.nn import MLPConfig, build
from babysit.recipe.prepared import Prepared, prepare

Split = tuple[Tensor, Tensor]


@cache
def digits() -> Prepared:
    """Digits less their mean image, of unit variance."""
    return prepare(read("digits"), "mean-image,scale")


def splits() -> tuple[Split, Split]:
    """Training and validation examples."""
    known = digits()
    train, validation = ((part.inputs(slice(None)), part.y) for part in (known.train, known.validation))
    return train, validation


def train(
    hidden: tuple[int, ...],
    activation: str,
    scheme: str,
    seed: int,
    *,
    lr: float,
    epochs: int,
    batch_size: int = 64,
    output_only: bool = False,
) -> FitResult:
    """Train a multilayer perceptron on digits, watched.

    Args:
        hidden: Units of each hidden layer.
        activation: Of these.
        scheme: Of the first weights.
        seed: Of the weights and of the order of the examples.
        lr: Constant learning rate.
        epochs: Passes over the data.
        batch_size: Examples a step.
        output_only: Leave the hidden layers as they are.

    Example:
        >>> train((20,), "relu", "he", 0, lr=0.1, epochs=3).best.score > 0.8
        True
    """
    examples, validation = splits()
    config = MLPConfig(digits().preprocess.output_shape, 10, hidden, activation=activation, init=scheme)
    network = build(config, seed)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not output_only or name.startswith("output"))
    return fit(
        network,
        examples,
        validation=validation,
        lr=lr,
        schedule="constant",
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        threads=1,
    )


def last_loss(result: FitResult) -> float:
    """The level on which the training loss ends: the median of its last tenth."""
    losses = result.record.losses
    return median(losses[-max(1, len(losses) // 10) :])
