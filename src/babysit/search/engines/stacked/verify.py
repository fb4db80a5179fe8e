"""A stack is believed only after its first steps were those of a trial trained alone."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from babysit.fit.evaluation import Examples, predict
from babysit.fit.trainer import KILL_RATIO
from babysit.search.engines.stacked.members import Member
from babysit.search.engines.stacked.run import Run
from babysit.search.problem import Problem

STEPS = 3
"""How many are compared."""
_EXAMPLES = 64
_RTOL, _ATOL = 1e-4, 1e-5


def disagreement(problem: Problem, run: Run) -> str:
    """How a stack differs from a trial of it that is trained alone; ``""`` where it does not.

    Compared are the losses of the trial it watches, and the outputs in evaluation mode after them.

    Args:
        problem: What is trained.
        run: The stack, a few steps after it began.
    """
    losses, outputs = _alone(problem, run.watched, len(run.watched_losses))
    number = run.watched.trial.number
    calm = _calm(losses)
    if not _close(torch.tensor(run.watched_losses[:calm]), torch.tensor(losses[:calm])):
        return f"losses {_listed(run.watched_losses)} where trial {number} alone has {_listed(losses)}"
    stacked = run.watched_outputs(_some(problem.validation))
    if stacked is not None and calm == len(losses) and not _close(stacked, outputs):
        return f"outputs after {len(losses)} steps differ from those of trial {number} alone"
    return ""


def _alone(problem: Problem, member: Member, steps: int) -> tuple[list[float], Tensor]:
    losses: list[float] = []

    def recorded(outputs: Tensor, targets: Tensor) -> Tensor:
        loss = problem.task.loss(outputs, targets)
        losses.append(loss.item())
        return loss

    recording = dataclasses.replace(problem, task=dataclasses.replace(problem.task, loss=recorded))
    trainer = recording.trainer(member.trial)
    begin = member.state["step"]
    if begin:
        # an optimizer goes on in the very tensors it is given
        trainer.load_state_dict(copy.deepcopy(dict(member.state)))
    trainer.run(begin + steps)
    return losses, predict(trainer.model, _some(problem.validation))


def _calm(losses: Sequence[float]) -> int:
    """How many steps a trial takes before its loss explodes and rounding errors with it."""
    limit = KILL_RATIO * abs(losses[0])
    return next((step for step, loss in enumerate(losses) if not abs(loss) <= limit), len(losses))


def _some(examples: Examples) -> Examples:
    few = slice(_EXAMPLES)
    if examples.rows is None:
        return Examples(examples.x[few], examples.y[few])
    return Examples(examples.x, examples.y[few], examples.rows[few])


def _close(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(
        found.double(), expected.double(), rtol=_RTOL, atol=_ATOL, equal_nan=True
    )


def _listed(losses: Sequence[float]) -> str:
    return ", ".join(f"{loss:.6g}" for loss in losses)
