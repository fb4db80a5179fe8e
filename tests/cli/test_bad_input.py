"""Whatever is wrong with the input: exit code 2 and one line that says what; or it works, and a note says how."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Refused = Callable[..., str]
Pictures = Callable[..., Path]
SMALL = ("--budget", "1trials", "--epochs", "1", "--hidden", "8", "--force", "--out", "run")
DRAW = np.random.default_rng(0)
X, Y = DRAW.normal(size=(60, 3)), DRAW.integers(0, 3, 60)


def table(path: Path, names: str, *rows: str) -> Path:
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


def rows(targets: Sequence[object]) -> list[str]:
    return [f"{i % 7},{(i * 13) % 5 - 2.5},{target}" for i, target in enumerate(targets)]


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(DRAW.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def notes_of(babysit: Any, folder: Path, *arguments: object) -> list[str]:
    """Train on something odd that works; what was said about it."""
    ended = babysit.run("train", *arguments, *SMALL, "--quiet", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    report = json.loads((folder / "run" / "report.json").read_text())
    return [*report["data"]["notes"]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "train: expected a data set, or --resume with a run folder, found neither; try babysit train digits"),
        (["digits", "--resume", "x"], "found both"),
        (
            ["--resume", "x", "--epochs", "3"],
            "expected no other options, as a run goes on with its own, found --epochs",
        ),
        (["digits", "--budget", "soon"], "--budget: expected a time such as 60s, 10m or 1h"),
        (["digits", "--hidden", "many"], "--hidden: expected whole numbers such as 50 or 256,128, found 'many'"),
        (["digits", "--hidden", "50,0"], "hidden: expected whole numbers of at least 1"),
        (["digits", "--channels", "a"], "--channels: expected whole numbers"),
        (["digits", "--channels", "8"], "--channels: expected a convolutional net"),
        (["digits", "--image-size", "big"], "--image-size: expected height and width such as 32x32, found 'big'"),
        (["digits", "--image-size", "8"], "expected image files for --image-size"),
        (["digits", "--activation", "rellu"], "relu"),
        (["digits", "--init", "hee"], "init: expected one of"),
        (["digits", "--optimizer", "sgdd"], "--optimizer: expected one of sgd, momentum"),
        (["digits", "--schedule", "often"], "schedule: expected one of constant, step"),
        (["digits", "--augment", "flop"], "augmentation: expected none, flip, shift:PIXELS"),
        (["iris", "--augment", "flip"], "--augment: expected images that fit in memory"),
        (
            ["digits", "--model", "transformer"],
            "--model: expected mlp, cnn, file.py:function or module:function, found 'transformer'",
        ),
        (["digits", "--model", "nowhere.py:build"], "nowhere.py: expected a Python file, found no such file"),
        (["digits", "--search", "hiden"], "did you mean 'hidden'?"),
        (["digits", "--search", "dropout=2..1"], "the smaller first, found 2 to 1"),
        (["digits", "--preprocess", "mean-picture"], "preprocessing 'mean-picture': expected steps among"),
        (["digits", "--epochs", "0"], "epochs: expected a whole number of at least 1, found 0"),
        (["digits", "--batch-size", "-1"], "batch_size: expected a whole number of at least 1, found -1"),
        (
            ["iris", "--batch-size", "1", "--batch-norm"],
            "--batch-size: expected batches that the network can be trained",
        ),
        (["digits", "--dropout", "1"], "dropout: expected a probability"),
        (["digits", "--ensemble", "0"], "--ensemble: expected at least 1 model"),
        (["digits", "--seed", "-1"], "--seed: expected zero or more"),
        (["digits", "--task", "sorting"], "--task"),
        (["digits", "--target", "y"], "expected a table (.csv, .tsv, .parquet) for --target"),
        (["iris", "--model", "cnn"], "use an mlp"),
        (["digit"], "did you mean 'digits'?"),
        (["nowhere.csv"], "no such thing"),
        (["/dev/null/x.csv"], "no such thing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_make_no_sense(refused: Refused, tmp_path: Path, arguments: list[str], says: str) -> None:
    assert says in refused("train", *arguments)
    assert list(tmp_path.iterdir()) == [], "no run was begun"


@pytest.mark.parametrize("name", ["a.npz", "a.zip", "a.csv", "a.parquet", "a.tsv"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00\xff\x00\xff" * 50], ids=["empty", "head", "noise"])
def test_files_that_are_none(refused: Refused, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert name in refused("train", tmp_path / name, *SMALL)
    assert not (tmp_path / "run").exists()


def test_files_that_were_cut_short(refused: Refused, tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", x=X, y=Y)
    archive(tmp_path / "whole.zip", {f"{name}/{n}.png": png() for name in "ab" for n in range(3)})
    for suffix in ("npz", "zip"):
        whole = (tmp_path / f"whole.{suffix}").read_bytes()
        for share in (0.3, 0.95):
            path = tmp_path / f"cut.{suffix}"
            path.write_bytes(whole[: int(share * len(whole))])
            assert path.name in refused("train", path, *SMALL)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": X, "y": np.array([{"a": 1}] * 60, dtype=object)}, "object"),
        ({"x": np.array([["a", "b"]] * 60), "y": Y}, "x"),
        ({"x": X}, "y"),
        ({"x": X, "y": Y[:50]}, "60"),
        ({"x": X, "y": np.zeros(60, dtype=int)}, "class"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0, dtype=int)}, "bad.npz"),
        ({"x": np.full((60, 3), np.nan), "y": Y}, "NaN"),
    ],
    ids=["objects", "text", "no targets", "lengths", "one class", "no examples", "all NaN"],
)
def test_arrays_that_cannot_be_used(
    refused: Refused, tmp_path: Path, arrays: dict[str, np.ndarray[Any, Any]], says: str
) -> None:
    np.savez(tmp_path / "bad.npz", allow_pickle=True, **arrays)
    assert says in refused("train", tmp_path / "bad.npz", *SMALL)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("names", "lines", "options", "says"),
    [
        ("a,b,diagnosis", rows([0, 1] * 20), ["--target", "diagnosys"], "did you mean 'diagnosis'?"),
        ("a,b,diagnosis", rows([0, 1] * 20), ["--target", "hopeless"], "found columns"),
        ("a,b,y", rows([1] * 40), ["--task", "classification"], "class"),
        ("a,b,y", [], [], "bad.csv"),
        ("y", ["1", "2", "3"] * 9, [], "bad.csv"),
        ("a,b,y", [*rows([0, 1] * 20), '"unclosed,1,2'], [], "bad.csv"),
    ],
    ids=["near name", "no such name", "one class", "no rows", "target alone", "unclosed quote"],
)
def test_tables_that_cannot_be_used(
    refused: Refused, tmp_path: Path, names: str, lines: list[str], options: list[str], says: str
) -> None:
    path = table(tmp_path / "bad.csv", names, *lines)
    assert says in refused("train", path, *options, *SMALL)
    assert not (tmp_path / "run").exists()


def test_ten_columns_and_three_rows(refused: Refused, tmp_path: Path) -> None:
    path = table(tmp_path / "tiny.csv", "a,b,c,d,e,f,g,h,i,j", *["1,2,3,4,5,6,7,8,9,0"] * 3)
    refused("train", path, "--target", "j", *SMALL)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        (["1.0", "2.0"], ["1", "2"]),
        (["-1", "1"], ["-1", "1"]),
        (["True", "False"], ["False", "True"]),
        (["10", "30"], ["10", "30"]),
    ],
)
def test_labels_of_any_kind_work(babysit: Any, tmp_path: Path, labels: list[str], classes: list[str]) -> None:
    path = table(tmp_path / "fine.csv", "a,b,y", *rows(labels * 30))
    assert notes_of(babysit, tmp_path, path, "--task", "classification") is not None
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert [name.lower().removesuffix(".0") for name in report["data"]["class_names"]] == [c.lower() for c in classes]


def test_a_column_without_values_is_left_out_and_noted(babysit: Any, tmp_path: Path) -> None:
    path = table(tmp_path / "fine.csv", "a,nothing,y", *[f"{i % 7},,{i % 2}" for i in range(60)])
    assert any("nothing" in note for note in notes_of(babysit, tmp_path, path))


def test_a_picture_that_is_broken_is_named_and_can_be_left_out(
    babysit: Any, refused: Refused, pictures: Pictures, tmp_path: Path
) -> None:
    folder = pictures(count=30)
    broken = folder / "a" / "7.png"
    broken.write_bytes(broken.read_bytes()[:60])
    line = refused("train", folder, *SMALL)
    assert "7.png" in line
    assert "--skip-bad" in line
    notes = notes_of(babysit, tmp_path, folder, "--skip-bad")
    assert any("7.png" in note for note in notes)


def test_pictures_of_several_sizes_need_one(babysit: Any, refused: Refused, pictures: Pictures, tmp_path: Path) -> None:
    pictures(classes=("a",), count=30, size=(8, 8))
    folder = pictures(classes=("b",), count=30, size=(9, 7))
    assert "--image-size" in refused("train", folder, *SMALL)
    notes_of(babysit, tmp_path, folder, "--image-size", "6x6")


def test_a_folder_without_classes(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    refused("train", tmp_path / "flat", *SMALL)
    (tmp_path / "flat" / "1.png").write_bytes(png())
    assert "flat" in refused("train", tmp_path / "flat", *SMALL)


def test_a_folder_with_one_class(refused: Refused, pictures: Pictures) -> None:
    assert "class" in refused("train", pictures(classes=("only",)), *SMALL)


def test_an_output_folder_that_holds_something(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    assert "expected a new or empty folder, found files in it" in refused("train", "iris", *SMALL)
    assert (tmp_path / "run" / "thesis.tex").read_text() == "mine"


def test_an_output_folder_that_cannot_be_made(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in ("file", "file/run", "/dev/null/run"):
        assert "expected to be able to write there" in refused("train", "iris", "--out", out)
    (tmp_path / "runs").touch()
    assert "expected to be able to write there" in refused("train", "iris")


@pytest.mark.parametrize("command", [("train", "iris"), ("search", "model.py:build", "--space", "lr=log:1e-4..1")])
def test_a_json_file_that_cannot_be_written_is_refused_before_anything_runs(
    refused: Refused, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "model.py").write_text("open('imported', 'w').close()")
    for out in ((), ("--out", "run")):
        said = refused(*command, *out, "--quiet", "--json", "nowhere/r.json")
        assert said.startswith("babysit: nowhere/r.json: expected to be able to write there, found no folder nowhere")
    assert [item.name for item in tmp_path.iterdir()] == ["model.py"]


def test_what_cannot_be_gone_on_with(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "run.json").write_text('{"schema": 1, "command": "fit", "settings": {"lr": 1}}')
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "run.json").write_text('{"schema": 7}')
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text('{"schema": 1, "settings"')
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "run.json").write_text('{"schema": 1, "settings": {"options": {"no": "data"}}}')
    for name, says in {
        "nowhere": "found none",
        "empty": "found none",
        "fit": "found a run of fit; only babysit train can be resumed",
        "newer": "found format 7; update babysit",
        "damaged": "found a damaged one",
        "odd": "odd",
    }.items():
        assert says in refused("train", "--resume", name)


@pytest.mark.parametrize(
    "settings", [3, [], {"options": 3}, {"options": {"no": "data"}}, {"options": {"data": "digits", "epochs": "many"}}]
)
def test_a_run_whose_options_are_damaged(refused: Refused, digits_run: Any, tmp_path: Path, settings: object) -> None:
    header = json.loads((digits_run[0] / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**header, "settings": settings}))
    refused("train", "--resume", tmp_path)


def test_a_run_of_another_version(refused: Refused, digits_run: Any, tmp_path: Path) -> None:
    header = json.loads((digits_run[0] / "run.json").read_text())
    header["versions"]["torch"] = "1.0"
    (tmp_path / "run.json").write_text(json.dumps(header))
    assert "and torch 1.0; resume it with those versions" in refused("train", "--resume", tmp_path)
