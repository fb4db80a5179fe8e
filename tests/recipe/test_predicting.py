from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score

from babysit.errors import InputError, RunFolderError
from babysit.recipe.predicting import Predictions, predict_with

Write = Callable[[list[str], list[list[object]]], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def table(names: list[str], rows: list[list[object]]) -> str:
        path = tmp_path / "new.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([names, *rows])
        return str(path)

    return table


def rows_of(path: Path, count: int) -> tuple[list[str], list[list[object]]]:
    with path.open() as file:
        names, *rows = csv.reader(file)
    return names, [list(row) for row in rows[:count]]


def test_a_table_with_its_target_is_predicted_and_scored(tumour_run: Any, tumour_csv: Path) -> None:
    found = predict_with(tumour_run.folder, str(tumour_csv))
    assert len(found.values) == len(found.names) == 569
    assert found.truth is not None
    assert set(found.values) <= {"benign", "malignant"}
    assert found.score == {"accuracy": pytest.approx(accuracy_score(found.truth, found.values))}
    assert found.score["accuracy"] > 0.8
    with torch.no_grad():
        outputs = tumour_run.model(torch.from_numpy(np.array(tumour_run.dataset.x)))
    probabilities = outputs.double().softmax(dim=1).numpy()
    assert found.values == [tumour_run.dataset.class_names[index] for index in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(found.confidence or [], probabilities.max(axis=1), rtol=1e-5)


def test_without_the_target_the_same_is_predicted(tumour_run: Any, tumour_csv: Path, write: Write) -> None:
    names, rows = rows_of(tumour_csv, 40)
    bare = predict_with(tumour_run.folder, write(names[:-1], [row[:-1] for row in rows]))
    assert bare.truth is None
    assert bare.score == {}
    assert bare.values == predict_with(tumour_run.folder, str(tumour_csv)).values[:40]


def test_the_order_of_the_columns_does_not_matter(tumour_run: Any, tumour_csv: Path, write: Write) -> None:
    names, rows = rows_of(tumour_csv, 40)
    turned = predict_with(tumour_run.folder, write(names[::-1], [row[::-1] for row in rows]))
    assert turned.confidence == predict_with(tumour_run.folder, write(names, rows)).confidence


def test_unseen_categories_and_missing_values_are_predicted_all_the_same(tumour_run: Any, write: Write) -> None:
    names = ["radius", "texture", "perimeter", "ward"]
    found = predict_with(
        tumour_run.folder,
        write(names, [["14.1", "20.0", "90.0", "north"], ["14.1", "20.0", "90.0", "attic"], ["", "", "", ""]]),
    )
    assert found.confidence is not None
    assert all(0.5 <= confidence <= 1 for confidence in found.confidence)
    assert found.confidence[0] != found.confidence[1], "an unknown ward is none of the known"


def test_a_table_that_lacks_a_column_is_refused(tumour_run: Any, write: Write) -> None:
    with pytest.raises(InputError, match="perimeter"):
        predict_with(tumour_run.folder, write(["radius", "texture", "ward"], [["1", "2", "north"]]))


def test_a_regression_is_predicted_in_its_own_unit(diabetes_run: Any, diabetes_csv: Path) -> None:
    found = predict_with(diabetes_run.folder, str(diabetes_csv))
    assert found.confidence is None
    assert found.truth is not None
    assert found.score["r2"] == pytest.approx(r2_score(found.truth, found.values))
    assert found.score["rmse"] == pytest.approx(math.sqrt(np.mean(np.square(np.subtract(found.truth, found.values)))))
    assert 25 < np.mean(found.values) < 346


def test_pictures_are_named(picture_run: Any, pictures: Path) -> None:
    found = predict_with(picture_run.folder, str(pictures))
    assert len(found.names) == 120
    assert found.truth == [name.split("/")[0] for name in (Path(name).as_posix() for name in found.names)]
    assert found.score["accuracy"] > 0.9


def test_data_of_another_kind_are_refused(digits_run: Any, tumour_csv: Path) -> None:
    with pytest.raises(InputError):
        predict_with(digits_run.folder, str(tumour_csv))
    with pytest.raises(InputError):
        predict_with(digits_run.folder, "iris")


def test_a_model_whose_description_of_its_inputs_is_damaged_is_refused(digits_run: Any, tmp_path: Path) -> None:
    description = json.loads((digits_run.folder / "model.json").read_text())
    for broken in ({}, {"input": 3}, {"input": {"kind": "image"}}):
        kept = {key: value for key, value in description.items() if key != "input"}
        (tmp_path / "model.json").write_text(json.dumps({**kept, **broken}))
        with pytest.raises((RunFolderError, InputError)) as refused:
            predict_with(tmp_path, "digits")
        assert "\n" not in str(refused.value)


def test_rows_hold_what_is_known() -> None:
    classes = Predictions(("0", "1"), ["a", "b"], [0.9, 0.6], None, ())
    assert list(classes.rows()) == [
        {"name": "0", "prediction": "a", "probability": 0.9},
        {"name": "1", "prediction": "b", "probability": 0.6},
    ]
    numbers = Predictions(("0",), [1.5], None, [2.0], ())
    assert list(numbers.rows()) == [{"name": "0", "prediction": 1.5, "truth": 2.0}]


def test_truth_without_variance_has_no_r2() -> None:
    assert Predictions(("0", "1"), [1.0, 3.0], None, [2.0, 2.0], ()).score == {"rmse": 1.0}
