from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from babysit.data.options import ReadOptions
from babysit.data.read import read, read_for_prediction
from babysit.data.schema import InputSchema
from babysit.errors import InputError

RNG = np.random.default_rng(0)


def columns(rows: int = 40) -> dict[str, list[object]]:
    return {
        "area": [round(float(v), 3) for v in RNG.normal(100, 20, rows)],
        "colour": [("red", "blue", "green")[i % 3] for i in range(rows)],
        "garage": [i % 2 == 0 for i in range(rows)],
        "label": [("cheap", "dear")[i % 4 == 0] for i in range(rows)],
    }


def csv(folder: Path, table: dict[str, list[object]], name: str = "homes.csv") -> Path:
    path = folder / name
    lines = [",".join(table)]
    lines += [
        ",".join("" if value is None else str(value) for value in row) for row in zip(*table.values(), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_of_all_kinds(tmp_path: Path) -> None:
    table = columns()
    dataset = read(str(csv(tmp_path, table)))
    assert (dataset.name, dataset.kind, dataset.task) == ("homes", "table", "classification")
    assert dataset.feature_names == ("area", "colour", "garage")
    assert dataset.table is not None
    assert [column.kind for column in dataset.table.columns] == ["numeric", "categorical", "boolean"]
    assert dataset.table.columns[1].categories == ("blue", "green", "red")
    assert np.array_equal(dataset.x[:, 0], np.array(table["area"], dtype=np.float32))
    assert list(dataset.x[:3, 1]) == [2, 0, 1]
    assert list(dataset.x[:2, 2]) == [1, 0]
    assert dataset.class_names == ("cheap", "dear")
    assert list(dataset.y[:5]) == [1, 0, 0, 0, 1]
    assert dataset.notes == ("target: column 'label', by its name",)


def test_csv_and_parquet_give_the_same(tmp_path: Path) -> None:
    table = columns()
    table["area"][3] = None
    pq.write_table(pa.table(table), tmp_path / "homes.parquet")
    first, second = read(str(csv(tmp_path, table))), read(str(tmp_path / "homes.parquet"))
    assert np.array_equal(first.x, second.x, equal_nan=True)
    assert np.array_equal(first.y, second.y)
    assert first.table == second.table
    assert np.isnan(first.x[3, 0])


def test_regression_is_guessed_and_can_be_overridden(tmp_path: Path) -> None:
    path = str(csv(tmp_path, columns()))
    dataset = read(path, ReadOptions(target="area"))
    assert dataset.task == "regression"
    assert dataset.y.dtype == np.float32
    assert dataset.notes == ("target 'area' has 40 distinct values: regression",)
    table = columns() | {"stars": [i % 5 for i in range(40)]}
    path = str(csv(tmp_path, table))
    assert read(path, ReadOptions(target="stars")).task == "classification"
    assert read(path, ReadOptions(target="stars", task="regression")).classes == 0


def test_the_default_target(tmp_path: Path) -> None:
    table = columns()
    renamed = {"Y" if name == "label" else name: values for name, values in table.items()}
    assert read(str(csv(tmp_path, renamed))).schema().target == "Y"
    both = table | {"target": table["label"], "garage": table["garage"]}
    dataset = read(str(csv(tmp_path, both)))
    assert dataset.schema().target == "target"  # two usual names: the last column
    assert dataset.notes[0] == "target: column 'target', the last one (choose with --target)"


def test_columns_that_say_nothing_are_dropped_with_a_note(tmp_path: Path) -> None:
    rows = 120
    table = columns(rows)
    target = table.pop("label")
    table |= {
        "empty": [None] * rows,
        "nan": ["NaN"] * rows,
        "same": ["x"] * rows,
        "day": [f"2024-01-{1 + i % 28:02}" for i in range(rows)],
        "name": [f"person {i}" for i in range(rows)],
        "cabin": [f"C{i}" if i % 4 else None for i in range(rows)],
        "": list(range(rows)),
        "rarely": ["yes" if i % 5 == 0 else None for i in range(rows)],
        "label": target,
    }
    dataset = read(str(csv(tmp_path, table)))
    assert dataset.feature_names == ("area", "colour", "garage", "rarely")
    assert dataset.notes[1:] == (
        "dropped 2 all-missing columns: empty, nan",
        "dropped constant column 'same'",
        "dropped date column 'day'",
        "dropped 2 mostly distinct text columns: name, cabin",
        "dropped nameless row number column 'number 10'",
    )


def test_rows_without_target_are_dropped(tmp_path: Path) -> None:
    table = columns()
    table["label"][0] = table["label"][7] = None
    dataset = read(str(csv(tmp_path, table)))
    assert len(dataset.x) == 38
    assert "dropped 2 rows without a target" in dataset.notes
    assert dataset.x[0, 0] == np.float32(table["area"][1])


def test_categories_come_from_training_alone(tmp_path: Path) -> None:
    table = columns(400)
    table["colour"] = [f"c{i // 2}" for i in range(40)] * 10
    dataset = read(str(csv(tmp_path, table)))
    assert dataset.table is not None
    known = set(dataset.table.columns[1].categories)
    assert known == {table["colour"][index] for index in dataset.splits.train}
    once = columns(40)
    once["colour"] = ["odd" if index == dataset_index(tmp_path, once) else "even" for index in range(40)]
    once["colour"][dataset_index(tmp_path, once, "train")] = "other"
    encoded = read(str(csv(tmp_path, once)))
    assert encoded.table is not None
    assert encoded.table.columns[1].categories == ("even", "other")
    assert encoded.x[dataset_index(tmp_path, once), 1] == -1


def dataset_index(folder: Path, table: dict[str, list[object]], split: str = "test") -> int:
    """Where the first example of a split lies; it depends on the target alone."""
    return int(read(str(csv(folder, table, "probe.csv"))).splits.of(split)[0])


def test_numeric_text_targets(tmp_path: Path) -> None:
    table = columns() | {"label": [("+1", "-1")[i % 2] for i in range(40)]}
    dataset = read(str(csv(tmp_path, table)))
    assert dataset.class_names == ("-1", "1")
    assert "labels -1, 1 became classes 0 to 1" in dataset.notes


def test_a_single_example_of_a_class_is_noted(tmp_path: Path) -> None:
    table = columns()
    table["label"][9] = "palace"
    dataset = read(str(csv(tmp_path, table)))
    assert 9 in dataset.splits.train
    assert "class 'palace' has a single example to divide: it is in the training split only" in dataset.notes


@pytest.mark.parametrize(
    ("change", "target", "message"),
    [
        ({}, "lable", "expected a column 'lable', found columns area, colour, garage, label; did you mean 'label'?"),
        ({}, "zzz", "expected a column 'zzz', found columns area, colour, garage, label; use --target"),
        ({"label": [None] * 40}, "label", "expected values in target 'label', found none"),
        ({"label": ["a"] * 40}, "label", "found one class only: 'a'"),
        ({"label": ["2024-01-01"] * 40}, "label", "expected numbers or classes in target 'label', found a date column"),
        ({"label": [f"n{i}" for i in range(40)]}, "label", "found 40 different values in 40 examples"),
    ],
)
def test_unusable_targets_are_refused(
    tmp_path: Path, change: dict[str, list[object]], target: str, message: str
) -> None:
    path = csv(tmp_path, columns() | change)
    with pytest.raises(InputError, match=message.replace("?", r"\?")) as caught:
        read(str(path), ReadOptions(target=target))
    assert "\n" not in str(caught.value)


def test_many_columns_are_not_all_listed(tmp_path: Path) -> None:
    table = {f"c{i}": list(range(20)) for i in range(20)}
    with pytest.raises(InputError, match="found columns c0, c1, c2, c3, c4, c5, c6, c7 and 12 more"):
        read(str(csv(tmp_path, table)), ReadOptions(target="nothing"))


def test_text_for_a_regression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected numbers in 'label' for a regression, found text such as"):
        read(str(csv(tmp_path, columns())), ReadOptions(task="regression"))


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    table = {f"c{i}": [1, 2, 3] for i in range(10)} | {"label": ["a", "b", "a"]}
    with pytest.raises(InputError, match=r"at least 10 examples .rows. .* found 3 examples; .* transpose"):
        read(str(csv(tmp_path, table)))


def test_a_target_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected at least one input column beside target 'label'"):
        read(str(csv(tmp_path, {"label": ["a", "b"] * 10})))
    table = {"id": [f"n{i}" for i in range(120)], "label": ["a", "b"] * 60}
    with pytest.raises(InputError, match=r"none that can be used .dropped mostly distinct text column 'id'."):
        read(str(csv(tmp_path, table)))


def test_prediction_encodes_as_training_did(tmp_path: Path) -> None:
    table = columns()
    dataset = read(str(csv(tmp_path, table)))
    schema = InputSchema.from_json(dataset.schema().to_json())
    again = read_for_prediction(str(csv(tmp_path, table)), schema)
    assert np.array_equal(again.x, dataset.x)
    assert again.y is not None
    assert np.array_equal(again.y, dataset.y)
    assert again.names[:3] == ("0", "1", "2")

    del table["label"]
    table["colour"][0] = "violet"
    new = read_for_prediction(str(csv(tmp_path, table)), schema)
    assert new.y is None
    assert new.x[0, 1] == -1
    unknown = columns() | {"label": ["castle"] * 40}
    assert read_for_prediction(str(csv(tmp_path, unknown)), schema).y is None
    empty = columns() | {"label": [None] * 40}
    silent = read_for_prediction(str(csv(tmp_path, empty)), schema)
    assert silent.y is None
    assert not any("labels" in note for note in silent.notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({3: "castle"}, "1 of 40 is none of the model's classes ({0}), such as 'castle'"),
        ({3: "castle", 7: "castle"}, "2 of 40 are none of the model's classes ({0}), such as 'castle'"),
        ({9: None}, "1 of 40 is none of the model's classes ({0}), such as an empty one"),
    ],
)
def test_labels_that_the_model_does_not_know_are_told(tmp_path: Path, change: dict[int, str | None], said: str) -> None:
    dataset = read(str(csv(tmp_path, columns())))
    table = columns()
    for row, label in change.items():
        table["label"][row] = label
    inputs = read_for_prediction(str(csv(tmp_path, table, "new.csv")), dataset.schema())
    known = said.format(", ".join(dataset.class_names))
    assert f"of the labels in 'label', {known}: the score is of the others" in inputs.notes
    assert inputs.y is not None
    assert [row for row, code in enumerate(inputs.y) if code != dataset.y[row]] == sorted(change)
    assert set(inputs.y[list(change)]) == {-1}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["large"] * 40, "the model gives one number, and they are no numbers"),
        (["2024-01-02"] * 40, "it is a date column"),
    ],
)
def test_quantities_that_are_left_out_are_told(tmp_path: Path, values: list[object], said: str) -> None:
    dataset = read(str(csv(tmp_path, columns())), ReadOptions(target="area"))
    inputs = read_for_prediction(str(csv(tmp_path, columns() | {"area": values}, "new.csv")), dataset.schema())
    assert f"the labels in 'area' are left out: {said}" in inputs.notes
    assert inputs.y is None
    gap = columns()["area"]
    gap[5] = None
    inputs = read_for_prediction(str(csv(tmp_path, columns() | {"area": gap}, "new.csv")), dataset.schema())
    assert inputs.y is not None
    assert np.flatnonzero(np.isnan(inputs.y)).tolist() == [5]
    assert "of the labels in 'area', 1 of 40 is no number, such as an empty one: the score is of the others" in (
        inputs.notes
    )


