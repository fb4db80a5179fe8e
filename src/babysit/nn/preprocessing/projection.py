"""Principal components and whitening: decorrelating the features. Not common for images, as the lecture says.

Both flatten an example to one vector. The covariance is accumulated in float64, in one pass; for F
features it takes ``8 F²`` bytes: 75 MB for 3×32×32 images.
"""

# ruff: noqa: D102 - the methods are documented on Step
from __future__ import annotations

from collections.abc import Iterable
from math import prod

import torch
from torch import Tensor

from babysit.errors import InputError
from babysit.nn.preprocessing._moments import covariance
from babysit.nn.preprocessing._step import Shape, Step


class _Projection(Step):
    """Subtract the mean, then multiply by the rows of ``components``."""

    mean: Tensor
    components: Tensor

    def __init__(self, shape: Shape, value: float | None, outputs: int) -> None:
        super().__init__(shape, value)
        features = prod(shape)
        self.register_buffer("mean", self._unfitted(features))
        self.register_buffer("components", self._unfitted(outputs, features))

    @property
    def output_shape(self) -> Shape:
        return (self.components.shape[0],)

    def forward(self, x: Tensor) -> Tensor:
        centred = x.flatten(1) - self.mean
        return centred @ self.components.T.to(centred.dtype)

    def _principal_axes(self, chunks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
        """Variances in descending order and their unit vectors as rows; keeps the mean on the way."""
        mean, matrix = covariance(chunk.flatten(1) for chunk in chunks)
        self.mean.copy_(mean)
        variances, vectors = torch.linalg.eigh(matrix)
        axes = vectors.T.flip(0)
        # an axis has no direction of its own: its largest coefficient is made positive, so that results compare
        largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
        return variances.flip(0).clamp(min=0), axes * largest.sign()


class PCA(_Projection):
    """Project on the K directions of largest variance: ``(N, …)`` → ``(N, K)``, decorrelated.

    Raises:
        InputError: K is not a whole number from 1 to the number of features.
    """

    name = "pca"
    value_form = "K"

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        components, features = value or 0.0, prod(shape)
        if not (components.is_integer() and 1 <= components <= features):
            raise InputError(
                "preprocessing step 'pca'",
                expected=f"a whole number of components from 1 to the {features} features",
                found=f"{components:g}",
                todo="choose a smaller number, as in pca:10" if components > features else "write it as pca:10",
            )
        super().__init__(shape, value, int(components))

    def _fit(self, chunks: Iterable[Tensor]) -> None:
        _, axes = self._principal_axes(chunks)
        self.components.copy_(axes[: len(self.components)])

    def describe(self) -> str:
        return f"project {self.mean.numel()} features on {len(self.components)} principal components"


class Whiten(_Projection):
    """Rotate to the principal axes and give each variance 1: ``(N, …)`` → ``(N, F)``, covariance I.

    Each axis of variance λ is divided by √(λ + ε·λ_max), so its variance becomes λ/(λ + ε·λ_max): 1 but for directions
    whose variance is not large against ε times the largest one, which are damped instead of blowing up noise. ε is
    relative, 1e-5 by default.
    """

    name = "whiten"
    value_form = "EPS"
    default_value = 1e-5

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        super().__init__(shape, value, prod(shape))

    def _fit(self, chunks: Iterable[Tensor]) -> None:
        variances, axes = self._principal_axes(chunks)
        damped = variances + (self.value or 0.0) * variances[0]
        std = torch.where(damped > 0, damped.sqrt(), 1.0)
        self.components.copy_(axes / std.unsqueeze(1))

    def describe(self) -> str:
        return f"whiten {self.mean.numel()} features (ε = {self.value:g} of the largest variance)"
