"""Checkpoints that a kill or a full disk cannot spoil, and that hold no code."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from babysit.errors import RunFolderError
from babysit.storage import write_bytes

_DAMAGE = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What unzipping and unpickling raise on bytes that are not a checkpoint."""


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
        RunFolderError: The file cannot be read, is damaged or is no checkpoint.
    """
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(
            str(path),
            expected="a readable checkpoint",
            found=(error.strerror or str(error)).lower(),
            todo="make it readable, then use --resume again",
        ) from error
    except _DAMAGE as error:
        raise RunFolderError(
            str(path),
            expected="a checkpoint that babysit wrote",
            found="a damaged or foreign file",
            todo="delete it to start this part over, then use --resume again",
        ) from error


def _parse(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # torch itself does not look at the checksums: a flipped bit would go on as a slightly different training
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} has a wrong checksum")
    with warnings.catch_warnings(action="ignore"):  # of foreign pickles, which are about to be refused
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise TypeError(f"holds a {type(state).__name__}")
    return state
