"""F7: every knob of a training can be searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from babysit.lab.drawing import BLUE, COLOURS
from babysit.lab.measures import above, near, told, true
from babysit.lab.searching.problems import Images, alive, images
from babysit.lab.searching.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn import MLPConfig, build
from babysit.rules._words import percent
from babysit.search import (
    Choice,
    IntUniform,
    LogIntUniform,
    LogUniform,
    SearchResult,
    Space,
    Uniform,
    When,
    search,
)
from babysit.search.importance import importances

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPACE = Space(
    {
        "lr": LogUniform(1e-4, 1.0),
        "optimizer": Choice("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"),
        "momentum": When("optimizer", ["momentum", "nesterov"], Uniform(0.5, 0.95)),
        "schedule": Choice("constant", "step", "exponential", "1/t", "cosine"),
        "l2": LogUniform(1e-6, 1e-1),
        "dropout": Uniform(0.0, 0.5, floor=0.0, ceiling=0.95),
        "depth": IntUniform(1, 3, floor=1, ceiling=4),
        "width": LogIntUniform(16, 128),
    }
)
NAMES = {"lr": "learning rate", "optimizer": "update rule", "schedule": "decay schedule", "l2": "L2"}


class Networks:
    """Builds networks of any depth, width and dropout for some images."""

    def __init__(self, some: Images) -> None:
        self._shape = some.shape

    def __call__(self, hp: Mapping[str, Any]) -> nn.Module:
        """The network of a trial."""
        config = MLPConfig(self._shape, 10, hidden=(hp["width"],) * hp["depth"], dropout=hp["dropout"])
        return build(config, int(torch.randint(2**31, ())))


@SECTION.claim(
    "F7",
    "The knobs: learning rate, its decay schedule, update rule, regularisation, depth and width can all be searched.",
    expected="one search varies all of them, and says which mattered",
    cost=40,
)
def every_knob(bench: Bench) -> Outcome:
    """Search all knobs at once and ask which of them mattered.

    Example:
        >>> import babysit as bs
        >>> from babysit.lab.searching import knobs, problems
        >>> some = problems.images()
        >>> found = bs.search(knobs.Networks(some), some.train, validation=some.validation, space=knobs.SPACE,
        ...                   trials=12, epochs=3, workers=1)
        >>> sorted(set(found.best) - {"momentum"})
        ['depth', 'dropout', 'l2', 'lr', 'optimizer', 'schedule', 'width']
    """
    some = images()
    found = [
        search(
            Networks(some), some.train, validation=some.validation, space=SPACE, seed=seed, workers=1,
            trials=bench.pick(48, 160), epochs=bench.pick(4, 8),
        )
        for seed in bench.seeds
    ]  # fmt: skip
    shares = [importances(SPACE, one.rounds, one.trials) for one in found]
    tried = {
        name: [len({trial.params[name] for trial in one.trials if name in trial.params}) for one in found]
        for name in SPACE
    }
    middle = {name: float(np.median([of_one[name] for of_one in shares])) for name in SPACE}
    order = sorted(SPACE, key=lambda name: -middle[name])
    named = [NAMES.get(name, name) for name in order]
    return Outcome(
        [
            true(
                "every knob took different values",
                [min(tried[name][place] for name in SPACE) > 1 for place in range(len(found))],
            ),
            true(
                "every update rule and schedule was tried",
                [tried["optimizer"][place] == 6 and tried["schedule"][place] == 5 for place in range(len(found))],
            ),
            near("sum of the importances", [sum(of_one.values()) for of_one in shares], 1, within=1e-6),
            above(
                "validation accuracy of the best",
                [one.score for one in found],
                0.9,
                unit="%",
            ),
            *(
                told(f"importance of the {NAMES.get(name, name)}", [of_one[name] for of_one in shares], unit="%")
                for name in order
            ),
        ],
        [
            Drawing(
                "knobs",
                f"Of {len(SPACE)} knobs searched at once the {named[0]} explains {percent(middle[order[0]])} of the "
                f"differences between trials, the {named[1]} {percent(middle[order[1]])}; the best reach "
                f"{percent(found[0].score)}",
                lambda figure: _draw(figure, found[0], shares, order),
                size=(7.6, 4.0),
            )
        ],
        found[0].findings,
        note=f"On digits. Best of the first search: {_say(found[0].best)}.",
    )


def _say(params: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.2g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items()
    )


def _draw(figure: Figure, found: SearchResult, shares: Sequence[Mapping[str, float]], order: Sequence[str]) -> None:
    left, right = figure.subplots(1, 2)
    places = np.arange(len(order))[::-1]
    medians = np.array([100 * float(np.median([of_one[name] for of_one in shares])) for name in order])
    left.barh(places, medians, color=BLUE, alpha=0.75, height=0.65)
    for of_one in shares:
        left.plot(
            [100 * of_one[name] for name in order], places, color="black", marker="|", markersize=9, linestyle="none"
        )
    left.set(
        xlabel="importance (%); marks: single searches",
        yticks=places,
        yticklabels=[NAMES.get(name, name) for name in order],
    )
    left.grid(visible=False, axis="y")
    known = alive(found.trials)
    for place, name in enumerate(SPACE["optimizer"].to_range().choices):
        ours = [trial for trial in known if trial.params["optimizer"] == name]
        right.plot(
            [trial.params["lr"] for trial in ours], [100 * trial.score for trial in ours], linestyle="none",
            color=COLOURS[place], marker="os^vDP"[place], markersize=5, label=name,
        )  # fmt: skip
    right.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy (%)", ylim=(0, 102))
    right.legend(loc="upper center", bbox_to_anchor=(0.45, -0.14), ncols=3, columnspacing=1, handletextpad=0.1)
