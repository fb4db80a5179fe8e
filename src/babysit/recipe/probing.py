"""Steps 4 to 7: what has to hold before any long training."""

from __future__ import annotations

from babysit.fit.losses import score
from babysit.fit.optimizers import make_optimizer
from babysit.measure.rate_range import Verdict, first_exploding, rates_that
from babysit.measure.record import LossBlock, Probe, RunRecord, StepRecord, collect
from babysit.preflight.initial_loss import probe_initial_loss
from babysit.preflight.learning_rate import probe_learning_rates
from babysit.preflight.overfit import EXAMPLES, probe_overfit
from babysit.preflight.regularization import probe_regularization
from babysit.recipe.run import Run
from babysit.recipe.search_space import parse_search, space_of
from babysit.recipe.steps import StepResult
from babysit.recipe.subject import Subject
from babysit.search.distributions import Interval
from babysit.search.space import Distribution, Space

RANGE_STEPS = 60
"""Steps at each learning rate of the range test (heuristic: enough for a slow rate to show, 1–2 s for all rates)."""
FALLBACK_RATES = (1e-6, 1.0)
"""Searched when no rate was found usable and ``--force`` goes on all the same."""


def check_initial_loss(run: Run, subject: Subject) -> None:
    """Step 4: the loss before any training is what chance gives."""
    run.display.begin(4, "Initial loss")
    task = subject.prepared.task
    probe = run.probe(
        "initial-loss",
        lambda: probe_initial_loss(
            subject.network, task.loss, subject.batches(8), expected=subject.chance, loss_name=task.loss_name
        ),
    )
    formula = (
        f"−ln(1/{subject.prepared.dataset.classes})" if subject.prepared.dataset.classes else "the targets' variance"
    )
    run.end_step(
        StepResult(
            4,
            "initial-loss",
            "Initial loss",
            f"{probe.numbers['loss']:.4f}",
            f"{formula} = {probe.numbers['expected']:.4f}",
        ),
        judged_by=("PRE001",),
    )


def check_regularization(run: Run, subject: Subject) -> None:
    """Step 5: turned up, regularisation raises the loss."""
    run.display.begin(5, "Regularisation")
    inputs, targets = subject.batches(1)[0]
    settings = subject.settings
    probe = run.probe(
        "regularization",
        lambda: probe_regularization(
            subject.network,
            subject.prepared.task.loss,
            inputs,
            targets,
            make_optimizer=lambda model, strength: make_optimizer(settings.optimizer, model, lr=1.0, l2=strength),
        ),
    )
    numbers = probe.numbers
    run.end_step(
        StepResult(
            5,
            "regularization",
            "Regularisation",
            f"L2 0 → {numbers['strength']:g}: loss {numbers['loss_without']:.4f} → {numbers['loss_with']:.4g}",
            "a higher loss",
        ),
        judged_by=("PRE002",),
    )


def check_overfit(run: Run, subject: Subject) -> None:
    """Step 6: twenty examples can be learnt by heart."""
    run.display.begin(6, f"Overfit {EXAMPLES} examples")
    task = subject.prepared.task
    inputs, targets = subject.prepared.few(EXAMPLES)
    probe = run.probe(
        "overfit",
        lambda: probe_overfit(
            subject.network,
            task.loss,
            lambda outputs, truth: score(task, outputs, truth),
            inputs,
            targets,
            chance_loss=subject.chance,
            between=run.interrupts.check,
        ),
    )
    numbers = probe.numbers
    run.end_step(
        StepResult(
            6,
            "overfit",
            f"Overfit {len(inputs)} examples",
            f"loss {numbers['loss']:.4f}, {task.score_name} {numbers['score']:.2f} after {numbers['epochs']:.0f} steps",
            f"loss below {numbers['target_loss']:.4f}, {task.score_name} 1.00",
        ),
        judged_by=("PRE003",),
    )


def find_learning_rates(run: Run, subject: Subject) -> Space:
    """Step 7: which learning rates move the loss, and which make it explode; what is to be searched."""
    run.display.begin(7, "Learning-rate range")
    settings = subject.settings
    probe = run.probe(
        "learning-rate",
        lambda: probe_learning_rates(
            subject.network,
            subject.prepared.task.loss,
            subject.batches(RANGE_STEPS),
            lambda model, rate: make_optimizer(settings.optimizer, model, lr=rate),
            between=run.interrupts.check,
        ),
    )
    usable = "low" in probe.numbers
    rates = (probe.numbers["low"], probe.numbers["high"]) if usable else FALLBACK_RATES
    exploding = _exploding(run, probe)
    space = space_of(parse_search(run.options.search), rates, exploding)
    run.end_step(
        StepResult(
            7,
            "learning-rate",
            "Learning-rate range",
            _say_rates(probe, space["lr"], exploding),
            "rates that are too low, that work, and that explode",
            passed=usable,
        ),
        judged_by=() if usable else ("LOS001", "LOS002", "LOS003", "LOS008"),
        records=None if usable else _nearest_to_usable(run, probe),
    )
    return space


def _exploding(run: Run, probe: Probe) -> float | None:
    """The first rate that explodes, unless the search had begun when no heed was paid to it: it goes on as it began."""
    began = run.folder.file("outcomes.jsonl").exists()
    return run.journal.decide("exploding-rate", lambda: None if began else first_exploding(probe))


def _say_rates(probe: Probe, searched: Distribution, exploding: float | None) -> str:
    words: dict[Verdict, str] = {"slow": "barely moves the loss", "falls": "falls", "explodes": "explodes"}
    parts = []
    for verdict, meaning in words.items():
        found = rates_that(verdict, probe)
        if found:
            span = f"{found[0]:.1e}" if len(found) == 1 else f"{found[0]:.1e} … {found[-1]:.1e}"
            parts.append(f"{meaning} at {span}")
    search = f"; search {_say_searched(searched, exploding)}" if "low" in probe.numbers else ""
    return ", ".join(parts) + search


def _say_searched(rates: Distribution, exploding: float | None) -> str:
    drawn = rates.to_range()
    limited = exploding is not None and isinstance(rates, Interval) and rates.ceiling < exploding
    return f"{drawn.low:.1e} … {drawn.high:.1e}" + (f", always below {exploding:.1e}" if limited else "")


def _nearest_to_usable(run: Run, probe: Probe) -> RunRecord:
    """The losses at the rate that comes nearest to being usable, as a training to be judged."""
    slow = rates_that("slow", probe)
    rate = slow[-1] if slow else probe.series["lr"][0]
    losses = probe.series[f"losses:{rate:.3g}"]
    return collect(run.header, [probe, StepRecord(0, losses[0], rate), LossBlock(0, losses)])
