from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from babysit.errors import InputError, Interrupted, RunFolderError
from babysit.measure.record import read_header, read_run, write_header
from babysit.recipe import procedure, testing
from babysit.recipe.options import TrainOptions
from babysit.recipe.prepared import held_out
from babysit.recipe.procedure import resume
from babysit.recipe.search_space import parse_search, space_of
from babysit.recipe.steps import StepResult
from babysit.recipe.subject import Subject
from babysit.rules import Finding

Train = Callable[..., Any]
STEPS = [
    "data", "preprocessing", "architecture", "initial-loss", "regularization", "overfit", "learning-rate", "search",
    "training", "test",
]  # fmt: skip
FILES = ["model.safetensors", "model.json", "report.json", "run.json", "steps.jsonl", "trials.jsonl", "trials.csv"]


class Spoken:
    """Remembers what was shown."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, number: int, title: str) -> None:
        self.said.append(f"begin {number}")

    def progress(self, what: str, done: float, total: float) -> None:
        assert 0 <= done <= total

    def end(self, result: StepResult, findings: Sequence[Finding]) -> None:
        assert result.findings == tuple(finding.code for finding in findings)
        self.said.append(f"end {result.number}")

    def note(self, text: str) -> None:
        assert "\n" not in text


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_ten_steps_in_the_lecture_s_order(any_run: Any) -> None:
    assert any_run.finished
    steps = any_run.report["procedure"]
    assert [step["name"] for step in steps] == STEPS
    assert [step["number"] for step in steps] == list(range(1, 11))
    assert all(step["passed"] for step in steps)
    assert all(step["measured"] and "\n" not in step["measured"] for step in steps)


def test_the_report_says_everything_and_is_what_lies_on_the_disk(any_run: Any) -> None:
    report = any_run.report
    assert json.loads((any_run.folder / "report.json").read_text()) == report
    assert set(report) == {
        "schema", "command", "verdict", "findings", "options", "procedure", "data", "preprocessing", "model", "search",
        "final", "curve", "test", "ensemble",
    }  # fmt: skip
    assert report["command"] == "train"
    assert report["search"]["trials"] == sum(report["search"][s] for s in ("complete", "halved", "killed", "failed"))
    assert report["search"]["epochs_run"] <= report["search"]["epochs_planned"]
    assert report["final"]["settings"]["lr"] == report["search"]["best"]["lr"]
    assert sum(report["data"]["examples"].values()) == len(any_run.dataset.x)
    assert report["test"]["examples"] == len(any_run.dataset.splits.test)


def test_classes_are_counted_and_values_shown_beside_the_truth(tumour_run: Any, diabetes_run: Any) -> None:
    confusion = np.array(tumour_run.report["test"]["confusion"])
    truth = tumour_run.dataset.targets("test")
    assert confusion.sum(axis=1).tolist() == np.bincount(truth).tolist()
    assert np.trace(confusion) / confusion.sum() == pytest.approx(tumour_run.report["test"]["score"])
    np.testing.assert_allclose(diabetes_run.report["test"]["truth"], diabetes_run.dataset.targets("test"), rtol=1e-5)
    assert len(diabetes_run.report["test"]["prediction"]) == len(diabetes_run.dataset.splits.test)


def test_the_records_hold_every_step_of_the_training(digits_run: Any) -> None:
    record = read_run(digits_run.folder)
    assert len(record.losses) == record.header.total_steps == 3 * 39
    assert [evaluation.split for evaluation in record.evaluations] == ["train", "validation"] * 3
    assert [probe.name for probe in record.probes] == [
        "data", "inputs", "activations-initial", "initial-loss", "regularization", "overfit", "learning-rate",
        "activations-final",
    ]  # fmt: skip
    assert len(record.trials) == 4
    assert {layer.module for step in record.steps for layer in step.layers} >= {"fc1", "act1", "output"}


def test_the_trials_are_in_a_table_too(digits_run: Any) -> None:
    lines = (digits_run.folder / "trials.csv").read_text().splitlines()
    assert lines[0].startswith("number,round,status")
    assert len(lines) == 5


def test_each_step_is_begun_and_ended(train: Train) -> None:
    spoken = Spoken()
    train("iris", display=spoken)
    assert spoken.said == [f"{what} {number}" for number in range(1, 11) for what in ("begin", "end")]


def test_the_same_command_gives_the_same_run(train: Train) -> None:
    first, again, other = (train("wine", seed=seed) for seed in (0, 0, 1))
    assert bytes_of(first.folder) == bytes_of(again.folder)
    assert bytes_of(first.folder)["model.safetensors"] != bytes_of(other.folder)["model.safetensors"]


def test_the_caller_s_random_numbers_and_threads_are_left_alone(train: Train) -> None:
    torch.manual_seed(3)
    torch.set_num_threads(2)
    before = torch.get_rng_state()
    train("iris")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_a_time_is_turned_into_a_plan_once(train: Train) -> None:
    run = train("iris", budget="2s", epochs=None)
    assert run.finished
    kept = bytes_of(run.folder)
    assert resume(run.folder).finished  # at another speed, and late
    assert bytes_of(run.folder) == kept


def test_an_ensemble_of_independent_models_is_tested_beside_the_best(train: Train) -> None:
    run = train("iris", ensemble=3)
    names = [row["name"] for row in run.report["ensemble"]]
    assert names[0] == "Polyak average"
    assert names[-1] == "3 independent models"
    assert (run.folder / "member-2.pt").exists()


def test_a_failing_step_ends_the_procedure_with_its_finding(train: Train) -> None:
    run = train("digits", init="zeros")
    assert not run.finished
    # weights of zero: no regularisation can raise their loss
    assert [step["passed"] for step in run.report["procedure"]] == [True] * 4 + [False]
    assert set(run.report["procedure"][-1]["findings"]) == {"PRE002"}
    assert {finding["code"] for finding in run.report["findings"]} == {"PRE002"}
    assert run.report["verdict"] == "errors"
    assert not (run.folder / "model.json").exists()
    assert not {"search", "final", "test"} & run.report.keys()


def test_force_goes_on_all_the_same(train: Train) -> None:
    run = train("digits", init="zeros", force=True)
    assert run.finished
    assert [step["name"] for step in run.report["procedure"]] == STEPS
    failed = {step["name"]: step["findings"] for step in run.report["procedure"] if not step["passed"]}
    assert failed["overfit"] == ["PRE003"]
    assert "learning-rate" in failed
    assert run.report["test"]["score"] < 0.5


@pytest.fixture(scope="module")
def split_digits(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Digits with a test split of their own; its labels or its pictures may be changed."""
    x, y = load_digits(return_X_y=True)
    x, y = x.reshape(-1, 1, 8, 8)[:800].astype(np.uint8), y[:800]

    def write(labels: np.ndarray | None = None, pictures: np.ndarray | None = None) -> Path:
        path = tmp_path_factory.mktemp("npz") / "digits.npz"
        np.savez(
            path,
            x_train=x[:600],
            y_train=y[:600],
            x_test=x[600:] if pictures is None else pictures,
            y_test=y[600:] if labels is None else labels,
        )
        return path

    return write


