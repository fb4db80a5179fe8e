"""Which trials are stacked: those that are alike, in stacks that are not too wide and not too empty."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import TypeVar

WASTE = 0.25
"""Share of a stack's weights that may be padding."""

T = TypeVar("T")


def buckets(items: Sequence[tuple[Hashable, T]]) -> list[list[T]]:
    """Items by their keys, the keys in the order in which they are first met.

    Example:
        >>> buckets([("a", 1), ("b", 2), ("a", 3)])
        [[1, 3], [2]]
    """
    found: dict[Hashable, list[T]] = {}
    for key, item in items:
        found.setdefault(key, []).append(item)
    return list(found.values())


def stacks(widths: Sequence[tuple[int, ...]], inputs: int, width: int) -> list[list[int]]:
    """Divide networks that differ in width alone into stacks, as evenly as the rules allow.

    Args:
        widths: Of each network's linear layers.
        inputs: Of all of them.
        width: The most networks in a stack.

    Returns:
        Indices of the networks of each stack, ascending.

    Example:
        >>> stacks([(8, 2), (100, 2), (8, 2)], inputs=4, width=64)
        [[0, 2], [1]]
    """
    order = sorted(range(len(widths)), key=lambda index: (widths[index], index))
    runs: list[list[int]] = []
    for index in order:
        if runs and _waste([widths[other] for other in (*runs[-1], index)], inputs) <= WASTE:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [sorted(part) for run in runs for part in _parts(run, width)]


def _parts(run: list[int], width: int) -> list[list[int]]:
    """Parts of almost equal size: two of 33 rather than 64 and 2."""
    count = -(-len(run) // width)
    edges = [len(run) * part // count for part in range(count + 1)]
    return [run[begin:end] for begin, end in pairwise(edges)]


def _waste(widths: Sequence[tuple[int, ...]], inputs: int) -> float:
    widest = tuple(max(units) for units in zip(*widths, strict=True))
    return 1 - sum(_weights(own, inputs) for own in widths) / (len(widths) * _weights(widest, inputs))


def _weights(widths: tuple[int, ...], inputs: int) -> int:
    return sum(before * after for before, after in pairwise((inputs, *widths)))
