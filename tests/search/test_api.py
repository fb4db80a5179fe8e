from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import babysit as bs
from babysit.data import read
from babysit.errors import InputError, RunFolderError
from babysit.measure.record import read_run
from babysit.search.processes import can_fork

DRAW = torch.Generator().manual_seed(3)
X = torch.randn(300, 6, generator=DRAW)
Y = (X @ torch.randn(6, 3, generator=DRAW)).argmax(dim=1)
SPACE = {"lr": bs.LogUniform(1e-4, 1.0), "width": bs.Choice(4, 8)}
FEW: dict[str, Any] = {"trials": 8, "epochs": 2.0, "batch_size": 30, "workers": 1}


def build(hp: dict[str, Any]) -> nn.Module:
    return nn.Sequential(nn.Linear(6, hp.get("width", 4)), nn.ReLU(), nn.Linear(hp.get("width", 4), 3))


def test_it_finds_settings_that_train_as_well_as_it_says() -> None:
    found = bs.search(build, (X, Y), space=SPACE, trials=16, epochs=6, batch_size=30, workers=1)
    assert found.score > 0.85
    model = build(found.best)
    held = (X[240:], Y[240:])
    result = bs.fit(model, (X[:240], Y[:240]), validation=held, lr=found.best["lr"], epochs=6, batch_size=30)
    assert result.best.score > found.score - 0.1
    assert len(found.trials) >= 16
    assert {trial.status for trial in found.trials} >= {"complete", "halved"}


def test_the_same_seed_finds_the_same_and_another_another() -> None:
    first, again, other = (bs.search(build, (X, Y), space=SPACE, seed=seed, **FEW) for seed in (1, 1, 2))
    assert first.trials == again.trials
    assert first.trials != other.trials


def test_a_setting_that_cannot_be_built_does_not_keep_a_search_from_beginning() -> None:
    def picky(hp: dict[str, Any]) -> nn.Module:
        if 1e-3 < hp["lr"] < 1e-1:  # the middle of the space
            raise InputError("lr", expected="a rate at an end", found="one between", todo="choose another")
        return build(hp)

    found = bs.search(picky, (X, Y), space=SPACE, **FEW)
    assert {trial.status for trial in found.trials} > {"failed"}


def test_the_callers_random_numbers_are_left_alone() -> None:
    before = torch.get_rng_state()
    bs.search(build, (X, Y), space=SPACE, **FEW)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not can_fork(), reason="workers are forked")
def test_workers_find_the_same() -> None:
    alone = bs.search(build, (X, Y), space=SPACE, engine="single", **FEW)
    shared = bs.search(build, (X, Y), space=SPACE, engine="single", **{**FEW, "workers": 2})
    assert shared.trials == alone.trials


@pytest.mark.parametrize("kind", ["loader", "arrays", "dataset"])
def test_data_of_every_kind(kind: str) -> None:
    loader = DataLoader(TensorDataset(X[:240], Y[:240]), batch_size=30, shuffle=True)
    held = DataLoader(TensorDataset(X[240:], Y[240:]), batch_size=30)
    if kind == "loader":
        found = bs.search(build, loader, validation=held, space=SPACE, **FEW)
    elif kind == "arrays":
        found = bs.search(build, (X.numpy(), Y.numpy()), space=SPACE, **FEW)
    else:
        longer = {**FEW, "epochs": 20.0}
        found = bs.search(lambda _: nn.Linear(4, 3), read("iris"), space={"lr": SPACE["lr"]}, **longer)
    assert found.score > 0.4


def test_a_metric_and_a_loss_of_ones_own() -> None:
    def mean_absolute(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.squeeze(1) - targets).abs().mean()

    target = X @ torch.arange(6.0)
    found = bs.search(
        lambda hp: nn.Linear(6, 1),  # noqa: ARG005
        (X, target),
        space={"lr": bs.LogUniform(1e-3, 1.0)},
        loss=mean_absolute,
        metric=mean_absolute,
        maximize=False,
        **{**FEW, "epochs": 20.0},
    )
    alive = [trial for trial in found.trials if trial.status == "complete"]
    assert all(trial.score == pytest.approx(-trial.loss) for trial in alive)
    assert found.score == pytest.approx(max(trial.score for trial in alive if trial.params == found.best), abs=0.3)
    assert found.score > -1.0


