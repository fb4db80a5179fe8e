from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babysit.errors import RunFolderError
from babysit.measure.record import (
    SCHEMA,
    Evaluation,
    LayerStats,
    LossBlock,
    MemoryRecords,
    Probe,
    Range,
    Record,
    RecordWriter,
    RoundRecord,
    RunHeader,
    RunRecord,
    StepRecord,
    TrialRecord,
    collect,
    from_line,
    read_header,
    read_run,
    to_line,
    write_header,
)
from babysit.storage import json_line

FLOATS = st.floats()
INTS = st.integers(0, 10**9)
NAMES = st.text(max_size=5)
MAYBE = st.none() | FLOATS
LAYERS = st.builds(LayerStats, NAMES, NAMES, *[MAYBE] * 8)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(LossBlock, INTS, st.lists(FLOATS, max_size=5).map(tuple)),
    st.builds(StepRecord, INTS, FLOATS, MAYBE, st.lists(LAYERS, max_size=2).map(tuple)),
    st.builds(Evaluation, INTS, FLOATS, NAMES, FLOATS, FLOATS, INTS),
    st.builds(
        Probe,
        NAMES,
        st.dictionaries(NAMES, FLOATS, max_size=3),
        st.dictionaries(NAMES, st.lists(FLOATS, max_size=3).map(tuple), max_size=2),
        st.dictionaries(NAMES, NAMES, max_size=2),
    ),
    st.builds(
        RoundRecord,
        INTS,
        NAMES,
        FLOATS,
        INTS,
        st.dictionaries(
            NAMES,
            st.builds(
                Range, MAYBE, MAYBE, st.booleans(), st.lists(NAMES, max_size=2).map(tuple), st.booleans(), st.booleans()
            ),
            max_size=2,
        ),
    ),
    st.builds(
        TrialRecord,
        INTS,
        INTS,
        st.dictionaries(
            NAMES, st.integers() | NAMES | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
        ),
        NAMES,
        FLOATS,
        INTS,
        FLOATS,
        FLOATS,
        FLOATS,
        NAMES,
    ),
)


def same(a: object, b: object) -> bool:
    """Equality under which NaN equals itself."""
    return repr(a) == repr(b)


@given(RECORDS)
def test_a_record_comes_back_from_its_line(record: Record) -> None:
    line = json.loads(json_line(to_line(record)), parse_constant=pytest.fail)
    assert same(from_line(line), record)


