from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

SMALL = ("--budget", "4trials", "--epochs", "2", "--hidden", "20")


@pytest.fixture(scope="module")
def tumour_run(babysit: Any, tumours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tumours"
    assert babysit.run("train", tumours, *SMALL, "--out", folder, "--quiet").code == 0
    return folder


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predictions_are_a_table_on_standard_output(babysit: Any, tumour_run: Path, tumours: Path) -> None:
    ended = babysit.run("predict", tumour_run, tumours)
    assert ended.code == 0
    rows = table(ended.out)
    assert len(rows) == 569
    assert list(rows[0]) == ["name", "prediction", "probability", "truth"]
    assert {row["prediction"] for row in rows} <= {"benign", "malignant"}
    assert all(0.5 <= float(row["probability"]) <= 1 for row in rows)


def test_what_was_chosen_is_said_beside_them(babysit: Any, digits_run: Any, tmp_path: Path) -> None:
    x, y = load_digits(return_X_y=True)
    pictures = x.reshape(-1, 1, 8, 8)
    np.savez(tmp_path / "new.npz", x_train=pictures[:100], y_train=y[:100], x_test=pictures[100:], y_test=y[100:])
    ended = babysit.run("predict", digits_run[0], tmp_path / "new.npz")
    assert ended.code == 0
    assert len(table(ended.out)) == 1697
    assert ended.err == "note: only the test split is used: 1697 of 1797 examples\n"


def test_they_are_written_to_a_file(babysit: Any, tumour_run: Path, tumours: Path, tmp_path: Path) -> None:
    ended = babysit.run("predict", tumour_run, tumours, "--out", "p.csv", cwd=tmp_path)
    assert ended.code == 0
    assert ended.out.startswith("569 predictions in p.csv, accuracy 0.")
    rows = table((tmp_path / "p.csv").read_text())
    assert babysit.run("predict", tumour_run, tumours, "--out", "p.json", cwd=tmp_path).code == 0
    same = json.loads((tmp_path / "p.json").read_text())
    assert [row["prediction"] for row in same] == [row["prediction"] for row in rows]
    assert [float(row["probability"]) for row in rows] == [row["probability"] for row in same]


def test_json_on_standard_output_stands_there_alone(babysit: Any, tumour_run: Path, tumours: Path) -> None:
    ended = babysit.run("predict", tumour_run, tumours, "--json", "-")
    found = json.loads(ended.out)
    assert found["command"] == "predict"
    assert len(found["predictions"]) == 569
    right = [row["prediction"] == row["truth"] for row in found["predictions"]]
    assert found["score"] == {"accuracy": pytest.approx(sum(right) / 569)}


def test_quiet_prints_nothing(babysit: Any, tumour_run: Path, tumours: Path, tmp_path: Path) -> None:
    ended = babysit.run("predict", tumour_run, tumours, "--quiet", "--out", tmp_path / "p.csv")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (tmp_path / "p.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "{tumours}"], "expected a finished run of babysit train, with model.json, found none"),
        (["{run}", "nowhere.csv"], "no such thing"),
        (["{run}", "digits"], "digits"),
        (["{run}", "{tumours}", "--out", "p.xlsx"], "--out: expected a .csv or .json file, found p.xlsx"),
        (["{run}", "{tumours}", "--out", "/dev/null/p.csv"], "expected to be able to write there"),
        (["{run}", "{tumours}", "--model", "net.py"], "expected FILE.py:FUNCTION or MODULE:FUNCTION"),
        (["{run}", "few.csv"], "perimeter"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    refused: Callable[..., str], tumour_run: Path, tumours: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "few.csv").write_text("radius,texture\n1,2\n")
    assert says in refused("predict", *(word.format(run=tumour_run, tumours=tumours) for word in arguments))


@pytest.mark.parametrize("label", ["unclear", ""])
def test_what_has_a_label_that_the_model_does_not_know_is_not_scored(
    babysit: Any, tumour_run: Path, tumours: Path, tmp_path: Path, label: str
) -> None:
    lines = tumours.read_text().splitlines()
    for row in (3, 10):
        lines[row + 1] = re.sub("benign|malignant", label, lines[row + 1])
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n")
    ended = babysit.run("predict", tumour_run, tmp_path / "new.csv", "--json", "-")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert [row for row, item in enumerate(found["predictions"]) if item["truth"] is None] == [3, 10]
    right = [item["prediction"] == item["truth"] for item in found["predictions"] if item["truth"] is not None]
    assert len(right) == 567
    assert found["score"] == {"accuracy": pytest.approx(sum(right) / 567)}
    plain = babysit.run("predict", tumour_run, tmp_path / "new.csv")
    assert "2 of 569 are none of the model's classes (benign, malignant)" in plain.err
    assert "the score is of the others" in plain.err
    assert [row["truth"] for row in table(plain.out)][3] == ""
