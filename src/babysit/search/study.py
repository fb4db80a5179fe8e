"""Coarse to fine: rounds of random trials, each round around the best of the one before.

A trial ends at once when its loss is not finite or over 3 × the initial one; inside a round the better half of the
trials trains on (successive halving). Where the best sit at the edge of a range, the next round moves past it. The
last round trains the finalists again with fresh seeds, as the luckiest of many trials is not the best of them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from babysit.errors import InputError
from babysit.measure.ranges import End
from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.edges import edges_of
from babysit.search.limits import NO_LIMITS, Clock, Limits, Spent, affordable, no_room
from babysit.search.optuna_space import from_scalar, to_scalar
from babysit.search.plan import RoundPlan as RoundPlan
from babysit.search.plan import plan_rounds as plan_rounds
from babysit.search.rungs import Rungs
from babysit.search.samplers import GridSampler, sampler_named
from babysit.search.space import Space
from babysit.search.trials import Outcome, TrialSpec

BEST_SHARE = 0.25
"""Share of a round's trials that the next round is drawn around."""
_TRIAL, _ORDER = 1, 2
"""Streams of seeds."""
NOT_A_NUMBER = "the score is NaN"
"""How the reason of a trial begins that was stopped for it."""
AT_LEAST_BEST = 4
"""Three values of a hyperparameter that hardly matters may lie close together by chance; four seldom do."""


class AllKilledError(InputError):
    """Every trial was killed, so that there is no best one."""


@dataclass(frozen=True)
class StudyResult:
    """What a search found.

    Attributes:
        best: The best hyperparameters.
        score: Their validation score, averaged over seeds where there were finalists.
        ranking: All settings of the last rounds, best first, without repeats.
        rounds: The rounds as they were.
        trials: The trials as they ended.
        epochs_run: Epochs trained in all.
        epochs_planned: Epochs that training every trial to its end would have taken.
        stopped: Which limit ended it before all rounds were complete; ``""`` where none did.
    """

    best: dict[str, Any]
    score: float
    ranking: tuple[dict[str, Any], ...]
    rounds: tuple[RoundRecord, ...]
    trials: tuple[TrialRecord, ...]
    epochs_run: float
    epochs_planned: float
    stopped: str = ""


