from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_diabetes

from babysit.data import Dataset
from babysit.nn import WithPreprocessing
from babysit.recipe import probing, procedure
from babysit.recipe.model_file import save_model
from babysit.recipe.options import TrainOptions
from babysit.recipe.reading import read_data
from babysit.recipe.steps import Display

SMALL = {"budget": "4trials", "epochs": 3}


@dataclass(frozen=True, eq=False)
class Trained:
    """A run of the procedure, and what it held in memory."""

    folder: Path
    report: dict[str, Any]
    finished: bool
    model: WithPreprocessing
    dataset: Dataset


Train = Callable[..., Trained]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the cache of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Run the procedure on something small, and keep what it saved as it was in memory."""

    def run(data: str | Path, *, out: Path | None = None, display: Display | None = None, **options: Any) -> Trained:
        kept: dict[str, Any] = {}

        def remember_data(*arguments: Any) -> Dataset:
            kept["dataset"] = read_data(*arguments)
            return kept["dataset"]  # type: ignore[no-any-return]

        def remember_model(folder: Path, model: WithPreprocessing, *rest: Any) -> None:
            kept["model"] = model
            save_model(folder, model, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(procedure, "read_data", remember_data)
            patch.setattr(procedure, "save_model", remember_model)
            chosen = TrainOptions(str(data), **{**SMALL, **options})
            result = procedure.train(chosen, out or tmp_path_factory.mktemp("run"), display)
        return Trained(result.folder, result.report, result.finished, kept.get("model"), kept["dataset"])  # type: ignore[arg-type]

    return run


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


TUMOURS = ["radius", "texture", "perimeter", "ward", "diagnosis"]


def tumours() -> list[list[object]]:
    """Three measurements, some of them missing, a ward that says nothing, and the diagnosis."""
    x, y = load_breast_cancer(return_X_y=True)
    draw = np.random.default_rng(0)
    wards = draw.choice(["north", "south", "west"], len(y))
    missing = draw.random((len(y), 3)) < 0.05
    return [
        [*("" if gone[i] else f"{row[i]:.3f}" for i in range(3)), ward, "benign" if label else "malignant"]
        for row, gone, ward, label in zip(x, missing, wards, y, strict=True)
    ]


@pytest.fixture(scope="session")
def tumour_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "tumours.csv", TUMOURS, tumours())


@pytest.fixture(scope="session")
def diabetes_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = load_diabetes()
    rows = [[*(f"{value:.5f}" for value in row), f"{y:.0f}"] for row, y in zip(known.data, known.target, strict=True)]
    return write_csv(tmp_path_factory.mktemp("data") / "diabetes.csv", [*known.feature_names, "progression"], rows)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders: 16×16 pictures with a bright upper or a bright left half."""
    root, draw = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in ("left", "upper"):
        (root / name).mkdir()
        for index in range(60):
            pixels = draw.integers(0, 150, (16, 16, 3))
            half = np.s_[:, :8] if name == "left" else np.s_[:8]
            pixels[half] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{index:02}.png")
    return root


@pytest.fixture(scope="session")
def digits_run(train: Train) -> Trained:
    return train("digits")


@pytest.fixture(scope="session")
def tumour_run(train: Train, tumour_csv: Path) -> Trained:
    return train(tumour_csv, target="diagnosis")


@pytest.fixture(scope="session")
def diabetes_run(train: Train, diabetes_csv: Path) -> Trained:
    return train(diabetes_csv, target="progression")


@pytest.fixture(scope="session")
def picture_run(train: Train, pictures: Path) -> Trained:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "RANGE_STEPS", 12)  # convolutions take their time
        return train(pictures, channels=(4, 8), hidden=(8,), budget="2trials", epochs=4)


@pytest.fixture(params=["digits_run", "tumour_run", "diabetes_run", "picture_run"])
def any_run(request: pytest.FixtureRequest) -> Trained:
    """A run on an image, a table, a regression and a folder of pictures with a convolutional net, in turn."""
    found: Trained = request.getfixturevalue(request.param)
    return found
