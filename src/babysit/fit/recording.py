"""Statistics of the layers of one's own model, taken on sampled steps only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from babysit.fit.fast_pooling import looks_only
from babysit.measure import statistics
from babysit.measure.record import DEAD_BATCHES, LayerStats, StepRecord
from babysit.watch.schedule import is_structural

_LIMITS: dict[type[nn.Module], tuple[float, float]] = {nn.Tanh: (-1.0, 1.0), nn.Sigmoid: (0.0, 1.0)}
_RECTIFIERS = (nn.ReLU, nn.ReLU6)
_Numbers = dict[tuple[str, str], Tensor]


class LayerRecorder:
    """Measures activations, gradients and updates of every leaf module inside a model on the steps it is asked to.

    Hooks exist on a sampled step only; the numbers of a step reach the host in one copy. What it remembers from one
    sampled step to the next, which units of a rectifier were alive, is part of the training's state.

    Args:
        model: Whose leaf modules are measured.
        write: Receives the record of each sampled step.
    """

    def __init__(self, model: nn.Module, write: Callable[[StepRecord], None]) -> None:
        self._leaves = {name: module for name, module in model.named_modules() if name and not list(module.children())}
        self._write = write
        self._alive: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Tensor]:
        """Which units of each rectifier were alive in the last sampled batches: ``(batches, C)`` bool."""
        return dict(self._alive)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self._alive = dict(state)

    @contextmanager
    def sampled(self, step: int, lr: float) -> Iterator[Callable[[Tensor], None]]:
        """Watch forward, backward and update of one step; the callable takes its loss."""
        numbers: _Numbers = {}
        alive: dict[str, Tensor] = {}
        weights = {name: own for name, module in self._leaves.items() if (own := _weights(module))}
        before = {name: [weight.detach().clone() for weight in own] for name, own in weights.items()}
        handles = [
            module.register_forward_hook(_activation_hook(name, numbers, alive))
            for name, module in self._leaves.items()
        ]
        losses: list[Tensor] = []
        try:
            yield losses.append
        finally:
            for handle in handles:
                handle.remove()
        for name, own in weights.items():
            numbers.update(_weight_statistics(name, own, before[name]))
        if is_structural(step):
            numbers.update(_symmetry(weights))
        for name, units in alive.items():
            self._alive[name] = _remember(self._alive.get(name), units)
            numbers[name, "dead_fraction"] = statistics.dead_fraction(self._alive[name])
        self._finish(step, lr, losses[0], numbers)

    def _finish(self, step: int, lr: float, loss: Tensor, numbers: _Numbers) -> None:
        values = torch.stack([loss.float(), *(number.float() for number in numbers.values())]).tolist()
        layers = {name: LayerStats(name, type(module).__name__) for name, module in self._leaves.items()}
        for (name, statistic), value in zip(numbers, values[1:], strict=True):
            layers[name] = dataclasses.replace(layers[name], **{statistic: value})
        self._write(StepRecord(step, values[0], lr, tuple(layers.values())))


def _activation_hook(
    name: str, numbers: _Numbers, alive: dict[str, Tensor]
) -> Callable[[nn.Module, object, object], None]:
    def hook(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.is_floating_point():
            for statistic, value in _activation_statistics(module, output.detach()):
                numbers[name, statistic] = value
            if _has_units(module, output):
                alive[name] = statistics.alive_units(output.detach())

    return looks_only(hook)


def _remember(before: Tensor | None, alive: Tensor) -> Tensor:
    """The masks of the last batches; anew where a module that serves several layers had other units before."""
    if before is None or before.shape[1:] != alive.shape:
        return alive.unsqueeze(0)
    return torch.cat([before[1 - DEAD_BATCHES :].to(alive.device), alive.unsqueeze(0)])


def _has_units(module: nn.Module, output: Tensor) -> bool:
    return isinstance(module, _RECTIFIERS) and output.dim() > 1


def _weight_statistics(name: str, weights: list[nn.Parameter], before: list[Tensor]) -> _Numbers:
    updates = [weight.detach() - was for weight, was in zip(weights, before, strict=True)]
    numbers = {
        (name, "weight_norm"): statistics.joint_norm(before),
        (name, "update_norm"): statistics.joint_norm(updates),
    }
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if gradients:
        numbers[name, "gradient_norm"] = statistics.joint_norm(gradients)
    return numbers


def _symmetry(weights: Mapping[str, list[nn.Parameter]]) -> _Numbers:
    """How many units of each layer equal another one; of a layer with several weights the first one counts."""
    return {
        (name, "identical_units"): statistics.identical_units(own[0])
        for name, own in weights.items()
        if statistics.has_comparable_units(own[0])
    }


def _activation_statistics(module: nn.Module, output: Tensor) -> Iterator[tuple[str, Tensor]]:
    mean, std = statistics.mean_and_std(output)
    yield "mean", mean
    yield "std", std
    if _has_units(module, output):
        yield "zero_fraction", statistics.zero_fraction(output)
    if type(module) in _LIMITS:
        yield "saturated_fraction", statistics.saturated_fraction(output, *_LIMITS[type(module)])


def _weights(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.dim() > 1 and parameter.requires_grad]
