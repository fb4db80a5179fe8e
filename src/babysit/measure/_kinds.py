"""The kinds of records that a run leaves behind: plain values, no tensor, no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from babysit.measure._seen import Coverage, Forward, Graph, LossCall, Origin, Replica

SCHEMA = 1

ALIVE = ("complete", "halved")
"""How a trial ends that came to something."""

DEAD_BATCHES = 10
"""Sampled batches on which a unit has to be zero to be called dead: a unit that few examples excite may well be silent
on one batch."""


@dataclass(frozen=True, slots=True)
class LayerStats:
    """Statistics of one module at one step; ``None`` where a number does not apply or was not taken.

    Attributes:
        module: Module path, as in ``model.named_modules()``.
        type: Class name of the module.
        mean: Mean of the module's outputs over the batch.
        std: Standard deviation of the module's outputs over the batch.
        zero_fraction: Share of the outputs that are exactly zero, 0 to 1.
        dead_fraction: Share of a rectifier's units (dimension 1) that were zero on every example of the last
            ``DEAD_BATCHES`` sampled batches, fewer at the beginning, 0 to 1.
        saturated_fraction: Share of the outputs of a bounded activation within 1 % of its limits, 0 to 1.
        weight_norm: L2 norm of the module's own weights (parameters of two or more dimensions).
        gradient_norm: L2 norm of those weights' gradient.
        update_norm: L2 norm of the step those weights took: after minus before.
        example_std: Standard deviation of a unit's outputs over the examples, averaged over the units: 0 where the
            outputs do not depend on the example.
        quantiles: The outputs' 0, 5, 25, 50, 75, 95 and 100 % quantiles.
        nonfinite_fraction: Share of the outputs that are NaN or infinite, 0 to 1.
        identical_units: Share of the weights' units (rows) that equal another one exactly; taken at few steps.
        decay_norm: L2 norm of weight decay's part of the step: λ·‖w‖ beside the gradient for L2 in the gradient,
            lr·λ·‖w‖ beside the update where it is decoupled; ``None`` where there is no decay.
        decay_share: That norm over the gradient's (L2 in the gradient) or over that of the rest of the update
            (decoupled).
    """

    module: str
    type: str = ""
    mean: float | None = None
    std: float | None = None
    zero_fraction: float | None = None
    dead_fraction: float | None = None
    saturated_fraction: float | None = None
    weight_norm: float | None = None
    gradient_norm: float | None = None
    update_norm: float | None = None
    example_std: float | None = None
    quantiles: tuple[float, ...] | None = None
    nonfinite_fraction: float | None = None
    identical_units: float | None = None
    decay_norm: float | None = None
    decay_share: float | None = None

    @property
    def update_ratio(self) -> float | None:
        """Update norm over weight norm; the lecture's rule of thumb is about 1e-3."""
        if self.update_norm is None or not self.weight_norm:
            return None
        return self.update_norm / self.weight_norm


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One sampled step.

    Attributes:
        step: Its number, from 0.
        loss: The loss before it.
        lr: Learning rate of the optimizer's first group.
        layers: Statistics of each layer, in the order of the forward pass where that is known.
        gradient_norm: L2 norm of all gradients as the update takes them.
        clipped_from: That norm before gradient clipping; ``None`` where nothing clips.
        clip_limit: What gradients were clipped to.
        backwards: Backward passes that made the gradient.
        cleared: Whether the gradients were zero or absent when the step's first backward pass began; ``None`` when
            unknown.
        skipped: Steps that a gradient scaler has skipped since the sampled step before.
        descent: Cosine between the gradient and minus the update: 1 for plain gradient descent, below zero where the
            weights go uphill; taken at steps that are looked at closely.
        gradient_peaks: The largest element of all gradients after the backward pass and as the update takes them; taken
            at steps that are looked at closely.
    """

    step: int
    loss: float
    lr: float | None = None
    layers: tuple[LayerStats, ...] = ()
    gradient_norm: float | None = None
    clipped_from: float | None = None
    clip_limit: float | None = None
    backwards: int = 1
    cleared: bool | None = None
    skipped: int = 0
    descent: float | None = None
    gradient_peaks: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class LossBlock:
    """The training losses of consecutive steps ``first, first + 1, …``, each taken before its update."""

    first: int
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One pass over a split in evaluation mode.

    Attributes:
        step: Steps taken before it.
        epoch: Epochs done before it; fractional inside an epoch.
        split: ``"train"`` (a fixed sample of the training split), ``"batches"`` (the last training batches, as they
            were trained on), ``"validation"`` or ``"test"``.
        loss: Mean loss without any regularisation.
        score: Accuracy (classification) or R² (regression).
        examples: How many examples were evaluated.
    """

    step: int
    epoch: float
    split: str
    loss: float
    score: float
    examples: int


