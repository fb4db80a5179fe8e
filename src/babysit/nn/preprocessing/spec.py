"""The text form of a preprocessing: steps by name, in order, with commas between."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from babysit.errors import InputError, suggest
from babysit.nn.preprocessing._step import Step
from babysit.nn.preprocessing.centering import Center, ChannelMean, ChannelStd, MeanImage, Scale, Standardize
from babysit.nn.preprocessing.projection import PCA, Whiten

_STEPS: dict[str, type[Step]] = {
    step.name: step for step in (MeanImage, ChannelMean, ChannelStd, Center, Standardize, Scale, PCA, Whiten)
}

STEPS: tuple[str, ...] = ("none", *(f"{n}:{s.value_form}" if s.value_form else n for n, s in _STEPS.items()))
"""Every step, with the form of its number. ``none`` stands alone; the number of ``whiten`` may be left out."""

_DEFAULTS = {
    ("image", "mlp"): "mean-image,scale",
    ("image", "cnn"): "channel-mean,scale",
    ("features", "mlp"): "standardize",
    ("table", "mlp"): "standardize",
}


@dataclass(frozen=True)
class StepSpec:
    """One step of a specification: which class, with which number."""

    step: type[Step]
    value: float | None


def parse(spec: str) -> tuple[StepSpec, ...]:
    """Read a specification such as ``mean-image,scale`` or ``center,pca:50``; ``none`` has no steps.

    Raises:
        InputError: A step is unknown, or its number is missing, superfluous or not positive.

    Example:
        >>> [(found.step.name, found.value) for found in parse("center,pca:50,whiten")]
        [('center', None), ('pca', 50.0), ('whiten', 1e-05)]
    """
    return () if spec.strip() == "none" else tuple(_parse_step(text.strip(), spec) for text in spec.split(","))


def default_spec(kind: str, model_kind: str) -> str:
    """What suits a kind of data ("image", "features", "table") and of model ("mlp", "cnn").

    Images lose the mean image (AlexNet) before an MLP and the channel means (VGG) before a convolutional net, and are
    then divided by one number, so that the lecture's initialisations meet inputs of variance 1; features are
    standardised, as their units have nothing in common.

    Raises:
        InputError: The two do not go together, such as a table and a convolutional net.
    """
    try:
        return _DEFAULTS[kind, model_kind]
    except KeyError:
        raise InputError(
            "preprocessing",
            expected="a model that suits the data: mlp for image, features or table, cnn for image",
            found=f"{model_kind} for {kind}",
            todo="use an mlp for data that are not images",
        ) from None


def _parse_step(text: str, spec: str) -> StepSpec:
    name, colon, number = text.partition(":")
    if name not in _STEPS:
        todo = "write none alone" if name == "none" else suggest(name, _STEPS)
        raise _bad_step(text, spec, todo)
    step = _STEPS[name]
    if not step.value_form:
        if colon:
            raise _bad_step(text, spec, f"write {name!r} alone: it takes no number")
        return StepSpec(step, None)
    if not colon and step.default_value is not None:
        return StepSpec(step, step.default_value)
    try:
        value = float(number)
    except ValueError:
        value = -inf
    if not 0 < value < inf:
        raise _bad_step(text, spec, f"write {name}:{step.value_form} with a positive number")
    return StepSpec(step, value)


def _bad_step(text: str, spec: str, todo: str) -> InputError:
    return InputError(
        f"preprocessing {spec!r}", expected=f"steps among {', '.join(STEPS)}", found=repr(text), todo=todo
    )
