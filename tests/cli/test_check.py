"""`babysit check` as a process: scripts that stop before their first update, functions, and every wrong input."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

TRAIN = """
    import atexit, sys, pathlib, torch
    from torch import nn
    torch.manual_seed(0)
    atexit.register(lambda: pathlib.Path("late.txt").write_text("atexit"))
    x = torch.randn(64, 20)
    y = x[:, :5].argmax(1)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5){last})
    optimizer = torch.optim.Adam(model.parameters(), lr=float(sys.argv[1]))
    print("begins")
    try:
        for step in range(10):
            loss = nn.CrossEntropyLoss()(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    finally:
        pathlib.Path("late.txt").write_text("finally")
"""
BUILD = """
    import torch
    from torch import nn
    def setup():
        torch.manual_seed(0)
        x = torch.randn(64, 20)
        model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))
        return model, nn.functional.cross_entropy, (x, x[:, :5].argmax(1))
    def two():
        return 1, 2
    def swapped():
        model, loss_fn, batch = setup()
        return batch, model, loss_fn
    def broken():
        raise KeyError("no data")
    number = 3
"""


def write(folder: Path, name: str, text: str, **parts: str) -> None:
    text = textwrap.dedent(text)
    for key, value in parts.items():
        text = text.replace("{" + key + "}", value)
    (folder / name).write_text(text)


def test_a_script_stops_before_its_first_update(babysit: Any, tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN, last="")
    ended = babysit.run("check", "--seconds", "2", "--ignore", "PRE003", "train.py", "0.001", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("begins\n")
    assert "Initial loss" in ended.out
    assert "healthy" in ended.out
    assert not (tmp_path / "late.txt").exists()


def test_json_alone_goes_to_standard_output_and_errors_end_with_1(babysit: Any, tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN, last=", nn.Softmax(dim=1)")
    ended = babysit.run("check", "--seconds", "2", "--json", "-", "train.py", "0.001", cwd=tmp_path)
    assert ended.code == 1
    document = json.loads(ended.out)
    assert document["verdict"] == "errors"
    assert "LOS007" in {item["code"] for item in document["findings"]}
    checks = {item["name"]: item for item in document["checks"]}
    assert checks["loss-function"]["mark"] == "failed"
    assert "begins" in ended.err
    never = babysit.run("check", "--seconds", "1", "--fail-on", "never", "--quiet", "train.py", "0.001", cwd=tmp_path)
    assert never.code == 0
    assert never.out == "begins\n"


def test_json_goes_where_it_was_asked_for_wherever_the_script_goes(babysit: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    write(
        tmp_path,
        "train.py",
        TRAIN.replace("import atexit", "import os; os.chdir('elsewhere')\n    import atexit"),
        last="",
    )
    ended = babysit.run("check", "--select", "DAT", "--json", "j.json", "train.py", "0.001", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert json.loads((tmp_path / "j.json").read_text())["verdict"] == "healthy"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_function(babysit: Any, tmp_path: Path) -> None:
    write(tmp_path, "build.py", BUILD)
    for target in ("build.py:setup", "build:setup"):
        ended = babysit.run("check", "--select", "PRE001,DAT", target, cwd=tmp_path)
        assert ended.code == 0, ended.err
        assert "about 1.609, which guessing loses" in " ".join(ended.out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build.py:nothing",), "a function nothing"),
        (("build.py:setpu",), "did you mean"),
        (("build.py:number",), "found a int"),
        (("build.py:two",), "found 2 values"),
        (("build.py:swapped",), "found (tuple, Sequential, function)"),
        (("build.py:broken",), "KeyError: 'no data'"),
        (("absent.py:setup",), "no such file"),
        (("absent.py",), "no such file"),
        (("nothing.py",), "expected a script that trains a model, found it ended without"),
        (("idle.py",), "it ended without a backward pass"),
        (("constant.py",), "expected a model that leads to it"),
        (("stepless.py", "0.1"), "it ended without a step of the optimizer"),
        (("fails.py",), "exit code 3"),
        (("--seconds", "0", "build.py:setup"), "a number above 0"),
        (("--select", "NONE", "build.py:setup"), "NONE"),
        (("--json", "nowhere/j", "fails.py"), "nowhere/j: expected to be able to write there, found no folder nowhere"),
        (("--json", "nowhere/j", "build.py:broken"), "nowhere/j: expected to be able to write there"),
        (("--fail-on", "always", "build.py:setup"), "--fail-on"),
    ],
)
def test_wrong_inputs_are_refused_in_one_line(
    babysit: Any, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    write(tmp_path, "build.py", BUILD)
    write(tmp_path, "nothing.py", "print(1)")
    write(tmp_path, "idle.py", "import torch")
    write(tmp_path, "fails.py", "import torch, sys; sys.exit(3)")
    constant = "import torch\ntorch.zeros(2, requires_grad=True).backward(torch.ones(2))\n"
    write(tmp_path, "constant.py", constant)
    write(tmp_path, "stepless.py", TRAIN.replace("            optimizer.step()\n", ""), last="")
    ended = babysit.run("check", *arguments, cwd=tmp_path)
    assert ended.code == 2, (ended.out, ended.err)
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert ended.err.startswith("babysit: ")
    assert ended.err.count("\n") == 1