@settings(max_examples=30)
@given(records=st.lists(RECORDS, max_size=6))
def test_records_come_back_from_their_file(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("run")
    write_header(folder, RunHeader(command="x"))
    writer = RecordWriter(folder)
    for record in records:
        writer.write(record)
    writer.sync()
    writer.close()
    assert same(read_run(folder), collect(RunHeader(command="x"), records))


HEADER = RunHeader(
    "babysit train", "classification", "cross_entropy", 2.3, 10, settings={"lr": 0.1}, versions={"torch": "2"}
)
SOME: tuple[Record, ...] = (
    LossBlock(0, (2.3, math.nan)),
    StepRecord(0, 2.3, 0.1, (LayerStats("fc", weight_norm=2.0, update_norm=1e-3),)),
    Evaluation(2, 1.0, "validation", 2.0, 0.3, 100),
    Probe("initial-loss", {"loss": 2.31}, {"losses": (2.3, 2.4)}, {"loss_name": "cross_entropy"}),
    RoundRecord(1, "coarse", 5.0, 8, {"lr": Range(1e-5, 1e-1, log=True), "optimizer": Range(choices=("sgd", "adam"))}),
    TrialRecord(0, 1, {"lr": 1e-3, "optimizer": "sgd"}, "killed", 0.5, 9, 2.3, math.inf, -math.inf, "NaN"),
)


def filled(folder: Path) -> bytes:
    write_header(folder, HEADER)
    writer = RecordWriter(folder)
    for record in SOME:
        writer.write(record)
    writer.close()
    return (folder / "steps.jsonl").read_bytes()


def test_torn_at_every_byte_only_the_torn_line_is_lost(tmp_path: Path) -> None:
    content = filled(tmp_path)
    for size in range(len(content) + 1):
        (tmp_path / "steps.jsonl").write_bytes(content[:size])
        whole = content[:size].count(b"\n")
        # the very last byte of a line is its end: without it the JSON is whole all the same
        kept = whole + (size < len(content) and content[size : size + 1] == b"\n")
        assert same(read_run(tmp_path), collect(HEADER, SOME[:kept])), size


def test_a_writer_goes_on_after_the_last_whole_line_or_from_a_checkpoint(tmp_path: Path) -> None:
    content = filled(tmp_path)
    (tmp_path / "steps.jsonl").write_bytes(content[:-5])
    writer = RecordWriter(tmp_path)
    size = writer.size
    writer.write(SOME[0])
    writer.close()
    assert same(read_run(tmp_path), collect(HEADER, (*SOME[:-1], SOME[0])))
    RecordWriter(tmp_path, size).close()
    assert same(read_run(tmp_path), collect(HEADER, SOME[:-1]))


@pytest.mark.parametrize("kept", range(len(SOME) + 1))
def test_both_places_of_records_rewind_alike(tmp_path: Path, kept: int) -> None:
    write_header(tmp_path, HEADER)
    memory, file = MemoryRecords(), RecordWriter(tmp_path)
    for records in (memory, file):
        for record in SOME[:kept]:
            records.write(record)
        size = records.size
        for record in SOME:
            records.write(record)
        records.rewind(size)
        records.write(SOME[-1])
        records.sync()
    file.close()
    assert same(read_run(tmp_path), collect(HEADER, memory.records))
    assert same(tuple(memory.records), (*SOME[:kept], SOME[-1]))


def test_trials_may_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    write_header(tmp_path, HEADER)
    for name, records in (("steps.jsonl", SOME[:4]), ("trials.jsonl", SOME[4:])):
        writer = RecordWriter(tmp_path, name=name)
        for record in records:
            writer.write(record)
        writer.close()
    run = read_run(tmp_path)
    assert same(run, collect(HEADER, SOME))
    assert run.rounds[0].ranges["lr"].high == 0.1


@pytest.mark.parametrize(
    "line",
    [
        None,
        3,
        "step",
        [],
        {},
        {"kind": "of a later version", "x": 1},
        {"kind": []},
        {"kind": {}},
        {"kind": "step"},
        {"kind": "step", "step": "x", "loss": 1.0},
        {"kind": "step", "step": 1e999, "loss": 1.0},
        {"kind": "step", "step": 1, "loss": 1.0, "layers": [3]},
        {"kind": "step", "step": 1, "loss": 1.0, "layers": [{"module": "a", "unknown": 1.0}]},
        {"kind": "losses", "first": 0, "losses": ["x"]},
        {"kind": "losses", "first": 0, "losses": 5},
        {"kind": "evaluation", "step": 1, "loss": 1.0, "score": 0.5},
        {"kind": "probe", "name": "x", "numbers": 3},
        {"kind": "round", "number": 1, "name": "x", "epochs": 1, "trials": 3, "ranges": []},
        {"kind": "trial", "number": 1},
    ],
    ids=repr,
)
def test_damaged_lines_and_lines_of_later_versions_are_no_records(line: Any) -> None:
    assert from_line(line) is None


def test_unset_fields_are_left_out_of_lines() -> None:
    line = to_line(StepRecord(3, 1.0, layers=(LayerStats("fc", std=1.0),)))
    assert line == {"kind": "step", "step": 3, "loss": 1.0, "layers": [{"module": "fc", "std": 1.0}]}


def test_headers_come_back(tmp_path: Path) -> None:
    for header in (RunHeader(), HEADER, RunHeader(chance_loss=math.inf), RunHeader(seed=3, total_steps=7)):
        write_header(tmp_path, header)
        assert read_header(tmp_path) == header
    write_header(tmp_path, RunHeader(chance_loss=math.nan))
    assert math.isnan(read_header(tmp_path).chance_loss or 0.0)


def test_a_header_with_fields_of_a_later_version_of_the_same_format_is_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({**dataclasses.asdict(HEADER), "later": 1}))
    assert read_header(tmp_path) == HEADER


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "null", '{"schema": "x"}', '{"schema": 1e999}', '{"schema": 1, "chance_loss": "x"}', "\0"],
)
def test_a_damaged_header_is_one_clear_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"expected a run folder with a readable run\.json, found a damaged one"):
        read_run(tmp_path)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"found none; name the folder"):
        read_run(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write_header(tmp_path, dataclasses.replace(HEADER, schema=SCHEMA + 1))
    with pytest.raises(RunFolderError, match=f"found format {SCHEMA + 1}; update babysit"):
        read_run(tmp_path)


def test_what_a_rule_gets_to_see() -> None:
    run = collect(HEADER, [*SOME, LossBlock(2, (1.0,)), Probe("initial-loss", {"loss": 2.5})])
    assert run.losses[0] == 2.3
    assert run.losses[2] == 1.0
    assert len(run.evaluated("validation")) == 1
    assert run.evaluated("train") == ()
    probe = run.probe("initial-loss")
    assert probe is not None
    assert probe.numbers["loss"] == 2.5
    assert run.probe("overfit") is None
    assert run.modules == ("fc",)
    assert [(step, layer.update_ratio) for step, layer in run.layer("fc")] == [(0, 5e-4)]


@pytest.mark.parametrize(("weight", "update"), [(None, 1.0), (1.0, None), (0.0, 1.0)])
def test_there_is_no_ratio_without_weights_or_update(weight: float | None, update: float | None) -> None:
    assert LayerStats("a", weight_norm=weight, update_norm=update).update_ratio is None


def test_an_empty_run() -> None:
    assert RunRecord().losses == ()