@dataclass(frozen=True, slots=True)
class Probe:
    """The numbers of one check that was made by trying something.

    Attributes:
        name: Which check, such as ``"initial-loss"``.
        numbers: Named scalars.
        series: Named curves, such as the losses while overfitting twenty examples.
        texts: Named words, such as the loss function's name.
    """

    name: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Range:
    """What one hyperparameter was drawn from in one round.

    Attributes:
        low: Smallest value; ``None`` for choices.
        high: Largest value; ``None`` for choices.
        log: Drawn uniformly in the logarithm.
        choices: The values of a categorical parameter, as text.
        hard_low: ``low`` is a limit of the parameter itself, or one that was measured, past which no range moves; so
            the best sitting there is no sign of a wrong range.
        hard_high: Likewise for ``high``.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()
    hard_low: bool = False
    hard_high: bool = False


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round of a search: its name (coarse, fine, final), longest training and the ranges it drew from."""

    number: int
    name: str
    epochs: float
    trials: int
    ranges: Mapping[str, Range]


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial as it ended.

    Attributes:
        number: Unique in the search, from 0.
        round: Its round's number.
        params: The hyperparameters it was given.
        status: ``"complete"``, ``"halved"`` (not among the best of a rung), ``"killed"`` (loss non-finite or over
            3 × the initial one) or ``"failed"`` (it raised).
        epochs: Epochs trained.
        steps: Steps trained.
        initial_loss: Loss of its first step.
        loss: Validation loss at its best evaluation; infinite when killed before any.
        score: Validation accuracy or R² at that evaluation; ``-inf`` when killed before any.
        reason: Why it was killed or failed.
        rungs: ``(epochs, score)`` at each rung it came to alive; empty in records of older versions.
    """

    number: int
    round: int
    params: Mapping[str, Any]
    status: str
    epochs: float
    steps: int
    initial_loss: float
    loss: float
    score: float
    reason: str = ""
    rungs: tuple[tuple[float, float], ...] = ()

    @property
    def is_scored(self) -> bool:
        """Whether it was evaluated and not killed."""
        return self.status in ALIVE and math.isfinite(self.score)


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What is known when a run starts.

    Attributes:
        command: What was run, for the reader.
        task: ``"classification"``, ``"regression"`` or ``""`` when unknown.
        loss_name: The loss function, such as ``"cross_entropy"``.
        chance_loss: Loss of the best constant prediction: ln C for C balanced classes, the variance for MSE.
        classes: Number of classes, 0 when unknown.
        batch_size: Examples a step.
        steps_per_epoch: Steps in one pass over the training split.
        total_steps: Steps planned, 0 when unknown.
        optimizer: Its name.
        seed: The seed the run was given.
        device: Such as ``"cpu"``.
        progress: Whether the loss measures progress: not where two models are trained against each other, or where a
            policy makes its own data.
        score_is_share: Whether scores are shares of 0 to 1, as an accuracy is that was not measured by the user's own
            function of that name; ``None`` where it was not noted, and only the name tells.
        settings: Everything else that was set, as JSON values.
        versions: Of babysit, Python and torch.
        schema: Version of the record format.
    """

    command: str = ""
    task: str = ""
    loss_name: str = ""
    chance_loss: float | None = None
    classes: int = 0
    batch_size: int = 0
    steps_per_epoch: int = 0
    total_steps: int = 0
    optimizer: str = ""
    seed: int | None = None
    device: str = "cpu"
    progress: bool = True
    score_is_share: bool | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True)
class RunRecord:
    """Everything recorded of one run, in order; what a rule gets to see.

    Example:
        >>> run = RunRecord(RunHeader(chance_loss=2.303), blocks=(LossBlock(0, (2.3, 2.2)), LossBlock(2, (2.1,))))
        >>> run.losses
        (2.3, 2.2, 2.1)
    """

    header: RunHeader = field(default_factory=RunHeader)
    blocks: tuple[LossBlock, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    probes: tuple[Probe, ...] = ()
    rounds: tuple[RoundRecord, ...] = ()
    trials: tuple[TrialRecord, ...] = ()
    calls: tuple[LossCall, ...] = ()
    forwards: tuple[Forward, ...] = ()
    graphs: tuple[Graph, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    replicas: tuple[Replica, ...] = ()
    origins: tuple[Origin, ...] = ()

    @cached_property
    def losses(self) -> tuple[float, ...]:
        """The training loss of every step, from step 0."""
        return tuple(loss for block in self.blocks for loss in block.losses)

    def evaluated(self, split: str) -> tuple[Evaluation, ...]:
        """The evaluations of one split, in order."""
        return tuple(evaluation for evaluation in self.evaluations if evaluation.split == split)

    def called(self, phase: str) -> tuple[LossCall, ...]:
        """The recorded calls of loss functions in one phase, ``"train"`` or ``"evaluation"``, in order."""
        return tuple(call for call in self.calls if call.phase == phase)

    def forwarded(self, phase: str) -> tuple[Forward, ...]:
        """The recorded calls of models in one phase, in order."""
        return tuple(forward for forward in self.forwards if forward.phase == phase)

    def probe(self, name: str) -> Probe | None:
        """The latest probe of that name, or ``None``."""
        return next((probe for probe in reversed(self.probes) if probe.name == name), None)

    def layer(self, module: str) -> Iterator[tuple[int, LayerStats]]:
        """``(step, statistics)`` of one module over the sampled steps."""
        for record in self.steps:
            for layer in record.layers:
                if layer.module == module:
                    yield record.step, layer

    @property
    def modules(self) -> tuple[str, ...]:
        """Paths of the modules that have statistics, in the order first seen."""
        return tuple(dict.fromkeys(layer.module for record in self.steps for layer in record.layers))


Record = (
    LossBlock
    | StepRecord
    | Evaluation
    | Probe
    | RoundRecord
    | TrialRecord
    | LossCall
    | Forward
    | Graph
    | Coverage
    | Replica
    | Origin
)
