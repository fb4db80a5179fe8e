"""One record as one line of JSON, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from babysit.measure._kinds import (
    Evaluation,
    LayerStats,
    LossBlock,
    Probe,
    Range,
    Record,
    RoundRecord,
    StepRecord,
    TrialRecord,
)

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


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


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
