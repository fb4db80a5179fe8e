"""Checkpoints that a kill or a full disk cannot spoil, and that hold no code."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from babysit.errors import RunFolderError
from babysit.storage import write_bytes


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace ``path`` by ``state`` in one step: temporary file, fsync, rename.

    Args:
        path: Where to.
        state: Tensors, numbers, strings and containers of them.

    Raises:
        StorageError: The disk refused; the checkpoint that was there is intact.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What :func:`save_checkpoint` wrote; ``None`` where there is none.

    Raises:
        RunFolderError: The file is damaged or is no checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise RunFolderError(
            str(path),
            expected="a checkpoint that babysit wrote",
            found="a damaged or foreign file",
            todo="delete it to start this part over, then use --resume again",
        ) from error
    return dict(state)
