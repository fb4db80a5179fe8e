"""The ranks of a distributed training side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from babysit.measure.record import Replica, RunRecord


def side_by_side(run: RunRecord) -> Iterator[tuple[int, Sequence[Replica]]]:
    """``(step, records)`` of the steps of which two or more ranks left a record, in order."""
    steps: dict[int, dict[int, Replica]] = {}
    for record in run.replicas:
        if record.world > 1:
            steps.setdefault(record.step, {})[record.rank] = record
    for step in sorted(steps):
        ranks = [record for _, record in sorted(steps[step].items())]
        if len(ranks) > 1:
            yield step, ranks
