"""The trained model on disk: weights as safetensors, everything else as JSON; no pickle, no code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import nn

from babysit.data import InputSchema
from babysit.errors import InputError, RunFolderError
from babysit.nn import Preprocessing, TargetScaling, WithPreprocessing
from babysit.recipe.architecture import architecture_from_json
from babysit.storage import read_json, write_bytes, write_json

SCHEMA = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


def save_model(folder: Path, model: WithPreprocessing, architecture: Mapping[str, Any], schema: InputSchema) -> None:
    """Write `model.safetensors` and `model.json`.

    Args:
        folder: The run folder.
        model: Network and preprocessing.
        architecture: How the network is built.
        schema: What its raw inputs look like.
    """
    # copies, as the format refuses tensors that share memory: tied weights are written twice and tied again by load
    tensors = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in model.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(tensors))
    write_json(
        folder / DESCRIPTION,
        {
            "schema": SCHEMA,
            "model": dict(architecture),
            "preprocessing": model.preprocess.to_json(),
            "targets": None if model.target_scaling is None else len(model.target_scaling.mean),
            "input": schema.to_json(),
        },
    )


def load(run: str | Path, build: Callable[..., nn.Module] | None = None) -> WithPreprocessing:
    """The model that a run trained, with its preprocessing inside, in evaluation mode.

    Args:
        run: A run folder of `babysit train`.
        build: Builds the network of a run that was given ``--model file.py:build``.

    Returns:
        A module from raw inputs ``(N, …)`` to logits ``(N, C)`` or values ``(N, 1)``.

    Raises:
        RunFolderError: There is no finished model in the folder, or it is damaged or of a newer format.
    """
    folder = Path(run)
    description = read_description(folder)
    try:
        network = architecture_from_json(description["model"], build)
        scaling = None if description["targets"] is None else TargetScaling(description["targets"])
        model = WithPreprocessing(Preprocessing.from_json(description["preprocessing"]), network, scaling)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise RunFolderError(
            str(folder / WEIGHTS),
            expected="the weights that belong to model.json",
            found=f"{type(error).__name__}: {error}",
            todo="train again, or copy the run folder as a whole",
        ) from error
    model.eval()
    return model


def read_description(folder: Path) -> dict[str, Any]:
    """What `model.json` says.

    Raises:
        RunFolderError: There is none, or it is of a newer format.
    """
    try:
        description = dict(read_json(folder / DESCRIPTION))
        schema = int(description["schema"])
    except OSError as error:
        raise _unfinished(folder, "none") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _unfinished(folder, "a damaged one") from error
    if schema > SCHEMA:
        raise RunFolderError(
            str(folder), expected=f"a model of format {SCHEMA}", found=f"format {schema}", todo="update babysit"
        )
    if not all(isinstance(description.get(part), dict) for part in ("model", "preprocessing", "input")):
        raise _unfinished(folder, "a damaged one")
    return description


def _unfinished(folder: Path, found: str) -> RunFolderError:
    return RunFolderError(
        str(folder),
        expected=f"a finished run of babysit train, with {DESCRIPTION}",
        found=found,
        todo="name such a run folder, or finish it with babysit train --resume",
    )
