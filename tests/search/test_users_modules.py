from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from babysit.preflight.target import function_named
from babysit.search.users_modules import users_modules


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a package, and a folder elsewhere with a file and what lies beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    for file, content in {
        "its_package/__init__.py": "",
        "its_package/models.py": "def build(hp): ...",
        "elsewhere/its_data.py": "import its_neighbour\ndef data(): ...",
        "elsewhere/its_neighbour.py": "",
        "elsewhere/json.py": "def build(hp): ...",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(content)
    return tmp_path


def test_what_a_user_wrote_is_found_wherever_it_lies(own: Path) -> None:
    before = {module.__name__ for module in users_modules()}
    function_named("its_package.models:build")
    function_named(f"{own}/elsewhere/its_data.py:data")
    found = {module.__name__ for module in users_modules()} - before
    assert found == {"its_package", "its_package.models", "its_data", "its_neighbour"}


def test_a_file_that_is_called_as_a_module_of_python_is_the_users(own: Path) -> None:
    function = function_named(f"{own}/elsewhere/json.py:build")
    assert sys.modules[function.__module__] in users_modules()


def test_what_is_installed_is_not(own: Path) -> None:
    names = {module.__name__.partition(".")[0] for module in users_modules()}
    importlib.import_module("hypothesis")
    assert {"torch", "numpy", "pytest", "hypothesis", "babysit", "json"}.isdisjoint(names)
