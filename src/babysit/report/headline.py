"""The first thing a reader sees: the verdict in words and the run's few main numbers."""

from __future__ import annotations

from dataclasses import dataclass

from babysit.report.formatting import interval, number, percent, plural
from babysit.report.standing import word
from babysit.report.summary import Summary, part, real, whole, words
from babysit.report.verdict import Verdict, curve_words, verdict_of

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Fact:
    """One number with its name and a remark in small type."""

    name: str
    value: str
    remark: str = ""


def verdict(summary: Summary) -> Verdict:
    """The verdict as a sentence begins with it; what `report.json` says of a run was said with its numbers.

    Example:
        >>> verdict(Summary(verdict="healthy")).words
        'Healthy'
    """
    has_numbers = bool(summary.health) or not summary.judged
    said = verdict_of(summary.verdict, summary.findings, has_numbers=has_numbers, curve=summary.curve)
    return Verdict(said.kind, _sentence(said.words))


def curve(summary: Summary) -> str:
    """What the loss curve says, below the verdict; ``""`` where nothing is said of it."""
    return _sentence(curve_words(summary.verdict, summary.curve)) if summary.curve else ""


def subject(summary: Summary) -> str:
    """What was trained on what, as a title.

    Example:
        >>> subject(Summary(data={"name": "digits"}, model={"description": "mlp 64-50-10 relu"}))
        'digits, mlp 64-50-10 relu'
    """
    named = (words(summary.data, "name"), words(summary.model, "description"))
    described = ", ".join(name for name in named if name)
    return described or _search_subject(summary) or summary.command or "Run"


def kind(summary: Summary) -> str:
    """What made the run, as small type above its title.

    Example:
        >>> kind(Summary(command="train")), kind(Summary(command="babysit run train.py"))
        ('babysit train', 'babysit: a watched training')
    """
    command = summary.command.removeprefix("babysit ").partition(" ")[0]
    return f"babysit {command}".rstrip() if command in ("", "train", "search", "fit") else "babysit: a watched training"


def headline(summary: Summary) -> tuple[Fact, ...]:
    """The main numbers the run has: test, validation, gap, size of the model, search."""
    facts = (
        _test(summary),
        _error(summary),
        _validation(summary),
        _gap(summary),
        _parameters(summary),
        _found(summary),
        _search(summary),
        _saved(summary),
        _engine(summary),
    )
    return tuple(fact for fact in facts if fact is not None)


def _sentence(said: str) -> str:
    return said[:1].upper() + said[1:]


def _test(summary: Summary) -> Fact | None:
    score = real(summary.test, "score")
    if score is None:
        return None
    examples = whole(summary.test, "examples") or 0
    remark = plural(examples, "example") if examples > 0 else ""
    if summary.classifies and examples > 0 and 0 <= score <= 1:
        low, high = interval(score, examples)
        remark += f", 95 % interval {100 * low:.1f} to {percent(high)}"
    return Fact(f"Test {summary.score_name}", summary.score(score), remark)


def _error(summary: Summary) -> Fact | None:
    rmse = real(summary.test, "rmse")
    return None if rmse is None else Fact("Test error", number(rmse), "root mean square, in the target's unit")


def _validation(summary: Summary) -> Fact | None:
    score = real(part(summary.final, "validation"), "score")
    if score is None:
        return None
    best, epochs = real(summary.final, "best_epoch"), real(summary.final, "epochs")
    remark = (
        f"best epoch {number(best)}" + (f" of {number(epochs)}" if epochs is not None else "")
        if best is not None
        else ""
    )
    return Fact(f"Validation {summary.score_name}", summary.score(score), remark)


def _gap(summary: Summary) -> Fact | None:
    train, validation = (real(part(summary.final, split), "score") for split in ("train", "validation"))
    if train is None or validation is None:
        return None
    return Fact("Train − validation", summary.difference(train - validation), f"training {summary.score(train)}")


def _parameters(summary: Summary) -> Fact | None:
    count = whole(summary.model, "parameters")
    return None if count is None else Fact("Parameters", f"{count:,}", words(summary.model, "description"))


def _search_subject(summary: Summary) -> str:
    """What was searched, by its name and its hyperparameters."""
    if summary.command != "search":
        return ""
    names = summary.space[:_MOST_NAMED]
    more = len(summary.space) - len(names)
    space = " × ".join(names) + (f" and {more} more" if more else "")
    if not summary.target:
        return f"Search of {space}" if space else ""
    return f"{summary.target}: {space}" if space else summary.target


def _found(summary: Summary) -> Fact | None:
    score = real(summary.search, "best_score") if summary.command == "search" else None
    if score is None:
        return None
    setting = ", ".join(f"{name} {word(value)}" for name, value in part(summary.search, "best").items())
    return Fact(f"Best validation {summary.score_name}", summary.score(score), f"with {setting}" if setting else "")


def _search(summary: Summary) -> Fact | None:
    trials = whole(summary.search, "trials")
    if trials is None:
        return None
    saved = real(summary.search, "saved_fraction")
    counts = [f"{value} {name}" for name in ("killed", "halved") if (value := whole(summary.search, name)) is not None]
    counts += [f"{failed} failed"] if (failed := whole(summary.search, "failed")) else []
    if saved is not None and summary.command != "search":
        counts.append(f"{percent(saved, 0)} of the steps saved")
    return Fact("Trials", f"{trials:,}", ", ".join(counts))


def _saved(summary: Summary) -> Fact | None:
    saved = real(summary.search, "saved_fraction") if summary.command == "search" else None
    if saved is None:
        return None
    run, planned = (real(summary.search, name) for name in ("epochs_run", "epochs_planned"))
    remark = f"{number(run)} of {number(planned)} trained" if run is not None and planned is not None else ""
    return Fact("Epochs saved", percent(saved, 0), remark)


def _engine(summary: Summary) -> Fact | None:
    """The engine's name, and in small type why it was chosen."""
    said = summary.engine.removeprefix("engine ")
    name, _, why = said.partition(":" if ":" in said else ",")
    return Fact("Engine", name.strip(), why.strip()) if said else None
