"""What evaluation passes gave a model: calls without a backward pass, between two training steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from babysit.measure.record import EVALUATION, TRAIN, Coverage, Forward, LossCall, RunRecord
from babysit.rules._passes import Passes

_OFTEN = 0.4
_FEW_STEPS = 4
_SAME = 0.8


def passes_by_step(forwards: Iterable[Forward]) -> dict[int, list[Forward]]:
    """The recorded calls of each evaluation pass, by the steps taken before it."""
    found: dict[int, list[Forward]] = {}
    for forward in forwards:
        found.setdefault(forward.step, []).append(forward)
    return found


def evaluation_passes(run: RunRecord) -> list[list[Forward]]:
    """The evaluation passes through models that are trained, in order.

    Empty where such calls come with nearly every step and on ever new data: they are then a part of the training, such
    as rollouts, target networks and teachers.
    """
    steps = {forward.step for forward in run.forwards if forward.phase == TRAIN}
    passes = _through_trained_models(run)
    ordered = [passes[step] for step in sorted(passes)]
    often = len(steps) > _FEW_STEPS and len(steps & set(passes)) > _OFTEN * len(steps)
    return [] if often and not _is_same_data(ordered) else ordered


def passes_of_other_targets(run: RunRecord) -> list[list[Forward]]:
    """The passes after which a loss was taken of targets that are none of the training's, in order.

    A graph is given whole in training and in evaluation, and what is held out are the targets of some nodes. Empty
    where the training's targets are not the same at every step, as nothing tells others from them then.
    """
    trained = {_targets_of(call) for call in run.called(TRAIN)}
    if len(trained) != 1:
        return []
    steps = {call.step for call in run.called(EVALUATION) if _targets_of(call) not in trained}
    passes = _through_trained_models(run)
    return [passes[step] for step in sorted(steps & set(passes))]


def _targets_of(call: LossCall) -> object:
    """What tells targets from others."""
    return call.target_shape, call.targets, call.counts


def _through_trained_models(run: RunRecord) -> dict[int, list[Forward]]:
    models = {forward.model for forward in run.forwards if forward.phase == TRAIN}
    return passes_by_step(item for item in run.forwards if item.phase == EVALUATION and item.model in models)


def _is_same_data(passes: Sequence[Sequence[Forward]]) -> bool:
    """Whether pass after pass is given the same: a held-out set, after every step of a training in whole batches."""
    given = [[(item.shape, item.inputs) for item in forwards if item.inputs is not None] for forwards in passes]
    same = sum(bool(one) and one == other for one, other in pairwise(given))
    return same > _SAME * (len(given) - 1)


def trained_forwards(run: RunRecord) -> list[Forward]:
    """Training calls of the models whose parameters are optimised, as far as that is known; else of the first one."""
    forwards = [forward for forward in run.forwards if forward.phase == TRAIN]
    models = _trained_models(run, run.coverage) if run.coverage else {forward.model for forward in forwards[:1]}
    return [forward for forward in forwards if forward.model in models]


def _trained_models(run: RunRecord, coverage: Iterable[Coverage]) -> set[str]:
    passes = Passes.of(run)
    paths = {path for item in coverage for path in item.trained if path}
    return {passes.called(passes.model_of(path)) for path in paths}
