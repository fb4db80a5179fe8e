"""First-layer weights as images: how they are painted, and how smooth they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Filters = NDArray[np.float32]
"""Weights of the first layer's units in the layout of the examples, ``(n, C, H, W)``."""


def paint(filters: Filters) -> NDArray[np.uint8]:
    """Weights ``(n, C, H, W)`` as RGBA ``(n, H, W, 4)``: zero is mid-grey, each tile's largest weight black or white.

    Three channels are shown as colours; of any other number the mean is shown in grey.
    """
    channels = filters if filters.shape[1] == 3 else np.repeat(filters.mean(axis=1, keepdims=True), 3, axis=1)
    largest = np.abs(channels).max(axis=(1, 2, 3), keepdims=True)
    shades = 127.5 * (1 + channels / np.maximum(largest, np.finfo(np.float32).tiny))
    opaque = np.full_like(shades[:, :1], 255.0)
    painted: NDArray[np.uint8] = np.concatenate([shades, opaque], axis=1).round().astype(np.uint8)
    return painted.transpose(0, 2, 3, 1)


def smoothness(filters: Filters) -> float:
    """Correlation of weights of pixels side by side or one above the other, over all filters; 0 for noise.

    Example:
        >>> smoothness(np.ones((1, 1, 2, 2), np.float32) * np.array([1, -1], np.float32))
        0.0
    """
    centred = filters.astype(np.float64) - filters.mean(axis=(2, 3), keepdims=True)
    pairs = [(centred[..., 1:], centred[..., :-1]), (centred[..., 1:, :], centred[..., :-1, :])]
    shared = sum(float((a * b).sum()) for a, b in pairs)
    own = sum(float((a * a).sum() + (b * b).sum()) for a, b in pairs) / 2
    return shared / own if own else 0.0
