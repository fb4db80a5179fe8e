"""`babysit predict`: a trained model on new data, its preprocessing included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
        truth: ``(N,)`` class names or numbers, where the data came with them.
        notes: What was guessed or repaired when reading.
    """

    names: tuple[str, ...]
    values: list[Any]
    confidence: list[float] | None
    truth: list[Any] | None
    notes: tuple[str, ...]

    @property
    def score(self) -> dict[str, float]:
        """Accuracy, or root mean squared error and R²; empty without truth."""
        if not self.truth:
            return {}
        if self.confidence is not None:
            right = [value == known for value, known in zip(self.values, self.truth, strict=True)]
            return {"accuracy": float(np.mean(right))}
        values, truth = np.asarray(self.values, dtype=float), np.asarray(self.truth, dtype=float)
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
        None if inputs.y is None else [schema.class_names[index] for index in inputs.y.tolist()],
        inputs.notes,
    )


def _numbers(inputs: PredictionInputs) -> list[float] | None:
    return None if inputs.y is None else [float(value) for value in inputs.y]
