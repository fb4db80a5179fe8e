"""Reading autograd's graph of a loss: what the model is made of, whichever way it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from babysit.measure.record import LinearChain

MOST_NODES = 20_000
"""A larger graph, such as that of a recurrent net over thousands of positions, is not read."""

_VIEWS = frozenset(
    {"view", "unsafeview", "reshapealias", "alias", "t", "transpose", "permute", "squeeze", "unsqueeze", "expand"}
    | {"clone", "tocopy", "asstrided", "slice", "select", "contiguous"}
)
_LINEAR_TOO = frozenset(
    {"nativebatchnorm", "cudnnbatchnorm", "batchnormlegit", "nativedropout", "mean", "avgpool2d", "avgpool1d", "neg"}
    | {"adaptiveavgpool2d", "mkldnnadaptiveavgpool2d", "upsamplenearest2d", "constantpadnd", "div", "mul", "add", "sub"}
)
_PRODUCTS = frozenset({"addmm", "mm", "linear", "convolution", "mkldnnconvolution", "addmv", "mv"})

_ERRORS = frozenset({"neg", "mean", "sum", "mul", "div", "sqrt", "pow", "square", "abs", "add"} | _VIEWS)
_FEW_NODES = 16
_FACTORS = ("other", "self")

_AVERAGES = frozenset({"neg", "mean", "sum", "mul", "div"} | _VIEWS)
_LOG_PROBABILITIES = frozenset({"logsoftmax", "log", "sub"})

NameOf = Callable[[Tensor], str]


@dataclass(frozen=True)
class GraphView:
    """The nodes of a loss's graph.

    Attributes:
        nodes: Every node, from the loss down.
        consumers: How many nodes take a node's output.
    """

    nodes: tuple[Any, ...]
    consumers: Mapping[Any, int]


@dataclass(frozen=True)
class _Layer:
    """A product of data with a parameter."""

    node: Any
    data: Any
    weight: Tensor
    inputs: int
    outputs: int


def operation(node: Any) -> str:
    """The operation that a node differentiates: its name in lower case, without ``Backward0``.

    Example:
        >>> import torch
        >>> operation(torch.ones(2, requires_grad=True).softmax(0).grad_fn)
        'softmax'
    """
    name = node.name().rpartition("::")[2]
    return str(name.partition("Backward")[0]).lower().replace("_", "")


def made_by(tensor: Tensor) -> str:
    """The operation that made a tensor, looking through views; ``""`` without a graph."""
    node = tensor.grad_fn
    while node is not None and operation(node) in _VIEWS and node.next_functions:
        node = node.next_functions[0][0]
    return "" if node is None or _variable(node) is not None else operation(node)


def kept(node: Any, name: str) -> Any:
    """What a node keeps for the backward pass under a name, a tensor or several; ``None`` where it cannot be had.

    What hooks have packed is left alone: to unpack it would run the script's code, and in a checkpoint the whole part
    of the model once more.

    Example:
        >>> kept(torch.ones(2, requires_grad=True).exp().grad_fn, "result").tolist()
        [2.718..., 2.718...]
    """
    if _is_packed(node, name):
        return None
    try:
        return getattr(node, f"_saved_{name}", None)
    except RuntimeError:  # freed by an earlier backward pass
        return None


def _is_packed(node: Any, name: str) -> bool:
    found = getattr(node, f"_raw_saved_{name}", None)
    # torch 2.6 does not tell
    return any(getattr(item, "unpack_hook", None) is not None for item in (found if type(found) is tuple else (found,)))


def read_graph(loss: Tensor) -> GraphView | None:
    """All nodes below a loss; ``None`` where there is no graph or it is too large."""
    if loss.grad_fn is None:
        return None
    found: dict[Any, int] = {loss.grad_fn: 0}
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        for follower, _ in waiting.pop().next_functions:
            if follower is None:
                continue
            if follower not in found:
                found[follower] = 0
                waiting.append(follower)
            found[follower] += 1
        if len(found) > MOST_NODES:
            return None
    return GraphView(tuple(found), found)


def parameters_of(view: GraphView) -> list[Tensor]:
    """The leaves that the loss depends on, each once."""
    leaves = (_variable(node) for node in view.nodes)
    return list({id(leaf): leaf for leaf in leaves if leaf is not None}.values())


def first_input(view: GraphView) -> Tensor | None:
    """What the first product with a parameter was given, where that has no gradient: the data."""
    for node in reversed(view.nodes):
        rows = _rows_of_data(node)
        if rows is not None:
            return rows
        layer = _layer(node)
        if layer is not None and layer.data is None:
            for name in ("mat1", "self", "input", "mat2"):
                data = kept(node, name)
                if isinstance(data, Tensor) and data.dim() > 1:
                    return data
    return None


def _rows_of_data(node: Any) -> Tensor | None:
    """What the product of a matrix with a vector was given, where that is a parameter alone, as in a linear model."""
    if operation(node) != "mv":
        return None
    (matrix, _), (vector, _) = node.next_functions
    data = kept(node, "self") if matrix is None and leaf_of(vector) is not None else None
    return data if isinstance(data, Tensor) else None


def picked_classes(loss: Tensor) -> tuple[Tensor, int] | None:
    """The classes whose log-probabilities a hand-written loss averages, one a row, and how many classes there are.

    ``None`` where the loss is no such average. A product with anything but a number, as with what an action has earned,
    makes it something else.

    Example:
        >>> scores = torch.zeros(3, 4, requires_grad=True).log_softmax(1)
        >>> picked_classes(-scores[torch.arange(3), torch.tensor([2, 0, 2])].mean())
        (tensor([2, 0, 2]), 4)
    """
    node = loss.grad_fn
    for _ in range(_FEW_NODES):
        if node is None:
            return None
        kind = operation(node)
        following = [edge for edge, _ in node.next_functions if edge is not None]
        if len(following) != 1:
            return None
        if kind in ("index", "gather"):
            return _picked(node, kind) if operation(following[0]) in _LOG_PROBABILITIES else None
        if kind not in _AVERAGES or not _is_by_a_number(node):
            return None
        node = following[0]
    return None


def _picked(node: Any, kind: str) -> tuple[Tensor, int] | None:
    """The column that is taken from each row of a matrix."""
    if kind == "gather":
        source, index = kept(node, "self"), kept(node, "index")
        if source is None or index is None:
            return None
        single = source.dim() == 2 and index.dim() == 2 and index.shape[1] == 1 and node._saved_dim % 2 == 1  # or −1
        return (index.detach()[:, 0], source.shape[1]) if single and len(index) == len(source) else None
    sizes: Any = node._saved_self_sym_sizes
    indices: Any = kept(node, "indices") or ()
    if len(sizes) != 2 or len(indices) != 2 or any(item is None or item.dim() != 1 for item in indices):
        return None
    rows, columns = indices
    if columns.dtype == torch.bool or not len(rows) == len(columns) == sizes[0]:
        return None
    if not torch.equal(rows, torch.arange(len(rows), device=rows.device)):
        return None
    return columns.detach(), int(sizes[1])


def _is_by_a_number(node: Any) -> bool:
    """Whether a product or quotient is with a single number; true of other operations."""
    if _is_out_of_reach(node):
        return False
    factors = (kept(node, name) for name in _FACTORS)
    return all(not isinstance(item, Tensor) or item.numel() == 1 for item in factors)


def linear_chains(view: GraphView, name_of: NameOf) -> tuple[LinearChain, ...]:
    """Linear and convolutional layers in a row with nothing nonlinear between.

    Batch normalisation, dropout, means and factors do not break a row, as no nonlinearity is among them; additions of
    two branches, products of two, and grouped convolutions (which are half of a separable one) do.

    Args:
        view: The graph.
        name_of: Path of the module that a parameter belongs to.
    """
    layers = {layer.node: layer for node in view.nodes if (layer := _layer(node)) is not None}
    before = {node: earlier for node, layer in layers.items() if (earlier := _feeding(layer, layers, view)) is not None}
    followed = {layer.node for layer in before.values()}
    rows = [row for node in before if node not in followed and (row := _row(layers[node], before))]
    chains = {tuple(name_of(layer.weight) for layer in row): row for row in rows}
    return tuple(
        LinearChain(names, row[0].inputs, min(layer.outputs for layer in row[:-1]), row[-1].outputs)
        for names, row in chains.items()
        if len(set(names)) == len(names)
    )


def own_sign(loss: Tensor) -> int:
    """Whether a hand-written loss is a mean square or a mean distance: 1, or −1 with its sign turned; 0 otherwise."""
    sign, node = 1, loss.grad_fn
    while node is not None and operation(node) in ("neg", "mean", "sum", "mul", "div", "sqrt"):
        if operation(node) == "neg":
            sign = -sign
        data = [edge for edge, _ in node.next_functions if edge is not None]
        node = data[0] if len(data) == 1 else None
    if node is None or operation(node) not in ("pow", "abs", "square"):
        return 0
    exponent = getattr(node, "_saved_exponent", 2)
    below = node.next_functions[0][0]
    is_distance = below is not None and operation(below) in ("sub", "rsub")
    return sign if is_distance and exponent in (1, 2) else 0


def compared_shapes(loss: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of the predictions and of the differences in a hand-written squared or absolute error; empty without one.

    Only differences to a tensor without gradient count: pairs among predictions are compared on purpose.

    Example:
        >>> import torch
        >>> column, row = torch.zeros(5, 1, requires_grad=True), torch.zeros(5)
        >>> compared_shapes(((column - row) ** 2).mean()), compared_shapes((column - row[:, None]).abs().sum())
        (((5, 1), (5, 5)), ((5, 1), (5, 1)))
    """
    waiting = [] if loss.grad_fn is None else [loss.grad_fn]
    for node in waiting:  # grows while it is read
        edges = [edge for edge, _ in node.next_functions]
        kind = operation(node)
        if kind == "sub" and len(edges) == 2 and (edges[0] is None) != (edges[1] is None):
            predictions = edges[0] if edges[1] is None else edges[1]
            return _shape(predictions), _shape(node)
        data = [edge for edge in edges if edge is not None]
        if len(waiting) < _FEW_NODES and kind in _ERRORS and (len(data) == 1 or (kind == "add" and not _shape(node))):
            waiting += data
    return (), ()


