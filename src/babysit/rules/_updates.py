"""How large the steps were that the weights took, at the steps that tell something."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import median, median_low

from babysit.measure.record import RunRecord, StepRecord
from babysit.rules._curve import Curve

_WARM_UP_STEPS = 20
_WARM_UP_SHARE = 0.1
_WORKING_RATE = 0.1
_FLOOR = 0.05


def working_steps(run: RunRecord) -> tuple[StepRecord, ...]:
    """The sampled steps at which an update should have its usual size.

    Left out are the first steps (20, or a tenth of the run: fresh and zero-initialised layers take large ones), those
    at less than a tenth of the run's largest learning rate (warm-up and the end of a schedule), and those with the
    loss within 5 % of its initial level from zero (nothing is left to learn).
    """
    if not run.steps:
        return ()
    begin = max(_WARM_UP_STEPS, _WARM_UP_SHARE * run.steps[-1].step)
    rate = _WORKING_RATE * max((step.lr for step in run.steps if step.lr is not None), default=0.0)
    floor = _FLOOR * Curve.of(run).initial
    return tuple(
        step for step in run.steps if step.step >= begin and step.loss > floor and (step.lr is None or step.lr >= rate)
    )


def ratios(steps: Iterable[StepRecord]) -> Mapping[str, tuple[float, ...]]:
    """Update norm over weight norm of each module at each of the steps; only finite ones."""
    found: dict[str, list[float]] = {}
    for step in steps:
        for layer in step.layers:
            if layer.update_ratio is not None and math.isfinite(layer.update_ratio):
                found.setdefault(layer.module, []).append(layer.update_ratio)
    return {module: tuple(values) for module, values in found.items()}


def median_ratios(steps: Iterable[StepRecord], at_least: int = 5) -> Mapping[str, float]:
    """Median update ratio of each module that was sampled at ``at_least`` steps."""
    return {module: median(values) for module, values in ratios(steps).items() if len(values) >= at_least}


def peak_ratio(run: RunRecord, before: float = math.inf) -> float | None:
    """Largest update ratio of the steps before one, of the middle layer; ``None`` where no layer was measured.

    The middle layer, because one fresh layer (zero-initialised, an embedding) may rightly take one large step.
    """
    peaks = [max(values) for values in ratios(step for step in run.steps if step.step < before).values()]
    return median_low(peaks) if peaks else None


def late_ratio(run: RunRecord) -> float | None:
    """Update ratio of the middle layer over the last quarter of the sampled steps; ``None`` where none was measured."""
    late = run.steps[-max(10, len(run.steps) // 4) :]
    typical = median_ratios(late)
    return median_low(typical.values()) if typical else None


def working_range(run: RunRecord) -> tuple[int, int]:
    """First and last step at which the learning rate was at work; the whole run where no rate was recorded.

    From the first step at 90 % of the largest rate, so that a warm-up that still goes on leaves next to nothing, to
    the last one at 50 %.
    """
    whole = (0, len(run.losses) - 1)
    rates = [(step.step, step.lr) for step in run.steps if step.lr is not None and step.lr > 0]
    if not rates:
        return whole
    largest = max(rate for _, rate in rates)
    first = next(step for step, rate in rates if rate >= 0.9 * largest)
    last = max(step for step, rate in rates if rate >= 0.5 * largest)
    # After the last sample the rate is unknown; a run whose last known rate is at work is judged up to its end.
    return first, whole[1] if last == rates[-1][0] else last
