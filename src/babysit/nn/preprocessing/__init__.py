"""Data preprocessing fitted on the training split alone (the lecture's section on it), and target scaling."""

from __future__ import annotations

from babysit.nn.preprocessing.fitting import TrainingSet, fit_preprocessing, fit_target_scaling
from babysit.nn.preprocessing.pipeline import Preprocessing
from babysit.nn.preprocessing.spec import STEPS, default_spec, parse
from babysit.nn.preprocessing.targets import TargetScaling

__all__ = [
    "STEPS",
    "Preprocessing",
    "TargetScaling",
    "TrainingSet",
    "default_spec",
    "fit_preprocessing",
    "fit_target_scaling",
    "parse",
]
