"""Training and evaluation mode, for models too whose `train` does something else, as to train."""

from __future__ import annotations

import inspect

from torch import nn

_NAMES = ("mode", "training", "train", "is_training")


def set_training(model: nn.Module, mode: bool) -> None:
    """Put a model into training mode, or into evaluation mode.

    What a model does of its own when it is told so, such as to keep its normalisation layers frozen, it does. A method
    of the same name that takes no mode is not called: agents have them, to be trained.

    Args:
        model: A copy that may be changed.
        mode: Whether it is to train.

    Example:
        >>> class Agent(nn.Linear):
        ...     def train(self):
        ...         raise RuntimeError("there is nothing to learn from yet")
        >>> model = nn.Sequential(Agent(2, 1), nn.Dropout())
        >>> set_training(model, False)
        >>> [module.training for module in model.modules()]
        [False, False, False]
    """
    if all(_takes_a_mode(module) for module in model.modules()):
        model.train(mode)
        return
    model.training = mode
    for child in model.children():
        set_training(child, mode)


def _takes_a_mode(module: nn.Module) -> bool:
    """Whether its `train` is that of torch, or one that can be called like it."""
    train = module.train
    if getattr(train, "__func__", None) is nn.Module.train:
        return True
    try:
        signature = inspect.signature(train)
        signature.bind(True)
    except (TypeError, ValueError):  # it is no function, takes nothing, or needs more
        return False
    first = next(iter(signature.parameters.values()))
    return first.kind is first.VAR_POSITIONAL or first.name in _NAMES or first.default is True
