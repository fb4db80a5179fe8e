"""Trainings of equal models as one: their weights stacked, their steps taken together by ``torch.func``."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from babysit.fit.losses import LossFunction
from babysit.fit.trainer import Trainer
from babysit.search.engines.vmap_updates import UPDATE_RULES, Rates

Tensors = dict[str, Tensor]


class VmapStack:
    """Several trainings that are at the same step of the same batches, their models equal but for the values.

    The trainings are left alone until :meth:`unstack` writes back what has become of them.

    Args:
        trainers: At least one; the first one's batches are used.
        loss_fn: ``(outputs, targets) -> mean loss``.
    """

    def __init__(self, trainers: Sequence[Trainer], loss_fn: LossFunction) -> None:
        self._trainers = trainers
        self._loss_fn = loss_fn
        self._step = trainers[0].step
        models = [trainer.model for trainer in trainers]
        self._base = copy.deepcopy(models[0]).train()
        own = dict(models[0].named_parameters())
        self._weights = {name: _stacked(models, name) for name, weight in own.items() if weight.requires_grad}
        others = [
            *(name for name in own if name not in self._weights),
            *(name for name, _ in models[0].named_buffers()),
        ]
        self._others = {name: _stacked(models, name) for name in others}
        idle = {id(known.bias) for known in trainers[0].idle}
        self._idle = [name for name, weight in own.items() if id(weight) in idle]
        self._rule = UPDATE_RULES[trainers[0].settings.optimizer]
        self._buffers = {name: self._remembered(name) for name in self._weights}
        self._decay = {name: self._vector([_decay(trainer, name) for trainer in trainers]) for name in self._weights}
        self._momentum = self._vector([trainer.settings.momentum for trainer in trainers])
        self._differentiate = vmap(grad(self._loss, has_aux=True), in_dims=(0, 0, None, None), randomness="error")
        self.gradients: Tensors = {}

    @property
    def others(self) -> Mapping[str, Tensor]:
        """Buffers and frozen parameters ``(K, …)``."""
        return self._others

    def step(self) -> list[float]:
        """Take the next step of all of them; the loss of each."""
        inputs, targets = self._trainers[0].batches.batch(self._step)
        self._step += 1
        self.gradients, (losses, self._others) = self._differentiate(self._weights, self._others, inputs, targets)
        for name in self._idle:
            self.gradients[name].zero_()
        lr = self._vector([trainer.lr for trainer in self._trainers])
        with torch.no_grad():
            for name, weight in self._weights.items():
                shape = (-1, *[1] * (weight.dim() - 1))
                rates = Rates(lr.view(shape), self._decay[name].view(shape), self._momentum.view(shape), self._step)
                self._rule.apply(weight, self.gradients[name], self._buffers[name], rates)
        return losses.tolist()  # type: ignore[no-any-return]

    @torch.no_grad()
    def unstack(self) -> None:
        """Give each training its weights, buffers and what its optimizer remembers."""
        for row, trainer in enumerate(self._trainers):
            named = dict([*trainer.model.named_parameters(), *trainer.model.named_buffers()])
            for name, values in [*self._weights.items(), *self._others.items()]:
                named[name].copy_(values[row])
            for name in self._weights:
                parameter = named[name]
                # in the parameter's own layout, which fused kernels take for granted
                state: dict[str, Any] = {
                    key: torch.empty_like(parameter, requires_grad=False).copy_(values[row])
                    for key, values in self._buffers[name].items()
                    if key != "momentum_buffer" or trainer.settings.momentum
                }
                if self._rule.counts:
                    state["step"] = torch.tensor(float(trainer.step))
                if state:
                    trainer.optimizer.state[parameter] = state

    def _loss(self, weights: Tensors, others: Tensors, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Any]:
        others = {name: values.clone() for name, values in others.items()}  # running averages are written in place
        loss = self._loss_fn(functional_call(self._base, (weights, others), (inputs,)), targets)
        return loss, (loss.detach(), others)

    def _remembered(self, name: str) -> Tensors:
        found = {}
        for key in self._rule.names:
            rows = []
            for trainer in self._trainers:
                parameter = dict(trainer.model.named_parameters())[name]
                value = trainer.optimizer.state.get(parameter, {}).get(key)
                rows.append(torch.zeros_like(parameter, requires_grad=False) if value is None else value)
            found[key] = torch.stack(rows)
        return found

    def _vector(self, values: Sequence[float]) -> Tensor:
        first = next(iter(self._weights.values()))
        return torch.tensor(values, dtype=first.dtype, device=first.device)


def _stacked(models: Sequence[nn.Module], name: str) -> Tensor:
    """One tensor of every model, ``(K, …)``; a copy."""
    named = [dict([*model.named_parameters(), *model.named_buffers()]) for model in models]
    return torch.stack([tensors[name].detach() for tensors in named])


def _decay(trainer: Trainer, name: str) -> float:
    parameter = dict(trainer.model.named_parameters())[name]
    for group in trainer.optimizer.param_groups:
        if any(parameter is own for own in group["params"]):
            return float(group["weight_decay"])
    return 0.0
