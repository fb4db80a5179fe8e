from __future__ import annotations

import dataclasses
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from babysit.errors import Interrupted
from babysit.fit.interrupts import Interrupts
from babysit.fit.settings import TrainSettings
from babysit.measure.record import RoundRecord, RunRecord, TrialRecord, read_run
from babysit.nn import MLPConfig
from babysit.recipe import probing, searching
from babysit.recipe.architecture import Configured
from babysit.recipe.prepared import prepare
from babysit.recipe.procedure import resume
from babysit.recipe.search_space import space_of
from babysit.recipe.searching import challengers
from babysit.recipe.subject import Subject
from babysit.rules.src001_best_at_edge import BestAtEdge
from babysit.search.edges import edges_of
from babysit.search.given import hyperparameters

Train = Callable[..., Any]
WIDE: dict[str, Any] = {"budget": "28trials", "epochs": 6}
"""Enough trials of digits for ranges to move: 6 of the 10 of the fine round explode if nothing keeps them from it."""


def subject(dataset: Any, *, in_memory: bool = True) -> Subject:
    prepared = prepare(dataset, "none", lambda _: in_memory)
    architecture = Configured(MLPConfig(dataset.example_shape, dataset.classes))
    return Subject(prepared, architecture, TrainSettings(), architecture.build({}, 0, prepared.few(2)[0]), chance=1.0)


@dataclasses.dataclass
class Asked:
    """As much of a run as the challengers look at."""

    augment: str | None = None

    @property
    def options(self) -> Asked:
        return self


def test_challengers_are_the_best_with_more_regularisation(digits_run: Any) -> None:
    small = subject(digits_run.dataset)
    best = {"lr": 0.1, "l2": 1e-4}
    assert challengers(Asked(), small, best) == [  # type: ignore[arg-type]
        {"lr": 0.1, "l2": pytest.approx(3e-4)},
        {"lr": 0.1, "l2": pytest.approx(1e-3)},
    ]
    assert challengers(Asked(), small, {"lr": 0.1}) == []  # type: ignore[arg-type]


def test_mirrored_images_are_tried_where_they_are_large_and_nothing_was_asked_for(
    picture_run: Any,
) -> None:
    large = subject(picture_run.dataset)
    flipped = [setting.get("augment") for setting in challengers(Asked(), large, {"l2": 1e-4})]  # type: ignore[arg-type]
    assert flipped.count("flip") == 2
    assert all("augment" not in s for s in challengers(Asked("none"), large, {"l2": 1e-4}))  # type: ignore[arg-type]
    read = subject(picture_run.dataset, in_memory=False)
    assert all("augment" not in s for s in challengers(Asked(), read, {"l2": 1e-4}))  # type: ignore[arg-type]


def test_values_for_people() -> None:
    setting = {"lr": 0.012345, "hidden": (256, 128), "activation": "relu", "batch_norm": True}
    assert hyperparameters(setting) == "lr 0.012, hidden 256-128, activation relu, batch_norm true"


def rates_that_explode(record: RunRecord) -> list[float]:
    """As the range test recorded them."""
    probe = record.probe("learning-rate")
    assert probe is not None
    verdicts = probe.texts["verdicts"].split(",")
    return [rate for rate, verdict in zip(probe.series["lr"], verdicts, strict=True) if verdict == "explodes"]


def killed(record: RunRecord, round_: int) -> int:
    return sum(trial.status == "killed" for trial in record.trials if trial.round == round_)


def measured(run: Any, name: str) -> str:
    return str({step["name"]: step["measured"] for step in run.report["procedure"]}[name])


def said_of_the_search(run: Any) -> list[str]:
    return [finding["code"] for finding in run.report["findings"] if finding["code"].startswith("SRC")]


@pytest.fixture(scope="module")
def wide(train: Train) -> Any:
    return train("digits", **WIDE)


