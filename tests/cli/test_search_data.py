"""What a function that `--data` names may give, and what is said of all else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from babysit.cli import _search_data as module
from babysit.cli._search_data import data_of
from babysit.data import read
from babysit.errors import InputError

X, Y = torch.zeros(20, 3), torch.arange(20) % 2
PAIR = (X, Y)
LOADER = DataLoader(TensorDataset(X, Y), batch_size=5)
WANTED = r"mine\(\) to return \(x, y\), a loader, or \(training, validation\) of these"


def given(monkeypatch: pytest.MonkeyPatch, value: Any) -> dict[str, Any]:
    monkeypatch.setattr(module, "function_named", lambda _: lambda: value)
    return data_of("data.py:mine")


@pytest.mark.parametrize(
    "value",
    [PAIR, (X.numpy(), np.arange(20)), LOADER, [PAIR, PAIR], [[X, Y]], read("iris")],
    ids=["tensors", "arrays", "loader", "batches", "lists", "data set"],
)
def test_data_and_data_with_validation(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    assert given(monkeypatch, value) == {"data": value}
    known = given(monkeypatch, (value, PAIR))
    assert known["data"] is value
    assert known["validation"] is PAIR
    assert given(monkeypatch, (value, None))["validation"] is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "nothing"),
        ("digits", "a str"),
        ((X, Y, 3), r"\(Tensor, Tensor, int\)"),
        ((X, Y, X, Y), r"\(Tensor, Tensor, Tensor, Tensor\)"),
        ((PAIR, 3), r"\(tuple, int\)"),
        (([1, 2], [0, 1]), r"\(list, list\)"),
        (X, "a Tensor"),
        ({"x": X, "y": Y}, "a dict"),
        ([], "a list"),
    ],
)
def test_what_is_no_data_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, value: Any, found: str) -> None:
    with pytest.raises(InputError, match=rf"^data.py:mine: expected {WANTED}, found {found}; return one of these$"):
        given(monkeypatch, value)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def mine():\n    raise ValueError('no\\nfile')", "ValueError: no file; mend the function"),
        ("def mine(path):\n    return path", r"TypeError: mine\(\) missing 1 required positional argument: 'path'"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_in_one_line(tmp_path: Path, source: str, found: str) -> None:
    (tmp_path / "data_of_mine.py").write_text(source)
    with pytest.raises(InputError, match=rf"data_of_mine.py:mine: expected {WANTED}, found {found}"):
        data_of(f"{tmp_path / 'data_of_mine.py'}:mine")
