"""SRC002: most trials of a search round were killed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import RoundRecord, RunRecord, TrialRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, number


@dataclass(frozen=True)
class MostlyDiverged(Rule):
    """Most trials of a round were stopped because their loss exploded.

    ## What it measures
    The share of a round's trials that were killed: loss not finite, or over three times the initial one. And whether
    those had larger learning rates than the others. Where no trial at all was left, however few there were, it is an
    error.

    ## Why it hurts
    What is left of the round samples the good part of the range thinly. The search finds less for the same number of
    trials.

    ## What to try
    Lower the upper end of the learning rate's range to the largest rate that survived, or search the range in which the
    loss was seen to fall. If small rates diverge as well,
    the rate is not the cause: scale the inputs, and check the initial weights and the strength of regularisation.

    ## When it is a false alarm
    A first round may be wide on purpose. When a later round of the same search went well, this is information only.

    ## Options
    `share` is that of trials killed.

    ## References
    CS231n 2017, lecture 6: trials are stopped at three times the original cost.
    """

    code: ClassVar[str] = "SRC002"
    name: ClassVar[str] = "mostly-diverged"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("rounds", "trials")
    source: ClassVar[str] = LECTURE

    share: float = threshold(0.5, unit="of the round's trials")
    min_trials: int = threshold(5, unit="trials")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if _none_left(run):
            yield self._report_none(run)
            return
        mended = False
        found: list[Finding] = []
        for round_ in reversed(run.rounds):
            trials = [trial for trial in run.trials if trial.round == round_.number]
            killed = [trial for trial in trials if trial.status == "killed"]
            if trials and len(trials) >= self.min_trials and len(killed) > self.share * len(trials):
                finding = self._report(round_, trials, killed)
                found.append(dataclasses.replace(finding, severity=Severity.INFO) if mended else finding)
            elif trials:
                mended = True
        yield from reversed(found)

    def _report_none(self, run: RunRecord) -> Finding:
        killed = [trial for trial in run.trials if trial.status == "killed"]
        failed = f" and {len(run.trials) - len(killed)} failed" if len(killed) < len(run.trials) else ""
        return self.finding(
            f"{len(killed)} of {len(run.trials)} trials of the search were killed{failed}: none trained to its end",
            evidence=(
                Evidence("share of trials killed", len(killed) / len(run.trials), self.share),
                *_rates_evidence(killed),
            ),
            remedies=(_measured(run, killed) or _remedy(run.rounds[0], run.trials, killed),),
            severity=Severity.ERROR,
        )

    def _report(self, round_: RoundRecord, trials: Sequence[TrialRecord], killed: Sequence[TrialRecord]) -> Finding:
        return self.finding(
            f"{len(killed)} of {len(trials)} trials of round {round_.number} ({round_.name}) were killed",
            evidence=(
                Evidence("share of trials killed", len(killed) / len(trials), self.share),
                *_rates_evidence(killed),
            ),
            remedies=(_remedy(round_, trials, killed),),
        )


def _none_left(run: RunRecord) -> bool:
    """Whether all rounds are over, and no trial of any was left, of which some were killed."""
    planned = sum(round_.trials for round_ in run.rounds)
    ended = [trial.status for trial in run.trials]
    return 0 < planned <= len(ended) and "killed" in ended and set(ended) <= {"killed", "failed"}


def _measured(run: RunRecord, killed: Sequence[TrialRecord]) -> str:
    """The range in which the loss was seen to fall, if it lies below what was searched; ``""`` otherwise."""
    probe, drawn = run.probe("learning-rate"), run.rounds[0].ranges.get("lr")
    low, high = (probe.numbers.get(name) for name in ("low", "high")) if probe else (None, None)
    if drawn is None or drawn.low is None or drawn.high is None or low is None or high is None:
        return ""
    if not high < min(_rates(killed), default=0.0):
        return ""
    searched = f"{number(drawn.low)} … {number(drawn.high)}"
    return f"lower the range of lr to where the loss was seen to fall: {searched} → {number(low)} … {number(high)}"


def _rates(trials: Sequence[TrialRecord]) -> list[float]:
    values = [trial.params.get("lr") for trial in trials]
    return [float(value) for value in values if isinstance(value, int | float)]


def _rates_evidence(killed: Sequence[TrialRecord]) -> tuple[Evidence, ...]:
    rates = _rates(killed)
    return (Evidence("median learning rate of those", median(rates)),) if rates else ()


def _remedy(round_: RoundRecord, trials: Sequence[TrialRecord], killed: Sequence[TrialRecord]) -> str:
    drawn = round_.ranges.get("lr")
    lost, kept = _rates(killed), _rates([trial for trial in trials if trial.status not in ("killed", "failed")])
    other = "the learning rate is not the cause: scale the inputs, check initial weights and regularisation"
    if drawn is None or drawn.low is None or drawn.high is None or not lost:
        return "lower the upper end of the learning rate's range by 10"
    if kept and median(kept) >= median(lost):
        return f"trials with small rates were killed as well (median lr {number(median(lost))}), so {other}"
    if not kept:
        return f"lower the range of lr: {number(drawn.low)} … {number(drawn.high)} → {_decades_below(min(lost))}"
    return f"lower the upper end of the range of lr: {number(drawn.high)} → {number(max(kept))}"


def _decades_below(rate: float) -> str:
    return f"{number(rate / 1000)} … {number(rate)}"
