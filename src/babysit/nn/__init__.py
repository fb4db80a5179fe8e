"""Layers, initialisation, preprocessing, regularisation and models: the lecture's sections A, B and C."""

from __future__ import annotations

from babysit.nn.activations import ACTIVATIONS, BOUNDS, Maxout, MaxoutConv2d, activation, gain
from babysit.nn.init import SCHEMES, initialize, parse_scheme
from babysit.nn.models import (
    CNNConfig,
    MLPConfig,
    ModelConfig,
    WithPreprocessing,
    build,
    config_from_json,
    config_to_json,
    describe,
)
from babysit.nn.preprocessing import (
    Preprocessing,
    TargetScaling,
    default_spec,
    fit_preprocessing,
    fit_target_scaling,
)
from babysit.nn.regularization import decay_groups, l2_penalty

__all__ = [
    "ACTIVATIONS",
    "BOUNDS",
    "SCHEMES",
    "CNNConfig",
    "MLPConfig",
    "Maxout",
    "MaxoutConv2d",
    "ModelConfig",
    "Preprocessing",
    "TargetScaling",
    "WithPreprocessing",
    "activation",
    "build",
    "config_from_json",
    "config_to_json",
    "decay_groups",
    "default_spec",
    "describe",
    "fit_preprocessing",
    "fit_target_scaling",
    "gain",
    "initialize",
    "l2_penalty",
    "parse_scheme",
]
