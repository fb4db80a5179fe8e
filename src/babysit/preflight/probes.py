"""The experiments of a check, one after the other, and how each is told in a line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from babysit.measure.rate_range import rates_that, tried_rates
from babysit.measure.record import Probe, RunRecord
from babysit.preflight.batch import Batch
from babysit.preflight.decay import probe_decay
from babysit.preflight.determinism import probe_determinism
from babysit.preflight.future import probe_future
from babysit.preflight.gradient import probe_gradient
from babysit.preflight.ignored_input import probe_ignored_input
from babysit.preflight.isolation import isolated
from babysit.preflight.leakage import probe_leakage
from babysit.preflight.modes import set_training
from babysit.preflight.overfit import EXAMPLES, fit_by_heart
from babysit.preflight.start import guessing, probe_start
from babysit.preflight.subject import Subject
from babysit.preflight.suggested_rate import probe_rates

_ZERO_AT_BEST = ("cross_entropy", "nll_loss", "mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
"""Losses that a network can bring down to zero."""


@dataclass(frozen=True)
class Given:
    """What an experiment may use.

    Attributes:
        subject: What is checked.
        batches: All that were given.
        trial: What was recorded of a few steps of training.
        seconds: It may take.
    """

    subject: Subject
    batches: Sequence[Batch]
    trial: RunRecord
    seconds: float


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        name: Of the check.
        title: For the reader.
        codes: Of the rules that judge it.
        make: The experiment itself; its probe has a ``"reason"`` among its texts where it is not applicable.
        say: What was measured, and what is expected.
        share: Of the time for the whole check.
        tells: Whether what was measured says that all is well, where no rule says that something is wrong.
    """

    name: str
    title: str
    codes: tuple[str, ...]
    make: Callable[[Given], Probe]
    say: Callable[[Probe], tuple[str, str]]
    share: float = 0.05
    tells: Callable[[Probe], bool] = lambda _: True


def _timed(probe: Callable[..., Probe]) -> Callable[[Given], Probe]:
    """A probe that takes a subject and a time limit, and nothing else."""
    return lambda given: probe(given.subject, time_limit=given.seconds)


def _overfit(given: Given) -> Probe:
    subject, call = given.subject, given.trial.calls[0] if given.trial.calls else None
    level = guessing(given.trial)
    if call is None or isinstance(level, str) or call.name not in _ZERO_AT_BEST or call.smoothing:
        return Probe("overfit", texts={"reason": "the lowest value of this loss is unknown"})
    if call.classes == subject.batch.size > 1 and subject.fixed_size:
        return Probe("overfit", texts={"reason": "each example is told from the others of its batch"})
    few = subject.few(EXAMPLES)

    def evaluate(model: nn.Module) -> tuple[Tensor, float]:
        return subject.loss(model, few), float("nan")

    probe = fit_by_heart(
        subject.model, evaluate, min(EXAMPLES, subject.batch.size), chance_loss=level, time_limit=given.seconds
    )
    if probe.numbers.get("loss", 0.0) > probe.numbers.get("target_loss", 0.0) and _is_random(subject, few):
        reason = "the loss of the same examples is another each time"
        return dataclasses.replace(probe, numbers={}, texts={"reason": reason})
    return probe


def _is_random(subject: Subject, batch: Batch) -> bool:
    """Whether noise is drawn for the loss, as diffusion models do, so that nothing can be learnt by heart."""
    with isolated(subject.model) as model:
        set_training(model, False)
        first = subject.loss(model, batch).item()
        second = subject.loss(model, batch).item()
    return abs(first - second) > 1e-4 * max(abs(first), abs(second))


def _say_overfit(probe: Probe) -> tuple[str, str]:
    numbers = probe.numbers
    return (
        f"loss {numbers['initial_loss']:.3g} → {numbers['loss']:.3g} in {numbers['epochs']:.0f} steps",
        f"below {numbers['target_loss']:.3g}",
    )


def _say_decay(probe: Probe) -> tuple[str, str]:
    before, after = probe.numbers["weight_norm_before"], probe.numbers["weight_norm_after"]
    share = 1 - after / before if before else 0.0
    return f"a step of decay alone shrinks the weights by {share:.2g} of themselves", "more than nothing"


