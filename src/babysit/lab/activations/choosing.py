"""A13: the same network with each of the seven activations, and the rule of thumb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import babysit as bs
from babysit.fit import FitResult
from babysit.lab.activations.maxout import function_of
from babysit.lab.activations.section import SECTION
from babysit.lab.activations.shapes import draw_with_slope
from babysit.lab.activations.trainings import BATCH, accuracy, digits, mlp, percent
from babysit.lab.asking import first
from babysit.lab.drawing import BLUE, GREY, RED
from babysit.lab.measures import above, named, near, told
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "prelu": "PReLU",
    "elu": "ELU",
    "maxout": "Maxout",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
}
_HIDDEN = (100,) * 4
_RATES = (0.01, 0.03, 0.1, 0.3)
_CHOOSES = 1_000  # the seed that chooses the rates is none of those that are reported


@dataclass(frozen=True)
class _Result:
    """One activation's accuracies on the test split, a seed each, at its best rate."""

    rate: float
    accuracies: tuple[float, ...]
    findings: tuple[tuple[Finding, ...], ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.accuracies)


@SECTION.claim(
    "A13",
    "Rule of thumb: use ReLU, mind the learning rate, try leaky ReLU, Maxout or ELU, perhaps tanh, not sigmoid.",
    expected="one table of the seven activations' accuracies; a deep stack of sigmoids is named by ACT003",
    cost=35,
)
def use_relu_not_sigmoid(bench: Bench) -> Outcome:
    """Train four hidden layers with each of the seven activations, each at its best learning rate.

    Example:
        >>> import torch
        >>> from babysit.nn import MLPConfig, build
        >>> x, y = torch.randn(512, 20), torch.arange(512) % 2
        >>> model = build(MLPConfig((20,), 2, hidden=(50,) * 4, activation="sigmoid"), seed=0)
        >>> result = bs.fit(model, (x, y), lr=0.1, epochs=10, batch_size=64, threads=1)
        >>> "ACT003" in [finding.code for finding in result.findings]
        True
    """
    results = {name: _measure(bench, name) for name in NAMES}
    sigmoid, relu = results["sigmoid"], results["relu"]
    lead = [one - other for one, other in zip(relu.accuracies, sigmoid.accuracies, strict=True)]
    others = [
        float(sum(first("ACT003", of_one) is not None for of_one in result.findings))
        for name, result in results.items()
        if name != "sigmoid"
    ]
    finding = first("ACT003", sigmoid.findings[0])
    scores = sorted(result.median for name, result in results.items() if name != "sigmoid")
    # two standard errors of a share of the test split
    doubt = 2 * (scores[0] * (1 - scores[0]) / len(digits().test[0])) ** 0.5
    return Outcome(
        [
            above("ReLU's test accuracy less sigmoid's", lead, 0.1, unit="%"),
            named("ACT003", sigmoid.findings, name="sigmoids named by ACT003"),
            near("trainings of the six others named by ACT003", others, 0, within=0),
            *(told(f"test accuracy, {NAMES[name]}", result.accuracies, unit="%") for name, result in results.items()),
            *(told(f"best learning rate, {NAMES[name]}", result.rate) for name, result in results.items()),
        ],
        [
            Drawing(
                "accuracies",
                f"One network, seven activations: six reach {percent(scores[0], 3)} to {percent(scores[-1], 3)} "
                f"of the test images, sigmoid {percent(sigmoid.median)}",
                lambda figure: _draw_accuracies(figure, results),
                size=(7.6, 3.6),
                finding=finding,
            ),
            Drawing(
                "functions",
                "The seven activations (blue) and their gradients (red): sigmoid's is 0.25 at best",
                _draw_functions,
                size=(7.6, 4.2),
            ),
        ],
        findings=[finding] if finding else [],
        note=f"Digits, four hidden layers of 100, momentum, {_epochs(bench)} epochs; {_in_words(_rates(bench))}. "
        f"Among the six, {100 * (scores[-1] - scores[0]):.1f} points lie between first and last, where "
        f"{len(digits().test[0])} test images leave a doubt of ± {100 * doubt:.1f}.",
    )


def _rates(bench: Bench) -> Sequence[float]:
    return bench.pick(_RATES[1:2], _RATES)


def _in_words(rates: Sequence[float]) -> str:
    if len(rates) == 1:
        return f"a learning rate of {rates[0]:g} for all"
    return f"for each activation the learning rate of {', '.join(map(str, rates))} that validates best"


def _epochs(bench: Bench) -> int:
    return bench.pick(5, 12)


def _measure(bench: Bench, name: str) -> _Result:
    rates = _rates(bench)
    rate = rates[0]
    if len(rates) > 1:
        rate = max(rates, key=lambda rate: _train(bench, name, rate, _CHOOSES, watch=False)[0].best.score)
    trained = [_train(bench, name, rate, seed) for seed in bench.seeds]
    return _Result(rate, tuple(score for _, score in trained), tuple(result.findings for result, _ in trained))


def _train(bench: Bench, name: str, rate: float, seed: int, *, watch: bool = True) -> tuple[FitResult, float]:
    """The training and its test accuracy, with the weights that validated best."""
    data = digits()
    model = mlp(data, name, _HIDDEN, seed)
    result = bs.fit(
        model,
        data.train,
        validation=data.validation,
        lr=rate,
        epochs=_epochs(bench),
        batch_size=BATCH,
        seed=seed,
        watch=watch,
        threads=1,
    )
    return result, accuracy(model, data.test)


def _ranked(results: dict[str, _Result]) -> list[tuple[str, _Result]]:
    return sorted(results.items(), key=lambda item: -item[1].median)


def _draw_accuracies(figure: Figure, results: dict[str, _Result]) -> None:
    axes = figure.subplots()
    ranked = _ranked(results)
    for place, (name, result) in enumerate(ranked):
        colour = RED if name == "sigmoid" else BLUE
        axes.barh(place, 100 * result.median, color=colour, alpha=0.35, height=0.7)
        axes.plot([100 * score for score in result.accuracies], [place] * len(result.accuracies), "o", color=colour,
                  markersize=4, linestyle="none")  # fmt: skip
        text = f"{percent(result.median, 3)} at lr {result.rate:g}"
        axes.text(22, place, text, color="#1C1E21", va="center", fontsize=8)
    axes.axvline(10, color=GREY, linestyle=":", linewidth=1)
    axes.set_yticks(range(len(ranked)), [NAMES[name] for name, _ in ranked])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="test accuracy (%): bar the median, dots the seeds, dotted line chance", xlim=(0, 100))


def _draw_functions(figure: Figure) -> None:
    panels = figure.subplots(2, 4, sharex=True)
    for axes, (name, label) in zip(panels.flat, NAMES.items(), strict=False):
        shape = function_of([1.0, -0.5], [0.0, 0.0]) if name == "maxout" else name
        draw_with_slope(axes, shape, low=-4, high=4)
        axes.set(title=label if name != "maxout" else "Maxout: max(x, −x/2)", ylim=(-1.3, 2.2))
    panels[0, 3].set_xlabel("input", labelpad=2)
    for axes in panels[1, :3]:
        axes.set_xlabel("input")
    panels[1, 3].axis("off")
    panels[1, 3].legend(*panels[0, 0].get_legend_handles_labels(), loc="center", fontsize=10)
