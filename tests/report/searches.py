"""Searches as `bs.search` records them, made up, to compare reports with."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from babysit.measure.record import (
    Range,
    Record,
    RecordWriter,
    RoundRecord,
    RunHeader,
    RunRecord,
    TrialRecord,
    collect,
    write_header,
)

RANGES = {
    "lr": Range(1e-5, 1e1, log=True),
    "l2": Range(1e-6, 1e0, log=True),
    "rule": Range(choices=("sgd", "adam")),
    "kernel": Range(choices=("(3, 3)", "(5,)")),
}
HEADER = RunHeader(
    command="search",
    task="classification",
    optimizer="momentum",
    batch_size=128,
    seed=0,
    settings={"score": "accuracy", "lr": 0.01, "optimizer": "momentum", "trials": 24, "space": {"lr": {}, "l2": {}}},
)


def searched_run(header: RunHeader = HEADER, seed: int = 0) -> RunRecord:
    """A coarse round with two halvings, a final one, and trials that were killed or failed."""
    rng = np.random.default_rng(seed)
    records: list[Record] = [RoundRecord(0, "coarse", 4.0, 24, RANGES)]
    records += [_coarse(number, rng) for number in range(24)]
    best = max((record for record in records[1:] if record.status == "complete"), key=lambda trial: trial.score)
    records.append(RoundRecord(1, "final", 8.0, 2, RANGES))
    records += [
        TrialRecord(number, 1, best.params, "complete", 8.0, 80, 2.3, 0.1, score, rungs=((8.0, score),))
        for number, score in ((24, 0.97), (25, 0.95))
    ]
    return collect(header, records)


def write_search(folder: Path, run: RunRecord) -> Path:
    """A folder with the records and nothing else, as a search that was killed leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_header(folder, run.header)
    writer = RecordWriter(folder, name="trials.jsonl")
    for record in (*run.rounds, *run.trials):
        writer.write(record)
    writer.close()
    return folder


def _coarse(number: int, rng: np.random.Generator) -> TrialRecord:
    params: dict[str, Any] = {
        "lr": float(10 ** rng.uniform(-5, 1)),
        "l2": float(10 ** rng.uniform(-6, 0)),
        "rule": str(rng.choice(["sgd", "adam"])),
        "kernel": [(3, 3), (5,)][number % 2],
    }
    if number in (3, 7, 9):
        reason = "ValueError: no such width" if number != 9 else f"loss {number}.5 over 3 × the initial 2.3"
        status = "failed" if number != 9 else "killed"
        return TrialRecord(number, 0, params, status, 0.0, 0, math.nan, math.inf, -math.inf, reason)
    rungs = tuple((float(epochs), float(rng.uniform(0.1, 0.9))) for epochs in (1, 2, 4)[: 3 - number % 3])
    status = "complete" if len(rungs) == 3 else "halved"
    epochs, score = rungs[-1]
    return TrialRecord(number, 0, params, status, epochs, int(10 * epochs), 2.3, 1 - score, score, rungs=rungs)
