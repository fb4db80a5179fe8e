"""What a search draws from: distributions by the names of hyperparameters, some of which depend on others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from babysit.errors import InputError, suggest
from babysit.measure.ranges import FEWEST, End
from babysit.measure.record import Range
from babysit.measure.saying import say
from babysit.search.distributions import Choice as Choice
from babysit.search.distributions import Distribution as Distribution
from babysit.search.distributions import IntUniform as IntUniform
from babysit.search.distributions import LogIntUniform as LogIntUniform
from babysit.search.distributions import LogUniform as LogUniform
from babysit.search.distributions import Past
from babysit.search.distributions import Uniform as Uniform

Quantiles = Sequence[float]
"""A point of the unit cube: one number of [0, 1) a hyperparameter, in the order of the space."""


class When(Distribution):
    """A hyperparameter that only trials have in which another one has some values.

    Args:
        parent: The other one, a :class:`Choice` of the same space.
        values: Those of its values that go with this one.
        of: What this one is drawn from.

    Raises:
        InputError: There are no values.

    Example:
        >>> space = Space({
        ...     "optimizer": Choice("sgd", "momentum"),
        ...     "momentum": When("optimizer", ["momentum"], Uniform(0.5, 0.99)),
        ... })
        >>> space.at([0.0, 0.5])
        {'optimizer': 'sgd'}
        >>> space.at([0.5, 0.0])
        {'optimizer': 'momentum', 'momentum': 0.5}
    """

    def __init__(self, parent: str, values: Sequence[Any], of: Distribution) -> None:
        if isinstance(values, str):  # a string is a sequence, of what is hardly meant
            values = [values]
        if not values:
            raise InputError(
                "search condition",
                expected=f"at least one value of {parent}",
                found="none",
                todo="name the values it goes with",
            )
        self.parent = parent
        self.values = tuple(values)
        self.of = of

    def at(self, quantile: float) -> Any:
        """The value below which this share of its distribution lies."""
        return self.of.at(quantile)

    def narrowed(self, best: Sequence[Any], past: Past = "crowded") -> Distribution:
        """Under the same condition; as it is where fewer than three of the best trials have it."""
        return self if len(best) < FEWEST else When(self.parent, self.values, self.of.narrowed(best, past))

    def extended(self, past: End) -> Distribution:
        """Under the same condition."""
        return When(self.parent, self.values, self.of.extended(past))

    @property
    def size(self) -> float:
        """How many different values it has."""
        return self.of.size

    def to_range(self) -> Range:
        """What is recorded of it."""
        return self.of.to_range()

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether a trial with these hyperparameters has it."""
        return params.get(self.parent) in self.values

    def among(self, parent: Distribution) -> When | None:
        """Under what of the condition its parent can still meet; ``None`` where that is nothing."""
        possible = _choices(parent)
        left = [value for value in self.values if value in possible]
        return When(self.parent, left, self.of) if left else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, When) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"When({self.parent!r}, {list(self.values)!r}, {self.of!r})"


