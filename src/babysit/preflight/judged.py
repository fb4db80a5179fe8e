"""What of a trial's records can be judged before training: one check a group of rules, with the numbers they read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from babysit.measure.record import RunRecord
from babysit.rules.upd001_tiny_update import TinyUpdate
from babysit.rules.upd002_huge_update import HugeUpdate

Said = tuple[str, str]
"""What was measured, and what is expected."""


@dataclass(frozen=True)
class Judged:
    """One check of a trial's records.

    Attributes:
        name: Of the check.
        title: For the reader.
        codes: Of the rules that judge it.
        say: The numbers; ``None`` where there are none, and ``missing`` says why.
        missing: Why there may be none.
    """

    name: str
    title: str
    codes: tuple[str, ...]
    say: Callable[[RunRecord], Said | None]
    missing: str


def _number(value: float) -> str:
    return f"{value:.3g}"


def _inputs(run: RunRecord) -> Said | None:
    probe = run.probe("inputs")
    if probe is not None:
        measured = f"mean {_number(probe.numbers['mean'])}, standard deviation {_number(probe.numbers['std'])}"
        return measured, "about 0 and 1, all finite"
    seen = next((item.inputs for item in run.forwards if item.inputs is not None), None)
    if seen is None:
        return None
    return f"mean {_number(seen.mean)}, standard deviation {_number(seen.std)}", "about 0 and 1, all finite"


def _targets(run: RunRecord) -> Said | None:
    if not run.calls:
        return None
    call = run.calls[0]
    if call.classes and call.counts:
        present = [count for count in call.counts if count]
        return f"{len(present)} of {call.classes} classes in the batch", "several classes, none beyond the outputs"
    targets = call.targets
    return f"{_number(targets.low)} … {_number(targets.high)}, spread {_number(targets.std)}", "spread out, reachable"


def _loss_function(run: RunRecord) -> Said | None:
    if not run.calls:
        return None
    call = run.calls[0]
    shapes = f"outputs {tuple(call.output_shape)} against targets {tuple(call.target_shape)}"
    ends = f"{_number(call.outputs.low)} … {_number(call.outputs.high)}"
    return f"{call.name} of {shapes}, outputs {ends}", "shapes and values that this loss is made for"


def _signals(run: RunRecord) -> Said | None:
    stds = [layer.std for layer in run.steps[0].layers if layer.std is not None] if run.steps else []
    stds = [value for value in stds if math.isfinite(value)]
    if not stds:
        return None
    return (
        f"standard deviation {_number(min(stds))} … {_number(max(stds))} in {len(stds)} layers",
        "alike in all layers",
    )


def _gradients(run: RunRecord) -> Said | None:
    if not run.coverage:
        return None
    seen = run.coverage[0]
    missing = len(seen.without_gradient) + len(seen.not_optimized)
    total = len(seen.trained) + missing
    return f"{len(seen.trained)} of {total} layers get a gradient and an update", "all of them"


def _updates(run: RunRecord) -> Said | None:
    ratios = [
        layer.update_norm / layer.weight_norm
        for step in run.steps
        for layer in step.layers
        if layer.update_norm is not None and layer.weight_norm
    ]
    if not ratios:
        return None
    usual = f"{_number(TinyUpdate.smallest)} … {_number(HugeUpdate.largest)}, about {_number(TinyUpdate.usual)}"
    ends = f"{_number(min(ratios))} … {_number(max(ratios))}"
    return f"update / weight {_number(median(ratios))} a step ({ends})", usual


def _normalisation(run: RunRecord) -> Said | None:
    fewest = [item.fewest_values for item in run.forwards if item.fewest_values is not None]
    return (f"{min(fewest)} values a channel", "a dozen or more") if fewest else None


JUDGED = (
    Judged("inputs", "Inputs", ("DAT001", "DAT002", "DAT003"), _inputs, "the model is given no floating-point numbers"),
    Judged("targets", "Targets", ("DAT004", "DAT006", "DAT007"), _targets, "no loss function of torch was called"),
    Judged(
        "loss-function",
        "Loss function",
        ("DAT010", "LOS001", "LOS006", "LOS007", "LOS009"),
        _loss_function,
        "no loss function of torch was called",
    ),
    Judged(
        "signals",
        "Signals through the layers",
        ("INI001", "INI002", "INI003", "ACT001", "ACT002", "ACT003", "ACT004", "ACT005"),
        _signals,
        "no layer's outputs were seen",
    ),
    Judged(
        "gradients",
        "Gradients",
        ("GRD001", "GRD002", "GRD003", "GRD004", "UPD003"),
        _gradients,
        "the model has no parameters that are trained",
    ),
    Judged(
        "updates",
        "Updates",
        ("UPD001", "UPD002", "UPD004", "UPD005"),
        _updates,
        "no optimizer was given, or only scalars and vectors are trained",
    ),
    Judged(
        "normalisation", "Batch normalisation", ("NRM001", "GEN003"), _normalisation, "there is none in training mode"
    ),
)
