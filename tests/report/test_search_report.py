from __future__ import annotations

import dataclasses
import io
import json
import re
import statistics
from pathlib import Path

import pytest
from rich.console import Console
from searches import HEADER, searched_run, write_search

from babysit.measure.record import RoundRecord, RunHeader, RunRecord, TrialRecord, collect, read_run
from babysit.report.command import command_line
from babysit.report.formatting import number
from babysit.report.headline import headline, subject
from babysit.report.html import write_report
from babysit.report.importance import importance
from babysit.report.search_tables import best_heads, best_rows, importance_rows, reason_rows, setting_json
from babysit.report.standing import chosen, stand
from babysit.report.summary import Summary, read_summary
from babysit.report.tables import run_rows
from babysit.report.terminal import print_summary
from babysit.storage import write_json

RUN = searched_run()


def summary_of(run: RunRecord) -> Summary:
    return Summary(command="search", search=stand(run), header=run.header)


def test_a_search_stands_as_its_records_say() -> None:
    found = stand(RUN)
    statuses = [trial.status for trial in RUN.trials]
    assert (found["trials"], found["failed"], found["killed"]) == (26, 2, 1)
    assert found["complete"] + found["halved"] == 23 == len(statuses) - 3
    assert found["epochs_planned"] == 24 * 4 + 2 * 8
    assert found["saved_fraction"] == pytest.approx(1 - sum(t.epochs for t in RUN.trials) / 112)
    assert found["best"] == RUN.trials[24].params
    assert found["best_score"] == pytest.approx(0.96)


def test_before_the_final_round_the_best_is_that_of_the_round_that_ended() -> None:
    coarse = dataclasses.replace(RUN, trials=RUN.trials[:24])
    finished = [trial for trial in coarse.trials if trial.status == "complete"]
    assert stand(coarse)["best_score"] == max(trial.score for trial in finished)
    assert stand(RunRecord()) == {}


def test_the_setting_that_was_chosen_is_found_though_it_has_been_through_a_file() -> None:
    best = json.loads(json.dumps(RUN.trials[25].params))
    assert chosen(RUN.trials, {"best": best}) == RUN.trials[24]
    assert chosen(RUN.trials, {"best": {"lr": 7.0}}) == RUN.trials[24]
    assert chosen((), {}) is None


def test_the_headline_of_a_search() -> None:
    summary = dataclasses.replace(summary_of(RUN), engine="engine stacked: 3.1 × the speed of single (measured)")
    facts = {fact.name: (fact.value, fact.remark) for fact in headline(summary)}
    assert facts["Best validation accuracy"][0] == "96.0 %"
    assert "rule " in facts["Best validation accuracy"][1]
    halved = sum(trial.status == "halved" for trial in RUN.trials)
    assert facts["Trials"] == ("26", f"1 killed, {halved} halved, 2 failed")
    assert facts["Epochs saved"][1].endswith(" of 112 trained")
    assert facts["Engine"] == ("stacked", "3.1 × the speed of single (measured)")
    own = dataclasses.replace(summary, engine="your own loop, 2 at a time")
    assert ("your own loop", "2 at a time") in [(fact.value, fact.remark) for fact in headline(own)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"space": {"lr": {}, "l2": {}}}, "Search of lr × l2"),
        ({"space": dict.fromkeys("abcdef")}, "Search of a × b × c × d and 2 more"),
        ({"space": {"lr": {}}, "options": {"target": "net.py:build"}}, "net.py:build: lr"),
        ({}, "search"),
    ],
)
def test_the_title_names_target_and_space(settings: dict[str, object], expected: str) -> None:
    assert subject(Summary(command="search", header=RunHeader("search", settings=settings))) == expected


@pytest.mark.parametrize(
    ("task", "name", "expected"),
    [("classification", "accuracy", "90.0 %"), ("classification", "f1", "0.9"), ("regression", "R²", "0.9")],
)
def test_scores_have_their_own_name(task: str, name: str, expected: str) -> None:
    summary = Summary(header=RunHeader("search", task=task, settings={"score": name}))
    assert (summary.score_name, summary.score(0.9)) == (name, expected)


@pytest.mark.parametrize("score", [93.1, -2.5, 0.931])
def test_an_accuracy_of_the_users_own_in_percent_is_a_number(tmp_path: Path, score: float) -> None:
    rungs = ((2, score), (4, score))
    trial = TrialRecord(0, 0, {"lr": 0.1, "l2": 0.01}, "complete", 4, 40, 2.3, 0.1, score, rungs=rungs)
    header = dataclasses.replace(HEADER, score_is_share=False)
    page = write_report(write_search(tmp_path, RunRecord(header, trials=(trial,)))).read_text(encoding="utf-8")
    assert number(score) in page
    assert "accuracy (%)" not in page


def test_the_ten_best_are_in_order_with_every_hyperparameter() -> None:
    rows = best_rows(RUN, summary_of(RUN))
    alive = [trial for trial in RUN.trials if trial.status in ("complete", "halved")]
    expected = sorted(alive, key=lambda trial: trial.score, reverse=True)[:10]
    assert [row[1] for row in rows] == [str(trial.number) for trial in expected]
    assert best_heads(RUN, summary_of(RUN))[5:] == ("Accuracy", "Loss", "lr", "l2", "rule", "kernel")
    assert rows[0][:6] == ("1 ★", "24", "final", "complete", "8", "97.0 %")
    assert {row[-1] for row in rows} <= {"3-3", "5"}
    starred = {row[1] for row in rows if "★" in row[0]}
    assert starred == {str(trial.number) for trial in expected if trial.params == RUN.trials[24].params}


