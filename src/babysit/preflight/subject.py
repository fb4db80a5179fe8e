"""What is checked before training: a model, how its loss comes about, a batch, and perhaps an optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from babysit.preflight.batch import Batch, tensors_of

Forward = Callable[[nn.Module, Batch], Any]
Loss = Callable[[nn.Module, Batch], Tensor]


@dataclass(frozen=True)
class Subject:
    """A model about to be trained; every probe works on copies of it.

    Args:
        model: As it is before training.
        batch: Of the training data.
        forward: ``(model, batch) -> outputs``, whatever they are.
        loss: ``(model, batch) -> scalar``, to be differentiated.
        optimizer: As training will use it; ``None`` where there is none yet.
        others: Further batches of the training data, spread evenly over all of it.
        further: More of them, for trainings that are tried for longer.
        extreme: One with its most unusual examples; ``None`` where only the first batch is known.
        held: Batches of other data that a script holds, as for its evaluation; where the training data are not known.
        elsewhere: Names of the parameters that other optimizers train, as those of a discriminator while its generator
            is trained.
        fixed_size: Whether forward and loss work for batches of this size only, as they were recorded from a script.
        taught: Whether a model made the targets of a regression, as those of Q-learning: they will change with it.
        entangled: Whether an input reaches a later call of a model by way of other functions, too, as a solver's steps
            add up to the state that they began from.
    """

    model: nn.Module
    batch: Batch
    forward: Forward
    loss: Loss
    optimizer: torch.optim.Optimizer | None = None
    others: Sequence[Batch] = ()
    further: Sequence[Batch] = ()
    extreme: Batch | None = None
    held: Sequence[Batch] = ()
    elsewhere: frozenset[str] = frozenset()
    fixed_size: bool = False
    taught: bool = False
    entangled: bool = False

    def few(self, count: int, *, spread: bool = False) -> Batch:
        """The first examples of the batch, over and over where only its full size will do.

        Args:
            count: How many.
            spread: Take others that lie as far apart as they can: neighbours in an ordered batch are alike.
        """
        size = self.batch.size
        count = min(count, size)
        places = [place * size // count if spread else place for place in range(count)]
        return self.batch.take([places[place % count] for place in range(size if self.fixed_size else count)])

    def output(self, model: nn.Module, batch: Batch) -> Tensor:
        """The first floating-point tensor that the model gives, ``(N, …)`` where there is one with an example a row."""
        found = [item for item in tensors_of(self.forward(model, batch)) if item.is_floating_point()]
        return next((item for item in found if item.dim() and len(item) == batch.size), found[0])

    def optimizer_for(self, model: nn.Module, **settings: Any) -> torch.optim.Optimizer:
        """An optimizer like the one given, for a copy of the model; Adam at 1e-3, torch's default, without one.

        Args:
            model: A copy made by :func:`copy.deepcopy`.
            **settings: Of every parameter group, such as ``lr=0.1``.
        """
        if self.optimizer is None:
            return torch.optim.Adam(model.parameters(), **({"lr": 1e-3} | settings))
        own = dict(zip(map(id, self.model.parameters()), model.parameters(), strict=True))
        made = object.__new__(type(self.optimizer))
        memo: dict[int, Any] = {**own, id(self.optimizer): made}
        for name, value in vars(self.optimizer).items():
            if name != "step":  # a schedule has put one there that steps the original
                made.__dict__[name] = copy.deepcopy(value, memo)
        for group in made.param_groups:
            group.update(settings)
        return made


def call(model: nn.Module, batch: Batch) -> Any:
    """Call a model with a batch's inputs: a tuple as arguments, a mapping as named ones."""
    if isinstance(batch.inputs, Mapping):
        return model(**batch.inputs)
    return model(*batch.inputs) if isinstance(batch.inputs, tuple) else model(batch.inputs)


def current(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a function of torch.nn.functional is called by its name now: whoever watches it has put himself there.

    Example:
        >>> current(torch.nn.functional.mse_loss) is torch.nn.functional.mse_loss
        True
    """
    home = torch.nn.functional
    name = getattr(function, "__name__", "")
    is_functional = getattr(function, "__module__", "") == home.__name__
    found: Callable[..., Any] = getattr(home, name, function) if is_functional else function
    return found
