"""Settings from Optuna's tree-structured Parzen estimator, which is loaded on first use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from babysit.measure.record import TrialRecord
from babysit.search.optuna_space import from_scalar, to_optuna, to_scalar
from babysit.search.space import Space, When

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial


def suggest_settings(space: Space, count: int, seed: int, seen: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Settings of the next trials.

    Args:
        space: What they are drawn from.
        count: How many.
        seed: Of the estimator.
        seen: The trials before. One that was halved counts by where it stood then, one that diverged as the worst.

    Example:
        >>> from babysit.search.space import LogUniform
        >>> [settings] = suggest_settings(Space({"lr": LogUniform(1e-4, 1e-1)}), 1, 0, [])
        >>> 1e-4 <= settings["lr"] <= 1e-1
        True
    """
    import optuna

    distributions = to_optuna(space)
    with quiet():
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.add_trials([_to_frozen(trial, distributions) for trial in seen if _fits(trial, distributions)])
    # those that were asked for and not told yet are kept away from
    return [_suggest(study.ask(), space, distributions) for _ in range(count)]


def _suggest(trial: Trial, space: Space, distributions: dict[str, BaseDistribution]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, distribution in space.items():
        if not isinstance(distribution, When) or distribution.holds(params):
            params[name] = from_scalar(_value(trial, name, distributions[name]))
    return params


def _value(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match distribution:
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
        case IntDistribution():
            return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
        case FloatDistribution():
            return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    raise TypeError(distribution)


def _fits(trial: TrialRecord, distributions: dict[str, BaseDistribution]) -> bool:
    """Whether a trial's values lie in the space as it is now."""
    return all(
        name in distributions and distributions[name]._contains(distributions[name].to_internal_repr(to_scalar(value)))
        for name, value in trial.params.items()
    )


def _to_frozen(trial: TrialRecord, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    complete = trial.status == "complete" and math.isfinite(trial.score)
    stood = {max(1, round(trial.steps)): trial.score} if math.isfinite(trial.score) else {}
    return create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        value=trial.score if complete else None,
        params={name: to_scalar(value) for name, value in trial.params.items()},
        distributions={name: distributions[name] for name in trial.params},
        intermediate_values=stood,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without the line that Optuna logs for every study; what a user has set comes back."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
