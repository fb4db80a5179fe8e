from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babysit.diagnose import diagnose
from babysit.measure.record import read_run

EXPLODES = [2.3, 90.0, math.nan]
OVERFITS = [2.3 * 0.9**step for step in range(200)]
FALLS = [2.3 * 0.98**step for step in range(300)]


def judged(babysit: Any, run: Path, *options: str) -> Any:
    return babysit.run("judge", run, *options, cwd=run.parent)


def codes(run: Path) -> list[str]:
    return [json.loads(line)["code"] for line in (run / "findings.jsonl").read_text().splitlines()]


def test_a_sick_run_is_judged_again(babysit: Any, recorded: Callable[..., Path]) -> None:
    run = recorded(EXPLODES, lr=1e6)
    (run / "findings.jsonl").write_text("what an older babysit said\n")
    ended = judged(babysit, run)
    assert (ended.code, ended.err) == (1, "")
    assert "error LOS001" in ended.out
    assert "lr 1e+06 → 1e+05" in ended.out
    assert "explains LOS002 exploding-loss" in ended.out
    assert "1 error; loss curve: explodes" in ended.out
    lines = (run / "findings.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        json.loads(json.dumps(item.to_json())) for item in diagnose(read_run(run)).findings
    ]


def test_every_training_of_a_run_is_judged(babysit: Any, recorded: Callable[..., Path]) -> None:
    run = recorded(FALLS)
    recorded(EXPLODES, name="run/training-2")
    ended = judged(babysit, run)
    assert ended.code == 1
    assert codes(run) == ["LOS001"]
    assert codes(run) == [item.code for item in diagnose(read_run(run / "training-2")).findings]


def test_healthy_comes_with_its_evidence(babysit: Any, recorded: Callable[..., Path]) -> None:
    run = recorded(FALLS, train=[(0.1, 0.97)], validation=[(0.2, 0.95)])
    ended = judged(babysit, run)
    assert (ended.code, ended.err) == (0, "")
    assert "healthy: loss curve: steep fall that keeps decreasing" in ended.out
    assert "validation score 0.95" in ended.out
    assert "final training loss 0.00" in ended.out
    assert (run / "findings.jsonl").read_text() == ""


@pytest.mark.parametrize("command", ["judge", "report"])
def test_without_numbers_no_run_is_called_healthy(babysit: Any, recorded: Callable[..., Path], command: str) -> None:
    run = recorded([])
    ended = babysit.run(command, run, cwd=run.parent)
    assert ended.code == 0
    assert "othing found, but too little was recorded to call the run healthy" in ended.out
    assert not re.search("^healthy", ended.out, flags=re.MULTILINE | re.IGNORECASE)
    if command == "report":
        assert '<p class="verdict unknown"><strong>Nothing found, but' in (run / "report.html").read_text()


def test_a_sick_run_with_a_good_curve_is_not_called_good(babysit: Any, recorded: Callable[..., Path]) -> None:
    run = recorded(OVERFITS, train=[(0.0, 1.0)] * 4, validation=[(2.0, 0.5)] * 4)
    shape = "steep fall that keeps decreasing, from"
    said = babysit.run("judge", run, cwd=run.parent).out
    assert f"1 warning; the loss curve by itself looks good: {shape}" in said.replace("\n", " ")
    told = babysit.run("report", run, cwd=run.parent).out.splitlines()
    assert told[1] == "1 warning"
    assert told[2].startswith(f"The loss curve by itself looks good: {shape}")
    assert ": good" not in said + "\n".join(told) + (run / "report.html").read_text()


def test_a_real_run_gets_the_verdict_it_was_given_when_it_ended(babysit: Any, digits_run: Any, tmp_path: Path) -> None:
    folder, _ = digits_run
    ended = babysit.run("judge", folder, "--json", tmp_path / "j.json", "--quiet", "--fail-on", "never", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, "")
    report = json.loads((folder / "report.json").read_text())
    told = json.loads((tmp_path / "j.json").read_text())
    assert told["verdict"] == report["verdict"]
    assert [item["code"] for item in told["findings"]] == [item["code"] for item in report["findings"]]


