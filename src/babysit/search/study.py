"""Coarse to fine: rounds of random trials, each round around the best of the one before.

A trial ends at once when its loss is not finite or over 3 × the initial one; inside a round the better half of the
trials trains on (successive halving). Where the best sit at the edge of a range, the next round moves past it. The
last round trains the finalists again with fresh seeds, as the luckiest of many trials is not the best of them.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from babysit.errors import InputError
from babysit.measure.ranges import edge_of
from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.rungs import Rungs
from babysit.search.space import Space
from babysit.search.trials import Outcome, TrialSpec

BEST_SHARE = 0.25
"""Share of a round's trials that the next round is drawn around."""
_TRIAL, _ORDER = 1, 2
"""Streams of seeds."""
AT_LEAST_BEST = 4
"""Three values of a hyperparameter that hardly matters may lie close together by chance; four seldom do."""


@dataclass(frozen=True)
class RoundPlan:
    """One round: how many trials, how long, and how often the worse half is dropped.

    Attributes:
        name: ``"coarse"``, ``"fine"`` or ``"final"``.
        trials: How many.
        epochs: How long the longest of them train; may be a fraction.
        halvings: How many times the worse half is dropped on the way.
    """

    name: str
    trials: int
    epochs: float
    halvings: int = 0

    @property
    def cost(self) -> float:
        """What it costs, as a share of training all its trials to the end."""
        return 2.0**-self.halvings * (1 + self.halvings / 2)


