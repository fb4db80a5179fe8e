"""What the experiments search over: a network on the lab's images, and how a search is drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from babysit.data import read
from babysit.fit.settings import TrainSettings
from babysit.measure.record import Range, RunHeader, TrialRecord
from babysit.nn import MLPConfig, build
from babysit.recipe.prepared import prepare
from babysit.search.display import Silent
from babysit.search.given import problem_of
from babysit.search.launch import launch_models
from babysit.search.ledgers import MemoryLedger
from babysit.search.plan import RoundPlan
from babysit.search.session import Plan, Session
from babysit.search.space import Distribution, Space
from babysit.search.study import StudyResult
from babysit.search.trials import TrialSpec

Pair: TypeAlias = tuple[Tensor, Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Preprocessed images, and what a search needs to know of them.

    Attributes:
        train: To train on.
        validation: To judge trials on.
        shape: Of an image.
    """

    train: Pair
    validation: Pair
    shape: tuple[int, ...]

    def network(self, hp: Mapping[str, Any]) -> nn.Module:
        """The lecture's network: ``hidden`` units (50) in one layer, or as many layers as it lists."""
        hidden = hp.get("hidden", (50,))
        config = MLPConfig(self.shape, 10, hidden=hidden if isinstance(hidden, tuple) else (int(hidden),))
        return build(config, int(torch.randint(2**31, ())))


def images() -> Images:
    """Digits, preprocessed on their training split: small, as a search is many trainings.

    Example:
        >>> images().network({}).get_submodule("fc1").weight.shape
        torch.Size([50, 64])
    """
    dataset = read("digits")
    prepared = prepare(dataset, "mean-image,scale")
    train, validation = prepared.train, prepared.validation
    assert isinstance(train.x, Tensor)
    assert isinstance(validation.x, Tensor)
    return Images((train.x, train.y), (validation.x, validation.y), dataset.example_shape)


def one_round(
    some: Images,
    space: Mapping[str, Distribution],
    trials: int,
    epochs: float,
    *,
    sampler: str = "random",
    seed: int = 0,
    settings: TrainSettings | None = None,
    network: Callable[[dict[str, Any]], nn.Module] | None = None,
) -> StudyResult:
    """A single round of a search, of trials that all train to their end: one sampler beside another.

    Example:
        >>> from babysit.search import LogUniform
        >>> found = one_round(images(), {"lr": LogUniform(1e-4, 1.0)}, 4, 1)
        >>> [record.name for record in found.rounds], len(found.trials)
        (['coarse'], 4)
    """
    settings = settings or TrainSettings()
    problem = problem_of(network or some.network, some.train, validation=some.validation, settings=settings)
    plan = Plan(Space(space), [RoundPlan("coarse", trials, epochs)], seed, sampler, moves=0)
    steps = problem.batches(TrialSpec(0, 0, {}, 0, epochs), settings).steps_per_epoch
    header = RunHeader(task="classification", steps_per_epoch=steps)
    return Session(launch_models(problem, "auto", 1), plan, header, MemoryLedger(), None, Silent()).run().study


def alive(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that have a score."""
    return [trial for trial in trials if np.isfinite(trial.score)]


def decades(drawn: Range) -> float:
    """How many powers of ten a range spans."""
    assert drawn.low is not None
    assert drawn.high is not None
    return float(np.log10(drawn.high / drawn.low))
