"""How many threads torch should use here: never more than there are idle cores.

More threads than idle cores is the largest slowdown there is: two threads on a busy machine of two cores took 110 s
for an epoch that one thread does in 2.5 s.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from babysit.errors import InputError

WORTH_SHARING = 5e8
"""Multiply-adds of a step below which a second thread waits more than it works: some 5 ms on one core (heuristic)."""


def step_work(model: nn.Module, batch_size: int) -> float:
    """About how many multiply-adds a training step takes: three products with every weight for every example.

    A convolution uses its weights at every position; how many there are depends on the input, so that a model with
    convolutions counts as large.
    """
    if any(isinstance(module, nn.modules.conv._ConvNd) for module in model.modules()):
        return math.inf
    return 3.0 * batch_size * sum(weight.numel() for weight in model.parameters() if weight.dim() > 1)


def available_cores() -> int:
    """Cores this process may use: its affinity, held to the control group's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, min(cores, math.floor(quota)) if quota else cores)


def choose_threads(work: float = math.inf) -> int:
    """Threads for one training: the cores that are idle now, at least one; one where there is little to share.

    Args:
        work: Multiply-adds of one training step.
    """
    if work < WORTH_SHARING:
        return 1
    cores = available_cores()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, cores - round(max(0.0, load - _own_load())))


def _own_load() -> float:
    """About what this process itself adds to the load average of a minute."""
    return min(time.process_time() / 60, float(torch.get_num_threads()))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads inside the block, as many as before after it.

    Raises:
        InputError: Fewer than one.
    """
    if count < 1:
        raise InputError("threads", expected="at least 1", found=str(count), todo="choose another number")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _quota() -> float | None:
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None
