"""How much of what evaluation passes were given had been in training batches, by the examples' fingerprints."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from babysit.measure.record import TRAIN, Forward, RunRecord
from babysit.rules._evaluated import evaluation_passes

_LATEST = 3
_ALL = 0.9
_KNOWN = 0.95  # share of late training examples seen before, above which nearly the whole training set is known
_EARLY_STEPS = 4
_REPEATS = 0.9


@dataclass(frozen=True)
class Overlap:
    """Examples of evaluation that had been trained on.

    Attributes:
        seen: How many of a pass, as far as it was recorded.
        examples: Of how many.
        step: Steps taken before the pass.
        passes: How many passes were judged.
    """

    seen: int
    examples: int
    step: int
    passes: int


def partial_overlap(run: RunRecord, least: float, fewest: int) -> Overlap | None:
    """Passes over data of which a part was trained on; ``None`` where that is not so, or not to be told.

    Args:
        run: The run.
        least: Smaller shares are accidents.
        fewest: So few examples are accidents, too.
    """
    known = _known_share(run)
    passes = evaluation_passes(run)[-_LATEST:]
    found = [item for item in (_part(forwards, fewest) for forwards in passes) if item is not None]
    if not found or 2 * len(found) <= len(passes):
        return None
    share = statistics.median(item.seen / item.examples for item in found)
    # where only a part of the training set is known, a pass over it looks like one over half-known data
    limit = _ALL if known >= _KNOWN else 0.75 * known
    if not least < share < limit or _repeats_itself(run, share):
        return None
    return min(found, key=lambda item: abs(item.seen / item.examples - share))


def full_overlap(run: RunRecord) -> Overlap | None:
    """The latest pass, where several were made, all over training examples only, and over fewer than there are."""
    passes = evaluation_passes(run)
    forwards = [forward for item in passes for forward in item if forward.examples]
    available = max((item.available for item in run.forwards if item.phase == TRAIN), default=0)
    if len(passes) < _LATEST or not forwards or _known_share(run) < _KNOWN or _repeats_itself(run, 1.0):
        return None
    later = [forward for forward in forwards if forward.step > 0]
    largest = max(sum(_whole(forward) for forward in item) for item in passes)
    if not available > 1.5 * largest or not later or not all(_is_all_seen(forward) for forward in later):
        return None
    last = [forward for forward in later if forward.step == later[-1].step]
    return Overlap(sum(x.seen for x in last), sum(x.examples for x in last), last[0].step, len(passes))


def _part(forwards: Sequence[Forward], fewest: int) -> Overlap | None:
    """The pass, if a call of it was given examples that were trained on beside ones that were not."""
    mixed = [item for item in forwards if fewest < item.seen <= _ALL * item.examples]
    if not mixed:
        return None
    # a pass may go over several sets one after the other: only calls on parts of the same memory belong together
    same = [item for item in forwards if item.available and item.available == mixed[-1].available]
    whole = same if len(same) > len(mixed) and not any(_is_other_set(item, mixed[-1]) for item in same) else mixed
    return Overlap(sum(x.seen for x in whole), sum(x.examples for x in whole), whole[-1].step, 1)


def _is_other_set(forward: Forward, mixed: Forward) -> bool:
    """Whether the call looks like one over a whole set at once, which is a set of its own."""
    return forward.shape[:1] > mixed.shape[:1]


def _is_all_seen(forward: Forward) -> bool:
    return forward.seen > _ALL * forward.examples


def _whole(forward: Forward) -> int:
    return max(forward.examples, forward.shape[0] if forward.shape else 0)


def _known_share(run: RunRecord) -> float:
    """Share of the last training batches' examples that had been in an earlier one."""
    forwards = [item for item in run.forwards if item.phase == TRAIN and item.examples][-8:]
    return sum(item.seen for item in forwards) / max(sum(item.examples for item in forwards), 1)


def _repeats_itself(run: RunRecord, share: float) -> bool:
    """Whether the data has few different values, so that examples are alike without being the same."""
    forwards = [item for item in run.forwards if item.phase == TRAIN and item.examples]
    # tokens: short texts repeat themselves; and one number each, as of a series, tells no example from others
    if not forwards or any(item.inputs is None or len(item.shape) == 1 for item in forwards):
        return True
    if statistics.median(item.distinct / item.examples for item in forwards) < _REPEATS:
        return True
    early = [item for item in forwards if 0 < item.step <= _early_steps(item)]
    examples = sum(item.examples for item in early)
    return examples > 0 and 0.5 * share <= sum(item.seen for item in early) / examples < _REPEATS


def _early_steps(forward: Forward) -> int:
    """Steps within the first half of the first epoch, as far as that is known."""
    return min(_EARLY_STEPS, forward.available // (2 * max(_whole(forward), 1))) if forward.available else 2
