"""What an answer depends on, by gradient: leaves in place of floating-point inputs and of what embeddings give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from babysit.preflight.answers import asked, own
from babysit.preflight.batch import Batch
from babysit.preflight.subject import Subject

Part = Callable[[Tensor], Tensor]


def input_gradients(
    subject: Subject, batch: Batch, output: Callable[[object], Tensor], parts: Sequence[Part]
) -> list[list[Tensor]]:
    """The gradient of a random projection of each part of the output, for every leaf that has one.

    Args:
        subject: Left as it is.
        batch: What is given.
        output: Finds the output in what the model gives.
        parts: Each takes a part of the output.

    Returns:
        A list a part; empty lists where nothing of the inputs can be differentiated.
    """
    with asked(subject) as model, torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        model.requires_grad_(False)
        leaves: list[Tensor] = []

        def leaf(item: Tensor) -> Tensor:
            if not item.is_floating_point():
                return item
            leaves.append(item.detach().clone().requires_grad_())
            return leaves[-1].clone()  # which a model may write into

        given = own(batch).with_inputs(leaf)
        with _embeddings_replaced(model, leaf):
            found = output(subject.forward(model, given))
        if not leaves or not found.requires_grad:
            return [[] for _ in parts]
        gradients = []
        for part in parts:
            values = part(found)
            projection = (values * torch.randn_like(values)).sum()
            each = torch.autograd.grad(projection, leaves, retain_graph=True, allow_unused=True)
            gradients.append([item.detach() for item in each if item is not None])
        return gradients


@contextmanager
def _embeddings_replaced(model: nn.Module, leaf: Part) -> Iterator[None]:
    """Every embedding gives a leaf, as integers have no gradient."""

    def hook(_module: nn.Module, _inputs: object, outputs: Tensor) -> Tensor:
        return leaf(outputs)

    found = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    handles = [module.register_forward_hook(hook) for module in found]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
