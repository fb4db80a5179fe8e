"""Where the first number that is not finite arose, in words, and what to do about the operation that made it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from babysit.measure.record import LayerStats, Origin, RunRecord

_LOG = (
    "the logarithm of 0 or less: give it x.clamp_min(1e-8), or use log_softmax, logsigmoid or log1p on what is "
    "before it"
)
_ROOT = "the root or norm has no finite derivative at 0, and no value below it: take torch.sqrt(x.clamp_min(0) + 1e-8)"
_DIVISION = "a division by 0: add an epsilon to the divisor, x / (y + 1e-8)"
_EXPONENTIAL = (
    "the exponential overflows above 88 in float32, 11 in float16: subtract the maximum first, or use logsumexp"
)
_POWER = "a power has no finite derivative at 0 below exponent 1, no value for negative numbers, and overflows: clamp x"
_SOFTMAX = "a softmax over −∞ alone is NaN: leave one entry of every row unmasked, or mask with a large negative number"
_PROBABILITY = "give the loss logits (binary_cross_entropy_with_logits, cross_entropy) instead of probabilities"
_INVERSE = "an inverse function at the end of its domain: clamp what it is given to ±(1 − 1e-6)"
_DEVIATION = "the standard deviation of one value, or of equal ones: take torch.sqrt(x.var(correction=0) + 1e-8)"
_PRODUCT = "0 times infinity: keep infinities out of masks and products, and use torch.where"

_REMEDIES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("log", "log2", "log10", "log1p", "xlogy", "kldiv"), _LOG)
    | dict.fromkeys(("sqrt", "rsqrt", "norm", "linalgvectornorm", "cdist", "euclideandist", "hypot"), _ROOT)
    | dict.fromkeys(("div", "reciprocal", "remainder", "fmod"), _DIVISION)
    | dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh", "logsumexp"), _EXPONENTIAL)
    | dict.fromkeys(("pow", "prod", "cumprod"), _POWER)
    | dict.fromkeys(("softmax", "logsoftmax", "safesoftmax", "scaleddotproductattention", "maskedfill"), _SOFTMAX)
    | dict.fromkeys(("binarycrossentropy", "nllloss"), _PROBABILITY)
    | dict.fromkeys(("acos", "asin", "acosh", "atanh", "logit", "erfinv", "tan"), _INVERSE)
    | dict.fromkeys(("std", "var", "stdmean", "varmean"), _DEVIATION)
    | dict.fromkeys(("where",), _PRODUCT)
)
"""Operation, by autograd's name in lower case → what usually goes wrong there, and what helps."""


def first_origin(run: RunRecord) -> Origin | None:
    """The earliest of the recorded places; ``None`` where none was found."""
    return min(run.origins, key=lambda origin: origin.step, default=None)


def operation_remedy(origin: Origin | None) -> str:
    """What to do about the operation; ``""`` where it is unknown, or can only pass on what it was given.

    Example:
        >>> operation_remedy(Origin(3, "forward", "head", "div"))
        'a division by 0: add an epsilon to the divisor, x / (y + 1e-8)'
    """
    return "" if origin is None else _REMEDIES.get(origin.operation.replace("_", ""), "")


def place(origin: Origin) -> str:
    """Where it arose.

    Example:
        >>> place(Origin(3, "forward", "head", "log"))
        'in the forward pass, in log, at layer head'
        >>> place(Origin(7, "weights", "fc2"))
        'in the weights, by the update of step 7, at layer fc2'
    """
    stages = {
        "input": "in the inputs",
        "target": "in the targets",
        "weights": f"in the weights, by the update of step {origin.step}",
        "forward": "in the forward pass",
        "loss": "in the loss function",
        "gradient": f"in the gradient of step {origin.step}",
    }
    operation = f", in {origin.operation}" if origin.operation else ""
    module = f", at layer {origin.module}" if origin.module else ""
    return f"{stages.get(origin.stage, f'in the {origin.stage}')}{operation}{module}"


def first_broken_module(run: RunRecord) -> str:
    """The first layer with non-finite outputs; failing that, the last one with a non-finite gradient or weights.

    Activations spread a NaN forwards and gradients spread it backwards, so the order of the search differs.
    """
    for record in run.steps:
        forward = [layer.module for layer in record.layers if _broken(layer.mean, layer.std)]
        backward = [layer.module for layer in record.layers if _broken(*_of_weights(layer))]
        if forward or backward:
            return (forward or backward[::-1])[0]
    return ""


def _of_weights(layer: LayerStats) -> tuple[float | None, ...]:
    return layer.gradient_norm, layer.weight_norm, layer.update_norm


def _broken(*values: float | None) -> bool:
    return any(value is not None and not math.isfinite(value) for value in values)
