"""`babysit predict`: a trained model on new data, its preprocessing included."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from babysit.data import InputSchema, PredictionInputs, ReadOptions, read_for_prediction
from babysit.fit.evaluation import Examples, predict
from babysit.recipe.model_file import load, read_description


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says about new examples.

    Attributes:
        names: One an example: file names of images, row numbers otherwise.
        values: ``(N,)`` class names, or numbers.
        confidence: ``(N,)`` probability of the named class; ``None`` for regression.
        truth: ``(N,)`` class names or numbers, where the data came with them; None for each that the model does not
            know.
        notes: What was guessed or repaired when reading.
    """

    names: tuple[str, ...]
    values: list[Any]
    confidence: list[float] | None
    truth: list[Any] | None
    notes: tuple[str, ...]

    @property
    def score(self) -> dict[str, float]:
        """Accuracy, or root mean squared error and R², of the examples whose truth is known; empty without any."""
        pairs = zip(self.values, self.truth or [], strict=bool(self.truth))
        known = [(value, truth) for value, truth in pairs if truth is not None]
        if not known:
            return {}
        if self.confidence is not None:
            return {"accuracy": float(np.mean([value == truth for value, truth in known]))}
        values, truth = np.asarray(known, dtype=float).T
        squared = float(np.mean((values - truth) ** 2))
        variance = float(np.var(truth))
        return {"rmse": squared**0.5, **({"r2": 1 - squared / variance} if variance else {})}

    def rows(self) -> Iterator[dict[str, Any]]:
        """One dictionary an example."""
        for index, name in enumerate(self.names):
            row: dict[str, Any] = {"name": name, "prediction": self.values[index]}
            if self.confidence is not None:
                row["probability"] = self.confidence[index]
            if self.truth is not None:
                row["truth"] = self.truth[index]
            yield row


def predict_with(
    run: Path,
    source: str,
    options: ReadOptions | None = None,
    build: Callable[..., nn.Module] | None = None,
) -> Predictions:
    """Apply the model of a run to new data.

    Args:
        run: A finished run folder.
        source: A data set, with or without targets.
        options: How to read it.
        build: Builds the network of a run that was given ``--model file.py:build``.

    Raises:
        RunFolderError: There is no model in the folder.
        InputError: The data do not look like what the model was trained on.
    """
    schema = InputSchema.from_json(read_description(run)["input"])
    model = load(run, build)
    inputs = read_for_prediction(source, schema, options or ReadOptions())
    examples = Examples(torch.from_numpy(np.array(inputs.x)), torch.zeros(len(inputs.x)))
    outputs = predict(model, examples)
    if schema.task == "regression":
        return Predictions(inputs.names, outputs.reshape(-1).tolist(), None, _numbers(inputs), inputs.notes)
    confidence, chosen = outputs.softmax(dim=1).max(dim=1)
    return Predictions(
        inputs.names,
        [schema.class_names[index] for index in chosen.tolist()],
        confidence.tolist(),
        _classes(inputs, schema.class_names),
        inputs.notes,
    )


def _classes(inputs: PredictionInputs, names: Sequence[str]) -> list[str | None] | None:
    return None if inputs.y is None else [names[index] if index >= 0 else None for index in inputs.y.tolist()]


def _numbers(inputs: PredictionInputs) -> list[float | None] | None:
    values = None if inputs.y is None else inputs.y.tolist()
    return None if values is None else [value if math.isfinite(value) else None for value in values]
