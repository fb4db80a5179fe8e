"""A training that is watched while it runs, and the same one as an unmodified script through `babysit run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from babysit.data import read
from babysit.diagnose import Diagnosis
from babysit.lab.asking import first
from babysit.lab.measures import Measure, true
from babysit.lab.monitoring import script
from babysit.lab.monitoring.script import Data, Settings
from babysit.measure.record import RunRecord
from babysit.recipe.prepared import prepare
from babysit.rules import Finding
from babysit.watch import Monitor

SMOOTH = 10
"""Neighbours on either side that a drawn loss is averaged with."""


@dataclass(frozen=True, eq=False)
class Watched:
    """What was seen of a training.

    Attributes:
        settings: It was begun with.
        record: Everything recorded.
        diagnosis: What the rules say.
        model: As it ended.
    """

    settings: Settings
    record: RunRecord
    diagnosis: Diagnosis
    model: nn.Sequential

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules found."""
        return self.diagnosis.findings

    @property
    def codes(self) -> list[str]:
        """The codes of that."""
        return sorted({finding.code for finding in self.findings})

    @property
    def scores(self) -> NDArray[np.float64]:
        """Validation accuracy after every epoch."""
        return np.array([item.score for item in self.record.evaluated("validation")])

    @property
    def losses(self) -> NDArray[np.float64]:
        """The loss of every step."""
        return np.asarray(self.record.losses, dtype=np.float64)

    def finding(self, code: str) -> Finding | None:
        """What one rule found."""
        return first(code, self.findings)


@cache
def digits() -> Data:
    """Scikit-learn's digits as the product preprocesses them: the mean image subtracted, scaled."""
    prepared = prepare(read("digits"), "mean-image,scale")
    assert isinstance(prepared.train.x, Tensor)
    assert isinstance(prepared.validation.x, Tensor)
    return (prepared.train.x.flatten(1), prepared.train.y, prepared.validation.x.flatten(1), prepared.validation.y)


def watch(data: Data, settings: Settings) -> Watched:
    """Train as the script does, and watch.

    Example:
        >>> watch(digits(), Settings(lr=1e3, epochs=3)).diagnosis.verdict
        'errors'
    """
    with Monitor(command="lab") as monitor:
        model = script.train(data, settings)
    return Watched(settings, monitor.record, monitor.diagnosis, model)


def same_as_script(data: Data, seen: Watched) -> Measure:
    """Whether `babysit run` and then `babysit judge` name the same signs in the script as it stands."""
    ran, judged = _run_and_judge(data, seen.settings)
    return true(
        f"babysit run, then judge, find {' and '.join(seen.codes) or 'nothing'} in the script",
        [ran == seen.codes, judged == seen.codes],
    )


def _run_and_judge(data: Data, settings: Settings) -> tuple[list[str], list[str]]:
    """The codes that the two commands found."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        names = ("x", "y", "x_validation", "y_validation")
        arrays: dict[str, Any] = {key: part.numpy() for key, part in zip(names, data, strict=True)}
        np.savez(folder / "data.npz", **arrays)
        options = [f"--{field.name.replace('_', '-')}={getattr(settings, field.name)}" for field in fields(settings)]
        _babysit(folder, "run", "--out", "run", "--json", "run.json", "--quiet", script.__file__, "data.npz", *options)
        _babysit(folder, "judge", "run", "--json", "judge.json", "--quiet", "--fail-on", "never")
        return _codes(folder / "run.json"), _codes(folder / "judge.json")


def _babysit(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "babysit", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"babysit {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")


def _codes(path: Path) -> list[str]:
    return sorted({finding["code"] for finding in json.loads(path.read_text(encoding="utf-8"))["findings"]})


def smooth(losses: NDArray[np.float64], reach: int = SMOOTH) -> NDArray[np.float64]:
    """A noisy curve as it is seen: means of each loss and up to ``reach`` neighbours on either side.

    Example:
        >>> smooth(np.array([4.0, 2.0, 3.0, 4.0]), 1).tolist()  # it begins with the first loss itself
        [4.0, 3.0, 3.0, 3.5]
    """
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    steps = np.arange(len(losses))
    reaches = np.minimum(steps, reach)
    begins, ends = steps - reaches, np.minimum(steps + reaches + 1, len(losses))
    means: NDArray[np.float64] = (sums[ends] - sums[begins]) / (ends - begins)
    return means


def first_with(code: str, seen: Iterable[Watched]) -> Finding | None:
    """The first finding of a rule in several trainings."""
    return first(code, *(one.findings for one in seen))


def distinct(seen: Sequence[Watched]) -> list[Finding]:
    """What was found in several trainings, each rule once."""
    return list({finding.code: finding for one in reversed(seen) for finding in one.findings}.values())
