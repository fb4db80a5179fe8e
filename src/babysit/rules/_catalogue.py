"""All rules there are: every module of this package, and what other packages bring by entry point."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType

import babysit.rules as package
from babysit.rules._base import Rule

ENTRY_POINT_GROUP = "babysit.rules"


@functools.cache
def catalogue() -> Mapping[str, type[Rule]]:
    """Every rule class by code, sorted.

    Example:
        >>> catalogue()["LOS001"].name
        'nonfinite-loss'
    """
    found: dict[str, type[Rule]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            for rule in _rules_of(importlib.import_module(f"{package.__name__}.{module.name}")):
                found[rule.code] = rule
    for rule in _brought():
        found.setdefault(rule.code, rule)
    return MappingProxyType(dict(sorted(found.items())))


def all_rules() -> tuple[Rule, ...]:
    """One instance of every rule, with its default thresholds, by code."""
    return tuple(rule() for rule in catalogue().values())


def _brought() -> Iterator[type[Rule]]:
    """Rules of other packages; one that does not load is named and skipped, as the others are still good."""
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            yield entry.load()
        except Exception as error:  # whatever the other package's import raises
            warnings.warn(f"rule {entry.name!r} of {entry.value} was not loaded: {error}", RuntimeWarning, stacklevel=2)


def _rules_of(module: object) -> list[type[Rule]]:
    return [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Rule) and "code" in vars(item)
    ]
