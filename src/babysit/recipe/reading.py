"""Steps 1 and 2: read the data and say what they are; preprocess, with statistics of the training split only."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import torch

from babysit.data import Dataset, DataSummary, ReadOptions, describe, read
from babysit.errors import RunFolderError
from babysit.fit.data_marks import sampled_rows
from babysit.measure.record import Probe
from babysit.nn import default_spec
from babysit.recipe.architecture import model_kind
from babysit.recipe.options import TrainOptions
from babysit.recipe.prepared import Prepared, prepare
from babysit.recipe.run import Run
from babysit.recipe.steps import StepResult

DATA_RULES = ("DAT003", "DAT004", "DAT006", "DAT007", "DAT009")
INPUT_RULES = ("DAT001", "DAT002")
_SAMPLE = 2_000


def read_options(options: TrainOptions, progress: object = None) -> ReadOptions:
    """How the data set is to be read, for training and later for prediction."""
    return ReadOptions(
        target=options.target,
        task=options.task,
        image_size=options.image_size,
        skip_bad=options.skip_bad,
        seed=options.seed,
        progress=progress,  # type: ignore[arg-type]  # the display's method, or none
    )


def read_data(run: Run) -> Dataset:
    """Step 1: read the data and say what they are."""
    run.display.begin(1, "Read the data")
    dataset = read(run.options.data, read_options(run.options, run.display.progress))
    _refuse_changed(run, dataset)
    for note in dataset.notes:
        run.display.note(note)
    summary = describe(dataset)
    run.report["data"] = _for_report(dataset, summary)
    run.know(task=dataset.task, classes=dataset.classes)
    run.probe("data", lambda: _data_probe(summary))
    run.end_step(
        StepResult(
            1,
            "data",
            "Read the data",
            _say_data(dataset, summary),
            "two classes or more, nothing missing, hardly an example in two splits",
        ),
        judged_by=DATA_RULES,
    )
    return dataset


def preprocess(run: Run, dataset: Dataset) -> Prepared:
    """Step 2: preprocess with the statistics of the training split."""
    run.display.begin(2, "Preprocess")
    kind = model_kind(run.options, dataset.kind, dataset.example_shape)
    spec = run.options.preprocess or default_spec(dataset.kind, kind)
    prepared = prepare(dataset, spec, lambda fits: run.journal.decide("in_memory", lambda: fits))
    description = prepared.preprocess.describe()
    run.report["preprocessing"] = {"spec": spec, "description": description}
    probe = run.probe("inputs", lambda: _input_probe(prepared))
    numbers = probe.numbers
    run.end_step(
        StepResult(
            2,
            "preprocessing",
            "Preprocess",
            f"{description}: mean {numbers['mean']:.2g}, standard deviation {numbers['std']:.2g}",
            "mean about 0; statistics of the training split only",
        ),
        judged_by=INPUT_RULES,
    )
    return prepared


def _refuse_changed(run: Run, dataset: Dataset) -> None:
    """A resumed run goes on with the data it began with, or not at all."""
    found = _fingerprint(dataset)
    if run.journal.decide("data-fingerprint", lambda: found) != found:
        raise RunFolderError(
            str(run.folder.path),
            expected=f"{dataset.source} as it was when the run began",
            found="other examples",
            todo="restore the data, or train anew",
        )


def _fingerprint(dataset: Dataset) -> str:
    """A hash of all targets and of up to two thousand inputs, which is read in no time however large the data are."""
    digest = hashlib.blake2b(repr((dataset.x.shape, str(dataset.x.dtype))).encode(), digest_size=16)
    digest.update(dataset.y.tobytes())
    digest.update(dataset.x[sampled_rows(len(dataset.x))].tobytes())
    return digest.hexdigest()


def _for_report(dataset: Dataset, summary: DataSummary) -> dict[str, Any]:
    counts = summary.class_counts.get("train", ())
    return {
        **summary.to_json(),
        "name": dataset.name,
        "source": dataset.source,
        "class_counts": dict(zip(dataset.class_names, counts, strict=True)),
        "notes": list(dataset.notes),
    }


def _say_data(dataset: Dataset, summary: DataSummary) -> str:
    counts = ", ".join(f"{count:,} {split}" for split, count in summary.examples.items())
    shape = "×".join(str(size) for size in dataset.example_shape)
    what = f"{dataset.classes} classes" if dataset.classes else "regression"
    balance = f", largest ÷ smallest class {summary.imbalance:.3g}" if dataset.classes else ""
    missing = f", {summary.missing:,} values missing" if summary.missing else ""
    twice = summary.duplicates
    overlaps = twice.train_validation + twice.train_test + twice.validation_test
    return f"{len(dataset.x):,} examples of {shape} ({counts}), {what}{balance}{missing}, {overlaps:,} in two splits"


def _data_probe(summary: DataSummary) -> Probe:
    return Probe(
        "data",
        numbers={
            **{f"examples_{split}": float(count) for split, count in summary.examples.items()},
            "classes": float(summary.classes),
            "imbalance_ratio": float(summary.imbalance or 1.0),
            "missing": float(summary.missing),
            "nonfinite": float(summary.nonfinite),
            "duplicates_train": float(summary.duplicates.train),
            "overlap_train_validation": float(summary.duplicates.train_validation),
            "overlap_train_test": float(summary.duplicates.train_test),
            "overlap_validation_test": float(summary.duplicates.validation_test),
        },
    )


def _input_probe(prepared: Prepared) -> Probe:
    """What the network sees: centre and spread, over all and feature by feature."""
    count = len(prepared.train)
    rows = np.sort(np.random.default_rng(0).permutation(count)[:_SAMPLE])
    inputs = prepared.sample(rows)[0].flatten(1).double()
    std, mean = torch.std_mean(inputs, dim=0, correction=0)
    varying = std > 1e-8
    typical = std[varying].square().mean().sqrt()
    shift = mean[varying].abs().max() / typical if bool(varying.any()) else torch.zeros(1, dtype=torch.float64)
    offsets = (mean[varying].abs() / std[varying]) if bool(varying.any()) else torch.zeros(1, dtype=torch.float64)
    spread = std[varying] if bool(varying.any()) else torch.zeros(1, dtype=torch.float64)
    return Probe(
        "inputs",
        numbers={
            "mean": inputs.mean().item(),
            "std": math.sqrt(inputs.var(correction=0).item()),
            "largest_offset": offsets.max().item(),
            "largest_shift": shift.item(),
            "smallest_std": spread.min().item(),
            "largest_std": spread.max().item(),
        },
    )
