from __future__ import annotations

import shlex

import pytest

from babysit.measure.record import RunHeader
from babysit.report.command import command_line


def typed(**options: object) -> list[str]:
    return shlex.split(command_line(RunHeader("train", settings={"options": options})))


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"image_size": [32, 24]}, ["--image-size", "32x24"]),
        ({"search": ["hidden", "dropout=0..0.5"]}, ["--search", "hidden,dropout=0..0.5"]),
        ({"search": [], "budget": None}, []),
        ({"batch_norm": False, "skip_bad": False}, ["--no-batch-norm"]),
        ({"batch_norm": True, "force": True}, ["--batch-norm", "--force"]),
        ({"dropout": 0.0, "seed": 0}, ["--dropout", "0.0", "--seed", "0"]),
        ({"target": "a b; rm -rf $HOME"}, ["--target", "a b; rm -rf $HOME"]),
    ],
)
def test_options_are_typed_as_the_command_reads_them(options: dict[str, object], flags: list[str]) -> None:
    assert typed(data="my data.csv", **options) == ["babysit", "train", "my data.csv", *flags]


def test_a_run_that_kept_no_options_shows_its_command() -> None:
    assert command_line(RunHeader("babysit run train.py")) == "babysit run train.py"


def test_what_a_search_decided_by_itself_is_no_option() -> None:
    options = {"target": "net.py:build", "data": "digits", "in_memory": True}
    found = command_line(RunHeader("search", settings={"options": options}))
    assert found == "babysit search net.py:build --data digits"


def test_what_a_loop_decides_by_itself_is_no_option_of_its_search() -> None:
    options = {"target": "net.py:train", "space": ["lr=log:1e-5..1"], "lr": 0.01, "optimizer": "momentum", "trials": 8}
    found = command_line(RunHeader("search", settings={"options": options}))
    assert found == "babysit search net.py:train --space lr=log:1e-5..1 --trials 8"
    with_data = command_line(RunHeader("search", settings={"options": {**options, "data": "digits"}}))
    assert "--lr 0.01" in with_data
