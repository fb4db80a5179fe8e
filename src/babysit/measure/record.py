"""What a run leaves behind: plain records that rules read and reports draw; no tensor, no torch.

A run folder holds `run.json` (one :class:`RunHeader`), `steps.jsonl` (losses of every step in blocks, sampled steps,
evaluations, probes) and, after a search, `trials.jsonl` (rounds and trials). All are append-only and readable
while the run goes on; a torn last line is ignored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from babysit.errors import RunFolderError
from babysit.storage import LineWriter, read_json, read_lines, write_json

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class LayerStats:
    """Statistics of one module at one step; ``None`` where a number does not apply or was not taken.

    Attributes:
        module: Module path, as in ``model.named_modules()``.
        type: Class name of the module.
        mean: Mean of the module's outputs over the batch.
        std: Standard deviation of the module's outputs over the batch.
        zero_fraction: Share of the outputs that are exactly zero, 0 to 1.
        dead_fraction: Share of units that are zero on every example of the batch, 0 to 1.
        saturated_fraction: Share of the outputs of a bounded activation within 1 % of its limits, 0 to 1.
        weight_norm: L2 norm of the module's own weights (parameters of two or more dimensions).
        gradient_norm: L2 norm of those weights' gradient.
        update_norm: L2 norm of the step those weights took: after minus before.
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

    @property
    def update_ratio(self) -> float | None:
        """Update norm over weight norm; the lecture's rule of thumb is about 1e-3."""
        if self.update_norm is None or not self.weight_norm:
            return None
        return self.update_norm / self.weight_norm


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One sampled step: its loss (before the step), learning rate and the statistics of each layer."""

    step: int
    loss: float
    lr: float | None = None
    layers: tuple[LayerStats, ...] = ()


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
        split: ``"train"`` (a fixed sample of the training split), ``"validation"`` or ``"test"``.
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
        hard_low: ``low`` is a limit of the parameter itself, so the best sitting there is no sign of a wrong range.
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

    @cached_property
    def losses(self) -> tuple[float, ...]:
        """The training loss of every step, from step 0."""
        return tuple(loss for block in self.blocks for loss in block.losses)

    def evaluated(self, split: str) -> tuple[Evaluation, ...]:
        """The evaluations of one split, in order."""
        return tuple(evaluation for evaluation in self.evaluations if evaluation.split == split)

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


Record = LossBlock | StepRecord | Evaluation | Probe | RoundRecord | TrialRecord

_KINDS: dict[str, type[Any]] = {
    "losses": LossBlock,
    "step": StepRecord,
    "evaluation": Evaluation,
    "probe": Probe,
    "round": RoundRecord,
    "trial": TrialRecord,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_line(record: Record) -> dict[str, Any]:
    """One record as the JSON object of its line; unset fields are left out."""
    fields = {name: value for name, value in dataclasses.asdict(record).items() if value is not None}
    if isinstance(record, StepRecord):
        fields["layers"] = [
            {name: value for name, value in layer.items() if value is not None} for layer in fields["layers"]
        ]
    return {"kind": _NAMES[type(record)], **fields}


def from_line(line: Any) -> Record | None:
    """Undo :func:`to_line`; ``None`` for a kind this version does not know or a damaged line."""
    try:
        fields = dict(line)
        return _READERS[fields.pop("kind")](fields)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None


class Records(Protocol):
    """Where records go."""

    @property
    def size(self) -> int:
        """How much has been written, to go on from here later."""

    def write(self, record: Record) -> None:
        """Append one record."""

    def rewind(self, size: int) -> None:
        """Forget everything after ``size``."""

    def sync(self) -> None:
        """Make sure that what was written stays."""


class MemoryRecords:
    """Records in memory alone.

    Example:
        >>> kept = MemoryRecords()
        >>> kept.write(LossBlock(0, (2.3,)))
        >>> kept.size
        1
    """

    def __init__(self) -> None:
        self.records: list[Record] = []

    @property
    def size(self) -> int:
        """How many records there are."""
        return len(self.records)

    def write(self, record: Record) -> None:
        """Append one record."""
        self.records.append(record)

    def rewind(self, size: int) -> None:
        """Forget all but the first ``size``."""
        del self.records[size:]

    def sync(self) -> None:
        """Nothing to do."""


class RecordWriter:
    """Appends records to `steps.jsonl` of a run folder.

    Args:
        folder: The run folder, which must exist.
        size: Go on from this many bytes, as a checkpoint noted them.
        name: The file's name.

    Raises:
        StorageError: The disk refused.
    """

    def __init__(self, folder: Path, size: int | None = None, name: str = "steps.jsonl") -> None:
        self._lines = LineWriter(folder / name, size)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._lines.size

    def write(self, record: Record) -> None:
        """Append one record."""
        self._lines.append(to_line(record))

    def rewind(self, size: int) -> None:
        """Forget everything after the first ``size`` bytes, to go on from a checkpoint taken then."""
        self._lines.rewind(size)

    def sync(self) -> None:
        """Wait until the disk has everything written so far."""
        self._lines.sync()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def write_header(folder: Path, header: RunHeader) -> None:
    """Write `run.json`."""
    write_json(folder / "run.json", dataclasses.asdict(header))


def read_header(folder: Path) -> RunHeader:
    """Read `run.json`.

    Raises:
        RunFolderError: There is none, it is damaged, or a newer babysit wrote it.
    """
    try:
        fields = read_json(folder / "run.json")
        schema = int(fields["schema"])
        header = _read_header(fields)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunFolderError(
            str(folder),
            expected="a run folder with a readable run.json",
            found="none" if isinstance(error, OSError) else "a damaged one",
            todo="name the folder that a babysit command wrote with --out",
        ) from error
    if schema > SCHEMA:
        raise RunFolderError(
            str(folder),
            expected=f"records of format {SCHEMA} or older",
            found=f"format {schema}",
            todo="update babysit to read it",
        )
    return header


def read_run(folder: Path) -> RunRecord:
    """Read everything a run folder holds, also while the run goes on.

    Raises:
        RunFolderError: The folder is no run, or of a newer format.
    """
    header = read_header(folder)
    records = [
        record
        for name in ("steps.jsonl", "trials.jsonl")
        for line in read_lines(folder / name)
        if (record := from_line(line)) is not None
    ]
    return collect(header, records)


def collect(header: RunHeader, records: Sequence[Record]) -> RunRecord:
    """Sort records of all kinds into a :class:`RunRecord`."""
    sorted_by_kind: dict[type[Any], list[Any]] = {kind: [] for kind in _NAMES}
    for record in records:
        sorted_by_kind[type(record)].append(record)
    return RunRecord(
        header=header,
        blocks=tuple(sorted_by_kind[LossBlock]),
        steps=tuple(sorted_by_kind[StepRecord]),
        evaluations=tuple(sorted_by_kind[Evaluation]),
        probes=tuple(sorted_by_kind[Probe]),
        rounds=tuple(sorted_by_kind[RoundRecord]),
        trials=tuple(sorted_by_kind[TrialRecord]),
    )


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _read_header(fields: dict[str, Any]) -> RunHeader:
    known = {item.name for item in dataclasses.fields(RunHeader)}
    chance = fields.get("chance_loss")
    numbers = {"chance_loss": None if chance is None else float(chance)}
    return RunHeader(**{name: value for name, value in {**fields, **numbers}.items() if name in known})


def _read_losses(fields: dict[str, Any]) -> LossBlock:
    return LossBlock(first=int(fields["first"]), losses=_floats(fields["losses"]))


def _read_layer(fields: dict[str, Any]) -> LayerStats:
    numbers = {name: float(value) for name, value in fields.items() if name not in ("module", "type")}
    return LayerStats(fields["module"], fields.get("type", ""), **numbers)


def _read_step(fields: dict[str, Any]) -> StepRecord:
    return StepRecord(
        step=int(fields["step"]),
        loss=float(fields["loss"]),
        lr=float(fields["lr"]) if "lr" in fields else None,
        layers=tuple(_read_layer(dict(layer)) for layer in fields.get("layers", ())),
    )


def _read_evaluation(fields: dict[str, Any]) -> Evaluation:
    return Evaluation(**{**fields, **{name: float(fields[name]) for name in ("epoch", "loss", "score")}})


def _read_probe(fields: dict[str, Any]) -> Probe:
    return Probe(
        name=fields["name"],
        numbers={name: float(value) for name, value in fields.get("numbers", {}).items()},
        series={name: _floats(values) for name, values in fields.get("series", {}).items()},
        texts=dict(fields.get("texts", {})),
    )


def _read_round(fields: dict[str, Any]) -> RoundRecord:
    ranges = {name: _read_range(item) for name, item in fields["ranges"].items()}
    return RoundRecord(**{**fields, "epochs": float(fields["epochs"]), "ranges": ranges})


def _read_range(fields: dict[str, Any]) -> Range:
    ends = {name: float(fields[name]) for name in ("low", "high") if fields.get(name) is not None}
    return Range(**{**fields, **ends, "choices": tuple(fields.get("choices", ()))})


def _read_trial(fields: dict[str, Any]) -> TrialRecord:
    numbers = {name: float(fields[name]) for name in ("epochs", "initial_loss", "loss", "score")}
    return TrialRecord(**{**fields, **numbers})


_READERS: dict[str, Callable[[dict[str, Any]], Record]] = {
    "losses": _read_losses,
    "step": _read_step,
    "evaluation": _read_evaluation,
    "probe": _read_probe,
    "round": _read_round,
    "trial": _read_trial,
}
