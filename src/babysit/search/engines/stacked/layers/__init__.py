"""The layers of many networks at once: values are ``(K, units, N)``, example last, so that every product is one GEMM.

Forward and backward are written by hand, as autograd would keep more and write more, and as weights are then updated
while their gradients are in the cache. Units that a trial lacks are zero all the way.
"""

from babysit.search.engines.stacked.layers._base import Layer as Layer
from babysit.search.engines.stacked.layers.activations import Elementwise as Elementwise
from babysit.search.engines.stacked.layers.activations import MaxPieces as MaxPieces
from babysit.search.engines.stacked.layers.activations import PReLU as PReLU
from babysit.search.engines.stacked.layers.activations import ReLU as ReLU
from babysit.search.engines.stacked.layers.dropout import Dropout as Dropout
from babysit.search.engines.stacked.layers.linear import Linear as Linear
from babysit.search.engines.stacked.layers.linear import WideLinear as WideLinear
from babysit.search.engines.stacked.layers.normalization import BatchNorm as BatchNorm
from babysit.search.engines.stacked.layers.normalization import LayerNorm as LayerNorm

__all__ = [
    "BatchNorm",
    "Dropout",
    "Elementwise",
    "Layer",
    "LayerNorm",
    "Linear",
    "MaxPieces",
    "PReLU",
    "ReLU",
    "WideLinear",
]
