"""`babysit search` as a process: models, loops, spaces, resuming, and every wrong input."""

from __future__ import annotations

import csv
import json
import signal
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babysit.cli import app
from babysit.errors import InputError
from babysit.measure.record import read_run
from babysit.recipe import prepared as preparing

MODEL = """
    import time
    from torch import nn

    def build(hp):
        width = hp.get("width", 8)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

    def picky(hp):
        raise ValueError("no model for " + ", ".join(hp))

    def loop(trial):
        print("trial", trial.number)
        for epoch in range(1, 5):
            trial.report(epoch, epoch * (1 - abs(trial["x"] - 0.3)))

    def slow(trial):
        for epoch in range(1, 5):
            time.sleep(0.05)
            trial.report(epoch, epoch * (1 - abs(trial["x"] - 0.3)))

    def alone():
        return build({})

    def number_of(hp):
        return len(hp)

    def line(hp):
        return nn.Linear(3, 1)

    def data():
        import torch
        x = torch.randn(100, 64)
        return x, x[:, :10].argmax(1)

    number = 3
"""
SPACE = ("--space", "lr=log:1e-3..1", "--space", "width=8|16")
SMALL = ("--trials", "8", "--epochs", "2", "--workers", "1")


def search_here(*arguments: str) -> None:
    """In this process, where memory can be made to look small."""
    app(["search", *arguments, "--quiet"], standalone_mode=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(textwrap.dedent(MODEL))
    return tmp_path


def trials_of(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "trials.csv").read_text().splitlines()))


def test_a_model_is_searched_and_a_report_written(babysit: Any, folder: Path) -> None:
    ended = babysit.run("search", "model.py:build", "--data", "digits", *SPACE, *SMALL, cwd=folder)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert "engine single" in ended.out
    assert "coarse: " in ended.out
    assert "best accuracy 0." in ended.out
    run = folder / "runs" / "model-1"
    assert f"report: {run.relative_to(folder)}/report.html" in ended.out
    assert len(trials_of(run)) >= 8
    assert "<svg" in (run / "report.html").read_text()
    again = babysit.run("search", "--resume", run, cwd=folder)
    assert again.code == 0, again.err
    assert again.out.splitlines()[-2:] == ended.out.replace("report: ", f"report: {folder}/").splitlines()[-2:]


def test_data_of_a_function_and_a_space_of_a_file(babysit: Any, folder: Path) -> None:
    (folder / "space.toml").write_text('[space]\nlr = "log:1e-3..1"\n')
    arguments = ("--data", "model.py:data", "--space", "space.toml", *SMALL, "--quiet", "--json", "-")
    ended = babysit.run("search", "model.py:build", *arguments, cwd=folder)
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert report["command"] == "search"
    assert set(report["search"]["best"]) == {"lr"}


