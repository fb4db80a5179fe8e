"""Run folders as `babysit train` leaves them; `python tests/report/conftest.py FOLDER` writes some to look at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from babysit.measure.record import (
    Evaluation,
    LayerStats,
    LossBlock,
    Probe,
    Range,
    Record,
    RecordWriter,
    RoundRecord,
    RunHeader,
    StepRecord,
    TrialRecord,
    write_header,
)
from babysit.report.summary import Summary, parse_summary
from babysit.storage import write_json

CLASSES = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
LAYERS = ["fc1", "fc2", "fc3"]
EPOCHS, STEPS_PER_EPOCH = 30, 45

Report = dict[str, Any]
Edit = Callable[[Report], None]


def header(task: str = "classification") -> RunHeader:
    return RunHeader(
        command="babysit train cifar-10-batches-py --model mlp --hidden 50 --seed 7 --out runs/cifar",
        task=task,
        loss_name="cross_entropy" if task == "classification" else "mse_loss",
        chance_loss=2.302585 if task == "classification" else 1.0,
        classes=10 if task == "classification" else 0,
        batch_size=200,
        steps_per_epoch=STEPS_PER_EPOCH,
        total_steps=EPOCHS * STEPS_PER_EPOCH,
        optimizer="sgd",
        seed=7,
        settings={"momentum": 0.9, "patience": 5, "schedule": "cosine", "augment": None},
        versions={"babysit": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
    )


def training(rng: np.random.Generator, task: str = "classification") -> list[Record]:
    """Losses, sampled steps and evaluations of a healthy training."""
    steps = np.arange(EPOCHS * STEPS_PER_EPOCH)
    start = 2.3026 if task == "classification" else 1.0
    losses = start * (0.08 + 0.92 * np.exp(-steps / 160)) * np.exp(0.09 * rng.standard_normal(steps.size))
    records: list[Record] = [LossBlock(int(first), tuple(losses[first : first + 100])) for first in steps[::100]]
    for step in sorted({*range(20), *range(20, steps.size, 15)}):
        layers = tuple(
            LayerStats(
                module,
                "Linear",
                mean=0.0,
                std=1.0,
                weight_norm=10.0,
                update_norm=float(10 * 1.5e-3 * 2.0**depth * np.exp(-step / 900 + 0.3 * rng.standard_normal())),
            )
            for depth, module in enumerate(LAYERS)
        )
        records.append(StepRecord(step, float(losses[step]), 0.03, layers))
    for epoch in range(1, EPOCHS + 1):
        reached = 1 - np.exp(-epoch / 5)
        for split, score in (("train", 0.12 + 0.865 * reached), ("validation", 0.11 + 0.85 * reached - 0.001 * epoch)):
            noisy = float(score + 0.004 * rng.standard_normal())
            records.append(Evaluation(epoch * STEPS_PER_EPOCH, float(epoch), split, 2.5 * (1 - noisy), noisy, 270))
    return records


def probes(rng: np.random.Generator) -> list[Record]:
    rates = 10.0 ** np.arange(-6, 1.01, 0.5)
    verdicts = ["slow" if rate < 5e-5 else "falls" if rate < 0.2 else "explodes" for rate in rates]
    ratios = [1 - 0.8 * rate / (rate + 2e-3) if rate < 0.2 else 1.6 * rate * 3 for rate in rates]
    ratios[-1], ratios[-2] = float("nan"), float("inf")
    losses = 2.3 * np.exp(-np.arange(120) / 14)
    records: list[Record] = [
        Probe("initial-loss", {"loss": 2.311, "expected": 2.3026}),
        Probe("regularization", {"strength": 1000.0, "loss_without": 2.31, "loss_with": 3.07}),
        Probe(
            "overfit",
            {"examples": 20.0, "loss": float(losses[-1]), "score": 1.0},
            {"losses": tuple(losses), "scores": tuple(np.minimum(1, np.round(0.1 + np.arange(120) / 55, 2)))},
        ),
        Probe(
            "learning-rate",
            {"low": 1e-4, "high": 0.1},
            {"lr": tuple(rates), "ratio": tuple(ratios)},
            {"verdicts": ",".join(verdicts)},
        ),
    ]
    for name, spreads in (("activations-initial", (0.81, 0.78, 0.74)), ("activations-final", (1.3, 1.7, 2.4))):
        records.append(_activations(name, spreads, rng))
    return records


def _activations(name: str, spreads: tuple[float, ...], rng: np.random.Generator) -> Probe:
    numbers, series = {}, {}
    for module, spread in zip(LAYERS, spreads, strict=True):
        values = np.maximum(rng.normal(0.1, spread, 20_000), 0.0 if module != LAYERS[-1] else -np.inf)
        counts, edges = np.histogram(values, bins=60)
        series[module] = tuple(map(float, counts))
        stats = {"low": edges[0], "high": edges[-1], "mean": values.mean(), "std": values.std()}
        numbers |= {f"{module}:{key}": float(value) for key, value in stats.items()}
    return Probe(name, numbers, series)


def search(rng: np.random.Generator) -> list[Record]:
    """A coarse and a fine round over learning rate, L2, width and update rule."""
    drawn = (("coarse", 24, 3.0, (1e-6, 1.0), (1e-7, 1e-1)), ("fine", 12, 10.0, (3e-3, 1e-1), (1e-6, 1e-3)))
    records: list[Record] = []
    for place, (name, trials, epochs, rates, decays) in enumerate(drawn, 1):
        ranges = {
            "lr": Range(*rates, log=True),
            "l2": Range(*decays, log=True),
            "width": Range(20, 200),
            "update rule": Range(choices=("sgd", "nesterov", "adam")),
        }
        records.append(RoundRecord(place, name, epochs, trials, ranges))
        records += [_trial(len(records) + index, place, epochs, rates, decays, rng) for index in range(trials)]
    return records


def _trial(
    number: int,
    place: int,
    epochs: float,
    rates: tuple[float, float],
    decays: tuple[float, float],
    rng: np.random.Generator,
) -> TrialRecord:
    rate, decay = (float(10 ** rng.uniform(*np.log10(limits))) for limits in (rates, decays))
    width, rule = int(rng.integers(20, 200)), str(rng.choice(["sgd", "nesterov", "adam"]))
    params = {"lr": rate, "l2": decay, "width": width, "update rule": rule}
    if rate > 0.25:
        reason = "loss 9.4 over 3 × the initial 2.3"
        return TrialRecord(number, place, params, "killed", 0.1, 5, 2.3, float("inf"), float("-inf"), reason)
    score = 0.98 * np.exp(-0.06 * (np.log10(rate) + 1.6) ** 2) - 3 * decay + 0.01 * rng.standard_normal()
    status = "halved" if score < 0.8 else "complete"
    return TrialRecord(number, place, params, status, epochs, int(epochs) * 45, 2.3, float(1 - score), float(score))


def report(rng: np.random.Generator, task: str = "classification") -> Report:
    return {
        "schema": 1,
        "command": "train",
        "verdict": "warnings",
        "curve": "steep fall that keeps decreasing: good, 2.30 to 0.19 in 1,350 steps",
        "findings": FINDINGS,
        "data": {
            "name": "cifar-10-batches-py",
            "source": "data/cifar-10-batches-py",
            "kind": "image",
            "task": task,
            "examples": {"train": 9000, "validation": 1000, "test": 1000},
            "example_shape": [3, 32, 32],
            "classes": 10,
            "class_names": CLASSES,
            "class_counts": {name: 890 + 7 * index for index, name in enumerate(CLASSES)},
            "duplicates": 3,
            "missing": 0,
        },
        "preprocessing": {
            "spec": "mean-image,scale",
            "description": "subtract the mean image (3×32×32), divide by 64.1",
        },
        "model": {
            "description": "mlp 3072-50-50-10 relu",
            "parameters": 156710,
            "layers": [["fc1", "Linear", "50", 153650], ["fc2", "Linear", "50", 2550], ["fc3", "Linear", "10", 510]],
        },
        "procedure": [{"number": i, **dict(zip(STEP_KEYS, step, strict=True))} for i, step in enumerate(STEPS, 1)],
        "search": {
            "rounds": [],
            "trials": 36,
            "killed": 1,
            "halved": 14,
            "saved_fraction": 0.61,
            "best": {"lr": 0.03},
            "best_score": 0.95,
        },
        "final": {
            "epochs": EPOCHS,
            "best_epoch": 24,
            "settings": {"lr": 0.03, "l2": 1.2e-4, "update rule": "nesterov", "batch size": 200},
            "train": {"loss": 0.11, "score": 0.978},
            "validation": {"loss": 0.21, "score": 0.938},
        },
        "test": _classified(rng) if task == "classification" else _regressed(rng),
        "ensemble": [
            {"name": "3 independent models", "score": 0.947, "loss": 0.16},
            {"name": "5 snapshots", "score": 0.941, "loss": 0.18},
            {"name": "Polyak average", "score": 0.939, "loss": 0.19},
        ],
    }


def _classified(rng: np.random.Generator) -> Report:
    confusion = rng.poisson(0.5, (10, 10)) + np.diag(rng.integers(85, 97, 10))
    confusion[3, 5], confusion[5, 3] = 11, 8
    return {
        "loss": 0.2,
        "score": float(np.trace(confusion) / confusion.sum()),
        "examples": int(confusion.sum()),
        "confusion": confusion.tolist(),
    }


def _regressed(rng: np.random.Generator) -> Report:
    truth = rng.normal(150, 70, 400)
    prediction = 0.8 * truth + 30 + rng.normal(0, 25, 400)
    rmse = float(np.sqrt(np.mean((truth - prediction) ** 2)))
    score = 1 - rmse**2 / truth.var()
    return {
        "loss": rmse**2,
        "score": float(score),
        "rmse": rmse,
        "examples": 400,
        "truth": truth.tolist(),
        "prediction": prediction.tolist(),
    }


FINDINGS: list[Report] = [
    {
        "code": "GEN001",
        "name": "overfitting",
        "severity": "warning",
        "module": "",
        "first_step": 810,
        "last_step": 1349,
        "message": "the training accuracy is 4.0 points above the validation accuracy",
        "evidence": [
            {"name": "gap at the best epoch", "value": 0.04, "limit": 0.03, "unit": ""},
            {"name": "validation loss above its best", "value": "Infinity", "limit": 0.05, "unit": ""},
        ],
        "remedies": ["l2 1.2e-4 → 1e-3", "dropout 0 → 0.2"],
        "source": "the lecture, monitoring: a large gap means overfitting",
    },
    {
        "code": "DAT009",
        "name": "train-validation-overlap",
        "severity": "info",
        "module": "",
        "first_step": None,
        "last_step": None,
        "message": "3 of 1,000 validation examples are also in the training split",
        "evidence": [{"name": "shared examples", "value": 3, "limit": 0, "unit": "examples"}],
        "remedies": ["remove the duplicates before splitting"],
        "source": "heuristic",
    },
]

STEPS: list[tuple[str, str, str, str, bool | None, list[str]]] = [
    ("data", "Read the data", "11,000 examples of 3 × 32 × 32", "finite, no class empty", True, ["DAT009"]),
    ("preprocessing", "Preprocess", "mean 0.000, std 1.000 over the training split", "mean 0, std 1", True, []),
    ("model", "Choose the architecture", "mlp 3072-50-50-10 relu, 156,710 parameters", "", None, []),
    ("initial-loss", "Check the initial loss", "2.311", "2.303, −ln(1/10)", True, []),
    ("regularization", "Turn regularisation up", "2.31 → 3.07 at strength 1e3", "higher", True, []),
    ("overfit", "Overfit 20 examples", "loss 4.7e-4, accuracy 100 %", "loss below 0.01, accuracy 100 %", True, []),
    ("learning-rate", "Find the learning rate", "falls from 1e-4 to 0.1", "a rate at which it falls", True, []),
    ("search", "Search", "36 trials in 2 rounds; best 98.8 % at lr 0.0175", "the best inside the range", True, []),
    ("train", "Train", "validation accuracy 93.8 % in epoch 24 of 30", "gap below 3 points", False, ["GEN001"]),
    ("test", "Test once", "accuracy 93.1 %", "", None, []),
]  # fmt: skip
STEP_KEYS = ("name", "title", "measured", "expected", "passed", "findings")


def weights(rng: np.random.Generator) -> np.ndarray:
    """Smooth colour templates ``(50, 3072)`` with some noise, as trained first layers look."""
    y, x = np.mgrid[:32, :32] / 31.0
    tiles = [
        [
            a * np.sin(3 * (np.cos(angle) * x + np.sin(angle) * y) + shift) + 0.15 * rng.standard_normal((32, 32))
            for a in tint
        ]
        for angle, shift, tint in zip(
            rng.uniform(0, 6.3, 50), rng.uniform(0, 6.3, 50), rng.normal(size=(50, 3)), strict=True
        )
    ]
    return np.asarray(tiles, dtype=np.float32).reshape(50, -1)


def build_run(folder: Path, task: str = "classification", edit: Edit | None = None) -> Path:
    """A finished run; ``edit`` may change its `report.json` first."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    write_header(folder, header(task))
    write_records(folder, "steps.jsonl", [*probes(rng), *training(rng, task)])
    write_records(folder, "trials.jsonl", search(rng))
    contents = report(rng, task)
    if edit:
        edit(contents)
    write_json(folder / "report.json", contents)
    write_json(folder / "model.json", {"schema": 1, "input": {"kind": "image", "example_shape": [3, 32, 32]}})
    save_file({"fc1.weight": weights(rng), "fc1.bias": np.zeros(50, np.float32)}, folder / "model.safetensors")
    return folder


def write_records(folder: Path, name: str, records: list[Record]) -> None:
    writer = RecordWriter(folder, name=name)
    for record in records:
        writer.write(record)
    writer.close()


@pytest.fixture(scope="session")
def build() -> Callable[..., Path]:
    return build_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished classification run; read only."""
    return build_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def summary() -> Summary:
    return parse_summary(report(np.random.default_rng(0)))


if __name__ == "__main__":
    from babysit.report.html import write_report

    for kind in ("classification", "regression"):
        print(write_report(build_run(Path(sys.argv[1]) / kind, kind)))
