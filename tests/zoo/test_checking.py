"""A check in the middle of every healthy training, just before its first update, changes nothing of what follows."""

from __future__ import annotations

import contextlib
import io
import random
import runpy
import sys
from typing import Any

import numpy as np
import pytest
import torch
from tests.zoo.test_zoo import HEALTHY, UNLIKE, ZOO, steps_written_down

from babysit.errors import BabysitError
from babysit.preflight.api import check_subject
from babysit.preflight.capture import Capture
from babysit.preflight.report import Report
from babysit.preflight.subject import Subject
from babysit.rules import Severity
from babysit.rules._config import DEFAULTS


def run(name: str, *, checked: bool) -> tuple[tuple[Any, ...], list[Report | BabysitError]]:
    """What a training printed, its steps, and all random numbers after it; and what the check said."""
    torch.set_num_threads(1)
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    printed, outcome = io.StringIO(), []
    with contextlib.redirect_stdout(printed), steps_written_down() as steps, contextlib.ExitStack() as stack:

        def found(subject: Subject) -> None:
            own = list(steps)
            outcome.append(check_subject(subject, [subject.batch, *subject.others], seconds=3.0, config=DEFAULTS))
            steps[:] = own  # without those of the check's own optimizers

        if checked:
            capture = Capture(found, outcome.append)
            capture.start()
            stack.callback(capture.stop)
        before, sys.argv = sys.argv, [name, "1"]
        stack.callback(setattr, sys, "argv", before)
        runpy.run_path(str(ZOO / "healthy" / f"{name}.py"), run_name="__main__")
    states = torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()
    return (printed.getvalue(), steps, states), outcome


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in UNLIKE[::2] else pytest.mark.slow) for name in HEALTHY],
)
def test_checking_changes_nothing_and_finds_nothing(name: str) -> None:
    plain, _ = run(name, checked=False)
    checked, outcome = run(name, checked=True)
    if checked != plain:  # what is imported for the first time may draw random numbers
        plain, _ = run(name, checked=False)
    assert checked == plain
    report = outcome[0]
    assert isinstance(report, Report)
    assert [item.message for item in report.findings if item.severity is not Severity.INFO] == []