def test_a_loss_of_ones_own_judges_where_outputs_are_logits() -> None:
    found = bs.search(
        lambda hp: nn.Linear(6, 1),  # noqa: ARG005
        (X, (X.sum(dim=1) > 0).float().unsqueeze(1)),
        space={"lr": bs.LogUniform(1e-4, 1.0)},
        loss=nn.BCEWithLogitsLoss(),
        **{**FEW, "epochs": 20.0},
    )
    alive = [trial for trial in found.trials if trial.status == "complete"]
    assert all(trial.score == pytest.approx(-trial.loss) for trial in alive)
    assert found.best["lr"] > 0.03  # an R² of logits prefers those that never grew


def test_a_loop_of_ones_own() -> None:
    def loop(trial: bs.Trial) -> None:
        for epoch in range(1, int(trial.epochs) + 1):
            trial.report(epoch, -abs(math.log10(trial["lr"]) + 2) - 1 / epoch)

    found = bs.search(loop, space={"lr": bs.LogUniform(1e-4, 1.0)}, trials=24, epochs=8, workers=1)
    assert 10**-2.5 < found.best["lr"] < 10**-1.5
    assert found.engine == "loop"
    assert any(trial.status == "halved" for trial in found.trials)


@pytest.mark.parametrize("metric", [None, "of their own"])
def test_only_the_built_in_accuracy_is_noted_as_a_share(tmp_path: Path, metric: str | None) -> None:
    def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
        return 100 * (outputs.argmax(1) == targets).double().mean()

    few = {"trials": 1, "epochs": 1, "workers": 1, "engine": "single", "out": tmp_path / "run"}
    bs.search(build, (X, Y), space={"lr": SPACE["lr"]}, metric=metric and accuracy, **few)
    header = read_run(tmp_path / "run").header
    assert (header.settings["score"], header.score_is_share) == ("accuracy", metric is None)


def test_a_folder_holds_what_was_found(tmp_path: Path) -> None:
    found = bs.search(build, (X, Y), space=SPACE, out=tmp_path / "run", **FEW)
    rows = list(csv.DictReader((tmp_path / "run" / "trials.csv").read_text().splitlines()))
    assert [float(row["lr"]) for row in rows] == [trial.params["lr"] for trial in found.trials]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["search"]["best"] == found.best
    assert report["command"] == "search"
    assert read_run(tmp_path / "run").trials == found.trials
    assert not (tmp_path / "run" / "trials").exists()


def test_a_finished_search_is_read_and_not_trained_again(tmp_path: Path) -> None:
    found = bs.search(build, (X, Y), space=SPACE, out=tmp_path / "run", **FEW)

    def untouched(_: dict[str, Any]) -> nn.Module:
        raise AssertionError

    assert bs.search(untouched, (X, Y), space=SPACE, out=tmp_path / "run", resume=True, **FEW).trials == found.trials


