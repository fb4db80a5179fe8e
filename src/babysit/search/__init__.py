"""Coarse-to-fine hyperparameter search; the package itself can be called, as ``bs.search(build, data, …)``."""

from babysit._callable import make_callable
from babysit.search.api import SearchResult as SearchResult
from babysit.search.api import search as search
from babysit.search.loops import Trial as Trial
from babysit.search.space import Choice as Choice
from babysit.search.space import Distribution as Distribution
from babysit.search.space import IntUniform as IntUniform
from babysit.search.space import LogIntUniform as LogIntUniform
from babysit.search.space import LogUniform as LogUniform
from babysit.search.space import Space as Space
from babysit.search.space import Uniform as Uniform
from babysit.search.space import When as When

__all__ = [
    "Choice",
    "Distribution",
    "IntUniform",
    "LogIntUniform",
    "LogUniform",
    "SearchResult",
    "Space",
    "Trial",
    "Uniform",
    "When",
    "search",
]

make_callable(__name__, search)
