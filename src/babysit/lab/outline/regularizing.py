"""H2, H3: what L2 regularisation and dropout do to the weights, the outputs and the gap to held-out examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

import babysit as bs
from babysit.fit import FitResult
from babysit.lab.asking import first
from babysit.lab.drawing import BLUE, GREY, RED
from babysit.lab.measures import Measure, above, below, named, near, told, true
from babysit.lab.outline.sample import Sample, few
from babysit.lab.outline.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.record import RunRecord
from babysit.nn import l2_penalty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRENGTHS = (0.0, 1e-3, 1e-2, 3e-2, 1e-1)
CHOSEN = 3e-2
"""The strength whose curves are drawn."""
DROPPED = 0.5
MASKS = 4_000

Results = Sequence[FitResult]


def trained(sample: Sample, bench: Bench, seed: int, *, l2: float = 0.0, dropout: float = 0.0) -> FitResult:
    """A network trained until it knows the examples by heart, where nothing keeps it from that."""
    return bs.fit(
        sample.network(seed, dropout=dropout),
        sample.pair,
        validation=sample.held_out_pair,
        lr=sample.lr,
        l2=l2,
        epochs=bench.pick(40, 60),
        batch_size=50,
        seed=seed,
        threads=1,
    )


def final_loss(result: FitResult, split: str) -> float:
    """At the end of a training."""
    return result.record.evaluated(split)[-1].loss


def final_score(result: FitResult, split: str) -> float:
    """Likewise."""
    return result.record.evaluated(split)[-1].score


def gap(result: FitResult) -> float:
    """Held-out loss minus training loss."""
    return final_loss(result, "validation") - final_loss(result, "train")


def weight_norm(record: RunRecord) -> float:
    """‖W‖ over all layers at the last recorded step."""
    return float(np.sqrt(sum((layer.weight_norm or 0.0) ** 2 for layer in record.steps[-1].layers)))


def compared(name: str, plain: Results, regularised: Results) -> list[Measure]:
    """What a regularisation does to the gap and to the held-out examples, a value a seed."""
    pairs = list(zip(plain, regularised, strict=True))
    return [
        below(f"gap in loss with {name} : without", [gap(after) / gap(before) for before, after in pairs], 1),
        above(
            f"held-out accuracy with {name} − without",
            [final_score(after, "validation") - final_score(before, "validation") for before, after in pairs],
            0,
            unit="%",
        ),
        told("held-out accuracy without", [final_score(before, "validation") for before in plain], unit="%"),
        told("training accuracy without", [final_score(before, "train") for before in plain], unit="%"),
        told("gap in loss without", map(gap, plain)),
    ]


@SECTION.claim(
    "H2",
    "L2 regularisation shrinks the weights and narrows the gap between training and held-out examples.",
    expected="‖W‖ falls with every increase of λ; a smaller gap and better held-out accuracy than with λ = 0",
    cost=10,
)
def l2_shrinks_the_weights(bench: Bench) -> Outcome:
    """Train the same network on the same few examples with ever stronger regularisation.

    Example:
        >>> from babysit.nn import l2_penalty
        >>> layer = torch.nn.Linear(3, 2)
        >>> l2_penalty(layer, strength=0.1).backward()
        >>> torch.allclose(layer.weight.grad, 0.1 * layer.weight)
        True
    """
    samples = {seed: few(seed, noisy=True) for seed in bench.seeds}
    results = {
        strength: [trained(sample, bench, seed, l2=strength) for seed, sample in samples.items()]
        for strength in STRENGTHS
    }
    norms = np.array([[weight_norm(result.record) for result in of] for of in results.values()])
    plain, chosen = results[0.0], results[CHOSEN]
    scores = [np.median([final_score(result, "validation") for result in of]) for of in (plain, chosen)]
    title = (
        f"λ = {CHOSEN:g} shrinks ‖W‖ from {np.median(norms[0]):.1f} to "
        f"{np.median(norms[STRENGTHS.index(CHOSEN)]):.1f}; held-out accuracy {scores[1]:.1%} with it, {scores[0]:.1%} "
        "without"
    )
    return Outcome(
        [
            true("‖W‖ falls with every λ", (np.diff(norms, axis=0) < 0).all(axis=0).tolist()),
            *compared(f"λ = {CHOSEN:g}", plain, chosen),
            near("gradient of ½·λ·‖W‖² − λ·W, largest", penalty_error(), 0, within=1e-12),
            named("GEN001", [before.findings for before in plain], name="overfitting named by GEN001 without"),
            true("no longer with it", [first("GEN001", after.findings) is None for after in chosen]),
        ],
        [
            Drawing(
                "l2",
                title,
                lambda figure: draw_l2(figure, results, norms),
                (9.0, 3.4),
                first("GEN001", plain[0].findings),
            )
        ],
        findings=plain[0].findings,
        note=samples[bench.seeds[0]].note,
    )


def penalty_error() -> float:
    """How far autograd's gradient of the penalty is from λ·W, in float64."""
    layer = nn.Linear(30, 20, dtype=torch.float64)
    l2_penalty(layer, CHOSEN).backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    return float((layer.weight.grad - CHOSEN * layer.weight).detach().abs().max())


