"""Checkpoints that a kill or a full disk cannot spoil, and that hold no code."""

from __future__ import annotations

import hashlib
import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from babysit.errors import RunFolderError
from babysit.storage import write_bytes

_DIGEST = hashlib.sha256
_DIGEST_SIZE = _DIGEST().digest_size

_DAMAGE = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    AssertionError,
    EOFError,
    pickle.UnpicklingError,
)
"""What torch raises on bytes that are not a checkpoint."""


def save_checkpoint(path: Path, state: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replace ``path`` by ``state`` in one step: temporary file, fsync, rename; a SHA-256 digest ends the file.

    Args:
        path: Where to.
        state: Tensors, numbers, strings and containers of them.
        durable: Wait until the disk has it; not worth it for what can be computed again.

    Raises:
        StorageError: The disk refused; the checkpoint that was there is intact.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getvalue()
    write_bytes(path, content + _DIGEST(content).digest(), durable=durable)


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


def _parse(file: bytes) -> dict[str, Any]:
    content, digest = file[:-_DIGEST_SIZE], file[-_DIGEST_SIZE:]
    # torch does not look at checksums: a flipped bit would go on as a slightly different training
    if _DIGEST(content).digest() != digest:
        raise ValueError("wrong digest")
    with warnings.catch_warnings(action="ignore"):  # of foreign pickles, which are about to be refused
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise TypeError(f"holds a {type(state).__name__}")
    return state
