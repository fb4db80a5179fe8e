"""The data sets that come with scikit-learn: no download, no file."""

from __future__ import annotations

import numpy as np

from babysit.data.examples import Examples
from babysit.data.splits import TRAIN

NAMES = ("digits", "iris", "wine", "breast_cancer", "diabetes")


def load_sklearn(name: str) -> Examples:
    """One of scikit-learn's embedded sets.

    ``digits`` is images ``(1797, 1, 8, 8)`` uint8 in 0…16; ``diabetes`` is a regression; the others are features.

    Args:
        name: One of `NAMES`.
    """
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    image = name == "digits"
    return Examples(
        name=name,
        source=f"scikit-learn {name}",
        kind="image" if image else "features",
        x=bunch.images.astype(np.uint8)[:, None] if image else bunch.data.astype(np.float32),
        y=bunch.target,
        part=np.full(len(bunch.target), TRAIN),
        class_names=tuple(map(str, getattr(bunch, "target_names", ()))),
        feature_names=() if image else tuple(map(str, bunch.feature_names)),
    )
