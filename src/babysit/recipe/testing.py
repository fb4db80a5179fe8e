"""Step 10: the test split, read once, by the best model and the averages beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from babysit.fit.averages import Weights, with_weights
from babysit.fit.ensemble import Ensemble
from babysit.fit.evaluation import Examples, Result, evaluate, judge, predict
from babysit.nn import WithPreprocessing
from babysit.recipe.prepared import Prepared, held_out
from babysit.recipe.run import Run
from babysit.recipe.steps import StepResult
from babysit.recipe.subject import Subject
from babysit.recipe.training import Trained

SHOWN_POINTS = 1_000


def test(run: Run, subject: Subject, trained: Trained) -> None:
    """Step 10: evaluate on the test split, once."""
    run.display.begin(10, "Test")
    prepared, task = subject.prepared, subject.prepared.task
    if len(prepared.dataset.splits.test) == 0:
        run.end_step(StepResult(10, "test", "Test", "no test split", "a test split that was never looked at"))
        return
    examples = held_out(prepared.dataset, "test", prepared.preprocess, prepared.target_scaling)
    outputs = predict(trained.network, examples)
    result = judge(outputs, examples.y, task)
    run.report["test"] = {
        "loss": result.loss,
        "score": result.score,
        "examples": result.examples,
        **_details(subject, outputs, examples),
    }
    run.report["ensemble"] = [
        {"name": name, "score": found.score, "loss": found.loss}
        for name, found in _averages(subject.prepared, trained, examples)
    ]
    ensembles = "".join(f"; {row['name']} {row['score']:.4f}" for row in run.report["ensemble"])
    validation = run.report["final"].get("validation", {}).get("score")
    run.end_step(
        StepResult(
            10,
            "test",
            "Test",
            f"{task.score_name} {result.score:.4f} on {result.examples:,} examples{ensembles}",
            f"near the validation {task.score_name}, {validation:.4f}" if validation is not None else "",
        )
    )


def whole_model(subject: Subject, network: nn.Module) -> WithPreprocessing:
    """The network with its preprocessing inside, from raw inputs to logits or values."""
    whole = WithPreprocessing(subject.prepared.preprocess, network, subject.prepared.target_scaling)
    whole.eval()
    return whole


def with_trained_weights(prepared: Prepared, network: nn.Module, weights: Weights) -> nn.Module:
    """A copy of a network that has other weights of its training.

    Args:
        prepared: What it was trained on: weights of a training that preprocesses batch by batch carry the
            preprocessing's statistics too.
        network: Left as it is.
        weights: As the training kept them.
    """
    trained = with_weights(prepared.around(network), weights)
    return trained if prepared.in_memory else trained.get_submodule("network")


def _averages(prepared: Prepared, trained: Trained, examples: Examples) -> list[tuple[str, Result]]:
    """What averaging gives: Polyak's average, snapshots of one training, independent models."""

    def voice(weights: Weights) -> nn.Module:
        return with_trained_weights(prepared, trained.network, weights)

    task = prepared.task
    found: list[tuple[str, nn.Module]] = [("Polyak average", voice(trained.polyak))]
    if len(trained.snapshots) > 1:
        voices = [voice(weights) for weights in trained.snapshots]
        found.append((f"{len(voices)} snapshots", Ensemble(voices, task)))
    if trained.members:
        voices = [trained.network, *trained.members]
        found.append((f"{len(voices)} independent models", Ensemble(voices, task)))
    return [(name, evaluate(model, examples, task)) for name, model in found]


def _details(subject: Subject, outputs: Tensor, examples: Examples) -> dict[str, Any]:
    if subject.prepared.task.name == "classification":
        classes = subject.prepared.dataset.classes
        pairs = examples.y * classes + outputs.argmax(dim=1)
        return {"confusion": torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).tolist()}
    scaling = subject.prepared.target_scaling
    assert scaling is not None
    values = scaling.decode(outputs.reshape(-1, 1)).squeeze(1).double().numpy()
    truth = scaling.decode(examples.y.unsqueeze(1)).squeeze(1).double().numpy()
    return {
        "rmse": float(np.sqrt(np.mean((values - truth) ** 2))),
        "truth": [float(value) for value in truth[:SHOWN_POINTS]],
        "prediction": [float(value) for value in values[:SHOWN_POINTS]],
    }