@pytest.fixture(scope="module")
def heedless(train: Train) -> Any:
    """The same run by a version that pays no heed to the rates that explode."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "first_exploding", lambda _: None)
        return train("digits", **WIDE)


def test_no_round_comes_to_the_first_rate_that_explodes(wide: Any, heedless: Any) -> None:
    record, before = read_run(wide.folder), read_run(heedless.folder)
    first = min(rates_that_explode(record))
    assert max(float(trial.params["lr"]) for trial in record.trials) < first
    assert all(drawn.high is not None and drawn.high < first for drawn in (r.ranges["lr"] for r in record.rounds))
    assert killed(record, 1) == 0 < 5 < killed(before, 1)
    assert max(float(trial.params["lr"]) for trial in before.trials) > 10 * first
    assert (said_of_the_search(heedless), said_of_the_search(wide)) == (["SRC002"], [])
    assert measured(wide, "learning-rate").endswith(f"search 1.0e-04 … {0.9 * first:.1e}, always below {first:.1e}")
    assert measured(heedless, "learning-rate").endswith(f"search 1.0e-04 … {first:.1e}")


def test_where_the_network_is_searched_the_search_is_as_if_no_rate_had_been_seen_to_explode(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = train("digits", search=("hidden=50|100",), **WIDE)
    record = read_run(found.folder)
    probe = record.probe("learning-rate")
    assert probe is not None
    drawn = [round_.ranges["lr"] for round_ in record.rounds]
    assert (drawn[0].low, drawn[0].high) == (probe.numbers["low"], probe.numbers["high"])
    assert drawn[1].high == pytest.approx(probe.numbers["high"] * (probe.numbers["high"] / probe.numbers["low"]) ** 0.5)
    assert "always" not in measured(found, "learning-rate")
    monkeypatch.setattr(probing, "first_exploding", lambda _: None)
    free = train("digits", search=("hidden=50|100",), **WIDE)
    for name in ("trials.jsonl", "trials.csv", "report.json", "model.safetensors"):
        assert (found.folder / name).read_bytes() == (free.folder / name).read_bytes()


@pytest.mark.parametrize("half", [False, True])
def test_a_search_that_began_before_rates_had_a_limit_goes_on_as_it_began(
    heedless: Any, tmp_path: Path, half: bool
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(heedless.folder, folder)
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"exploding-rate"' not in line]
    assert len(kept) == len(lines) - 1
    (folder / "journal.jsonl").write_text("".join(kept))
    if half:
        outcomes = (folder / "outcomes.jsonl").read_text().splitlines(keepends=True)
        (folder / "outcomes.jsonl").write_text("".join(outcomes[: len(outcomes) // 2]))
    assert resume(folder).finished
    for name in ("trials.jsonl", "trials.csv", "report.json", "model.safetensors"):
        assert (folder / name).read_bytes() == (heedless.folder / name).read_bytes()


def test_nothing_is_said_of_the_best_at_a_limit_that_cannot_be_moved() -> None:
    limited, free = (space_of({}, (1e-4, 1.0), exploding) for exploding in (1.0, None))
    rates = [limited["lr"].at(1 - place / 20) for place in range(1, 21)]
    trials = tuple(
        TrialRecord(number, 0, {"lr": rate, "l2": 1e-3}, "complete", 5.0, 100, 2.3, 1.0, -float(number))
        for number, rate in enumerate(rates)  # the higher the rate, the better
    )
    assert edges_of(limited.to_ranges(), trials, [], 4) == {}
    assert edges_of(free.to_ranges(), trials, [], 4) == {"lr": "high"}
    for space, codes in ((limited, []), (free, ["SRC001"])):
        run = RunRecord(rounds=(RoundRecord(0, "coarse", 5.0, 20, space.to_ranges()),), trials=trials)
        assert [finding.code for finding in BestAtEdge().check(run)] == codes


def test_a_signal_while_the_trials_are_removed_waits_until_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []

    def remove(folder: Path, *, ignore_errors: bool) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        removed.append(folder)

    monkeypatch.setattr(searching, "shutil", SimpleNamespace(rmtree=remove))
    with Interrupts() as interrupts:
        run: Any = SimpleNamespace(folder=SimpleNamespace(file=lambda name: tmp_path / name), interrupts=interrupts)
        subject: Any = None
        with pytest.raises(Interrupted):
            searching._end(run, subject, SimpleNamespace(trials=()), ())
    assert removed == [tmp_path / "trials"]
    assert (tmp_path / "trials.csv").exists()
