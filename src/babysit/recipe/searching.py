"""Step 8: the search, coarse to fine, over the range that was measured."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any

from babysit.data.batches import Batches
from babysit.fit.settings import TrainSettings
from babysit.fit.threads import step_work, torch_threads
from babysit.measure.record import RecordWriter, RoundRecord, TrialRecord
from babysit.recipe.budget import Budget, Plan, make_plan, nominal_seconds_per_step, parse_budget
from babysit.recipe.run import Run
from babysit.recipe.steps import StepResult
from babysit.recipe.subject import Subject, count_flops, measure_step
from babysit.search.choosing import sample_of
from babysit.search.engines import Between
from babysit.search.export import summary_of, trials_csv
from babysit.search.given import hyperparameters
from babysit.search.launch import Surroundings, launch_models
from babysit.search.ledgers import JournalLedger
from babysit.search.problem import Problem
from babysit.search.rungs import Rungs
from babysit.search.space import Space
from babysit.search.study import AllKilledError, Study, StudyResult
from babysit.search.trials import TrialSpec
from babysit.storage import write_text

CHALLENGING_L2 = (3.0, 10.0)
"""How many times the best L2 of the short trials is tried at full length (heuristic: half a decade and a decade)."""
SMALLEST_MIRRORED = 16
"""Pixels a side from which mirrored images are tried."""
FINALISTS = 2
"""Settings of the short trials that meet their challengers in the final round."""
LEAST_LEFT = 0.25
STACKED = 8
"""Trials that are trained as one program: most of the gain, and there are stacks for several cores (measured)."""
LARGEST_STACKED = 1.5e6
"""Multiply-adds an example and step up to which eight at once are clearly faster than one by one (measured)."""
PROGRESS_EVERY = 20
"""Trial-steps between two updates of the progress."""
SEARCH_RULES = ("SRC001", "SRC002")


def search(run: Run, subject: Subject, space: Space) -> tuple[Plan, StudyResult]:
    """Step 8: search learning rate, L2 and what was named, trial by trial.

    Args:
        run: The run.
        subject: What is trained.
        space: What the first round draws from.
    """
    run.display.begin(8, "Search")
    plan = plan_search(run, subject)
    ledger = JournalLedger(run.folder.file("outcomes.jsonl"))
    writer = RecordWriter(run.folder.path, size=0, name="trials.jsonl")
    told: list[RoundRecord | TrialRecord] = []

    def tell(record: RoundRecord | TrialRecord) -> None:
        told.append(record)
        writer.write(record)

    with ExitStack() as stack:
        stack.enter_context(closing(writer))
        stack.enter_context(closing(ledger))
        stack.enter_context(torch_threads(1))
        rungs = stack.enter_context(closing(_rungs(run, subject, plan, space, ledger, stack)))
        stack.enter_context(run.interrupts.deferred())
        study = Study(
            space,
            plan.rounds,
            rungs,
            seed=run.options.seed,
            finalists=FINALISTS,
            challengers=lambda best: challengers(run, subject, best),
            tell=tell,
        )
        try:
            result = study.run()
        except AllKilledError:
            result = _none_survived(told)
    _end(run, subject, result, told)
    return plan, result


def _end(run: Run, subject: Subject, result: StudyResult, told: Sequence[RoundRecord | TrialRecord]) -> None:
    """Write down what was found, and judge it."""
    survived = any(trial.status in ("complete", "halved") for trial in result.trials)
    write_text(run.folder.file("trials.csv"), trials_csv(result.trials))
    # a signal within would be lost: rmtree then closes a folder twice, and raises of that
    with run.interrupts.deferred():
        shutil.rmtree(run.folder.file("trials"), ignore_errors=True)
    run.interrupts.check()
    run.report["search"] = {**summary_of(result), **({} if survived else {"best": {}, "best_score": None})}
    run.end_step(
        StepResult(
            8,
            "search",
            "Search",
            _say(result, subject) if survived else _say_none(result),
            "a best setting inside the searched ranges",
            passed=survived,
        ),
        judged_by=SEARCH_RULES,
        records=run.records(*told),
    )


def _rungs(run: Run, subject: Subject, plan: Plan, space: Space, ledger: JournalLedger, stack: ExitStack) -> Rungs:
    """What trains the trials: stacks of them where that wins on every machine, in a process for each idle core.

    Not what is measured to be the fastest, as the same command has to give the same run.
    """
    between, total = _progress(run, subject, plan)
    around = Surroundings(ledger, run.folder.path, between, stack)
    sample = sample_of(space, plan.rounds, run.options.seed, total)
    small = step_work(subject.network, 1) <= LARGEST_STACKED
    engine, width = ("stacked", STACKED) if small else ("single", 1)
    launched = launch_models(problem_of(subject), engine, None, width=width)(sample, around)
    return Rungs(launched.groups, launched.runner, ledger)


def challengers(run: Run, subject: Subject, best: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The best setting of the short trials with more regularisation, to be tried at full length.

    Short trials hardly overfit, so a search by short trials finds too little regularisation for a long training: more
    L2, and mirrored images where mirroring can make sense. The validation split decides.
    """
    more = [{**best, "l2": factor * best["l2"]} for factor in CHALLENGING_L2 if "l2" in best]
    large = min(subject.prepared.preprocess.output_shape[1:], default=0) >= SMALLEST_MIRRORED
    if run.options.augment is None and subject.prepared.can_augment and large:
        more += [{**setting, "augment": "flip"} for setting in (best, *more[:1])]
    return more