def test_a_loss_that_is_only_the_score_with_another_sign_is_not_shown() -> None:
    trials = tuple(dataclasses.replace(trial, loss=-trial.score) for trial in RUN.trials)
    loop = dataclasses.replace(RUN, trials=trials)
    assert best_heads(loop, summary_of(loop))[4:] == ("Epochs", "Accuracy", "lr", "l2", "rule", "kernel")
    with_losses = best_rows(RUN, summary_of(RUN))
    assert best_rows(loop, summary_of(loop)) == tuple((*row[:6], *row[7:]) for row in with_losses)


def test_alike_reasons_are_counted_together() -> None:
    assert reason_rows(RUN) == (
        ("failed", "ValueError: no such width", "2", "3, 7"),
        ("killed", "loss 9.5 over 3 × the initial 2.3", "1", "9"),
    )
    many = [
        TrialRecord(number, 0, {}, "killed", 0, 0, 2.3, 9, 0, f"loss {number}.1 at step {number}")
        for number in range(12)
    ]
    ((status, reason, count, which),) = reason_rows(RunRecord(trials=tuple(many)))
    assert (status, reason, count) == ("killed", "loss 0.1 at step 0, and the like", "12")
    assert which == "0, 1, 2, 3, 4, 5, 6, 7 and 4 others"


def test_what_mattered_is_ranked_and_says_where_the_best_lie() -> None:
    shares = importance(RUN.trials)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert set(shares) == {"lr", "l2", "rule", "kernel"}
    rows = {name: where for name, _, where in importance_rows(RUN)}
    best = sorted((t for t in RUN.trials if t.rungs), key=lambda trial: -trial.score)[:10]
    rules = [trial.params["rule"] for trial in best]
    assert rows["rule"].split(", ")[0] == f"{statistics.mode(rules)} {rules.count(statistics.mode(rules))}"


def test_settings_are_said_once_and_not_where_the_space_replaced_them() -> None:
    names = [row[0] for row in run_rows(HEADER)]
    assert len(names) == len(set(names))
    assert not {"lr", "l2", "space"} & set(names)


def test_a_search_begun_in_python_has_no_command_to_repeat() -> None:
    assert command_line(HEADER) == ""
    options = {"target": "net.py:build", "trials": 8}
    assert command_line(RunHeader("search", settings={"options": options})) == "babysit search net.py:build --trials 8"


def test_a_killed_search_is_reported_from_its_trials(tmp_path: Path) -> None:
    folder = write_search(tmp_path, RUN)
    content = write_report(folder).read_text(encoding="utf-8")
    assert "judged from 26 trials that have ended" in content
    assert "Best validation accuracy" in content
    assert "96.0 %" in content
    assert len(re.findall("<svg", content)) == 5


@pytest.mark.parametrize("lines", [0, 1, 2, 5])
def test_a_search_that_has_hardly_begun_is_reported(tmp_path: Path, lines: int) -> None:
    folder = write_search(tmp_path, collect(HEADER, [*RUN.rounds[:1], *RUN.trials][:lines]))
    assert "babysit search" in write_report(folder).read_text(encoding="utf-8")
    print_summary(folder, Console(file=io.StringIO()))


def test_a_single_trial_and_a_search_of_failures_are_reported(tmp_path: Path) -> None:
    round_ = RoundRecord(0, "coarse", 1.0, 1, {})
    for name, trial in (("one", RUN.trials[24]), ("failed", RUN.trials[3]), ("killed", RUN.trials[9])):
        folder = write_search(tmp_path / name, collect(HEADER, [round_, trial]))
        content = write_report(folder).read_text(encoding="utf-8")
        assert ("no such width" in content) == (name == "failed")


def test_old_records_without_rungs_are_reported(tmp_path: Path) -> None:
    old = dataclasses.replace(RUN, trials=tuple(dataclasses.replace(trial, rungs=()) for trial in RUN.trials))
    folder = write_search(tmp_path, old)
    assert "rungs" not in (folder / "trials.jsonl").read_text()
    assert all(trial.rungs == () for trial in read_run(folder).trials)
    assert len(re.findall("<svg", write_report(folder).read_text(encoding="utf-8"))) == 4


def test_the_terminal_shows_the_search(tmp_path: Path) -> None:
    folder = write_search(tmp_path, RUN)
    write_json(
        folder / "report.json",
        {
            "command": "search",
            "verdict": "healthy",
            "search": stand(RUN),
            "engine": "engine x: y",
            "notes": ["not z: w"],
        },
    )
    stream = io.StringIO()
    print_summary(folder, Console(file=stream, width=160))
    for words in ("Search of lr × l2", "96.0 %", "1 ★", "Explains", "coarse", "no such width", "note: not z: w"):
        assert words in stream.getvalue()
    assert read_summary(folder).notes == ("not z: w",)


def test_hostile_names_become_text(tmp_path: Path) -> None:
    hostile = '<script>alert("1")</script>'
    trials = [
        dataclasses.replace(
            trial, params={hostile: trial.params["lr"], "b" * 300: trial.params["rule"] + hostile}, reason=hostile
        )
        for trial in RUN.trials
    ]
    folder = write_search(tmp_path, collect(HEADER, [*RUN.rounds, *trials]))
    content = write_report(folder).read_text(encoding="utf-8")
    assert content.count("<script") == 1
    assert "&lt;script&gt;" in content
    assert json.loads(setting_json(read_run(folder), summary_of(read_run(folder))))[hostile] > 0