@pytest.fixture
def prices(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table whose targets lie far from zero, far apart, in the working directory."""
    x = np.random.default_rng(0).normal(size=(120, 3))
    rows = [",".join(map(str, [*row, price])) for row, price in zip(x, 1000 + 50 * x @ [1, 2, 3], strict=True)]
    (folder / "prices.csv").write_text("\n".join(["a,b,c,price", *rows]) + "\n")
    monkeypatch.chdir(folder)
    return folder


LINE = ("model.py:line", "--data", "prices.csv", "--space", "lr=log:1e-3..1e-1", *SMALL, "--batch-size", "20")


def test_a_regression_is_searched_alike_in_memory_and_out_of_it(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search_here(*LINE, "--out", "held")
    monkeypatch.setattr(preparing, "MEMORY_SHARE", 0.0)
    search_here(*LINE, "--out", "read")
    held, read = (read_run(prices / name) for name in ("held", "read"))
    assert 0.3 < held.header.chance_loss < 3, "the variance of standardised targets"
    assert read.header.chance_loss == pytest.approx(held.header.chance_loss)
    assert [trial.loss for trial in read.trials] == pytest.approx([trial.loss for trial in held.trials], rel=1e-4)
    assert [trial.params for trial in read.trials] == [trial.params for trial in held.trials]


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_who_goes_on_holds_in_memory_what_was_held_at_the_beginning(
    prices: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    held = []

    def prepare(*arguments: Any) -> preparing.Prepared:
        held.append(true_prepare(*arguments))
        return held[-1]

    true_prepare = preparing.prepare
    monkeypatch.setattr(preparing, "prepare", prepare)
    for memory, arguments in ((share, (*LINE, "--out", "run")), (1.0 - share, ("--resume", "run"))):
        monkeypatch.setattr(preparing, "MEMORY_SHARE", memory)
        search_here(*arguments)
    assert [known.in_memory for known in held] == [share == 1.0] * 2
    assert read_run(prices / "run").header.settings["options"]["in_memory"] == (share == 1.0)


def test_a_loop_of_ones_own_keeps_what_it_prints_to_itself(babysit: Any, folder: Path) -> None:
    arguments = ("--space", "x=0..1", "--trials", "12", "--epochs", "4", "--out", "run")
    ended = babysit.run("search", "model.py:loop", *arguments, cwd=folder)
    assert ended.code == 0, ended.err
    assert "trial 0" not in ended.out
    assert (folder / "run" / "logs" / "00000.txt").read_text() == "trial 0\n"
    assert 0.1 < json.loads((folder / "run" / "report.json").read_text())["search"]["best"]["x"] < 0.5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_search_that_is_stopped_goes_on_and_ends_the_same(babysit: Any, folder: Path, number: int) -> None:
    arguments = ("search", "model.py:slow", "--space", "x=0..1", "--trials", "16", "--epochs", "4", "--workers", "1")
    assert babysit.run(*arguments, "--out", "whole", cwd=folder).code == 0
    process = babysit.start(*arguments, "--out", "stopped", cwd=folder)
    deadline = time.monotonic() + 30
    while not (folder / "stopped" / "trials.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    process.signal(number)
    ended = process.end()
    if number == signal.SIGKILL:
        assert ended.code == -number
    else:
        assert ended.code == 128 + number, ended.err
        assert ended.err.startswith("stopped; everything is saved. Go on with: babysit search --resume stopped")
    assert babysit.run("search", "--resume", "stopped", cwd=folder).code == 0
    assert trials_of(folder / "stopped") == trials_of(folder / "whole")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected FILE.py:FUNCTION, or --resume with a run folder, found neither"),
        (("model.py:build",), "--space: expected what is to be searched"),
        (("model.py:build", "--space", "lr=1..0", "--data", "digits"), "the smaller first, found 1 to 0"),
        (("model.py:build", "--space", "lr=log:0..1", "--data", "digits"), "above zero for a logarithmic scale"),
        (("model.py:build", "--space", "lr", "--data", "digits"), "lr: expected name="),
        (("model.py:build", "--space", "optimizer=adma", "--data", "digits"), "did you mean 'adam'"),
        (("model.py:build", "--space", "none.toml", "--data", "digits"), "expected a readable TOML file"),
        (("model.py:biuld", *SPACE, "--data", "digits"), "did you mean 'build'"),
        (("model.py:number", *SPACE, "--data", "digits"), "expected a function number, found a int"),
        (("model.py", *SPACE, "--data", "digits"), "expected FILE.py:FUNCTION or MODULE:FUNCTION"),
        (("none.py:build", *SPACE, "--data", "digits"), "expected a Python file, found no such file"),
        (("model.py:build", *SPACE, "--data", "digist"), "did you mean 'digits'"),
        (("model.py:build", *SPACE, "--data", "digits", "--trials", "0"), "trials: expected at least 1, found 0"),
        (("model.py:build", *SPACE, "--data", "digits", "--engine", "fast"), "engine: expected auto, single"),
        (("model.py:build", *SPACE, "--data", "digits", "--sampler", "best"), "sampler"),
        (("model.py:build", *SPACE, "--data", "digits", "--storage", "nosql://x"), "nosql"),
        (("model.py:picky", *SPACE, "--data", "digits"), "the first with ValueError: no model for lr, width"),
        (("model.py:alone", *SPACE, "--data", "digits"), "a function of a dict of hyperparameters alone, found alone"),
        (("model.py:number_of", *SPACE, "--data", "digits"), "build: expected a torch.nn.Module, found a int"),
        (("model.py:build", *SPACE, "--data", "model.py:build"), "build() missing 1 required positional argument"),
        (("--resume", "."), "expected a run folder with a readable run.json"),
    ],
)
def test_wrong_input_is_one_line(
    refused: Callable[..., str], folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused("search", *arguments, cwd=folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits", "--minimize"), "--minimize: expected a training loop of your own, .* --data digits"),
        (("--data", "model.py:data", "--target", "y"), "--target: expected --data with a data set or a file, found"),
        (("--data", "model.py:data", "--preprocess", "none"), "--preprocess: expected --data with a data set"),
        (("--target", "y"), "--target: expected --data with a data set or a file, found no --data; leave it out"),
        (("--preprocess", "none"), "--preprocess: expected --data with a data set or a file, found no --data"),
    ],
)
def test_an_option_without_effect_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        search_here("model.py:build", *SPACE, *arguments)


def test_a_search_goes_on_with_its_own_options(refused: Callable[..., str], folder: Path) -> None:
    assert "no other options" in refused("search", "--resume", "run", "--trials", "9", cwd=folder)


def test_a_folder_in_use_is_refused(refused: Callable[..., str], folder: Path) -> None:
    (folder / "full").mkdir()
    (folder / "full" / "thesis.tex").touch()
    line = refused("search", "model.py:loop", "--space", "x=0..1", "--out", "full", cwd=folder)
    assert "expected a new or empty folder, found files in it" in line