def plan_rounds(trials: int, epochs: float, steps_per_epoch: int) -> tuple[RoundPlan, ...]:
    """Divide trials over the rounds of a search."""
    final = min(6, trials // 4) if trials >= 6 else 0
    fine = round((trials - final) * 0.4)
    shortest = 20 / steps_per_epoch
    rounds = (
        RoundPlan("coarse", trials - final - fine, max(epochs / 4, min(shortest, epochs)), 2),
        RoundPlan("fine", fine, max(epochs / 2, min(shortest, epochs)), 1),
        RoundPlan("final", final, epochs),
    )
    return tuple(plan for plan in rounds if plan.trials > 0)


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
    """

    best: dict[str, Any]
    score: float
    ranking: tuple[dict[str, Any], ...]
    rounds: tuple[RoundRecord, ...]
    trials: tuple[TrialRecord, ...]
    epochs_run: float
    epochs_planned: float


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
        moves: Extra fine rounds while the best still sit at an edge that may be moved.
        tell: Receives every round at its beginning and every trial at its end.
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
        moves: int = 1,
        tell: Callable[[RoundRecord | TrialRecord], None] = lambda _: None,
    ) -> None:
        self._space = space
        self._plans = list(rounds)
        self._rungs = rungs
        self._seed = seed
        self._finalists = finalists
        self._challengers = challengers
        self._moves = moves
        self._tell = tell
        self._rounds: list[RoundRecord] = []
        self._trials: list[TrialRecord] = []
        self._planned = 0.0
        self._reached: dict[int, list[tuple[float, float]]] = {}

    def run(self) -> StudyResult:
        """Run all rounds.

        Raises:
            InputError: Every trial failed; the message is the first one's.
        """
        space, ranked = self._space, list[TrialRecord]()
        plans = list(self._plans)
        while plans:
            plan = plans.pop(0)
            if plan.name == "final":
                ranked = self._final_round(plan, space, ranked) or ranked
                continue
            if ranked:
                space = space.narrowed([trial.params for trial in _best_of(ranked)])
            ranked = self._round(plan, space, self._draw(plan, space)) or ranked
            if self._at_edge(space, ranked) and self._moves > 0 and not any(p.name == "fine" for p in plans):
                self._moves -= 1
                plans.insert(0, RoundPlan("fine", plan.trials, plan.epochs, plan.halvings))
        return self._result(ranked)

    def _draw(self, plan: RoundPlan, space: Space) -> list[dict[str, Any]]:
        generator = np.random.default_rng([self._seed, len(self._rounds)])
        return space.draw_spread(generator, plan.trials)

    def _final_round(self, plan: RoundPlan, space: Space, ranked: Sequence[TrialRecord]) -> list[TrialRecord]:
        settings = _distinct(ranked)[: self._finalists]
        settings = [*settings, *(self._challengers(settings[0]) if settings else ())][: plan.trials]
        repeated = [settings[index % len(settings)] for index in range(plan.trials)] if settings else []
        first = len(self._trials)
        trials = self._round(plan, space, repeated, share_order=len(settings))
        # the killed count too: a setting that diverges with one of its seeds comes last
        return sorted(trials, key=lambda trial: _mean_score(self._trials[first:], trial.params), reverse=True)

    def _round(
        self, plan: RoundPlan, space: Space, settings: Sequence[dict[str, Any]], share_order: int = 0
    ) -> list[TrialRecord]:
        """Train a round; its trials, best first, without those that were killed.

        Args:
            plan: The round.
            space: What the settings were drawn from.
            settings: One a trial.
            share_order: So many trials after each other see the same order of batches; all by default.
        """
        number = len(self._rounds)
        record = RoundRecord(number, plan.name, plan.epochs, len(settings), space.to_ranges())
        self._rounds.append(record)
        self._tell(record)
        first = len(self._trials)
        specs = [
            TrialSpec(
                first + index,
                number,
                params,
                self._seed_of(_TRIAL, first + index),
                plan.epochs,
                self._seed_of(_ORDER, number, index // share_order if share_order else 0),
            )
            for index, params in enumerate(settings)
        ]
        self._rungs.ledger.begin(record, specs)
        self._planned += plan.epochs * len(specs)
        outcomes = self._halve(plan, specs)
        trials = [
            _to_record(spec, outcomes[spec.number], plan.epochs, self._reached.get(spec.number, ())) for spec in specs
        ]
        self._trials += trials
        for trial in trials:
            self._rungs.ledger.end(trial)
            self._tell(trial)
        self._refuse_failure(trials)
        alive = [trial for trial in trials if trial.status in ("complete", "halved")]
        # by the rung they came to: the epochs trained differ by rounding where batch sizes do
        return sorted(alive, key=lambda trial: (outcomes[trial.number].epochs, trial.score, -trial.loss), reverse=True)

    def _halve(self, plan: RoundPlan, specs: Sequence[TrialSpec]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        alive = list(specs)
        for halving in range(plan.halvings, -1, -1):
            for outcome in self._rungs.advance(alive, plan.epochs / 2**halving):
                outcomes[outcome.number] = outcome
                if not outcome.stopped:
                    self._reached.setdefault(outcome.number, []).append((outcome.epochs, outcome.score))
            running = [spec for spec in alive if not outcomes[spec.number].stopped]
            running.sort(key=lambda spec: outcomes[spec.number].rank, reverse=True)
            kept = running[: -(-len(running) // 2)] if halving else []
            self._rungs.release([spec.number for spec in alive if spec not in kept])
            alive = kept
        return outcomes

    def _seed_of(self, *what: int) -> int:
        return int(np.random.SeedSequence([self._seed, *what]).generate_state(1)[0]) % 2**31

    def _at_edge(self, space: Space, ranked: Sequence[TrialRecord]) -> bool:
        best = _best_of(ranked)
        return bool(best) and any(
            edge_of([float(trial.params[name]) for trial in best], known) is not None
            for name, known in space.to_ranges().items()
            if not known.choices
        )

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
            raise InputError(
                "search",
                expected="at least one trial whose loss stays finite",
                found=f"{len(self._trials)} trials that were all killed",
                todo="lower the upper end of the learning-rate range",
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
        )


def _best_of(ranked: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
    return ranked[: max(AT_LEAST_BEST, round(BEST_SHARE * len(ranked)))]


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
