"""What every layer gives on some examples, as histograms for the report."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from babysit.fit.evaluation import evaluation_mode
from babysit.measure.record import Probe
from babysit.measure.statistics import histogram

HISTOGRAM_BINS = 40


@torch.no_grad()
def activation_probe(name: str, network: nn.Module, inputs: Tensor) -> Probe:
    """Histogram, mean and standard deviation of every layer's outputs on some examples, in evaluation mode."""
    numbers: dict[str, float] = {}
    series: dict[str, tuple[float, ...]] = {}

    def hook_for(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                counts, low, high = histogram(output, HISTOGRAM_BINS)
                series[path] = tuple(counts.tolist())
                numbers.update({f"{path}:low": low, f"{path}:high": high})
                numbers[f"{path}:mean"] = output.float().mean().item()
                numbers[f"{path}:std"] = output.float().std(correction=0).item()

        return hook

    skipped = (nn.Flatten, nn.Dropout, nn.MaxPool2d)
    leaves = [(path, module) for path, module in network.named_modules() if path and not list(module.children())]
    handles = [
        module.register_forward_hook(hook_for(path)) for path, module in leaves if not isinstance(module, skipped)
    ]
    try:
        with evaluation_mode(network):
            network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return Probe(name, numbers=numbers, series=series)
