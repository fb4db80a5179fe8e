"""Where the first number that is not finite arose: read off the graph of a loss before it is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from babysit.measure.record import Origin
from babysit.watch.graph import GraphView, kept, leaf_of, nearest_parameters, operation, parameters_of, read_graph
from babysit.watch.names import Names

_OUTSIDE: Mapping[str, Callable[[Tensor], Tensor]] = {
    "log": lambda x: x <= 0,
    "log2": lambda x: x <= 0,
    "log10": lambda x: x <= 0,
    "log1p": lambda x: x <= -1,
    "asin": lambda x: x.abs() > 1,
    "acos": lambda x: x.abs() > 1,
    "atanh": lambda x: x.abs() >= 1,
    "reciprocal": lambda x: x == 0,
}


@torch.no_grad()
def find_origin(loss: Tensor, step: int, names: Names) -> Origin:
    """The place where a loss that is not finite went wrong.

    Args:
        loss: The loss, its graph intact.
        step: The step.
        names: Of the models.
    """
    view = read_graph(loss)
    if view is None:
        return Origin(step, "loss")
    return (
        _in_weights(view, step, names) or _in_graph(view, step, names) or Origin(step, "loss", operation=_first(view))
    )


def _in_weights(view: GraphView, step: int, names: Names) -> Origin | None:
    """Weights that the update before left non-finite."""
    parameters = parameters_of(view)
    broken = [item for item in parameters if not _finite(item)]
    if not broken:
        return None
    # a gradient that is NaN makes NaN; a step that is too large overflows to infinity
    stage = "gradient" if any(bool(item.isnan().any()) for item in broken) else "weights"
    order = {path: place for place, (path, _) in enumerate(names.owners())}
    owners = sorted({names.owner_of(item) for item in broken}, key=lambda path: order.get(path, 0))
    detail = f"{len(broken)} of {len(parameters)} parameters are not finite before the step"
    # the gradient goes from the loss down, so that what is broken last in the model's order was broken first
    return Origin(max(step - 1, 0), stage, owners[-1], detail=detail)


def _in_graph(view: GraphView, step: int, names: Names) -> Origin | None:
    for node in _inputs_first(view):
        saved = dict(_saved(node))
        if all(map(_finite, saved.values())) and _has_no_result(operation(node), saved):
            return _at(node, step, names)
        for name, tensor in saved.items():
            if _finite(tensor):
                continue
            if name in ("result", "output", "result0"):
                return _at(node, step, names)
            if name == "target":
                return Origin(step, "target", operation=operation(node))
            producer = _producer(node, tensor)
            if producer is None:
                stage = "input" if _is_leaf_input(node) else "forward"
                return Origin(step, stage, _nearest(node, names), "" if stage == "input" else operation(node))
            return _at(producer, step, names)
    return None


def _at(node: Any, step: int, names: Names) -> Origin:
    kind = operation(node)
    stage = "loss" if "loss" in kind or kind in ("nllloss", "mseloss", "binarycrossentropy") else "forward"
    return Origin(step, stage, _nearest(node, names), kind)


def _producer(node: Any, tensor: Tensor) -> Any:
    """The operation that fed a node with this tensor, as far as shapes tell; ``None`` where no operation did."""
    feeding = [edge for edge, _ in node.next_functions if edge is not None and leaf_of(edge) is None]
    return next((edge for edge in feeding if _gives(edge, tensor)), feeding[0] if feeding else None)


def _has_no_result(kind: str, saved: Mapping[str, Tensor]) -> bool:
    """Whether an operation has no finite result for some of what it was given, which is all that it keeps."""
    if kind in _OUTSIDE and "self" in saved:
        return bool(_OUTSIDE[kind](saved["self"]).any())
    return kind == "div" and "other" in saved and bool((saved["other"] == 0).any())


def _gives(edge: Any, tensor: Tensor) -> bool:
    shapes = [tuple(item.shape) for item in getattr(edge, "_input_metadata", ())]
    return tuple(tensor.shape) in shapes


def _is_leaf_input(node: Any) -> bool:
    return any(edge is None for edge, _ in node.next_functions)


def _nearest(node: Any, names: Names) -> str:
    parameter = next(nearest_parameters(node), None)
    return "" if parameter is None else names.owner_of(parameter)


def _saved(node: Any) -> Iterator[tuple[str, Tensor]]:
    for attribute in dir(node):
        if attribute.startswith("_saved_"):
            name = attribute.removeprefix("_saved_")
            value = kept(node, name)
            if isinstance(value, Tensor):
                yield name, value


def _inputs_first(view: GraphView) -> list[Any]:
    """The nodes in an order in which each comes after those that feed it."""
    waiting = dict(view.consumers)
    ready = [view.nodes[0]]
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for follower, _ in node.next_functions:
            if follower is not None:
                waiting[follower] -= 1
                if waiting[follower] == 0:
                    ready.append(follower)
    return order[::-1]


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


def _first(view: GraphView) -> str:
    return operation(view.nodes[0])