def test_prediction_of_a_regression(tmp_path: Path) -> None:
    path = str(csv(tmp_path, columns()))
    dataset = read(path, ReadOptions(target="area"))
    found = read_for_prediction(path, dataset.schema())
    assert found.y is not None
    assert found.y.dtype == np.float32
    assert np.array_equal(found.y, dataset.y)
    words = columns() | {"area": ["large"] * 40}
    assert read_for_prediction(str(csv(tmp_path, words)), dataset.schema()).y is None


def test_prediction_for_features_matches_columns_by_name(tmp_path: Path) -> None:
    iris = read("iris")
    table = {name: list(map(float, iris.x[:5, index])) for index, name in reversed(list(enumerate(iris.feature_names)))}
    found = read_for_prediction(str(csv(tmp_path, table)), iris.schema())
    assert np.array_equal(found.x, iris.x[:5])
    with pytest.raises(InputError, match="expected images, as the model was trained on, found a table"):
        read_for_prediction(str(csv(tmp_path, table)), read("digits").schema())


def test_new_categories_are_noted_in_prediction(tmp_path: Path) -> None:
    dataset = read(str(csv(tmp_path, columns())))
    new = columns(3)
    new["colour"] = ["RED", "blue", "pink"]
    inputs = read_for_prediction(str(csv(tmp_path, new, "new.csv")), dataset.schema())
    assert list(inputs.x[:, 1]) == [-1, 0, -1]
    assert inputs.notes == ("column 'colour' has categories that training did not have, in 2 of 3 rows, such as 'RED'",)


