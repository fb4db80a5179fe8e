"""Data as the experiments take them: fewer of them, prepared, and raw pixels to begin with."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from babysit.data import Dataset
from babysit.lab.section import Bench
from babysit.lab.subsets import fewer
from babysit.nn.preprocessing import fit_preprocessing

Pair = tuple[Tensor, Tensor]
"""Inputs and targets."""

MOST_TRAINING, MOST_HELD_OUT = 2_500, 1_000
"""Examples of CIFAR-10 that the experiments train on and validate with, so that none takes minutes."""


def prepared(spec: str, dataset: Dataset) -> tuple[Pair, Pair]:
    """Training and validation split as the network sees them, with statistics of the training split.

    Args:
        spec: Steps, as ``babysit train --preprocess`` takes them.
        dataset: Raw.

    Example:
        >>> from babysit.data import read
        >>> (x, _), _ = prepared("mean-image,scale", read("digits"))
        >>> round(x.mean().abs().item(), 3), round(x.std().item(), 3)
        (0.0, 1.0)
    """
    steps = fit_preprocessing(spec, dataset)
    train, validation = (
        (steps(torch.from_numpy(dataset.inputs(split))), torch.from_numpy(dataset.targets(split)))
        for split in ("train", "validation")
    )
    return train, validation


def pictures(bench: Bench) -> Dataset:
    """Images in a number that trains in seconds: all digits, or a part of CIFAR-10."""
    return fewer(bench.images(), MOST_TRAINING, validation=MOST_HELD_OUT)


def photographs(bench: Bench) -> Dataset:
    """Images whose raw pixels are all positive and far from zero: CIFAR-10, or digits as a scanner gives them.

    The digits of scikit-learn are bright on black, 0 to 16, most of them zero. As they lie on paper, dark on white,
    and in eight bits, their mean is 1.8 standard deviations from zero, as that of CIFAR-10 is 1.9.
    """
    dataset = pictures(bench)
    if bench.cifar10 is not None:
        return dataset
    ink = np.round(dataset.x.astype(np.float32) * (255 / 16))
    return dataclasses.replace(dataset, name="digits, dark on white", x=(255 - ink).astype(np.uint8))


def suited(rate: float, x: Tensor) -> float:
    """The learning rate for some inputs of unit variance, from what suits digits.

    A step moves a unit's output by the rate times the squared length of its inputs, so that more inputs want a smaller
    rate; the root of their number was found to suit CIFAR-10.

    Args:
        rate: For 64 inputs.
        x: ``(N, …)``.

    Example:
        >>> round(suited(0.04, torch.zeros(1, 4, 16, 16)), 3)
        0.01
    """
    return rate * math.sqrt(64 / x[0].numel())


def stood_in(bench: Bench, what: str = "digits") -> str:
    """What the numbers are of, for a remark."""
    if bench.cifar10 is None:
        return f"Measured on {what}; --data cifar10=PATH takes CIFAR-10."
    return f"Measured on CIFAR-10, {MOST_TRAINING:,} training examples."
