"""Recorded calls of loss functions, by function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from babysit.measure.record import LossCall


def by_name(calls: Iterable[LossCall]) -> Mapping[str, list[LossCall]]:
    """The calls of each function, in order."""
    found: dict[str, list[LossCall]] = {}
    for call in calls:
        found.setdefault(call.name, []).append(call)
    return found