def test_a_boolean_target_is_two_classes_however_it_is_spelled(tmp_path: Path) -> None:
    table = columns()
    table["label"] = [("TRUE", "false", "True", "False")[i % 4] for i in range(40)]
    dataset = read(str(csv(tmp_path, table)))
    assert dataset.class_names == ("False", "True")
    assert list(dataset.y[:4]) == [1, 0, 1, 0]
    arrow = pa.table({**columns(2), "label": [True, False]})
    pq.write_table(arrow, tmp_path / "new.parquet")
    inputs = read_for_prediction(str(tmp_path / "new.parquet"), dataset.schema())
    assert inputs.y is not None
    assert list(inputs.y) == [1, 0]


def test_what_makes_a_column_of_numbers_text_is_told(tmp_path: Path) -> None:
    table = columns()
    table["area"] = [i % 7 if i != 3 else "unknown" for i in range(40)]
    dataset = read(str(csv(tmp_path, table)))
    assert "column 'area' was read as text, as 'unknown' in it is no number" in dataset.notes
    assert not any("colour" in note for note in dataset.notes)


def test_text_that_differs_in_every_row_is_dropped_from_a_small_table_too(tmp_path: Path) -> None:
    table = {"who": [f"Ann {i}" for i in range(40)], **columns()}
    dataset = read(str(csv(tmp_path, table)))
    assert dataset.feature_names == ("area", "colour", "garage")
    assert "dropped mostly distinct text column 'who'" in dataset.notes


def test_seconds_that_float32_cannot_tell_apart_are_noted(tmp_path: Path) -> None:
    table = {"time": [1_700_000_000 + i for i in range(40)], **columns()}
    dataset = read(str(csv(tmp_path, table)))
    assert len(np.unique(dataset.x[:, 0])) < 3
    assert dataset.notes[-1].startswith("'time' has large values close to each other")
    table["time"] = [1_600_000_000 + 10_000_000 * i for i in range(40)]
    assert len(read(str(csv(tmp_path, table))).notes) == 1
