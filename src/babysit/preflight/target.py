"""`file.py:function` and `package.module:function`: what a function gives is checked."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from torch import nn

from babysit.errors import InputError, suggest
from babysit.preflight.failures import refusal

_FUNCTION = re.compile(r"(?P<home>.+):(?P<name>[^\W\d]\w*)")
_WANTED = "(model, loss_fn, batch or loader), perhaps with an optimizer"


@dataclass(frozen=True)
class Target:
    """What a function gave: the arguments of :func:`babysit.check`."""

    model: nn.Module
    loss_fn: Callable[..., Any] | None
    batch: Any
    optimizer: torch.optim.Optimizer | None


def is_function(target: str) -> bool:
    """Whether a target names a function, not a script.

    Example:
        >>> is_function("train.py:build"), is_function("pkg.train:build"), is_function("train.py")
        (True, True, False)
    """
    return _FUNCTION.fullmatch(target) is not None and not Path(target).exists()


def function_named(target: str) -> Callable[..., Any]:
    """Import the file or module and find the function.

    Raises:
        InputError: The target names no function, or there is no such file, module or function.
    """
    match = _FUNCTION.fullmatch(target)
    if match is None:
        raise InputError(
            target, expected="FILE.py:FUNCTION or MODULE:FUNCTION", found="no function's name", todo="name one"
        )
    module, name = _import(match["home"]), match["name"]
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        found = "no such name" if function is None else f"a {type(function).__name__}"
        raise InputError(target, expected=f"a function {name}", found=found, todo=suggest(name, known, "name another"))
    return cast(Callable[..., Any], function)


def load(target: str) -> Target:
    """Import the file or module, call the function, and check what it gives.

    Raises:
        InputError: There is no such file, module or function; it raises; or it gives something else.
    """
    function = function_named(target)
    name = target.rpartition(":")[2]
    try:
        given = function()
    except Exception as error:
        raise refusal(target, error, expected=f"{name}() to return {_WANTED}", todo="mend it") from error
    return _target(target, given)


def _target(target: str, given: Any) -> Target:
    parts = tuple(given) if isinstance(given, tuple | list) else ()
    if len(parts) not in (3, 4):
        found = f"{len(parts)} values" if parts else f"a {type(given).__name__}"
        raise InputError(target, expected=_WANTED, found=found, todo="return these")
    model, loss_fn, batch = parts[:3]
    optimizer = parts[3] if len(parts) == 4 else None
    kinds = ", ".join(type(part).__name__ for part in parts)
    is_right = isinstance(model, nn.Module) and (loss_fn is None or callable(loss_fn))
    if not is_right or not isinstance(optimizer, torch.optim.Optimizer | None):
        raise InputError(target, expected=_WANTED, found=f"({kinds})", todo="return these in this order")
    return Target(model, loss_fn, batch, optimizer)


def _import(home: str) -> ModuleType:
    if home.endswith(".py"):
        return _import_file(Path(home))
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(home)
    except Exception as error:
        raise _not_imported(home, error) from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = [item.name for item in path.parent.glob("*.py")] if path.parent.is_dir() else []
        todo = suggest(path.name, near, "check the path")
        raise InputError(str(path), expected="a Python file", found="no such file", todo=todo)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _not_imported(str(path), error) from error
    return module


def _not_imported(home: str, error: Exception) -> InputError:
    return refusal(home, error, expected="a module that can be imported", todo="mend it, or check the name")