def draw_l2(figure: Figure, results: Mapping[float, Results], norms: np.ndarray) -> None:
    """Weights and accuracies over the strengths, and the loss over the epochs without and with."""
    weights, scores, losses = figure.subplots(1, 3)
    places = np.arange(len(results))
    for axes in (weights, scores):
        axes.set_xticks(places, [f"{strength:g}" for strength in results])
        axes.set_xlabel("strength λ")
    weights.plot(places, np.median(norms, axis=1), color=BLUE, marker="o")
    weights.fill_between(places, norms.min(axis=1), norms.max(axis=1), color=BLUE, alpha=0.2, linewidth=0)
    weights.set(ylabel="‖W‖ at the end", ylim=(0, None))
    for split, label, colour, dash in (
        ("train", "training", GREY, "--"),
        ("validation", "held out", BLUE, "-"),
    ):
        known = np.array([[100 * final_score(result, split) for result in of] for of in results.values()])
        scores.plot(places, np.median(known, axis=1), color=colour, linestyle=dash, marker="o", label=label)
        scores.fill_between(places, known.min(axis=1), known.max(axis=1), color=colour, alpha=0.2, linewidth=0)
    scores.set_ylabel("accuracy at the end (%)")
    scores.legend()
    draw_losses(losses, {"λ = 0": results[0.0][0], f"λ = {CHOSEN:g}": results[CHOSEN][0]})


def draw_losses(axes: Axes, results: Mapping[str, FitResult]) -> None:
    """Training and held-out loss over the epochs, of a training each."""
    for (name, result), colour in zip(results.items(), (RED, BLUE), strict=True):
        for split, label, dash in (("train", "training", "--"), ("validation", "held out", "-")):
            known = result.record.evaluated(split)
            epochs = [evaluation.epoch for evaluation in known]
            axes.plot(epochs, [e.loss for e in known], color=colour, linestyle=dash, label=f"{label}, {name}")
    axes.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
    axes.legend()


@SECTION.claim(
    "H3",
    "Dropout switches units off at random, in training only, scaled so that the mean stays; it narrows the gap.",
    expected="training outputs differ each time, evaluation outputs never; their mean is the output of evaluation",
    cost=5,
)
def dropout_keeps_the_mean(bench: Bench) -> Outcome:
    """Train a network with half of its hidden units dropped, then ask it thousands of times in training mode.

    Example:
        >>> drop, ones = torch.nn.Dropout(0.5), torch.ones(10_000)
        >>> sorted(set(drop(ones).tolist())), round(drop(ones).mean().item(), 1)
        ([0.0, 2.0], 1.0)
        >>> drop.eval()(ones).mean().item()
        1.0
    """
    samples = {seed: few(seed, noisy=True) for seed in bench.seeds}
    plain = [trained(sample, bench, seed) for seed, sample in samples.items()]
    dropped = [trained(sample, bench, seed, dropout=DROPPED) for seed, sample in samples.items()]
    outputs = [asked_often(result.model, sample) for result, sample in zip(dropped, samples.values(), strict=True)]
    errors = [float(standard_errors(masked, still).abs().max()) for masked, still in outputs]
    spreads = [masked.std(dim=0).mean().item() for masked, _ in outputs]
    scores = [np.median([final_score(result, "validation") for result in of]) for of in (plain, dropped)]
    title = (
        f"Each mask gives another output, and their mean is that of evaluation; held-out accuracy {scores[1]:.1%} "
        f"with dropout, {scores[0]:.1%} without"
    )
    return Outcome(
        [
            # of ten outputs and five seeds the largest is below 4.5 in all but one run of 3,000
            below(f"mean of {MASKS:,} masks − evaluation, in standard errors", errors, 4.5),
            *compared("dropout", plain, dropped),
            above("spread of an output in training mode", spreads, 0),
            near("spread in evaluation mode", [still.std(dim=0).max().item() for _, still in outputs], 0, within=0),
            named("GEN001", [before.findings for before in plain], name="overfitting named by GEN001 without"),
        ],
        [
            Drawing(
                "dropout",
                title,
                lambda figure: draw_dropout(figure, *outputs[0], plain[0], dropped[0]),
                (9.0, 3.4),
                first("GEN001", plain[0].findings),
            )
        ],
        findings=plain[0].findings,
        note=samples[bench.seeds[0]].note,
    )


def asked_often(model: nn.Module, sample: Sample) -> tuple[Tensor, Tensor]:
    """The logits of the first held-out example again and again, in training mode and in evaluation mode.

    Returns:
        ``(MASKS, 10)`` with a new mask each, and ``(2, 10)``.
    """
    inputs = sample.held_out_pair[0]
    with torch.no_grad():
        masked = model.train()(inputs[:1].expand(MASKS, *inputs.shape[1:]))
        return masked, torch.cat([model.eval()(inputs[:1]) for _ in range(2)])


def standard_errors(masked: Tensor, still: Tensor) -> Tensor:
    """How far the mean over the masks is from the output of evaluation, for each output, in standard errors."""
    error = masked.std(dim=0) / len(masked) ** 0.5
    found: Tensor = (masked.mean(dim=0) - still[0]) / error
    return found


def draw_dropout(figure: Figure, masked: Tensor, still: Tensor, plain: FitResult, dropped: FitResult) -> None:
    """One output over the masks, and the loss over the epochs without and with dropout."""
    spread, losses = figure.subplots(1, 2)
    output = int(still[0].argmax())
    values = masked[:, output].double()
    spread.hist(values.numpy(), bins=50, color=GREY, label=f"training mode, {len(values):,} masks")
    for value, name, colour, dash in (
        (still[0, output].item(), "evaluation mode", BLUE, "-"),
        (values.mean().item(), "mean over the masks", RED, "--"),
    ):
        spread.axvline(value, ymax=0.68, color=colour, linestyle=dash, label=f"{name}: {value:.3f}")
    spread.set(xlabel="output of the likeliest class (logit)", ylabel="number of masks")
    spread.set_ylim(0, 1.45 * spread.get_ylim()[1])
    spread.legend(loc="upper left")
    draw_losses(losses, {"no dropout": plain, f"dropout {DROPPED:g}": dropped})
