"""B4: statistics come from the training split, and every split is given the same ones."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from babysit.data import Dataset
from babysit.lab.drawing import BLUE, GREEN, RED
from babysit.lab.measures import below, named, told, true
from babysit.lab.preprocessing.axes import whole_numbers
from babysit.lab.preprocessing.examples import pictures, prepared, stood_in, suited
from babysit.lab.preprocessing.loops import Watched, accuracy, train_watched
from babysit.lab.preprocessing.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.models import MLPConfig, build
from babysit.nn.preprocessing import fit_preprocessing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPEC = "mean-image,scale"


def spoilt(dataset: Dataset) -> Dataset:
    """The same training split, and nonsense in the others."""
    x = dataset.x.astype(np.float32)
    held_out = np.concatenate([dataset.splits.validation, dataset.splits.test])
    x[held_out] = 1e6 - 1e3 * x[held_out]
    x[dataset.splits.train] = dataset.x[dataset.splits.train]
    return dataclasses.replace(dataset, x=x)


def same_statistics(one: Dataset, other: Dataset) -> bool:
    """Whether the same is fitted on both, bit for bit."""
    states = [fit_preprocessing(SPEC, dataset).state_dict() for dataset in (one, other)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@dataclasses.dataclass(frozen=True)
class Compared:
    """One training, whose validation split was once prepared as the training split and once otherwise."""

    watched: Watched
    train: Tensor
    validation: Tensor


def trained(dataset: Dataset, bench: Bench, *, prepare_validation: bool) -> list[Compared]:
    """Train on prepared inputs with every seed, and evaluate on prepared or on raw ones."""
    train, validation = prepared(SPEC, dataset)
    raw = torch.from_numpy(dataset.inputs("validation")).float()
    x, y = (validation[0] if prepare_validation else raw), validation[1]

    def one(seed: int) -> Compared:
        model = build(MLPConfig(tuple(train[0].shape[1:]), 10, hidden=(50,)), seed)
        evaluations = {"validation": lambda network: accuracy(network, x, y)}
        rate, epochs = suited(0.03, train[0]), bench.pick(4, 10)
        return Compared(train_watched(model, train, evaluations, lr=rate, epochs=epochs, seed=seed), train[0], x)

    return [one(seed) for seed in bench.seeds]


@SECTION.claim(
    "B4",
    "Statistics come from the whole training set alone, and the same ones are applied to validation and test.",
    expected="anything else is impossible by construction, or a finding (DAT011)",
    cost=25,
)
def from_the_training_split_alone(bench: Bench) -> Outcome:
    """Fit with nonsense in the other splits, and evaluate on inputs that were forgotten to be prepared.

    Example:
        >>> from babysit.data import read
        >>> steps = fit_preprocessing("center", read("digits"))
        >>> x = torch.from_numpy(read("digits").inputs("validation"))
        >>> bool(torch.equal(steps(x), x - steps.ordered_steps()[0].mean))
        True
    """
    dataset = pictures(bench)
    alike = trained(dataset, bench, prepare_validation=True)
    unlike = trained(dataset, bench, prepare_validation=False)
    finding = unlike[0].watched.finding("DAT011")
    own = alike[0].validation.mean().item()
    good, bad = ([one.watched.scores["validation"][-1] for one in group] for group in (alike, unlike))
    return Outcome(
        [
            true("nonsense in validation and test changes nothing", same_statistics(dataset, spoilt(dataset))),
            below("validation, distance from (x − mean) / std of training", _application_error(dataset), 1e-5),
            named("DAT011", [one.watched.findings for one in unlike], name="raw validation split named by DAT011"),
            true("DAT011 silent where both are prepared", [one.watched.finding("DAT011") is None for one in alike]),
            told("mean of the prepared validation split", own, unit="std"),
            told("accuracy, both prepared", good, unit="%"),
            told("accuracy, validation raw", bad, unit="%"),
        ],
        [
            Drawing(
                "unlike",
                f"Evaluated on raw inputs, the network that scores {100 * good[0]:.0f} % seems to score "
                f"{100 * bad[0]:.0f} %",
                partial(_draw, alike=alike[0], unlike=unlike[0]),
                size=(7.4, 3.2),
                finding=finding,
            )
        ],
        findings=[finding] if finding else [],
        note=f"By its own statistics the validation split would have been shifted by {abs(own):.3f} standard "
        "deviations: no rule could see that, so a data set is fitted, of which only the training split is read. "
        f"{stood_in(bench)}",
    )


def _application_error(dataset: Dataset) -> float:
    """How far a prepared validation split is from the formula with the training split's numbers."""
    train, validation = (torch.from_numpy(dataset.inputs(split)).double() for split in ("train", "validation"))
    centred = train - train.mean(0)
    expected = (validation - train.mean(0)) / centred.std(correction=0)
    return (prepared(SPEC, dataset)[1][0] - expected).abs().max().item()


def _draw(figure: Figure, alike: Compared, unlike: Compared) -> None:
    left, right = figure.subplots(1, 2)
    inputs = (("training", alike.train, BLUE, "-"), ("validation, prepared", alike.validation, GREEN, "--"),
              ("validation, raw", unlike.validation, RED, ":"))  # fmt: skip
    low, high = (float(end) for end in (min(x.min() for _, x, *_ in inputs), max(x.max() for _, x, *_ in inputs)))
    edges = np.arange(np.floor(low) - 0.5, np.ceil(high) + 1, max(1.0, np.round((high - low) / 40)))  # of whole pixels
    for name, x, colour, dashes in inputs:
        shares, _ = np.histogram(x.numpy().ravel(), bins=edges)
        left.stairs(shares / x.numel(), edges, color=colour, linestyle=dashes, label=name, linewidth=1.5)
    left.set(xlabel="input of the network", ylabel="share of the values", yscale="log")
    epochs = range(1, len(alike.watched.losses) + 1)
    for one, colour, dashes in ((alike, GREEN, "--"), (unlike, RED, ":")):
        right.plot(epochs, one.watched.scores["validation"], color=colour, linestyle=dashes, marker="o", markersize=4)
    right.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
    whole_numbers(right.xaxis)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