def _say_gradient(probe: Probe) -> tuple[str, str]:
    numbers = probe.numbers
    share = f"{numbers['parameters']:.0f} of {numbers['trainable']:.0f} parameters"
    looked = f"{numbers['entries']:.0f} entries of {share}"
    kinks = f", {numbers['kinks']:.0f} kinks left out" if numbers["kinks"] else ""
    return f"relative error {numbers['error']:.1g} in {looked}{kinks}", "below 1e-3"


def _say_ignored(probe: Probe) -> tuple[str, str]:
    numbers = probe.numbers
    initial, real, blank = (numbers[name] for name in ("initial_loss", "real_loss", "blank_loss"))
    return f"loss {initial:.3g} → {real:.3g} with them, {blank:.3g} with zeros", "lower with them"


def _dependence(probe: Probe, inputs: str, output: str) -> str:
    """What was measured of two opinions, either of which may be lacking."""
    told = {"difference": f"{inputs} change {output} by {{:.1g}}", "gradient": f"gradient by {inputs} {{:.1g}}"}
    return ", ".join(text.format(probe.numbers[name]) for name, text in told.items() if name in probe.numbers)


def _say_leakage(probe: Probe) -> tuple[str, str]:
    return _dependence(probe, "other examples' inputs", "an output"), "nothing"


def _say_future(probe: Probe) -> tuple[str, str]:
    measured = _dependence(probe, "later inputs", "earlier outputs")
    return f"{measured}; {probe.numbers['positions']:.0f} positions looked at", "nothing"


def _rates(given: Given) -> Probe:
    return probe_rates(given.subject, [*given.batches, *given.subject.further], time_limit=given.seconds)


def _say_rates(probe: Probe) -> tuple[str, str]:
    numbers, falls = probe.numbers, rates_that("falls", probe)
    given = f", yours is {numbers['given']:.2g}" if "given" in numbers else ""
    if not falls:
        nothing = f"no rate of {len(tried_rates(probe))} brings the loss down{given}"
        return probe.texts.get("reason", nothing), "some"
    longer = ""
    if "longer_steps" in numbers:
        compared = len(probe.series["longer:lr"])
        longer = f", as good as the best of {compared} after {numbers['longer_steps']:.0f} steps"
    suggested = f"{numbers['suggested']:.2g} suggested{longer}{given}"
    return f"the loss falls at {falls[0]:.1g} … {falls[-1]:.1g}: {suggested}", ""


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "initial-loss",
        "Initial loss",
        ("PRE001",),
        lambda given: probe_start(given.subject, given.batches, given.trial, time_limit=given.seconds),
        lambda probe: (f"{probe.numbers['loss']:.4g}", f"about {probe.numbers['expected']:.4g}, which guessing loses"),
    ),
    Experiment(
        "regularization",
        "Weight decay",
        ("PRE002",),
        lambda given: probe_decay(given.subject),
        _say_decay,
    ),
    Experiment(
        "gradient",
        "Gradient check",
        ("PRE004",),
        _timed(probe_gradient),
        _say_gradient,
        share=0.2,
    ),
    Experiment(
        "batch-leakage",
        "Examples apart",
        ("PRE005",),
        _timed(probe_leakage),
        _say_leakage,
    ),
    Experiment(
        "future-leakage",
        "No look ahead",
        ("PRE008",),
        _timed(probe_future),
        _say_future,
    ),
    Experiment(
        "determinism",
        "Evaluation repeats",
        ("PRE007",),
        _timed(probe_determinism),
        lambda probe: (f"two evaluations differ by {probe.numbers['difference']:.1g}", "nothing"),
    ),
    Experiment(
        "input-ignored",
        "Inputs are used",
        ("PRE006",),
        _timed(probe_ignored_input),
        _say_ignored,
        share=0.15,
    ),
    Experiment("overfit", f"Overfit {EXAMPLES} examples", ("PRE003",), _overfit, _say_overfit, share=0.25),
    Experiment(
        "learning-rate",
        "Learning-rate range",
        ("LOS002", "LOS003"),
        _rates,
        _say_rates,
        share=0.3,
        # a model that is trained already has nothing to gain at any rate
        tells=lambda probe: "best" in probe.numbers,
    ),
)
"""In the order in which they are made."""
