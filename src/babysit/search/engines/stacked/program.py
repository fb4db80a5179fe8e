"""Many networks as one program: a step, an evaluation, and the states that go in and come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from babysit.fit.evaluation import Examples
from babysit.fit.losses import LossFunction
from babysit.nn.activations import Maxout
from babysit.search.engines.stacked import layers
from babysit.search.engines.stacked.losses import stacked
from babysit.search.engines.stacked.members import Member
from babysit.search.engines.stacked.optimizers import RULES, rule_of
from babysit.search.engines.stacked.plan import NotStackable, Plan
from babysit.search.engines.stacked.rates import Rates
from babysit.search.engines.stacked.weights import Weights

_EVALUATED_VALUES = 1 << 21
"""Values of the widest layer held at a time in evaluation: what a cache may hold."""


class Program:
    """The networks of some trials, trained together.

    Args:
        members: The trials, of one key.
        loss: Of one trial.

    Attributes:
        step: Steps that each has taken.
    """

    def __init__(self, members: Sequence[Member], loss: LossFunction) -> None:
        self.members = list(members)
        self.step: int = members[0].state["step"]
        plans = [member.plan for member in members]
        rule = RULES[rule_of(members[0].trainer.settings)]
        self._plan = plans[0]
        self._weights = Weights(plans, rule.slots)
        self._rule = rule([member.trainer.settings for member in members], self._weights.parameters[0].value)
        self._rates = Rates(
            [member.trainer for member in members],
            [member.state["plateau"].get("factor", 1.0) for member in members],
        )
        self._generators = [torch.Generator() for _ in members]
        for trial, member in enumerate(members):
            self._load(trial, member)
        self._layers = [self._layer(position, plans) for position in range(len(self._plan.pieces))]
        self._widest = max(piece.units for plan in plans for piece in plan.pieces)
        self._loss = stacked(loss)

    @torch.no_grad()
    def train_step(self, inputs: Tensor, targets: Tensor) -> list[float]:
        """Take one step with all trials; the loss of each."""
        values = self._flat(inputs)
        for layer in self._layers:
            values = layer.forward(values)
        losses, delta = self._loss(values, targets)
        self._rule.begin(self._rates.at(self.step), self.step)
        for layer in reversed(self._layers):
            delta = layer.backward(delta, self._rule.update)
        self.step += 1
        return losses.tolist()

    @torch.no_grad()
    def outputs(self, examples: Examples) -> Tensor:
        """The outputs of all trials for all examples, ``(K, N, C)``, in evaluation mode."""
        batch = max(64, _EVALUATED_VALUES // (self._widest * len(self.members)))
        parts = [
            self._evaluated(examples.inputs(slice(start, start + batch))) for start in range(0, len(examples), batch)
        ]
        return torch.cat(parts, dim=1)

    def state_dict(self, trial: int) -> dict[str, Any]:
        """Where a trial stands, as :meth:`babysit.fit.trainer.Trainer.state_dict` says it; nothing of it is shared."""
        member = self.members[trial]
        return {
            **member.state,
            "model": self._weights.state_dict(trial),
            "optimizer": self._optimizer_state(trial, member.trainer.optimizer),
            "random_state": {**member.state["random_state"], "cpu": self._generators[trial].get_state()},
            "step": self.step,
        }

    def _evaluated(self, inputs: Tensor) -> Tensor:
        values = self._flat(inputs)
        for layer in self._layers:
            values = layer.evaluate(values)
        return values.transpose(1, 2).contiguous()

    def _flat(self, inputs: Tensor) -> Tensor:
        if inputs.dim() == 2:
            return inputs
        if inputs.dim() < 2 or not self._plan.flattens:
            raise NotStackable(f"inputs of {inputs.dim()} dimensions and no Flatten")
        return inputs.flatten(1)

    def _load(self, trial: int, member: Member) -> None:
        self._weights.load(trial, member.state["model"])
        self._generators[trial].set_state(member.state["random_state"]["cpu"])
        states = member.state["optimizer"]["state"]
        for number, name in enumerate(member.parameter_names):
            block = self._weights.named(trial, name)
            for slot, target in block.slots.items():
                if slot in states.get(number, {}):
                    block.read(target, trial, states[number][slot])

    def _optimizer_state(self, trial: int, optimizer: Optimizer) -> dict[str, Any]:
        lr = self._rates.at(max(self.step - 1, 0))[trial].item()
        saved = optimizer.state_dict()
        names = self.members[trial].parameter_names
        return {
            "state": {number: own for number, name in enumerate(names) if (own := self._slots(trial, name))},
            "param_groups": [{**group, "lr": lr} for group in saved["param_groups"]],
        }

    def _slots(self, trial: int, name: str) -> dict[str, Tensor]:
        block = self._weights.named(trial, name)
        counted = {"step": torch.tensor(float(self.step))} if self._rule.counts_steps else {}
        return {**counted, **{slot: block.write(source, trial) for slot, source in block.slots.items()}}

    def _layer(self, position: int, plans: Sequence[Plan]) -> layers.Layer:
        piece = self._plan.pieces[position]
        weight = self._weights.parameter(position, "weight")
        bias = self._weights.parameter(position, "bias")
        match piece.module:
            case nn.Linear():
                assert weight is not None
                idle = self._plan.is_idle(position)
                return (layers.Linear if position else layers.WideLinear)(weight, bias, idle=idle)
            case nn.BatchNorm1d(momentum=momentum, eps=eps):
                assert momentum is not None
                mean, variance, batches = (self._weights.buffer(position, name) for name in _RUNNING)
                return layers.BatchNorm(weight, bias, mean, variance, batches, momentum, eps)
            case nn.LayerNorm(eps=eps):
                units, mask = self._units(position, plans)
                return layers.LayerNorm(weight, bias, eps, units, mask)
            case nn.PReLU():
                assert weight is not None
                return layers.PReLU(weight)
            case nn.Dropout():
                own = [plan.pieces[position] for plan in plans]
                probabilities = [_probability(piece.module) for piece in own]
                return layers.Dropout(probabilities, [piece.units for piece in own], self._generators)
            case Maxout(pieces=pieces):
                return layers.MaxPieces(pieces)
            case nn.ReLU():
                return layers.ReLU()
        moves_zero = bool(piece.module(torch.zeros(1)).item() != 0)
        return layers.Elementwise(piece.module, self._units(position, plans)[1] if moves_zero else None)

    def _units(self, position: int, plans: Sequence[Plan]) -> tuple[Tensor, Tensor | None]:
        """How many units each trial has after a piece, and which they are among those of the widest."""
        like = self._weights.parameters[0].value
        units = torch.tensor([plan.pieces[position].units for plan in plans], device=like.device).view(-1, 1, 1)
        mask = torch.arange(int(units.max()), device=like.device).view(1, -1, 1) < units
        return units.to(like), None if bool(mask.all()) else mask.to(like)


_RUNNING = ("running_mean", "running_var", "num_batches_tracked")


def _probability(module: nn.Module) -> float:
    assert isinstance(module, nn.Dropout)
    return module.p
