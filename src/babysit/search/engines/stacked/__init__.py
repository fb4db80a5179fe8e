"""Many multilayer perceptrons trained as one program."""

from babysit.search.engines.stacked.engine import StackedEngine as StackedEngine

__all__ = ["StackedEngine"]
