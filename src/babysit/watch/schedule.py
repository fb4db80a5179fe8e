"""When something is recorded: all of it at the start, then ever less, so that a run of any length stays small."""

from __future__ import annotations


def is_structural(step: int) -> bool:
    """Whether what hardly changes is looked at, as at steps 0, 1, 4, 16, 64 and 256.

    Example:
        >>> [step for step in range(300) if is_structural(step)]
        [0, 1, 4, 16, 64, 256]
    """
    return step == 0 or (step & (step - 1) == 0 and step.bit_length() % 2 == 1)


def is_detailed(step: int) -> bool:
    """Whether batches and losses are looked at closely, of the steps that are sampled.

    All of the first 64, then about 16 in each doubling of the step number.

    Example:
        >>> sum(is_detailed(step) for step in range(100_000))
        233
    """
    gap = 1 << max(0, (step // 16).bit_length() - 1)
    return step < 64 or step % gap == 0


def is_remembered(count: int, dense: int = 32) -> bool:
    """Whether the ``count``-th of things that may come any number of times is kept.

    Example:
        >>> sum(is_remembered(count) for count in range(10_000))
        296
    """
    gap = 1 << max(0, (count // dense).bit_length() - 1)
    return count % gap == 0
