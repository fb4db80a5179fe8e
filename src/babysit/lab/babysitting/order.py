"""E7: the order of the steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from babysit.lab.babysitting.section import SECTION
from babysit.lab.drawing import BLUE, SKY
from babysit.lab.measures import told, true
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.recipe.options import TrainOptions
from babysit.recipe.procedure import train
from babysit.recipe.steps import Silent, StepResult
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDER = (
    "preprocessing",
    "architecture",
    "initial-loss",
    "regularization",
    "overfit",
    "learning-rate",
    "search",
    "training",
)
"""The lecture's."""


class Timetable(Silent):
    """Notes when each step of a procedure began and ended.

    Attributes:
        steps: How each ended, in the order in which they ended.
        times: Seconds from the start to the beginning and the end of each.
    """

    def __init__(self) -> None:
        self.steps: list[StepResult] = []
        self.times: list[tuple[float, float]] = []
        self._start = time.perf_counter()
        self._began = 0.0

    def begin(self, number: int, title: str) -> None:  # noqa: ARG002
        """A step begins."""
        self._began = time.perf_counter() - self._start

    def end(self, result: StepResult, findings: Sequence[Finding]) -> None:  # noqa: ARG002
        """A step has ended."""
        self.steps.append(result)
        self.times.append((self._began, time.perf_counter() - self._start))


@SECTION.claim(
    "E7",
    "The order: preprocess, architecture, first loss, regularisation, overfit a little, learning rate, search, train.",
    expected="the steps of `babysit train`, as it goes through them, in this order",
    cost=5,
)
def steps_are_in_order(bench: Bench) -> Outcome:
    """Run a small `babysit train` on digits and watch its steps go by.

    Example:
        >>> import inspect
        >>> from babysit.recipe import procedure
        >>> steps = ["preprocess", "choose_model", "check_initial_loss", "check_regularization", "check_overfit",
        ...          "find_learning_rates", "search", "train_fully"]
        >>> source = inspect.getsource(procedure._through)
        >>> [source.index(f"{step}(run") for step in steps] == sorted(source.index(f"{step}(run") for step in steps)
        True
    """
    timetable = Timetable()
    with tempfile.TemporaryDirectory() as folder:
        result = train(TrainOptions("digits", budget="1trials", epochs=1), Path(folder) / "run", timetable)
    names = [step.name for step in timetable.steps]
    return Outcome(
        [
            true("the lecture's steps, in its order", [name for name in names if name in ORDER] == list(ORDER)),
            true("reading the data comes first, the test last", (names[0], names[-1]) == ("data", "test")),
            true("all passed", result.finished and all(step.passed for step in timetable.steps)),
            told("steps", len(names)),
        ],
        [
            Drawing(
                "timetable",
                f"`babysit train digits` goes through the lecture's {len(ORDER)} steps (dark) in its order, after "
                "reading the data and before the test",
                lambda figure: _draw_timetable(figure, timetable),
                size=(8, 3.8),
            )
        ],
        note="A run with one trial and one epoch: the order does not depend on how long the steps are.",
    )


def _draw_timetable(figure: Figure, timetable: Timetable) -> None:
    axes = figure.subplots()
    for place, (step, (began, ended)) in enumerate(zip(timetable.steps, timetable.times, strict=True)):
        axes.barh(place, ended - began, left=began, color=BLUE if step.name in ORDER else SKY, height=0.6)
    axes.set_yticks(range(len(timetable.steps)), [f"{step.number}. {step.title}" for step in timetable.steps])
    axes.invert_yaxis()
    axes.set(xlabel="seconds since the start", xlim=(0, None))
    axes.grid(axis="y", visible=False)
