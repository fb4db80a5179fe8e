"""The models babysit builds: configurations, building, a table of layers, the whole from raw input to answer."""

from __future__ import annotations

from babysit.nn.models.building import build
from babysit.nn.models.configs import CNNConfig, MLPConfig, ModelConfig, config_from_json, config_to_json
from babysit.nn.models.description import LayerRow, describe
from babysit.nn.models.whole import WithPreprocessing

__all__ = [
    "CNNConfig",
    "LayerRow",
    "MLPConfig",
    "ModelConfig",
    "WithPreprocessing",
    "build",
    "config_from_json",
    "config_to_json",
    "describe",
]
