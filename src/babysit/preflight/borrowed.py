"""A capture that knows of models called with weights that are not their own, as inner steps of meta-learning do.

Such weights are computed on the way and put into a model for one call, so that the call itself does not show where they
come from, and cannot be made again. It is noticed at the model, and told in place of the difference it makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from babysit.errors import BabysitError, InputError
from babysit.preflight.capture import Capture
from babysit.preflight.failures import lacks_memory
from babysit.preflight.subject import Subject


class ScriptCapture(Capture):
    """The capture of an unmodified script.

    Args:
        found: Called with the subject in the middle of the script, before the first update.
        refused: Called instead with the reason where the step cannot be taken again.
    """

    def __init__(self, found: Callable[[Subject], None], refused: Callable[[BabysitError], None]) -> None:
        super().__init__(found, lambda error: refused(self.explained(error)))
        self._borrower = ""
        self._inside = 0
        self._hooks: list[Any] = []

    def start(self) -> None:
        """Attach to torch."""
        super().start()
        self._hooks = [
            register_module_forward_pre_hook(self._begins),
            register_module_forward_hook(self._ends, always_call=True),
        ]

    def stop(self) -> None:
        """Leave torch as it was."""
        super().stop()
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def explained(self, error: BabysitError) -> BabysitError:
        """What to say in place of a refusal, where such weights are the reason for it."""
        if not self._borrower or lacks_memory(RuntimeError(error.found)):
            return error
        return InputError(
            "the step",
            expected="models that are called with weights of their own",
            found=f"a {self._borrower} with weights that were computed on the way, as in the inner steps of "
            "meta-learning (MAML): these could not be captured",
            todo="put the inner steps into the forward of an nn.Module that gives the outputs for the outer loss",
        )

    def _begins(self, module: nn.Module, _: Any) -> None:
        # what a model does inside is its own affair: it is called again as a whole
        if not self._inside and not self._borrower and any(map(is_computed, module.parameters())):
            self._borrower = type(module).__name__
        self._inside += 1

    def _ends(self, *_: Any) -> None:
        self._inside -= 1


def is_computed(parameter: Tensor) -> bool:
    """Whether what stands in a parameter's place is the result of a computation.

    Example:
        >>> weight = nn.Parameter(torch.ones(2))
        >>> is_computed(weight), is_computed(weight - 0.1)
        (False, True)
    """
    return not parameter.is_leaf or bool(torch._C._functorch.is_functorch_wrapped_tensor(parameter))
