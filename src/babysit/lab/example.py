"""The example of a claim with all that it needs, so that a reader can paste it."""

from __future__ import annotations

import ast
import builtins
import doctest
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from babysit.lab.section import Claim


def standalone(claim: Claim) -> str:
    """The example in the experiment's docstring, with the imports of its module that it relies on.

    Args:
        claim: As registered.

    Example:
        >>> from babysit.lab import claims
        >>> standalone(claims(["A1"])[0]).splitlines()[0]
        '>>> import torch'
    """
    missing = [f">>> {line}" for line in sorted(_imports(claim), key=lambda line: (line.startswith("from"), line))]
    return "\n".join([*missing, claim.example])


def _imports(claim: Claim) -> Iterator[str]:
    namespace: dict[str, Any] = getattr(claim.run, "__globals__", {})
    known = set(dir(builtins))
    for example in doctest.DocTestParser().get_examples(claim.example + "\n"):
        names = list(_names(example.source))
        known |= {name for name, is_read in names if not is_read}
        for name, is_read in names:
            if is_read and name not in known and name in namespace:
                known.add(name)
                yield _import(name, namespace[name], namespace["__name__"])


def _names(source: str) -> Iterator[tuple[str, bool]]:
    """Every name that stands in a source, and whether it is read there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            yield node.id, isinstance(node.ctx, ast.Load)
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0], False
        elif isinstance(node, ast.arg):
            yield node.arg, False
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, False


def _import(name: str, value: object, module: str) -> str:
    if isinstance(value, ModuleType):
        package, _, last = value.__name__.rpartition(".")
        if package and last == name:
            return f"from {package} import {name}"
        return f"import {value.__name__}" if value.__name__ == name else f"import {value.__name__} as {name}"
    home = getattr(value, "__module__", None)
    is_its_own = isinstance(home, str) and getattr(value, "__name__", None) == name
    return f"from {home if is_its_own else module} import {name}"