class Space(Mapping[str, Distribution]):
    """Named distributions, in the order they were given, conditional ones after what they depend on.

    Args:
        distributions: By hyperparameter.

    Raises:
        InputError: There are none, or a condition can never be met.

    Example:
        >>> space = Space({"lr": LogUniform(1e-4, 1e-1), "hidden": Choice(50, 100)})
        >>> sorted(space.draw(np.random.default_rng(0)))
        ['hidden', 'lr']
    """

    def __init__(self, distributions: Mapping[str, Distribution]) -> None:
        if not distributions:
            raise InputError("search space", expected="at least one hyperparameter", found="none", todo="name one")
        for name, distribution in distributions.items():
            if isinstance(distribution, When):
                _require_parent(name, distribution, distributions)
        self._distributions = _parents_first(distributions)

    def __getitem__(self, name: str) -> Distribution:
        return self._distributions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._distributions)

    def __len__(self) -> int:
        return len(self._distributions)

    def __repr__(self) -> str:
        return f"Space({self._distributions!r})"

    @property
    def size(self) -> float:
        """How many different settings it has at most; infinite where a hyperparameter is a real number."""
        return math.prod(distribution.size for distribution in self.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: where there is nothing to search."""
        single = [f"{name} has the one value {say(known.at(0.0))}" for name, known in self.items() if known.size == 1]
        if self.size == 1:
            return (f"the space has one point, so there is nothing to search: {', '.join(single)}",)
        return tuple(f"{line}, so it is not searched" for line in single)

    def at(self, quantiles: Quantiles) -> dict[str, Any]:
        """The setting at a point of the unit cube.

        Args:
            quantiles: One a hyperparameter, also for those that the setting turns out not to have.
        """
        params: dict[str, Any] = {}
        for (name, distribution), quantile in zip(self.items(), quantiles, strict=True):
            if not isinstance(distribution, When) or distribution.holds(params):
                params[name] = distribution.at(quantile)
        return params

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """One value for every hyperparameter that the setting has."""
        return self.at([generator.random() for _ in self])

    def draw_spread(self, generator: np.random.Generator, count: int) -> list[dict[str, Any]]:
        """Several settings, random but spread evenly over each hyperparameter's distribution.

        Latin hypercube sampling (McKay et al. 1979): every hyperparameter gets one value from each of ``count`` equal
        slices, in random order. As random as drawing one by one where two hyperparameters interact, never unlucky
        about a single one.
        """
        columns = [(generator.permutation(count) + generator.random(count)) / count for _ in self]
        return [self.at([float(column[index]) for column in columns]) for index in range(count)]

    def narrowed(self, best: Sequence[Mapping[str, Any]], past: Mapping[str, End] | None = None) -> Space:
        """The space of the next round, around the settings of the best trials.

        Args:
            best: The settings.
            past: The ends that ranges are to move past, by hyperparameter; those that the best crowd at by default.
        """
        new: dict[str, Distribution] = {}
        for name, distribution in self.items():
            end = "crowded" if past is None else past.get(name)
            after: Distribution | None = distribution.narrowed(_values(name, best), end)
            if isinstance(after, When):
                # a parent may have lost the values that this one goes with, or have gone itself
                after = after.among(new[after.parent]) if after.parent in new else None
            if after is not None:
                new[name] = after
        return Space(new)

    def extended(self, past: Mapping[str, End]) -> Space:
        """All of the space, and what lies past some ends.

        Args:
            past: The ends, by hyperparameter.
        """
        return Space({name: known.extended(past[name]) if name in past else known for name, known in self.items()})

    def to_ranges(self) -> dict[str, Range]:
        """What is recorded of it."""
        return {name: distribution.to_range() for name, distribution in self.items()}


def _values(name: str, settings: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [params[name] for params in settings if name in params]


def _choices(distribution: Distribution) -> tuple[Any, ...]:
    of = distribution.of if isinstance(distribution, When) else distribution
    return of.values if isinstance(of, Choice) else ()


def _require_parent(name: str, child: When, distributions: Mapping[str, Distribution]) -> None:
    parent = distributions.get(child.parent)
    if parent is None:
        raise InputError(
            f"search space, {name}",
            expected="a condition on another hyperparameter of the space",
            found=f"one on {child.parent!r}",
            todo=suggest(child.parent, (other for other in distributions if other != name), "add it to the space"),
        )
    possible = _choices(parent)
    if strange := [value for value in child.values if value not in possible]:
        raise InputError(
            f"search space, {name}",
            expected=f"a condition on values that {child.parent} can have"
            + (f" ({', '.join(map(say, possible))})" if possible else ", which has to be a choice"),
            found=say(strange[0]),
            todo=suggest(say(strange[0]), map(say, possible), f"add it to {child.parent}, or take it out here"),
        )


def _parents_first(distributions: Mapping[str, Distribution]) -> dict[str, Distribution]:
    placed: dict[str, Distribution] = {}
    waiting = dict(distributions)
    while waiting:
        ready = {
            name: known for name, known in waiting.items() if not isinstance(known, When) or known.parent in placed
        }
        if not ready:
            raise InputError(
                "search space",
                expected="conditions that end somewhere",
                found=f"a circle of {', '.join(waiting)}",
                todo="let one of them have no condition",
            )
        placed |= ready
        waiting = {name: known for name, known in waiting.items() if name not in ready}
    return placed
