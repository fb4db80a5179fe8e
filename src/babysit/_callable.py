"""Packages that can be called, for the names that are a part of babysit and a function of its public face.

`babysit.fit` is a package, and Python binds the package to that name as soon as anything imports it. So that
``bs.fit(model, data)`` works whatever was imported before, the package itself is made callable.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def make_callable(package: str, function: Callable[..., Any]) -> None:
    """Let calls of a package go to one of its functions.

    Args:
        package: Name of the package, its own ``__name__``.
        function: What a call means.
    """

    class CallableModule(ModuleType):
        __call__ = staticmethod(function)
        __signature__ = inspect.signature(function)

    sys.modules[package].__class__ = CallableModule