def without_test(report: dict[str, Any]) -> dict[str, Any]:
    """The report but for the test, and the counts of what is in which split."""
    kept = {key: value for key, value in report.items() if key not in ("test", "ensemble", "data", "options")}
    kept["procedure"] = [
        {**step, "measured": ""} if step["name"] in ("data", "test") else step for step in report["procedure"]
    ]
    return kept


def test_nothing_of_the_test_split_influences_what_comes_before(
    train: Train, split_digits: Callable[..., Path]
) -> None:
    draw = np.random.default_rng(0)
    plain = train(split_digits())
    permuted = train(split_digits(labels=draw.integers(0, 10, 200)))
    assert permuted.report["test"]["score"] < 0.3 < plain.report["test"]["score"]
    assert without_test(permuted.report) == without_test(plain.report)
    other = train(split_digits(pictures=draw.integers(0, 17, (200, 1, 8, 8), dtype=np.uint8)))
    assert without_test(other.report) == without_test(plain.report)
    for name in ("model.safetensors", "trials.csv"):
        same = {(run.folder / name).read_bytes() for run in (plain, permuted, other)}
        assert len(same) == 1


def test_the_test_split_is_read_once(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def count(dataset: Any, split: str, *rest: Any) -> Any:
        asked.append(split)
        return held_out(dataset, split, *rest)

    monkeypatch.setattr(testing, "held_out", count)
    train("iris")
    assert asked == ["test"]


def test_going_on_with_a_finished_run_changes_nothing(digits_run: Any, tmp_path: Path) -> None:
    copied = tmp_path / "run"
    shutil.copytree(digits_run.folder, copied)
    for _ in range(2):
        assert resume(copied).finished
        assert bytes_of(copied) == bytes_of(digits_run.folder)


def test_a_run_of_another_version_is_not_gone_on_with(digits_run: Any, tmp_path: Path) -> None:
    header = read_header(digits_run.folder)
    for other in ({"torch": "0.4"}, {"babysit": "99.0"}):
        write_header(tmp_path, type(header)(**{**_fields(header), "versions": {**header.versions, **other}}))
        with pytest.raises(RunFolderError, match="resume it with those versions, or train anew"):
            resume(tmp_path)
        with pytest.raises(RunFolderError, match="those versions"):  # and the folder was let go
            resume(tmp_path)


def _fields(header: Any) -> dict[str, Any]:
    return {name: getattr(header, name) for name in header.__dataclass_fields__}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"data": "nowhere.csv"}, "no such thing"),
        ({"data": "iris", "model": "cnn"}, "use an mlp"),
        ({"data": "iris", "model": "nowhere.py:build"}, "nowhere.py: expected a Python file, found no such file"),
        ({"data": "iris", "preprocess": "mean-image"}, "preprocessing"),
        ({"data": "iris", "task": "sorting"}, "--task"),
    ],
)
def test_a_run_that_is_refused_leaves_no_folder(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        procedure.train(TrainOptions(**options), tmp_path / "run")
    assert says in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_refused_when_it_is_gone_on_with_is_kept(train: Train, tumour_csv: Path, tmp_path: Path) -> None:
    moved = tmp_path / "tumours.csv"
    shutil.copy(tumour_csv, moved)
    run = train(moved, target="diagnosis")
    kept = bytes_of(run.folder)
    moved.unlink()
    with pytest.raises(InputError, match="no such thing"):
        resume(run.folder)
    assert bytes_of(run.folder) == kept


@pytest.mark.parametrize("force", [False, True])
def test_a_search_of_which_nothing_is_left_ends_with_a_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, force: bool
) -> None:
    rates = ("lr=1e5..1e6",)
    monkeypatch.setattr(procedure, "find_learning_rates", lambda *_: space_of(parse_search(rates), (1e-3, 1e-1)))
    options = TrainOptions("iris", budget="2trials", epochs=1, hidden=(8,), search=rates, force=force)
    ended = procedure.train(options, tmp_path / "run")
    assert ended.finished is force
    assert {trial.status for trial in read_run(tmp_path / "run").trials} == {"killed"}
    assert ended.report["verdict"] == "errors"
    (finding,) = [found for found in ended.report["findings"] if found["code"] == "SRC002"]
    assert finding["severity"] == "error"
    assert {item["name"]: item["value"] for item in finding["evidence"]}["share of trials killed"] == 1.0
    assert "lower the range of lr" in finding["remedies"][0]
    assert {step["name"]: step["passed"] for step in ended.report["procedure"]}["search"] is False
    assert ended.report["search"]["best"] == {}
    assert len((tmp_path / "run" / "trials.csv").read_text().splitlines()) == 1 + ended.report["search"]["killed"]
    assert resume(tmp_path / "run").report == ended.report


def test_a_search_in_which_nothing_can_be_built_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("no such layer")

    monkeypatch.setattr(Subject, "network_for", fails)
    monkeypatch.setattr(procedure, "find_learning_rates", lambda *_: space_of({}, (1e-3, 1e-1)))
    with pytest.raises(InputError, match="that failed, the first with ValueError: no such layer"):
        procedure.train(TrainOptions("iris", budget="2trials", epochs=1, hidden=(8,)), tmp_path / "run")


def test_a_signal_leaves_a_run_that_can_be_gone_on_with(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = train("iris")

    def interrupted(*_: Any) -> None:
        raise Interrupted(15)

    with monkeypatch.context() as patch:
        patch.setattr(procedure, "train_fully", interrupted)
        with pytest.raises(Interrupted):
            train("iris", out=tmp_path / "run")
    assert resume(tmp_path / "run").finished
    assert bytes_of(tmp_path / "run") == bytes_of(whole.folder)
