from __future__ import annotations

from pathlib import Path

from babysit.measure.record import RunHeader, read_run
from babysit.report import tables
from babysit.report.summary import Summary


def test_data_is_described(summary: Summary) -> None:
    rows = dict(tables.data_rows(summary))
    assert rows["examples"] == "9,000 train, 1,000 validation, 1,000 test"
    assert rows["example shape"] == "3 × 32 × 32"
    assert rows["examples a class"] == "890 (plane) to 953 (truck)"
    assert "class names" not in rows


def test_nested_and_empty_values_are_readable() -> None:
    data = {"duplicates": {"train": 0, "train_test": 2}, "notes": [], "targets": None, "missing": 0}
    assert tables.data_rows(Summary(data=data)) == (("duplicates", "train 0, train_test 2"), ("missing", "0"))
    assert tables.setting_rows({"batch_size": 32, "options": {"data": "x"}}) == (("batch size", "32"),)


def test_rounds_are_counted_from_the_trials(finished: Path, summary: Summary) -> None:
    run = read_run(finished)
    coarse, fine = tables.round_rows(run, summary)
    killed = sum(trial.status == "killed" and trial.round == 1 for trial in run.trials)
    assert coarse[:4] == ("coarse", "24", "3", str(killed))
    assert "lr 1e-6 to 1 (log)" in coarse[-1]
    assert "update rule sgd | nesterov | adam" in fine[-1]


def test_ensembles_stand_below_the_single_model(summary: Summary) -> None:
    rows = tables.ensemble_rows(summary)
    assert [row[0] for row in rows] == ["the single model", "3 independent models", "5 snapshots", "Polyak average"]
    assert tables.ensemble_rows(Summary()) == ()


def test_unknown_parts_of_a_header_are_left_out() -> None:
    assert tables.header_rows(RunHeader(seed=0)) == (("seed", "0"), ("device", "cpu"))