class Study:
    """One search over one space; the same seed gives the same trials.

    Args:
        space: What the first round draws from.
        rounds: Any number of coarse and fine rounds, then at most one called ``final``.
        rungs: Trains the trials.
        seed: Of everything that is drawn.
        finalists: Settings that meet in the final round; its trials are dealt out over them and the challengers, with
            fresh seeds.
        challengers: Further settings for the final round, made from the best so far.
        moves: How many times ranges may move past an edge that the best sit at; 0 keeps to the ranges as they are
            given. A move that no planned round is left for gets an extra fine round.
        sampler: Draws the trials: ``"random"``, ``"sobol"``, ``"tpe"`` or ``"grid"``.
        limits: What all rounds together may take.
        tell: Receives every round at its beginning and every trial at its end.
        now: Seconds since some beginning.

    Raises:
        InputError: There is no such sampler.
    """

    def __init__(
        self,
        space: Space,
        rounds: Sequence[RoundPlan],
        rungs: Rungs,
        *,
        seed: int = 0,
        finalists: int = 3,
        challengers: Callable[[dict[str, Any]], Sequence[dict[str, Any]]] = lambda _: (),
        moves: int = 3,
        sampler: str = "random",
        limits: Limits = NO_LIMITS,
        tell: Callable[[RoundRecord | TrialRecord], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._space = space
        self._plans = list(rounds)
        self._rungs = rungs
        self._seed = seed
        self._finalists = finalists
        self._challengers = challengers
        self._moves = moves
        self._sampler = sampler_named(sampler)
        self._limits = limits
        self._clock = Clock(rungs.ledger, now)
        self._stopped = ""
        self._tell = tell
        self._rounds: list[RoundRecord] = []
        self._trials: list[TrialRecord] = []
        self._planned = 0.0
        self._standing: dict[int, list[tuple[float, float]]] = {}

    def run(self) -> StudyResult:
        """Run all rounds.

        Raises:
            InputError: Every trial failed; the message is the first one's.
            AllKilledError: None came to an end, as their losses exploded or their scores are no numbers.
        """
        space, ranked = self._space, list[TrialRecord]()
        plans = list(self._plans)
        while plans:
            plan = self._within_limits(plans.pop(0))
            if plan is None:
                break
            if plan.name == "final":
                ranked = self._final_round(plan, space) or ranked
                continue
            if ranked:
                space = self._next_space(space, ranked)
            ranked = self._search_round(plan, space) or ranked
            # an extra round costs trials, so that a trend alone is not enough
            crowded = self._moves > 0 and self._edges(space, ranked, trend=False)
            if crowded and not any(p.name == "fine" for p in plans):
                plans.insert(0, RoundPlan("fine", plan.trials, plan.epochs, plan.halvings))
        return self._result(ranked)

    def _within_limits(self, plan: RoundPlan) -> RoundPlan | None:
        """The round as far as there is room for it."""
        moment = f"before round {len(self._rounds)}"
        seconds = self._clock.at(moment) if self._limits.seconds is not None else 0.0
        spent = Spent(len(self._trials), sum(trial.epochs for trial in self._trials), seconds)
        trials, why = affordable(plan, self._limits, spent)
        if trials < 1 and not self._trials:
            raise no_room(plan, why)
        if trials < plan.trials:
            self._stopped = f"{why}, {moment} ({plan.name})"
        return dataclasses.replace(plan, trials=min(trials, plan.trials)) if trials else None

    def _next_space(self, space: Space, ranked: Sequence[TrialRecord]) -> Space:
        edges = self._edges(space, ranked) if self._moves > 0 else {}
        self._moves -= bool(edges)
        if self._sampler.narrows:
            return space.narrowed([trial.params for trial in _best_of(ranked)], edges)
        return space.extended(edges)

    def _search_round(self, plan: RoundPlan, space: Space) -> list[TrialRecord]:
        number, first = len(self._rounds), len(self._trials)
        drawn = self._draw(plan, space, number)
        settings = next(drawn)
        record = self._begin(plan, space, len(settings) if self._sampler.batch is None else plan.trials)
        self._train(plan, record, settings)
        for settings in drawn:
            self._train(plan, record, settings)
        self._refuse_failure(self._trials[first:])
        return self._ranked(first)

    def _draw(self, plan: RoundPlan, space: Space, number: int) -> Iterator[list[dict[str, Any]]]:
        """The settings of a round, in parts of which each may depend on how those before ended."""
        if space.size <= plan.trials:
            yield GridSampler().draw(space, int(space.size), (), ())  # room for every one there is
        elif self._sampler.batch is None:
            yield self._sampler.draw(space, plan.trials, (self._seed, number), self._trials)
        else:
            for start in range(0, plan.trials, self._sampler.batch):
                size = min(self._sampler.batch, plan.trials - start)
                yield self._remembered(space, size, number, start)

    def _remembered(self, space: Space, size: int, number: int, start: int) -> list[dict[str, Any]]:
        """Settings that depend on more than the seed: those that were drawn first stay."""

        def draw() -> list[dict[str, Any]]:
            settings = self._sampler.draw(space, size, (self._seed, number, start), self._trials)
            return [{name: to_scalar(value) for name, value in params.items()} for params in settings]

        kept = self._rungs.ledger.decide(f"settings of round {number} from trial {start}", draw)
        return [{name: from_scalar(value) for name, value in params.items()} for params in kept]

    def _final_round(self, plan: RoundPlan, space: Space) -> list[TrialRecord]:
        # of all rounds: a fine round may have been drawn around a lucky trial, and miss what a coarse one had found
        settings = _distinct(self._ranked(0))[: self._finalists]
        settings = [*settings, *(self._challengers(settings[0]) if settings else ())][: plan.trials]
        repeated = [settings[index % len(settings)] for index in range(plan.trials)] if settings else []
        first = len(self._trials)
        self._train(plan, self._begin(plan, space, len(repeated)), repeated, share_order=len(settings))
        self._refuse_failure(self._trials[first:])
        # the killed count too: a setting that diverges with one of its seeds comes last
        return sorted(
            self._ranked(first), key=lambda trial: _mean_score(self._trials[first:], trial.params), reverse=True
        )

    def _begin(self, plan: RoundPlan, space: Space, trials: int) -> RoundRecord:
        record = RoundRecord(len(self._rounds), plan.name, plan.epochs, trials, space.to_ranges())
        self._rounds.append(record)
        self._tell(record)
        return record

    def _train(
        self, plan: RoundPlan, record: RoundRecord, settings: Sequence[dict[str, Any]], share_order: int = 0
    ) -> None:
        """Train some trials of a round to their ends.

        Args:
            plan: The round.
            record: Likewise.
            settings: One a trial.
            share_order: So many trials after each other see the same order of batches; all by default.
        """
        first = len(self._trials)
        specs = [
            TrialSpec(
                first + index,
                record.number,
                params,
                self._seed_of(_TRIAL, first + index),
                plan.epochs,
                self._seed_of(_ORDER, record.number, index // share_order if share_order else 0),
            )
            for index, params in enumerate(settings)
        ]
        self._rungs.ledger.begin(record, specs)
        self._planned += plan.epochs * len(specs)
        outcomes = self._halve(plan, specs)
        for spec in specs:
            trial = _to_record(spec, outcomes[spec.number], plan.epochs, self._standing.get(spec.number, ()))
            self._trials.append(trial)
            self._rungs.ledger.end(trial)
            self._tell(trial)

    def _ranked(self, first: int) -> list[TrialRecord]:
        """The trials since ``first``, best first, without those that were killed."""
        alive = [trial for trial in self._trials[first:] if trial.status in ("complete", "halved")]
        # by the rung they came to: the epochs trained differ by rounding where batch sizes do
        return sorted(alive, key=lambda trial: (trial.rungs[-1][0], trial.score, -trial.loss), reverse=True)

    def _halve(self, plan: RoundPlan, specs: Sequence[TrialSpec]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        alive = list(specs)
        for halving in range(plan.halvings, -1, -1):
            for outcome in self._rungs.advance(alive, plan.epochs / 2**halving):
                outcomes[outcome.number] = sound = _sound(outcome)
                if not sound.stopped:
                    self._standing.setdefault(sound.number, []).append((sound.epochs, sound.score))
            running = [spec for spec in alive if not outcomes[spec.number].stopped]
            running.sort(key=lambda spec: outcomes[spec.number].rank, reverse=True)
            kept = running[: -(-len(running) // 2)] if halving and not self._late(specs, halving) else []
            self._rungs.release([spec.number for spec in alive if spec not in kept])
            alive = kept
        return outcomes

    def _late(self, specs: Sequence[TrialSpec], halving: int) -> bool:
        """Whether the time is up before a further rung."""
        limit = self._limits.seconds
        if limit is None or not specs:
            return False
        late = self._clock.at(f"before the last {halving} rungs from trial {specs[0].number}") >= limit
        if late:
            self._stopped = f"the limit of {limit:g} s, inside round {specs[0].round}"
        return late

    def _seed_of(self, *what: int) -> int:
        return int(np.random.SeedSequence([self._seed, *what]).generate_state(1)[0]) % 2**31

    def _edges(self, space: Space, ranked: Sequence[TrialRecord], *, trend: bool = True) -> dict[str, End]:
        """The ends of ranges that the last round points past."""
        numbers = {trial.round for trial in ranked}
        killed = [trial for trial in self._trials if trial.round in numbers and trial.status == "killed"]
        return edges_of(space.to_ranges(), ranked, killed, len(_best_of(ranked)), trends=trend)

    def _refuse_failure(self, trials: Sequence[TrialRecord]) -> None:
        if trials and all(trial.status == "failed" for trial in trials):
            raise InputError(
                "search",
                expected="at least one trial that can be built and trained",
                found=f"{len(trials)} that failed, the first with {trials[0].reason}",
                todo="mend the model or narrow the space",
            )

    def _result(self, ranked: Sequence[TrialRecord]) -> StudyResult:
        if not ranked:
            unknown = any(trial.reason.startswith(NOT_A_NUMBER) for trial in self._trials)
            raise AllKilledError(
                "search",
                expected=f"at least one trial whose {'score is a number' if unknown else 'loss stays finite'}",
                found=f"{len(self._trials)} trials that were all killed",
                todo="see what the metric gives for one batch"
                if unknown
                else "lower the upper end of the learning-rate range",
            )
        ranking = _distinct([*ranked, *sorted(self._trials, key=lambda trial: trial.score, reverse=True)])
        return StudyResult(
            best=ranking[0],
            score=_mean_score(ranked, ranking[0]),
            ranking=tuple(ranking),
            rounds=tuple(self._rounds),
            trials=tuple(self._trials),
            epochs_run=sum(trial.epochs for trial in self._trials),
            epochs_planned=self._planned,
            stopped=self._stopped,
        )


def _best_of(ranked: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
    return ranked[: max(AT_LEAST_BEST, round(BEST_SHARE * len(ranked)))]


def _sound(outcome: Outcome) -> Outcome:
    """An outcome whose score can be compared; whatever trained it, a score that is no number is the worst."""
    if outcome.stopped or not (math.isnan(outcome.score) or math.isnan(outcome.loss)):
        return outcome
    reason = f"{NOT_A_NUMBER} after step {outcome.steps}"
    return dataclasses.replace(outcome, loss=math.inf, score=-math.inf, stopped=reason)


def _to_record(spec: TrialSpec, outcome: Outcome, epochs: float, rungs: Sequence[tuple[float, float]]) -> TrialRecord:
    if outcome.failed:
        status = "failed"
    elif outcome.stopped:
        status = "killed"
    else:
        status = "complete" if outcome.epochs >= epochs else "halved"
    return TrialRecord(
        number=spec.number,
        round=spec.round,
        params=dict(spec.params),
        status=status,
        epochs=outcome.trained,
        steps=outcome.steps,
        initial_loss=outcome.initial_loss,
        loss=outcome.loss,
        score=outcome.score,
        reason=outcome.stopped,
        rungs=tuple(rungs),
    )


def _key(params: Any) -> str:
    return json.dumps(params, sort_keys=True, default=str)


def _distinct(trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    alive = [trial for trial in trials if trial.status in ("complete", "halved")]
    return list({_key(trial.params): dict(trial.params) for trial in alive}.values())


def _mean_score(trials: Sequence[TrialRecord], params: Any) -> float:
    return statistics.fmean(trial.score for trial in trials if _key(trial.params) == _key(params))
