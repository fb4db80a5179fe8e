"""Spaces and settings as Optuna has them, and back; Optuna itself is loaded on first use.

Optuna stores choices as scalars only, so that a tuple such as the widths of hidden layers travels as JSON text. What
Optuna has no word for stays behind: how far a range may move, and what a hyperparameter depends on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from babysit.errors import InputError
from babysit.search.space import Choice, Distribution, IntUniform, LogIntUniform, LogUniform, Space, Uniform, When

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Scalar = None | bool | int | float | str


def to_optuna(space: Mapping[str, Distribution]) -> dict[str, BaseDistribution]:
    """A space as Optuna's distributions.

    Args:
        space: By hyperparameter.

    Example:
        >>> to_optuna(Space({"lr": LogUniform(1e-4, 1e-1)}))
        {'lr': FloatDistribution(high=0.1, log=True, low=0.0001, step=None)}
    """
    return {name: _to_optuna(distribution) for name, distribution in space.items()}


def from_optuna(distributions: Mapping[str, BaseDistribution]) -> Space:
    """A space from Optuna's distributions.

    Args:
        distributions: By hyperparameter.

    Raises:
        InputError: One of them moves in steps, for which there is no counterpart.

    Example:
        >>> from optuna.distributions import IntDistribution
        >>> from_optuna({"width": IntDistribution(16, 64, log=True)})["width"] == LogIntUniform(16, 64)
        True
    """
    return Space({name: _from_optuna(name, distribution) for name, distribution in distributions.items()})


def to_scalar(value: Any) -> Scalar:
    """A value as Optuna can store it.

    Example:
        >>> to_scalar((256, 128)), to_scalar("relu")
        ('[256, 128]', 'relu')
    """
    return json.dumps(value) if isinstance(value, tuple | list) else value


def from_scalar(value: Any) -> Any:
    """A value as it was before :func:`to_scalar`."""
    if isinstance(value, str) and value.startswith("["):
        try:
            return _tuples(json.loads(value))
        except ValueError:
            return value
    return value


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _to_optuna(distribution: Distribution) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match distribution:
        case When():
            return _to_optuna(distribution.of)
        case Choice():
            return CategoricalDistribution(list(map(to_scalar, distribution.values)))
        case IntUniform() | LogIntUniform():
            return IntDistribution(
                int(distribution.low), int(distribution.high), log=isinstance(distribution, LogIntUniform)
            )
        case Uniform() | LogUniform():
            return FloatDistribution(
                float(distribution.low), float(distribution.high), log=isinstance(distribution, LogUniform)
            )
    raise InputError(
        "search space",
        expected="a distribution that Optuna knows",
        found=type(distribution).__name__,
        todo="use Uniform, LogUniform, IntUniform, LogIntUniform or Choice",
    )


def _from_optuna(name: str, distribution: BaseDistribution) -> Distribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match distribution:
        case CategoricalDistribution():
            return Choice(*map(from_scalar, distribution.choices))
        case IntDistribution(step=1):
            whole = LogIntUniform if distribution.log else IntUniform
            return whole(distribution.low, distribution.high)
        case FloatDistribution(step=None):
            real = LogUniform if distribution.log else Uniform
            return real(distribution.low, distribution.high)
    raise InputError(
        f"search space, {name}",
        expected="a range without steps, or choices",
        found=repr(distribution),
        todo="list the values as choices",
    )
