from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import babysit.data as public
from babysit.data.options import ReadOptions
from babysit.data.read import read, read_for_prediction
from babysit.errors import InputError


def refused(source: str, options: ReadOptions | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read(source, options or ReadOptions())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_files_suggest_near_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homes.csv").write_text("a,b\n")
    message = refused(str(tmp_path / "home.csv"))
    assert "found no such thing; did you mean 'homes.csv'?" in message
    assert "did you mean 'digits'?" in refused("digit")
    assert "did you mean 'breast_cancer'?" in refused("breastcancer")
    assert refused(str(tmp_path / "no" / "such.npz")).endswith("check the path")


@pytest.mark.parametrize(
    ("name", "found"), [("data.xlsx", "a file ending in '.xlsx'"), ("data", "a file without an ending")]
)
def test_other_endings_are_refused(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / name).write_text("x")
    message = refused(str(tmp_path / name))
    assert f"ending in .npz, .csv, .tsv, .parquet, .zip, found {found}" in message


def test_other_folders_say_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    message = refused(str(tmp_path))
    for wanted in ("class folders of images", "data_batch_1", "train-images-idx3-ubyte"):
        assert wanted in message


def test_paths_that_cannot_be_looked_at(tmp_path: Path) -> None:
    assert "expected a path that can be read" in refused("x" * 5000)
    assert "expected a path that can be read" in refused("~nobody-has-this-name/x.csv")


def test_endings_in_capitals_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("T.CSV").write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    assert read("T.CSV").source == str(tmp_path / "T.CSV")


def test_a_folder_named_like_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()
    assert read("digits").source == "scikit-learn digits"
    assert "class folders of images" in refused("./digits")


def test_options_of_another_format_are_refused() -> None:
    assert "expected a table (.csv, .tsv, .parquet) for --target" in refused("digits", ReadOptions(target="y"))
    assert "expected image files for --image-size" in refused("iris", ReadOptions(image_size=(8, 8)))
    assert "--task" in refused("iris", ReadOptions(task="magic"))


def test_the_seed_moves_the_splits() -> None:
    first, second = read("iris"), read("iris", ReadOptions(seed=1))
    assert set(first.splits.test) != set(second.splits.test)


def test_prediction_from_a_missing_file() -> None:
    with pytest.raises(InputError, match="found no such thing"):
        read_for_prediction("nowhere.csv", read("iris").schema())


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys, babysit.data; assert not {'torch', 'sklearn', 'pyarrow', 'PIL'} & set(sys.modules), 'slow imports'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names() -> None:
    names = {name for name in vars(public) if not name.startswith("_") and name[0].isupper()}
    assert names == {
        "Column",
        "DataSummary",
        "Dataset",
        "InputSchema",
        "PredictionInputs",
        "ReadOptions",
        "Splits",
        "TableSchema",
    }
