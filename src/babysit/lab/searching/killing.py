"""F3: a trial whose cost explodes is stopped at that step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from babysit.fit.trainer import KILL_RATIO
from babysit.lab.drawing import BLUE, GREY, RED
from babysit.lab.measures import above, near, told, true
from babysit.lab.searching.problems import Images, images
from babysit.lab.searching.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.record import TrialRecord
from babysit.rules._words import percent
from babysit.search import LogUniform, SearchResult, search

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPACE = {"lr": LogUniform(1e-3, 1e3)}


@dataclass
class Listener:
    """Hears every training loss of a search whose trials are trained one after the other.

    Attributes:
        some: What is trained on.
        curves: The losses of each trial, by its learning rate.
    """

    some: Images
    curves: dict[float, list[float]] = field(default_factory=dict)
    _now: float = 0.0

    def build(self, hp: Mapping[str, Any]) -> nn.Module:
        """The network of the trial that is trained next."""
        self._now = hp["lr"]
        return self.some.network(hp)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy; noted in training."""
        value = F.cross_entropy(outputs, targets)
        if outputs.requires_grad:
            self.curves.setdefault(self._now, []).append(value.item())
        return value

    def heard(self, trial: TrialRecord) -> list[float]:
        """A trial's losses; after it a finalist may have trained at the same rate."""
        losses = self.curves[trial.params["lr"]]
        return losses if trial.status == "killed" else losses[: trial.steps]

    def search(self, trials: int, seed: int) -> SearchResult:
        """A search, listened to."""
        return search(
            self.build, self.some.train, validation=self.some.validation, loss=self.loss, space=SPACE, trials=trials,
            epochs=8, batch_size=32, seed=seed, engine="single", workers=1,
        )  # fmt: skip


def stopping_step(losses: Sequence[float]) -> int | None:
    """How many steps there are up to the first whose loss is NaN, infinite, or over 3 × the first one.

    Example:
        >>> stopping_step([2.0, 1.5, 6.5, 1.0]), stopping_step([2.0, 5.9]), stopping_step([2.0, math.nan])
        (3, None, 2)
    """
    return next(
        (step for step, loss in enumerate(losses, start=1) if not math.isfinite(loss) or loss > KILL_RATIO * losses[0]),
        None,
    )


@SECTION.claim(
    "F3",
    "Stop a trial as soon as its cost exceeds three times the initial one, or is NaN.",
    expected="stopped at that very step, counted, and the compute saved is reported",
    cost=15,
)
def exploding_trials_are_stopped(bench: Bench) -> Outcome:
    """Listen to the losses of a search and check where each trial was stopped.

    Example:
        >>> import babysit as bs
        >>> from babysit.lab.searching import problems
        >>> some = problems.images()
        >>> found = bs.search(some.network, some.train, validation=some.validation, epochs=2, trials=8, workers=1,
        ...                   space={"lr": bs.LogUniform(1e-2, 1e4)})
        >>> max(trial.steps for trial in found.trials if trial.status == "killed") < 10
        True
    """
    some = images()
    listeners = [Listener(some) for _ in bench.seeds]
    found = [listener.search(bench.pick(24, 48), seed) for listener, seed in zip(listeners, bench.seeds, strict=True)]
    killed = [_killed(one) for one in found]
    saved = [_saved_by_killing(one) for one in found]
    shown, coarse = [trial for trial in killed[0] if trial.round == 0], found[0].rounds[0].trials
    return Outcome(
        [
            true(
                "each trial that should be is killed, at that step; no other one is",
                [_as_it_should_be(one, listener) for one, listener in zip(found, listeners, strict=True)],
            ),
            above("trials killed", [len(some_) for some_ in killed], 0),
            near(
                "updates made after the loss was over the limit",
                [_late(some_, listener) for some_, listener in zip(killed, listeners, strict=True)],
                0,
                within=0,
            ),
            above("steps to the first rung saved by killing", saved, 0, unit="%"),
            above(
                "epochs saved by killing and halving, as reported",
                [1 - one.epochs_run / one.epochs_planned for one in found],
                0,
                unit="%",
            ),
            told("steps of a killed trial", [float(np.median([trial.steps for trial in some_])) for some_ in killed]),
        ],
        [
            Drawing(
                "killed",
                f"{len(shown)} of {coarse} coarse trials are stopped as soon as their loss is over three times "
                f"the initial one: {percent(saved[0])} of the steps to the first rung are saved",
                lambda figure: _draw(figure, found[0], listeners[0]),
                size=(6.8, 4.0),
            )
        ],
        found[0].findings,
        note="On digits, learning rates of 1e-3 to 1e3.",
    )


def _searched(found: SearchResult) -> list[TrialRecord]:
    """The trials but for those of the final round, which have the learning rates of trials before."""
    return [trial for trial in found.trials if found.rounds[trial.round].name != "final"]


def _killed(found: SearchResult) -> list[TrialRecord]:
    return [trial for trial in _searched(found) if trial.status == "killed"]


def _as_it_should_be(found: SearchResult, listener: Listener) -> bool:
    return all(_stopped_at(trial) == stopping_step(listener.heard(trial)) for trial in _searched(found))


def _stopped_at(trial: TrialRecord) -> int | None:
    return trial.steps if trial.status == "killed" else None


def _late(killed: Sequence[TrialRecord], listener: Listener) -> int:
    """Steps that killed trials took after the one that condemned them."""
    return sum(trial.steps - (stopping_step(listener.heard(trial)) or 0) for trial in killed)


def _saved_by_killing(found: SearchResult) -> float:
    """Share of the first round's steps up to its first rung that killed trials did not take."""
    first = [trial for trial in found.trials if trial.round == 0]
    rung = min(trial.steps for trial in first if trial.status != "killed")
    return sum(rung - trial.steps for trial in first if trial.status == "killed" and trial.steps < rung) / (
        rung * len(first)
    )


def _draw(figure: Figure, found: SearchResult, listener: Listener) -> None:
    axes = figure.subplots()
    labelled = set()
    for trial in found.trials:
        if trial.round:
            continue
        losses = np.array(listener.heard(trial))
        losses = np.where(np.isfinite(losses), losses, np.nan)
        is_killed = trial.status == "killed"
        label = "killed" if is_killed else "went on" if trial.status == "complete" else "stopped by halving"
        colour, dashes = {"killed": (RED, "-"), "went on": (BLUE, "-")}.get(label, (GREY, (0, (5, 1.5))))
        steps = np.arange(1, len(losses) + 1)
        axes.plot(
            steps, losses, color=colour, linestyle=dashes, linewidth=1.1, label=label if label not in labelled else None
        )
        labelled.add(label)
        if is_killed and np.isfinite(losses).any():
            last = int(np.flatnonzero(np.isfinite(losses))[-1])
            axes.plot(steps[last], losses[last], color=RED, marker="x", markersize=7, linestyle="none")
    limit = KILL_RATIO * float(np.median([trial.initial_loss for trial in found.trials]))
    axes.axhline(limit, color=GREY, linestyle=(0, (3, 2)), linewidth=1.2)
    axes.annotate(
        "3 × the initial loss",
        (0.99, limit),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
    )
    axes.set(yscale="log", xlabel="step", ylabel="training loss (nats)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
