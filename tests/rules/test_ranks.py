from __future__ import annotations

from babysit.measure.record import Replica, RunRecord
from babysit.rules._ranks import side_by_side


def test_steps_that_several_ranks_recorded() -> None:
    records = [(4, 1), (4, 0), (0, 0), (1, 0), (1, 1), (1, 1)]
    run = RunRecord(replicas=tuple(Replica(step, rank, 2, wrapped=True) for step, rank in records))
    assert [(step, [item.rank for item in ranks]) for step, ranks in side_by_side(run)] == [(1, [0, 1]), (4, [0, 1])]


def test_one_rank_alone() -> None:
    run = RunRecord(replicas=tuple(Replica(0, rank, 1, wrapped=False) for rank in (0, 1)))
    assert list(side_by_side(run)) == []