def test_a_trial_that_cannot_be_built_is_counted_and_the_rest_goes_on() -> None:
    def choosy(hp: dict[str, Any]) -> nn.Module:
        if hp["width"] == 8:
            raise ValueError("too wide")
        return build(hp)

    found = bs.search(choosy, (X, Y), space=SPACE, **FEW)
    assert {trial.reason for trial in found.trials if trial.status == "failed"} == {"ValueError: too wide"}
    assert found.best["width"] == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0}, "trials: expected at least 1, found 0"),
        ({"epochs": 0.0}, "epochs: expected a number above 0"),
        ({"epochs": math.nan}, "epochs: expected a number above 0"),
        ({"workers": 0}, "workers: expected at least 1"),
        ({"engine": "stakced"}, "engine: expected auto, single"),
        ({"optimizer": "adma"}, "did you mean 'adam'"),
        ({"schedule": "plateau"}, "schedule: expected one that needs no validation"),
        ({"space": {}}, "search space: expected at least one hyperparameter"),
        ({"data": (X, Y[:10])}, "as many targets as inputs"),
        ({"data": (X[:5], Y[:5])}, "at least 10 examples"),
        ({"data": DataLoader(TensorDataset(X, Y))}, "validation: expected examples to judge"),
        ({"build": lambda _: 3}, "build: expected a torch.nn.Module, found a int"),
        ({"build": lambda _: nn.Linear(7, 3)}, "mat1 and mat2"),
        ({"data": None, "batch_size": 128, "metric": np.mean}, "metric: expected nothing, as a loop of your own"),
        ({"data": None, "batch_size": 128, "validation": (X, Y)}, "validation: expected nothing, .*, found a tuple"),
        ({"data": None, "batch_size": 128, "engine": "vmap"}, "engine: expected nothing, .*, found 'vmap'; leave it"),
        ({"data": None, "batch_size": 128, "device": "cuda"}, "device: expected nothing"),
        ({"data": None, "batch_size": 128, "lr": 0.1}, "lr: expected nothing"),
        ({"data": None, "batch_size": 128, "ray": "auto"}, "ray: expected nothing"),
        ({"data": None}, "batch_size: expected nothing, .*, found 30"),
        ({"maximize": False}, "maximize: expected True, as more accuracy or R² is better, found False"),
        ({"resume": True}, "resume: expected a folder to go on with in out"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"build": build, "data": (X, Y), "space": SPACE, **FEW, **change}
    with pytest.raises(InputError, match=message) as refused:
        bs.search(arguments.pop("build"), arguments.pop("data"), **arguments)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler": "best"}, "sampler: expected one of random"),
        ({"engine": "fast"}, "engine: expected auto, single"),
        ({"workers": 0}, "workers: expected at least 1"),
        ({"moves": -3}, "moves: expected 0 or more, found -3"),
        ({"name": ""}, "name: expected 1 to 512 characters"),
        ({"budget": "0.01epochs"}, "search limits: expected room for one trial"),
        ({"storage": "nosql://x"}, "storage: expected a file, or a URL"),
        ({"storage": "full/other.db", "out": "full"}, "full: expected a new or empty folder"),
        ({"data": None, "workers": -1}, "workers: expected at least 1"),
        ({"data": None, "sampler": "best"}, "sampler: expected one of random"),
        ({"build": lambda: nn.Linear(6, 3)}, r"build: expected a function of a dict of hyperparameters alone, found <"),
        ({"build": lambda hp, *, width: build(hp)}, r"alone, found <lambda>\(hp, \*, width\); let it take that"),  # noqa: ARG005
        ({"build": lambda _: None}, "build: expected a torch.nn.Module, found a NoneType"),
        ({"data": None, "build": lambda: 0.5}, r"loop: expected a function of a trial alone, found <lambda>\(\)"),
    ],
)
def test_nothing_is_left_of_a_search_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    before = sorted(tmp_path.rglob("*"))
    few = FEW if "data" not in change else {"workers": 1}
    arguments: dict[str, Any] = {"build": build, "data": (X, Y), "space": SPACE, "out": "run", **few, **change}
    with pytest.raises(InputError if change.get("out") is None else RunFolderError, match=message):
        bs.search(arguments.pop("build"), arguments.pop("data"), **arguments)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_another_search_is_refused(tmp_path: Path) -> None:
    bs.search(build, (X, Y), space=SPACE, out=tmp_path / "run", **FEW)
    with pytest.raises(RunFolderError, match="a new or empty folder"):
        bs.search(build, (X, Y), space=SPACE, out=tmp_path / "run", **FEW)
    with pytest.raises(RunFolderError, match=r"a search with seed 5, found seed 0"):
        bs.search(build, (X, Y), space=SPACE, out=tmp_path / "run", resume=True, seed=5, **FEW)
    narrower = {**SPACE, "lr": bs.LogUniform(1e-4, 0.5)}
    with pytest.raises(RunFolderError, match="a search with space"):
        bs.search(build, (X, Y), space=narrower, out=tmp_path / "run", resume=True, **FEW)
    with pytest.raises(RunFolderError, match="validation_examples"):
        bs.search(build, (X[:100], Y[:100]), space=SPACE, out=tmp_path / "run", resume=True, **FEW)
    with pytest.raises(RunFolderError, match="the data as they were when it began, found other examples"):
        bs.search(build, (X + 0.1, Y), space=SPACE, out=tmp_path / "run", resume=True, **FEW)


def test_the_configuration_of_the_working_directory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loop(trial: bs.Trial) -> float:
        return float(trial["x"]) if trial["x"] < 0.3 else math.nan

    def found() -> list[str]:
        space = {"x": bs.Uniform(0.0, 1.0)}
        return [item.code for item in bs.search(loop, space=space, trials=24, epochs=1, workers=1).findings]

    monkeypatch.chdir(tmp_path)
    assert found() == ["SRC002"]
    (tmp_path / "pyproject.toml").write_text('[tool.babysit]\nignore = ["SRC"]\n')
    assert found() == []
    (tmp_path / "pyproject.toml").write_text("[tool.babysit]\nselect = 3\n")
    with pytest.raises(InputError, match="select"):
        found()
