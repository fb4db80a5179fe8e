"""Samplers draw the settings of a round; each has a name."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, ClassVar

import numpy as np

from babysit.errors import InputError, suggest
from babysit.measure.record import TrialRecord
from babysit.search.space import Space

Seed = Sequence[int]
"""Of a draw: the search's seed and the round's number, and whatever tells further draws apart."""


class Sampler(ABC):
    """Draws settings from a space.

    Attributes:
        name: As it is asked for.
        batch: Settings to be drawn at a time, where what is known of the ones before counts; ``None`` for a whole
            round at once.
        narrows: Whether each round is to draw from around the best of the one before. A sampler that concentrates by
            itself wants all of the space instead.
    """

    name: ClassVar[str]
    batch: ClassVar[int | None] = None
    narrows: ClassVar[bool] = True

    @abstractmethod
    def draw(self, space: Space, count: int, seed: Seed, seen: Sequence[TrialRecord]) -> list[dict[str, Any]]:
        """Settings of the next trials: a function of the arguments alone.

        Args:
            space: What they are drawn from.
            count: How many; a sampler may give fewer where there are no more.
            seed: Of the draw.
            seen: The trials before, as they ended.
        """


class RandomSampler(Sampler):
    """A Latin hypercube: random, and evenly spread over each hyperparameter."""

    name: ClassVar[str] = "random"

    def draw(self, space: Space, count: int, seed: Seed, seen: Sequence[TrialRecord]) -> list[dict[str, Any]]:  # noqa: ARG002
        """Random settings."""
        return space.draw_spread(np.random.default_rng(list(seed)), count)


class SobolSampler(Sampler):
    """A scrambled Sobol sequence: evenly spread over all hyperparameters together."""

    name: ClassVar[str] = "sobol"

    def draw(self, space: Space, count: int, seed: Seed, seen: Sequence[TrialRecord]) -> list[dict[str, Any]]:  # noqa: ARG002
        """Quasi-random settings."""
        import torch
        from torch.quasirandom import SobolEngine

        mixed = int(np.random.SeedSequence(list(seed)).generate_state(1)[0])
        engine = SobolEngine(len(space), scramble=True, seed=mixed)  # type: ignore[no-untyped-call]
        points = engine.draw(count, dtype=torch.float64)
        return [space.at(point) for point in points.clamp(0.0, math.nextafter(1.0, 0.0)).tolist()]


class GridSampler(Sampler):
    """A grid: for comparison, as most of it is lost on hyperparameters that matter little."""

    name: ClassVar[str] = "grid"

    def draw(self, space: Space, count: int, seed: Seed, seen: Sequence[TrialRecord]) -> list[dict[str, Any]]:  # noqa: ARG002
        """The settings of the largest grid of ``count`` points or fewer with about as many levels for each."""
        axes = [[(level + 0.5) / levels for level in range(levels)] for levels in levels_of(space, count)]
        return distinct([space.at(point) for point in product(*axes)])


class TpeSampler(Sampler):
    """Optuna's tree-structured Parzen estimator: learns from the trials before, a few at a time."""

    name: ClassVar[str] = "tpe"
    batch: ClassVar[int | None] = 4
    narrows: ClassVar[bool] = False

    def draw(self, space: Space, count: int, seed: Seed, seen: Sequence[TrialRecord]) -> list[dict[str, Any]]:
        """Settings where trials that did well are more frequent than others."""
        from babysit.search.tpe import suggest_settings

        return suggest_settings(space, count, int(np.random.SeedSequence(list(seed)).generate_state(1)[0]), seen)


SAMPLERS: Mapping[str, type[Sampler]] = {
    sampler.name: sampler for sampler in (RandomSampler, SobolSampler, TpeSampler, GridSampler)
}


def sampler_named(name: str) -> Sampler:
    """The sampler of that name.

    Raises:
        InputError: There is none.

    Example:
        >>> sampler_named("sobol").name
        'sobol'
    """
    if name not in SAMPLERS:
        raise InputError(
            "sampler", expected=f"one of {', '.join(SAMPLERS)}", found=repr(name), todo=suggest(name, SAMPLERS)
        )
    return SAMPLERS[name]()


def levels_of(space: Space, count: int) -> list[int]:
    """How many values of each hyperparameter a grid of at most ``count`` points has.

    Example:
        >>> from babysit.search.space import Choice, Uniform
        >>> levels_of(Space({"a": Uniform(0, 1), "b": Uniform(0, 1), "c": Choice(False, True)}), 30)
        [5, 3, 2]
    """
    most = [distribution.size for distribution in space.values()]
    levels = [1] * len(most)
    while True:
        # the coarsest first; one that has no room left may still leave some to a finer one
        for axis in sorted(range(len(levels)), key=lambda axis: levels[axis]):
            finer = [level + (other == axis) for other, level in enumerate(levels)]
            if levels[axis] < most[axis] and math.prod(finer) <= count:
                levels = finer
                break
        else:
            return levels


def distinct(settings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Settings without repeats, in the order they came first."""
    return list({repr(sorted(params.items())): params for params in settings}.values())
