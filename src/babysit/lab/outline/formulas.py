"""The update rules as the lecture writes them: one step each, in NumPy, for what is measured to be held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

SMALL = 1e-8
"""What keeps a division from failing; Adagrad's is 1e-10, as in torch."""


@dataclass
class State:
    """Of one parameter.

    Attributes:
        weights: Moved by the rule.
        lr: Learning rate; several at once where the weights have a row for each.
        decay: λ of AdamW.
        momentum: Of the rules that have one; Adam's β₁.
        step: Steps taken, the present one included.
        velocity: Momentum's velocity, or Adam's mean of the gradients.
        squares: Sum or mean of the squared gradients.
    """

    weights: np.ndarray
    lr: float | np.ndarray
    decay: float = 0.0
    momentum: float = 0.9
    step: int = 0
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(1))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(1))


def sgd(s: State, g: np.ndarray) -> None:
    """``w −= lr·g``."""
    s.weights = s.weights - s.lr * g


def momentum(s: State, g: np.ndarray) -> None:
    """``v = μ·v + g``, ``w −= lr·v``."""
    s.velocity = s.momentum * s.velocity + g
    s.weights = s.weights - s.lr * s.velocity


def nesterov(s: State, g: np.ndarray) -> None:
    """``v = μ·v + g``, ``w −= lr·(g + μ·v)``: momentum, seen from where it would lead."""
    s.velocity = s.momentum * s.velocity + g
    s.weights = s.weights - s.lr * (g + s.momentum * s.velocity)


def adagrad(s: State, g: np.ndarray) -> None:
    """``G += g²``, ``w −= lr·g/(√G + ε)``."""
    s.squares = s.squares + g**2
    s.weights = s.weights - s.lr * g / (np.sqrt(s.squares) + 1e-10)


def rmsprop(s: State, g: np.ndarray) -> None:
    """``G = 0.99·G + 0.01·g²``, ``w −= lr·g/(√G + ε)``."""
    s.squares = 0.99 * s.squares + 0.01 * g**2
    s.weights = s.weights - s.lr * g / (np.sqrt(s.squares) + SMALL)


def adam(s: State, g: np.ndarray) -> None:
    """``m = β₁·m + (1 − β₁)·g``, ``G`` likewise of ``g²`` with 0.999; both corrected for their start at zero."""
    s.velocity = s.momentum * s.velocity + (1 - s.momentum) * g
    s.squares = 0.999 * s.squares + 0.001 * g**2
    mean = s.velocity / (1 - s.momentum**s.step)
    s.weights = s.weights - s.lr * mean / (np.sqrt(s.squares / (1 - 0.999**s.step)) + SMALL)


def adamw(s: State, g: np.ndarray) -> None:
    """``w −= lr·λ·w``, then Adam."""
    s.weights = s.weights - s.lr * s.decay * s.weights
    adam(s, g)


FORMULAS: Mapping[str, Callable[[State, np.ndarray], None]] = {
    rule.__name__: rule for rule in (sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw)
}
"""By the names of :data:`babysit.fit.optimizers.OPTIMIZERS`."""
