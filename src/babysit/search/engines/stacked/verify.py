"""A stack is believed only after its first steps were those of a trial trained alone."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from babysit.fit.evaluation import Examples, predict
from babysit.search.engines.stacked.members import Member
from babysit.search.engines.stacked.program import Program
from babysit.search.problem import Problem

STEPS = 3
"""How many are compared."""
_EXAMPLES = 64
_RTOL, _ATOL = 1e-4, 1e-5


def disagreement(problem: Problem, members: Sequence[Member], until: int) -> str:
    """How a stack differs from a trial of it that is trained alone; ``""`` where it does not.

    Compared are the losses of the first steps and the outputs in evaluation mode after them, for the narrowest of the
    trials: where some are padded, that one is.

    Args:
        problem: What is trained.
        members: The trials of the stack.
        until: Last step of the training.
    """
    chosen = min(range(len(members)), key=lambda trial: members[trial].plan.widths)
    member = members[chosen]
    begin = member.state["step"]
    losses, outputs, taken = _alone(problem, member, min(begin + STEPS, until))
    program = Program(members, problem.task.loss)
    batches = member.trainer.batches
    stacked = [program.train_step(*batches.batch(step))[chosen] for step in range(begin, taken)]
    if not _close(torch.tensor(stacked), torch.tensor(losses)):
        return f"losses {_listed(stacked)} where trial {member.trial.number} alone has {_listed(losses)}"
    if math.isfinite(losses[-1]) and not _close(program.outputs(_some(problem.validation))[chosen], outputs):
        return f"outputs after {taken} steps differ from those of trial {member.trial.number} alone"
    return ""


def _alone(problem: Problem, member: Member, until: int) -> tuple[list[float], Tensor, int]:
    losses: list[float] = []

    def recorded(outputs: Tensor, targets: Tensor) -> Tensor:
        loss = problem.task.loss(outputs, targets)
        losses.append(loss.item())
        return loss

    recording = dataclasses.replace(problem, task=dataclasses.replace(problem.task, loss=recorded))
    trainer = recording.trainer(member.trial)
    trainer.load_state_dict(copy.deepcopy(dict(member.state)))  # an optimizer goes on in the very tensors it is given
    trainer.run(until)
    return losses, predict(trainer.model, _some(problem.validation)), trainer.step


def _some(examples: Examples) -> Examples:
    return Examples(examples.x, examples.y[:_EXAMPLES], None if examples.rows is None else examples.rows[:_EXAMPLES])


def _close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found.double(), expected.double(), rtol=_RTOL, atol=_ATOL, equal_nan=True)


def _listed(losses: Sequence[float]) -> str:
    return ", ".join(f"{loss:.6g}" for loss in losses)
