"""From a configuration and a seed to a network."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn

from babysit.nn.init import initialize, parse_scheme
from babysit.nn.models.configs import ModelConfig

OUTPUT_SCALE = 0.01
"""The output layer's initial weights, relative to Xavier's."""


def build(config: ModelConfig, seed: int, sample: Tensor | None = None) -> nn.Sequential:
    """The network of a configuration on the CPU, its weights decided by ``seed`` alone.

    No random number is drawn from torch's global generator. The output layer starts at 0.01 × Xavier with zero bias
    whatever the scheme (but for zeros and constant), so that the first scores are close to equal: the initial loss is
    then −ln(1/C) to about three digits, which is what the check of the initial loss compares with, and no class has to
    be unlearned first.

    Args:
        config: What to build.
        seed: Of the weights.
        sample: A batch of preprocessed inputs, for the scheme ``lsuv`` only.

    Returns:
        A sequential module with named layers (``fc1``, ``bn1``, ``act1``, …, ``output``) from preprocessed inputs
        ``(N, *input_shape)`` to ``(N, outputs)``: logits, or values.

    Raises:
        InputError: The scheme needs a sample and has none.
    """
    with torch.device("meta"):  # torch's own initialisation would draw from the global generator
        network = nn.Sequential(OrderedDict(config.layers()))
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.PReLU)):
            module.reset_parameters()
    generator = torch.Generator().manual_seed(seed)
    initialize(
        network,
        config.init,
        activation=config.activation,
        bias=config.bias,
        generator=generator,
        sample=sample,
    )
    if parse_scheme(config.init).breaks_symmetry:
        output = network.get_submodule("output")
        std = OUTPUT_SCALE / math.sqrt(output.get_parameter("weight").shape[1])
        initialize(output, f"normal:{std!r}", generator=generator)
    return network
