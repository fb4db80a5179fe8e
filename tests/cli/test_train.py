from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import babysit as bs

TITLES = [
    "Read the data", "Preprocess", "Choose the architecture", "Initial loss", "Regularisation", "Overfit 20 examples",
    "Learning-rate range", "Search", "Full training", "Test",
]  # fmt: skip
SMALL = ("--budget", "4trials", "--epochs", "2", "--hidden", "20")


def test_a_run_shows_ten_steps_and_ends_with_0(digits_run: Any) -> None:
    folder, ended = digits_run
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    found = [line[5:] for line in lines if line[3:4] == "✓"]
    assert found == TITLES
    assert lines[0].startswith(" 1 ✓")
    assert f"report: {folder / 'report.html'}" in ended.out.replace("\n", "")
    assert "\x1b" not in ended.out
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_its_report_and_its_model_lie_in_the_folder(digits_run: Any) -> None:
    folder, _ = digits_run
    report = json.loads((folder / "report.json").read_text())
    assert report["options"]["data"] == "digits"
    assert [step["title"] for step in report["procedure"]] == TITLES
    assert bs.load(folder)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_json_on_standard_output_stands_there_alone(babysit: Any, tumours: Path, tmp_path: Path) -> None:
    ended = babysit.run("train", tumours, *SMALL, "--out", tmp_path / "run", "--json", "-")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.isascii()
    assert json.loads(ended.out) == json.loads((tmp_path / "run" / "report.json").read_text())


def test_json_in_a_file(babysit: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = babysit.run("train", "iris", *SMALL, "--out", run, "--json", run / "r.json", "--quiet")
    assert ended.code == 0
    assert json.loads((run / "r.json").read_text()) == json.loads((run / "report.json").read_text())


def test_quiet_prints_nothing(babysit: Any, tmp_path: Path) -> None:
    ended = babysit.run("train", "diabetes", *SMALL, "--out", tmp_path / "run", "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_without_a_name_runs_are_numbered(babysit: Any, tmp_path: Path) -> None:
    for _ in range(2):
        assert babysit.run("train", "wine", *SMALL, "--quiet", cwd=tmp_path).code == 0
    assert sorted(folder.name for folder in (tmp_path / "runs").iterdir()) == ["wine-1", "wine-2"]


def test_pictures_and_a_convolutional_net(babysit: Any, pictures: Callable[..., Path], tmp_path: Path) -> None:
    options = ("--model", "cnn", "--channels", "4", "--hidden", "8", "--budget", "1trials", "--epochs", "1")
    ended = babysit.run("train", pictures(), *options, "--force", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "cnn 3×8×8-4-8-2, relu, batch norm, init he" in ended.out


def test_a_function_of_one_s_own(babysit: Any, refused: Callable[..., str], tumours: Path, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def build(input_shape, outputs, hidden=(8,)):\n"
        "    (units,) = hidden\n"
        "    return nn.Sequential(nn.Linear(*input_shape, units), nn.ReLU(), nn.Linear(units, outputs))\n"
    )
    model = ("--model", "net.py:build")
    ended = babysit.run("train", tumours, *SMALL, *model, "--search", "hidden=8|16", "--out", "run", cwd=tmp_path)
    assert ended.code == 0
    assert "net.py:build (hidden=(20,))" in ended.out
    assert "name it with --model" in refused("predict", "run", tumours)
    assert babysit.run("predict", "run", tumours, *model, "--out", "p.csv", cwd=tmp_path).code == 0
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 570


def test_a_step_that_fails_ends_the_run_with_1(babysit: Any, tmp_path: Path) -> None:
    ended = babysit.run("train", "iris", *SMALL, "--init", "zeros", "--out", tmp_path / "run")
    assert ended.code == 1
    assert " 5 ✗ Regularisation" in ended.out
    assert "error PRE002" in ended.out
    assert "try: " in ended.out
    assert (tmp_path / "run" / "report.html").exists()


def test_force_goes_on_and_ends_with_0(babysit: Any, tmp_path: Path) -> None:
    ended = babysit.run("train", "iris", *SMALL, "--init", "zeros", "--force", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "error PRE003" in ended.out
    assert "10 ✓ Test" in ended.out


@pytest.mark.parametrize("finished", [True, False])
def test_going_on_with_a_run_that_has_ended_ends_the_same_way(babysit: Any, tmp_path: Path, finished: bool) -> None:
    options = () if finished else ("--init", "zeros")
    first = babysit.run("train", "iris", *SMALL, *options, "--out", "run", cwd=tmp_path)
    again = babysit.run("train", "--resume", "run", cwd=tmp_path)
    assert first.code == again.code == (0 if finished else 1)
    assert again.out.replace("     training goes on from step 12\n", "") == first.out
