"""Biases right before a batch norm: it takes them away again, so that their true gradient is zero.

What autograd gives for them is rounding errors alone, which Adam and its like make steps of full size. Nothing is
learned by them; but they move the running averages that evaluation uses, and no other program repeats them, so that
the same training elsewhere would evaluate otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

NOISE = 1e-3
"""Largest gradient of a bias, in the largest of its layer's weights, that still is rounding (float16 included)."""
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class IdleBias:
    """A bias that does nothing, and the weight beside it."""

    bias: nn.Parameter
    weight: nn.Parameter

    def is_idle(self) -> bool:
        """Whether the gradient that is there is rounding: of a linear layer it is not if its units are no channels."""
        if self.bias.grad is None or self.weight.grad is None:
            return True
        return bool(self.bias.grad.abs().max() <= NOISE * self.weight.grad.abs().max())

    def silence(self) -> None:
        """Take its gradient as the zero it is."""
        if self.bias.grad is not None:
            self.bias.grad.zero_()


def idle_biases(model: nn.Module) -> list[IdleBias]:
    """The biases of a model that are followed by a batch norm in the same ``nn.Sequential``.

    Args:
        model: Layers that are used, or parameters that are shared, in several places are left out.

    Example:
        >>> layers = nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)
        >>> [idle.bias.shape[0] for idle in idle_biases(nn.Sequential(*layers))]
        [3]
    """
    uses = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    found = []
    for sequence in model.modules():
        if type(sequence) is not nn.Sequential:
            continue
        for layer, norm in pairwise(_flat(sequence)):
            bias = layer.bias if type(layer) in _LAYERS else None
            if isinstance(bias, nn.Parameter) and type(norm) in _NORMS and uses[id(bias)] == 1 and _plain(layer, norm):
                found.append(IdleBias(bias, layer.weight))  # type: ignore[arg-type]  # a layer's own
    return list({id(idle.bias): idle for idle in found}.values())


def _flat(sequence: nn.Sequential) -> Iterator[nn.Module]:
    for module in sequence:
        yield from _flat(module) if type(module) is nn.Sequential else (module,)


def _plain(*modules: nn.Module) -> bool:
    """Whether nothing looks at what passes between them."""
    return not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
