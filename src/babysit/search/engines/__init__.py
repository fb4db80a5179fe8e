"""Engines train the trials of a search, alone or many as one program."""

from collections.abc import Mapping
from types import MappingProxyType

from babysit.search.engines._base import Between as Between
from babysit.search.engines._base import Engine as Engine
from babysit.search.engines._base import nothing_between as nothing_between
from babysit.search.engines.single import SingleEngine as SingleEngine
from babysit.search.engines.stacked import StackedEngine as StackedEngine
from babysit.search.engines.vmap import VmapEngine as VmapEngine

ENGINES: Mapping[str, type[Engine]] = MappingProxyType(
    {kind.name: kind for kind in (SingleEngine, StackedEngine, VmapEngine)}
)
"""By name; the first trains whatever can be trained, the others what they can prove equal."""

__all__ = ["ENGINES", "Between", "Engine", "SingleEngine", "StackedEngine", "VmapEngine", "nothing_between"]
