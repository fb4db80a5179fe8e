"""Which steps are recorded: all at the start, then ever fewer."""

from __future__ import annotations

DENSE = 64
"""Steps recorded in each doubling of the step number, and all of the first ones."""


def is_sampled(step: int) -> bool:
    """Whether a step is recorded; about ``64 · (1 + log2(n / 64))`` of the first ``n`` are.

    Args:
        step: Number of the step, from 0.

    Example:
        >>> sum(is_sampled(step) for step in range(100_000))
        738
    """
    gap = 1 << max(0, (step // DENSE).bit_length() - 1)
    return step % gap == 0