def nearest_parameters(node: Any) -> Iterator[Tensor]:
    """Leaves below a node, the nearest first."""
    seen = {node}
    level = [node]
    while level and len(seen) < MOST_NODES:
        following = []
        for current in level:
            leaf = _variable(current)
            if leaf is not None:
                yield leaf
            for follower, _ in current.next_functions:
                if follower is not None and follower not in seen:
                    seen.add(follower)
                    following.append(follower)
        level = following


def _shape(node: Any) -> tuple[int, ...]:
    """Of what the operation gave."""
    leaf = _variable(node)
    if leaf is not None:
        return tuple(leaf.shape)
    given = getattr(node, "_input_metadata", None)
    return tuple(int(size) for size in given[0].shape) if given else ()


def _is_gated(node: Any, kind: str) -> bool:
    """Whether a product is one with a comparison's outcome, as a ReLU is that is written out by hand, or may be."""
    if kind != "mul":
        return False
    factors = (kept(node, name) for name in _FACTORS)
    return _is_out_of_reach(node) or any(isinstance(item, Tensor) and item.dtype == torch.bool for item in factors)


def _is_out_of_reach(node: Any) -> bool:
    """Whether the factors of a product are kept where they cannot be looked at."""
    return any(_is_packed(node, name) for name in _FACTORS)


