"""Engines train the trials of a search, alone or many as one program."""

from babysit.search.engines._base import Between as Between
from babysit.search.engines._base import Engine as Engine
from babysit.search.engines._base import nothing_between as nothing_between
from babysit.search.engines.single import SingleEngine as SingleEngine
from babysit.search.engines.stacked import StackedEngine as StackedEngine

__all__ = ["Between", "Engine", "SingleEngine", "StackedEngine", "nothing_between"]