@pytest.mark.parametrize(
    ("least", "losses", "scores", "code"),
    [
        ("error", EXPLODES, {}, 1),
        ("never", EXPLODES, {}, 0),
        ("error", OVERFITS, {"train": [(0.0, 1.0)] * 4, "validation": [(2.0, 0.5)] * 4}, 0),
        ("warning", OVERFITS, {"train": [(0.0, 1.0)] * 4, "validation": [(2.0, 0.5)] * 4}, 1),
        ("info", FALLS, {}, 0),
    ],
)
def test_what_fails(
    babysit: Any, recorded: Callable[..., Path], least: str, losses: list[float], scores: dict[str, Any], code: int
) -> None:
    assert judged(babysit, recorded(losses, **scores), "--fail-on", least).code == code


def test_the_findings_as_json_and_nothing_else(babysit: Any, recorded: Callable[..., Path]) -> None:
    run = recorded(EXPLODES)
    ended = judged(babysit, run, "--json", "-")
    assert ended.code == 1
    assert json.loads(ended.out) == json.loads(json.dumps(diagnose(read_run(run)).to_json("train.py")))


def test_options_select_and_ignore(babysit: Any, recorded: Callable[..., Path]) -> None:
    run = recorded(EXPLODES, '[tool.babysit]\nignore = ["LOS002"]')
    judged(babysit, run, "--ignore", "los001")
    assert codes(run) == []
    judged(babysit, run, "--select", "LOS002, gen")
    assert codes(run) == ["LOS002"], "what is selected here counts more than what the file ignores"
    judged(babysit, run, "--select", "LOS", "--ignore", "LOS001")
    assert codes(run) == ["LOS002"]


def test_the_configuration_of_the_working_directory_counts(babysit: Any, recorded: Callable[..., Path]) -> None:
    configuration = """
[tool.babysit]
ignore = ["LOS001", "GEN001"]
severity = {LOS002 = "warning"}
rules.LOS002.factor = 5.0
"""
    run = recorded(EXPLODES, configuration, train=[(0.1, 0.9)], validation=[(0.1, 0.9)])
    ended = judged(babysit, run)
    assert ended.code == 0
    assert codes(run) == ["LOS002"]
    limit = json.loads((run / "findings.jsonl").read_text())["evidence"][0]["limit"]
    assert limit == pytest.approx(5 * math.log(10))
    assert "note: ignore GEN001 suppressed nothing in this run" in ended.out
    assert "ignore LOS001" not in ended.out


def test_a_damaged_line_costs_that_line(babysit: Any, recorded: Callable[..., Path]) -> None:
    run = recorded(FALLS)
    with (run / "steps.jsonl").open("a") as steps:
        steps.write('{"torn')
    assert "healthy" in judged(babysit, run).out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--select", "LOS01"], "--select: expected codes of rules, or how they begin, found 'LOS01'; did you mean"),
        (["--ignore", "LOS,,GEN"], "--ignore: expected codes of rules, or how they begin, found ''"),
        (
            ["--fail-on", "eror"],
            "--fail-on: expected one of error, warning, info, never, found 'eror'; did you mean 'error'?",
        ),
        (["--json", "nowhere/j.json"], "nowhere/j.json: expected to be able to write there"),
    ],
)
def test_options_that_make_no_sense(
    refused: Callable[..., str], recorded: Callable[..., Path], options: list[str], says: str
) -> None:
    run = recorded(FALLS)
    assert says in refused("judge", run, *options, cwd=run.parent)


def test_a_configuration_that_is_wrong_is_named(refused: Callable[..., str], recorded: Callable[..., Path]) -> None:
    run = recorded(FALLS, "[tool.babysit.rules.LOS002]\nfacter = 4.0")
    line = refused("judge", run, cwd=run.parent)
    assert f"{run.parent / 'pyproject.toml'}, tool.babysit.rules.LOS002.facter: expected an option of LOS002" in line
    assert "did you mean 'factor'?" in line


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_what_is_no_run_is_refused(refused: Callable[..., str], tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert "expected a run folder with a readable run.json, found none" in refused("judge", name)


def test_a_full_disk_leaves_what_was_found_before(refused: Callable[..., str], recorded: Callable[..., Path]) -> None:
    run = recorded(EXPLODES)
    (run / "findings.jsonl").write_text("what was found before\n")
    line = refused("judge", run, cwd=run.parent, file_size=600)
    assert "findings.jsonl: expected to be able to write there" in line
    assert (run / "findings.jsonl").read_text() == "what was found before\n"
