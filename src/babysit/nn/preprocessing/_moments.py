"""Mean, standard deviation and covariance of data that comes in pieces, in float64.

Each piece is reduced about its own mean and merged (Chan, Golub & LeVeque 1983), so a large offset costs no digits and
the result depends on the sizes of the pieces by rounding only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_EPSILON = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Moments:
    """Of each column.

    Args:
        count: Rows seen.
        mean: ``(F,)`` float64.
        variance: ``(F,)`` float64, of the population: divided by ``count``.
    """

    count: int
    mean: Tensor
    variance: Tensor

    @property
    def divisor(self) -> Tensor:
        """The standard deviation ``(F,)``; 1 for a constant column, so that it becomes 0 once centred, not noise.

        Constant means: no more variance than rounding alone gives (the bound scikit-learn's StandardScaler uses).
        """
        rounding = self.count * _EPSILON * self.variance + (self.count * self.mean * _EPSILON) ** 2
        return torch.where(self.variance <= rounding, 1.0, self.variance.sqrt())


def moments(chunks: Iterable[Tensor]) -> Moments:
    """The moments of every column over all chunks, each ``(N, F)`` of any real dtype."""
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for chunk in chunks:
        rows = chunk.double()
        chunk_mean = rows.mean(0)
        chunk_squares = (rows - chunk_mean).square_().sum(0)
        total = count + len(rows)
        delta = chunk_mean - mean
        mean = mean + delta * (len(rows) / total)
        squares = squares + chunk_squares + delta.square() * (count * len(rows) / total)
        count = total
    return Moments(count, mean, squares / count)


def covariance(chunks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean ``(F,)`` and the population covariance ``(F, F)`` over all chunks, each ``(N, F)``."""
    count, mean, products = 0, torch.zeros(()), torch.zeros(())
    for chunk in chunks:
        rows = chunk.double()
        chunk_mean = rows.mean(0)
        centred = rows - chunk_mean
        total = count + len(rows)
        delta = chunk_mean - mean
        mean = mean + delta * (len(rows) / total)
        products = products + centred.T @ centred + delta.outer(delta) * (count * len(rows) / total)
        count = total
    return mean, products / count
