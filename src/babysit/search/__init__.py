"""Coarse-to-fine hyperparameter search."""

from babysit.search.space import Choice as Choice
from babysit.search.space import Distribution as Distribution
from babysit.search.space import IntUniform as IntUniform
from babysit.search.space import LogUniform as LogUniform
from babysit.search.space import Space as Space
from babysit.search.space import Uniform as Uniform

__all__ = ["Choice", "Distribution", "IntUniform", "LogUniform", "Space", "Uniform"]
