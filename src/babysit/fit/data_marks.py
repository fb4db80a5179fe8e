"""What data look like in a few numbers, so that a run goes on with those it began with, or not at all."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from babysit.errors import RunFolderError
from babysit.fit.evaluation import Examples

SAMPLE = 2_000
"""Inputs that are looked at, spread evenly, which takes no time however large the data are; targets are all."""
ROUNDING = 1e-5
"""What sums of the same numbers may differ by, relative to them: other machines scale and add in another order."""


def data_marks(splits: Iterable[object]) -> list[float]:
    """Three numbers of each split: how many examples, their inputs, their targets.

    Whole numbers are told apart exactly; of others one example in two thousand has to differ by a fiftieth.

    Args:
        splits: Of what is no :class:`Examples`, as a loader of the user's own, nothing is known.

    Example:
        >>> marks = data_marks([Examples(torch.ones(3, 2), torch.tensor([0, 1, 2]))])
        >>> marks[:2] == [3, 1.0], marks == data_marks([Examples(torch.ones(3, 2), torch.tensor([0, 2, 1]))])
        (True, False)
    """
    marks: list[float] = []
    for split in splits:
        if isinstance(split, Examples):
            marks += [len(split), _mark(_sample(split)), _mark(split.y)]
    return marks


def are_alike(before: Sequence[float], now: Sequence[float]) -> bool:
    """Whether marks are those of the same data.

    Example:
        >>> are_alike([3, 0.5, 17], [3, 0.5 + 1e-8, 17]), are_alike([3, 0.5, 17], [4, 0.5, 17])
        (True, False)
    """

    def agree(one: float, other: float) -> bool:
        exact = float(one).is_integer() and float(other).is_integer()
        return one == other if exact else math.isclose(one, other, rel_tol=ROUNDING)

    return len(before) == len(now) and all(map(agree, before, now))


def require_same(path: str, before: dict[str, Any], now: dict[str, Any], *, what: str) -> None:
    """Refuse to go on with a run of other settings or other data; one of before data were noted may have had any.

    Args:
        path: The run folder.
        before: What decided it when it was begun.
        now: What would decide it now.
        what: Is gone on with.

    Raises:
        RunFolderError: They differ; in the numbers under ``data`` by more than rounding.

    Example:
        >>> require_same("runs/a", {"lr": 0.1, "data": [3, 0.5]}, {"lr": 0.1, "data": [3, 0.5000000001]}, what="a run")
    """
    changed = [name for name in {**before, **now} if name != "data" and before.get(name) != now.get(name)]
    if changed:
        raise RunFolderError(
            path,
            expected=f"{what} with " + ", ".join(f"{name} {now.get(name)}" for name in changed),
            found=", ".join(f"{name} {before.get(name, 'unknown')}" for name in changed),
            todo="choose another folder, or go on with what it was begun with",
        )
    if "data" in before and "data" in now and not are_alike(before["data"], now["data"]):
        raise RunFolderError(
            path,
            expected="the data as they were when it began",
            found="other examples",
            todo="restore the data, or choose another folder",
        )


def sampled_rows(count: int) -> NDArray[np.int64]:
    """Up to two thousand of so many rows, spread evenly over them.

    Example:
        >>> sampled_rows(3).tolist(), len(sampled_rows(60_000))
        ([0, 1, 2], 2000)
    """
    return np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.int64))


def _sample(split: Examples) -> Tensor:
    rows = sampled_rows(len(split))
    if isinstance(split.x, Tensor):
        return split.x[torch.from_numpy(rows).to(split.x.device)]
    return torch.as_tensor(np.ascontiguousarray(split.x[rows if split.rows is None else split.rows[rows]]))


def _mark(values: Tensor) -> float:
    """A checksum of whole numbers; of others the mean size, in which every place has its own weight."""
    flat = values.detach().reshape(-1).cpu()
    if not flat.is_floating_point():
        return float(zlib.crc32(flat.contiguous().numpy().tobytes()))
    weights = 1 + torch.rand(len(flat), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return float((flat.double().nan_to_num().abs() * weights).mean() / weights.mean()) if len(flat) else 0.0
