"""Random numbers that are drawn on the way to an answer, and are the script's: left as if they had not been drawn."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

Generators = torch.Generator | random.Random | np.random.Generator | np.random.RandomState


@contextmanager
def randomness_kept() -> Iterator[None]:
    """The random numbers of Python, of NumPy and of torch on the processor are left as they were.

    Example:
        >>> with randomness_kept():
        ...     first = random.random(), torch.rand(1)
        >>> first == (random.random(), torch.rand(1))
        True
    """
    before = other_randomness()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            set_other_randomness(before)


def other_randomness() -> tuple[Any, Any]:
    """The states of Python's and NumPy's random numbers."""
    return random.getstate(), np.random.get_state()


def set_other_randomness(state: tuple[Any, Any]) -> None:
    """Go back to states as :func:`other_randomness` gives them."""
    random.setstate(state[0])
    np.random.set_state(state[1])


@contextmanager
def generators_kept(given: Any) -> Iterator[None]:
    """The generators that a loader, its samplers and its data draw from are left as they were.

    Args:
        given: A loader or a data set, of any class; generators are its own attributes, or those of what it is made of.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> loader = DataLoader([1, 2, 3], shuffle=True, generator=generator)
        >>> with generators_kept(loader):
        ...     _ = list(loader)
        >>> torch.equal(generator.get_state(), torch.Generator().manual_seed(0).get_state())
        True
    """
    states = [(item, _state(item)) for item in _generators(given, set())]
    try:
        yield
    finally:
        for item, state in states:
            _set_state(item, state)


def _generators(holder: Any, seen: set[int]) -> Iterator[Generators]:
    if id(holder) in seen:
        return
    seen.add(id(holder))
    for name, value in getattr(holder, "__dict__", {}).items():
        if isinstance(value, Generators):
            yield value
        elif name == "dataset" or isinstance(
            value, DataLoader | Dataset | Sampler
        ):  # data of a loader may be any object
            yield from _generators(value, seen)


def _state(generator: Generators) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return copy.deepcopy(generator.bit_generator.state)
    return generator.get_state()


def _set_state(generator: Generators, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