def _variable(node: Any) -> Tensor | None:
    variable: Tensor | None = getattr(node, "variable", None) if not node.next_functions else None
    return variable


def _row(last: _Layer, before: Mapping[Any, _Layer]) -> list[_Layer]:
    row = [last]
    while row[0].node in before and len(row) < 64:
        row.insert(0, before[row[0].node])
    return row


def _layer(node: Any) -> _Layer | None:
    kind = operation(node)
    if kind not in _PRODUCTS:
        return None
    edges = [edge for edge, _ in node.next_functions]
    if "convolution" in kind:
        return _convolution(node, edges)
    factors = edges[1:3] if kind in ("addmm", "addmv") else edges[:2]
    leaves = [None if edge is None else leaf_of(edge) for edge in factors]
    if len(factors) < 2 or (leaves[0] is None) == (leaves[1] is None):
        return None
    place = 1 if leaves[1] is not None else 0
    weight = leaves[place]
    if weight is None or weight.dim() != 2:
        return None
    # a layer keeps (out, in) and is transposed on its way into the product; x @ W is not
    transposed = kind == "linear" or (_variable(factors[place]) is None) == (place == 1)
    inputs, outputs = (weight.shape[1], weight.shape[0]) if transposed else (weight.shape[0], weight.shape[1])
    return _Layer(node, factors[1 - place], weight, inputs, outputs)


def _convolution(node: Any, edges: list[Any]) -> _Layer | None:
    weight = leaf_of(edges[1]) if len(edges) > 1 and edges[1] is not None else None
    if weight is None or getattr(node, "_saved_groups", 1) != 1 or getattr(node, "_saved_transposed", False):
        return None
    return _Layer(node, edges[0], weight, weight[0].numel(), weight.shape[0])


def leaf_of(node: Any) -> Tensor | None:
    """The parameter that a node passes on, through transposition and casts."""
    while _variable(node) is None:
        if operation(node) not in _VIEWS or node.next_functions[0][0] is None:
            return None
        node = node.next_functions[0][0]
    return _variable(node)


def _feeding(layer: _Layer, layers: Mapping[Any, _Layer], view: GraphView) -> _Layer | None:
    """The layer whose output this one takes with nothing nonlinear between and nobody else taking it."""
    node = layer.data
    while node is not None and view.consumers[node] == 1:
        if node in layers:
            return layers[node]
        following = [edge for edge, _ in node.next_functions if edge is not None]
        kind = operation(node)
        if kind in _VIEWS or (kind in _LINEAR_TOO and not _is_gated(node, kind)):
            data = [edge for edge in following if leaf_of(edge) is None]
            # a normalisation's own scale and shift are leaves; two branches are more than a scale
            node = data[0] if len(data) == 1 else None
        else:
            node = None
    return None
