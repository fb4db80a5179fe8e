"""Several models that vote: the mean of their probabilities, or of their values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from babysit.errors import InputError
from babysit.fit.losses import CLASSIFICATION, Task


class Ensemble(nn.Module):
    """The mean of what several models say; usually a little better than any one of them.

    Shapes: what every member takes → ``(N, C, …)`` logarithms of the mean of the members' probabilities, to be used as
    logits are: their softmax is the mean, cross-entropy and arg-max are those of the mean. For a regression, the mean
    of the members' values in the shape they have.

    Args:
        members: Trained models from the same inputs to logits ``(N, C, …)``, or to values.
        task: What they were trained for.

    Raises:
        InputError: There are none.

    Example:
        >>> sure, unsure = nn.Linear(1, 2), nn.Linear(1, 2)
        >>> for member, logit in ((sure, 50.0), (unsure, 0.0)):
        ...     _ = nn.init.zeros_(member.weight), nn.init.constant_(member.bias[:1], logit)
        ...     _ = nn.init.zeros_(member.bias[1:])
        >>> with torch.no_grad():
        ...     Ensemble([sure, unsure])(torch.zeros(1, 1)).softmax(dim=1)
        tensor([[0.7500, 0.2500]])
    """

    def __init__(self, members: Iterable[nn.Module], task: Task = CLASSIFICATION) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.task = task
        if not len(self.members):
            raise InputError("ensemble", expected="at least one model", found="none", todo="pass the trained models")

    def forward(self, x: Tensor) -> Tensor:
        """What the members say of a batch, together."""
        return together([member(x) for member in self.members], self.task)


def together(outputs: Sequence[Tensor], task: Task) -> Tensor:
    """What several models say together, from what each says; see :class:`Ensemble`.

    Args:
        outputs: Logits ``(N, C, …)`` or values of each model.
        task: Which of the two.
    """
    stacked = torch.stack(list(outputs))
    if task.name != "classification":
        return stacked.mean(dim=0)
    # through logarithms, so that a class that every model holds impossible keeps a finite one
    return stacked.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(stacked))
