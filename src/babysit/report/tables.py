"""The report's tables as rows of text: data, settings, search rounds, ensembles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from babysit.measure.record import Range, RoundRecord, RunHeader, RunRecord
from babysit.report.formatting import number, shown
from babysit.report.summary import Summary, entries, part, real, words
from babysit.rules import Evidence

Rows = tuple[tuple[str, ...], ...]

_ELSEWHERE = ("options", "space", "data")
_SHOWN_OTHERWISE = ("examples", "example_shape", "class_names", "class_counts")


def data_rows(summary: Summary) -> Rows:
    """Names and values that describe the data, the preprocessing and the model."""
    data = summary.data
    examples = part(data, "examples")
    counts = {name: count for name, count in part(data, "class_counts").items() if isinstance(count, int)}
    rows = [(key.replace("_", " "), shown(value)) for key, value in data.items() if _is_shown(key, value)]
    if examples:
        rows.append(("examples", ", ".join(f"{shown(count)} {split}" for split, count in examples.items())))
    if shape := entries(data, "example_shape"):
        rows.append(("example shape", " × ".join(str(size) for size in shape)))
    if counts:
        fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        rows.append(("examples a class", f"{counts[fewest]:,} ({fewest}) to {counts[most]:,} ({most})"))
    for name, found in (("preprocessing", summary.preprocessing), ("model", summary.model)):
        if description := words(found, "description"):
            rows.append((name, description))
    return tuple(rows)


def layer_rows(summary: Summary) -> Rows:
    """Name, type, output shape and parameters of each layer."""
    return tuple(
        tuple(shown(cell) for cell in layer) for layer in entries(summary.model, "layers") if isinstance(layer, list)
    )


def setting_rows(values: Mapping[str, Any]) -> Rows:
    """Names and values of settings, without what the report shows elsewhere, or is for no reader: marks of the data."""
    return tuple((name.replace("_", " "), shown(value)) for name, value in values.items() if name not in _ELSEWHERE)


def run_rows(header: RunHeader) -> Rows:
    """What the run was started with, each name once; without settings that a search drew from its space instead."""
    known = header_rows(header)
    said = {row[0] for row in known} | {name.replace("_", " ") for name in part(header.settings, "space")}
    return known + tuple(row for row in setting_rows(header.settings) if row[0] not in said)


def header_rows(header: RunHeader) -> Rows:
    """What the run was started with, as far as it is known."""
    seed = "" if header.seed is None else str(header.seed)
    known = (
        ("loss", header.loss_name),
        ("optimizer", header.optimizer),
        ("batch size", str(header.batch_size or "")),
        ("seed", seed),
        ("device", header.device),
    )
    return tuple((name, str(value)) for name, value in known if value)


def evidence_rows(items: Sequence[Evidence]) -> Rows:
    """Name, value and limit of measured numbers."""
    return tuple(
        (item.name, _measured(item.value, item.unit), "–" if item.limit is None else _measured(item.limit, item.unit))
        for item in items
    )


def round_rows(run: RunRecord, summary: Summary) -> Rows:
    """Round, trials, epochs, killed, halved, best score and ranges of each round of the search."""
    return tuple(_round(record, run, summary) for record in run.rounds)


def ensemble_rows(summary: Summary) -> Rows:
    """Name, test score and loss of each ensemble, below the single model."""
    single = {"name": "the single model", **summary.test}
    rows = [single, *summary.ensemble] if summary.ensemble else []
    return tuple((words(row, "name"), _optional(row, "score", summary), _optional(row, "loss", None)) for row in rows)


def _round(record: RoundRecord, run: RunRecord, summary: Summary) -> tuple[str, ...]:
    trials = [trial for trial in run.trials if trial.round == record.number]
    scores = [trial.score for trial in trials if math.isfinite(trial.score)]
    return (
        record.name,
        str(record.trials),
        number(record.epochs),
        str(sum(trial.status == "killed" for trial in trials)),
        str(sum(trial.status == "halved" for trial in trials)),
        summary.score(max(scores)) if scores else "–",
        "; ".join(f"{name} {_range(drawn)}" for name, drawn in record.ranges.items()),
    )


def _range(drawn: Range) -> str:
    if drawn.low is None or drawn.high is None:
        return " | ".join(drawn.choices)
    return f"{number(drawn.low)} to {number(drawn.high)}" + (" (log)" if drawn.log else "")


def _is_shown(key: str, value: Any) -> bool:
    return key not in _SHOWN_OTHERWISE and value is not None and value not in ("", [], {})


def _measured(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()


def _optional(row: Mapping[str, Any], key: str, summary: Summary | None) -> str:
    value = real(row, key)
    if value is None:
        return "–"
    return summary.score(value) if summary else number(value)
