"""The public face: everything in ``babysit.__all__``, loaded when it is first used, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest
from torch import nn

import babysit as bs
from babysit._version import __version__
from babysit.errors import InputError


def imported_for_types() -> set[str]:
    """The names under ``if TYPE_CHECKING:``, which are what a type checker knows of the package."""
    tree = ast.parse(Path(str(bs.__file__)).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("name", bs.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(bs, name)
    if name != "__version__":
        assert callable(value)
        assert (value.__doc__ or "").strip()


def test_the_list_is_complete() -> None:
    assert sorted(bs.__all__) == bs.__all__
    assert set(bs.__all__) == imported_for_types() | {"__version__"}
    assert set(bs.__all__) <= set(dir(bs))
    assert bs.__version__ == __version__


def test_types_and_runtime_agree() -> None:
    from babysit.recipe.model_file import load
    from babysit.search import Choice, IntUniform, LogUniform, Uniform

    assert (bs.load, bs.Choice, bs.IntUniform) == (load, Choice, IntUniform)
    assert (bs.LogUniform, bs.Uniform) == (LogUniform, Uniform)
    assert isinstance(bs.load, FunctionType)
    assert issubclass(bs.FitResult, object)


def test_the_name_of_a_package_can_be_called_whatever_was_imported_before() -> None:
    import babysit.fit.trainer  # noqa: F401 - binds the package to the name

    with pytest.raises(InputError):
        bs.fit(nn.Linear(1, 1), ([], []))  # type: ignore[arg-type]


def test_no_other_name_is_made_up() -> None:
    with pytest.raises(AttributeError, match="module 'babysit' has no attribute 'magic'"):
        bs.magic  # noqa: B018


def test_star_gives_what_is_listed() -> None:
    names: dict[str, object] = {}
    exec("from babysit import *", names)
    assert set(bs.__all__) <= set(names)


@pytest.mark.parametrize(
    ("statement", "loads_torch"),
    [("import babysit", False), ("import babysit; babysit.__version__", False), ("import babysit; babysit.fit", True)],
)
def test_torch_is_loaded_when_it_is_needed(statement: str, loads_torch: bool) -> None:
    code = f"import sys; {statement}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == f"{loads_torch}\n"
