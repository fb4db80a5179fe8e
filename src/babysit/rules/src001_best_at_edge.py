"""SRC001: the best trials of a search lie at the edge of the range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median, median_low
from typing import ClassVar

from babysit.measure.ranges import EDGE, TREND, End, edge_of, position, trend
from babysit.measure.record import Range, RoundRecord, RunRecord, TrialRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, number


@dataclass(frozen=True)
class BestAtEdge(Rule):
    """The best trials crowd at one end of a range, so the best value may lie beyond it.

    ## What it measures
    Where the best fifth of a round's trials lie in each numeric range they were drawn from: at least three, those
    trained longest first, then by score, then by loss. They crowd at one end when the middle one is in the outer 15 %
    and four of five are in the outer quarter, on the logarithmic scale where values were drawn on one.

    ## Why it hurts
    The search has not seen the other side. The best value found is the best of a bad range.

    ## What to try
    Move or extend the range past that end and search again.

    ## When it is a false alarm
    Where the end is a limit of the parameter itself, such as a dropout of 0, or one that was measured, as the learning
    rate of `babysit train` stays below the first that was seen to explode, the range says so and the rule is silent.
    A parameter that does not matter crowds at an end by accident in 2 % of rounds of fifteen trials, and in less than
    one in a thousand of forty. When a later round drew from past that end, or up to it, and its best crowd at no
    end, the search has settled the question and the rule is silent; unless in a round that drew no further than up
    to it scores still rise towards that end, by two standard errors of their rank correlation.

    ## Options
    Raise `best_share` to judge more, and hence less good, trials.

    ## References
    CS231n 2017, lecture 6: "all the good learning rates, were at the edge of the range … we might not have explored
    our space sufficiently".
    """

    code: ClassVar[str] = "SRC001"
    name: ClassVar[str] = "best-at-edge"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("rounds", "trials")
    source: ClassVar[str] = LECTURE

    best_share: float = threshold(0.2, unit="of the round's trials")
    fewest_best: int = threshold(3, unit="trials")
    min_trials: int = threshold(8, unit="different trials that were not killed")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        crowded: dict[str, tuple[Range, End, Finding]] = {}
        for round_ in run.rounds:
            best = self._best([trial for trial in run.trials if trial.round == round_.number])
            for name, drawn in round_.ranges.items():
                values = [float(trial.params[name]) for trial in best if _is_number(trial.params.get(name))]
                edge = edge_of(values, drawn) if len(values) >= self.fewest_best else None
                if edge:
                    crowded[name] = drawn, edge, self._report(round_, name, drawn, values, edge)
                elif name in crowded:
                    before, end, _ = crowded[name]
                    open_ = not values or _rises(run, round_, name, end)
                    if _goes_past(drawn, before, end, or_up_to=not open_):
                        del crowded[name]
        yield from (finding for _, _, finding in crowded.values())

    def _best(self, trials: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
        """The best trials with different parameters: fresh seeds of one finalist are one point of the range."""
        alive = [trial for trial in trials if trial.is_scored]
        different: dict[str, TrialRecord] = {}
        for trial in sorted(alive, key=_merit, reverse=True):
            different.setdefault(str(sorted(trial.params.items())), trial)
        if len(different) < self.min_trials:
            return ()
        return list(different.values())[: max(self.fewest_best, math.ceil(self.best_share * len(different)))]

    def _report(self, round_: RoundRecord, name: str, drawn: Range, values: Sequence[float], edge: End) -> Finding:
        distance = median(_distance(value, drawn, edge) for value in values)
        wider = _moved(drawn, edge)
        low, high = number(drawn.low or 0.0), number(drawn.high or 0.0)
        return self.finding(
            f"the best {len(values)} trials of round {round_.number} ({round_.name}) have {name} at the {edge} end of "
            f"{low} … {high} (such as {number(median_low(values))}): the best value may lie beyond",
            evidence=(
                Evidence(f"median distance of {name} from the {edge} end", distance, EDGE),
                Evidence("trials judged", len(values), self.fewest_best),
            ),
            remedies=(f"extend the range of {name} past its {edge} end: {low} … {high} → {wider}",),
        )


def _distance(value: float, drawn: Range, edge: str) -> float:
    place = position(value, drawn) or 0.0
    return 1 - place if edge == "high" else place


def _goes_past(later: Range, drawn: Range, end: End, *, or_up_to: bool) -> bool:
    """Whether a later round drew from past an end of an earlier one's range, or as far as that end."""
    ends = (later.high, drawn.high) if end == "high" else (drawn.low, later.low)
    if ends[0] is None or ends[1] is None:
        return False
    return ends[0] > ends[1] or (or_up_to and ends[0] == ends[1])


def _rises(run: RunRecord, round_: RoundRecord, name: str, end: End) -> bool:
    """Whether the scores of a round still rise towards an end of what it drew from; killed trials are the worst."""
    drawn = round_.ranges[name]
    trials = [trial for trial in run.trials if trial.round == round_.number and _is_number(trial.params.get(name))]
    places = [position(float(trial.params[name]), drawn) for trial in trials]
    known = [(place, trial) for place, trial in zip(places, trials, strict=True) if place is not None]
    merits = {key: rank for rank, key in enumerate(sorted({_merit(trial) for _, trial in known}))}
    strength = trend([place for place, _ in known], [merits[_merit(trial)] for _, trial in known])
    return strength > TREND if end == "high" else strength < -TREND


def _merit(trial: TrialRecord) -> tuple[float, float, float]:
    if not trial.is_scored:
        return (0.0, -math.inf, -math.inf)
    return (trial.epochs, trial.score, -trial.loss)


def _moved(drawn: Range, edge: str) -> str:
    """The range with that end moved by a decade, or by half its width on a linear scale."""
    low, high = drawn.low or 0.0, drawn.high or 0.0
    if edge == "high":
        high = high * 10 if drawn.log else high + (high - low) / 2
    else:
        low = low / 10 if drawn.log else low - (high - low) / 2
    return f"{number(low)} … {number(high)}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