def plan_search(run: Run, subject: Subject) -> Plan:
    """What the budget allows: measured where it is a time, computed from the sizes otherwise."""
    budget = parse_budget(run.options.budget)
    steps = subject.prepared.batches(subject.settings.batch_size, 0).steps_per_epoch
    if budget.seconds is None:
        seconds = nominal_seconds_per_step(count_flops(subject))
    else:
        seconds = run.journal.decide("seconds_per_step", lambda: measure_step(subject))
        budget = Budget(run.journal.decide("seconds_left", lambda: _left_of(budget, run)))
    plan = make_plan(
        budget,
        seconds_per_step=seconds,
        steps_per_epoch=steps,
        models=run.options.ensemble,
        finalists=FINALISTS + len(challengers(run, subject, {"l2": 1.0})),
        epochs=run.options.epochs,
    )
    rounds = ", ".join(f"{round_.name} {round_.trials} × {round_.epochs:g}" for round_ in plan.rounds)
    length = f"{plan.epochs} epoch{'s' if plan.epochs > 1 else ''}"
    run.display.note(f"plan: {rounds} epochs, then {length} of full training")
    return plan


def _left_of(budget: Budget, run: Run) -> float:
    """What the steps before have left of a time; a quarter of it at least, as some training there has to be."""
    assert budget.seconds is not None
    return max(budget.seconds - (time.monotonic() - run.began), LEAST_LEFT * budget.seconds)


def _progress(run: Run, subject: Subject, plan: Plan) -> tuple[Between, float]:
    """What is called after every step, and how many trial-steps there are about."""
    steps = subject.prepared.batches(subject.settings.batch_size, 0).steps_per_epoch
    total = steps * sum(round_.trials * round_.epochs * round_.cost for round_ in plan.rounds)
    done, told = 0, 0

    def between(trials: int) -> None:
        nonlocal done, told
        done += trials
        if done - told >= PROGRESS_EVERY:
            told = done
            run.display.progress("steps of the search", done, max(done, total))
        run.interrupts.check()

    return between, total


def problem_of(subject: Subject) -> Problem:
    """What every trial of a search over a subject trains."""
    prepared = subject.prepared

    def batches(trial: TrialSpec, settings: TrainSettings) -> Batches:
        return prepared.batches(settings.batch_size, settings.seed, trial.params.get("augment", subject.augment))

    return Problem(
        build=lambda trial: prepared.around(subject.network_for(trial.params, trial.seed)),
        batches=batches,
        validation=prepared.validation,
        task=prepared.task,
        settings=subject.settings,
        chance=subject.chance,
    )


def _none_survived(told: Sequence[RoundRecord | TrialRecord]) -> StudyResult:
    """A search of which no trial came to its end; what is gone on with, if at all, is what was trained the longest."""
    rounds = tuple(record for record in told if isinstance(record, RoundRecord))
    trials = tuple(record for record in told if isinstance(record, TrialRecord))
    ranking = tuple(dict(trial.params) for trial in sorted(trials, key=lambda trial: -trial.steps))
    return StudyResult(
        best=ranking[0],
        score=-math.inf,
        ranking=ranking,
        rounds=rounds,
        trials=trials,
        epochs_run=sum(trial.epochs for trial in trials),
        epochs_planned=sum(round_.epochs * round_.trials for round_ in rounds),
    )


def _say(result: StudyResult, subject: Subject) -> str:
    killed = sum(trial.status == "killed" for trial in result.trials)
    saved = 1 - result.epochs_run / result.epochs_planned
    score = f"{result.score:.4f}" if math.isfinite(result.score) else str(result.score)
    return (
        f"{len(result.trials)} trials, {killed} killed, {saved:.0%} of the epochs saved; "
        f"best {hyperparameters(result.best)}: validation {subject.prepared.task.score_name} {score}"
    )


def _say_none(result: StudyResult) -> str:
    killed = sum(trial.status == "killed" for trial in result.trials)
    return f"{len(result.trials)} trials, {killed} killed: none trained to its end"
