"""`file.py:function` and `package.module:function`: how a function is found; what one to be checked gives."""

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
    """The function that a person named; its file or module is imported for that, and may import what lies beside it.

    Args:
        target: ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``.

    Raises:
        InputError: The target names no function, or there is no such file, module or function, or it cannot be
            imported.
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
        otherwise = f"name one of {', '.join(known[:8])}" if known else "define it"
        raise InputError(target, expected=f"a function {name}", found=found, todo=suggest(name, known, otherwise))
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
    except (Exception, SystemExit) as error:
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
    path = Path(home)
    if home.endswith(".py"):
        return _import_file(path)
    if path.is_file():
        raise InputError(
            home, expected="a Python file", found=f"one that ends in {path.suffix!r}", todo="name a .py file"
        )
    _put_first(Path.cwd())
    try:
        return importlib.import_module(home)
    except (Exception, SystemExit) as error:
        raise _not_imported(home, error) from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = [item.name for item in path.parent.glob("*.py")] if path.parent.is_dir() else []
        todo = suggest(path.name, near, "check the path")
        raise InputError(str(path), expected="a Python file", found="no such file", todo=todo)
    file = path.resolve()
    name = _module_name(file)
    if _is_of(sys.modules.get(name), file):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _put_first(file.parent)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise _not_imported(str(path), error) from error
    return module


def _module_name(file: Path) -> str:
    """The file's own name where nothing else has it, so that what is in it can be found by other processes as well.

    A file called as a module that can be imported must not stand in for it: it gets a name that nobody imports.
    """
    own = file.stem
    private = f"babysit user file {own.replace('.', ' ')}"
    if not own.isidentifier():
        return private
    if own in sys.modules:
        return own if _is_of(sys.modules[own], file) else private
    spec = importlib.util.find_spec(own)
    is_free = spec is None or spec.origin is None or Path(spec.origin).resolve() == file
    return own if is_free else private


def _is_of(module: ModuleType | None, file: Path) -> bool:
    return getattr(module, "__file__", None) == str(file)


def _put_first(folder: Path) -> None:
    """Let what lies in a folder be imported, as python does for a script's."""
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def _not_imported(home: str, error: BaseException) -> InputError:
    return refusal(home, error, expected="a module that can be imported", todo="mend it, or check the name")
