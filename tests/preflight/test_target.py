from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from babysit.errors import InputError
from babysit.preflight.target import function_named

GOOD = """
from dataclasses import dataclass

@dataclass
class Settings:
    depth: int = 3

def build():
    return Settings()

THRESHOLD = 3
"""
Write = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def _own_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a test imports is forgotten after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def into(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    return into


@pytest.mark.parametrize(
    "target", ["mine.py:build", "./mine.py:build", "mine:build", "pack/mine.py:build", "pack.mine:build"]
)
def test_a_function_is_named_by_its_file_or_its_module(write: Write, target: str) -> None:
    for name in ("mine.py", "pack/mine.py"):
        write(name, GOOD)
    assert function_named(target)().depth == 3


@pytest.mark.parametrize("own", ["json.py", "zipapp.py", "net.work.py"])
def test_a_file_called_as_a_module_leaves_the_module_alone(write: Write, own: str) -> None:
    write(own, GOOD)
    assert function_named(f"{own}:build")().depth == 3
    assert sys.modules["json"] is json
    assert hasattr(json, "dumps")
    assert not {"zipapp", "net.work"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("target", "beside"), [("apart/mine.py:build", "apart/beside.py"), ("apart.mine:build", "beside.py")]
)
def test_what_lies_beside_a_file_can_be_imported(write: Write, target: str, beside: str) -> None:
    write(beside, "DEPTH = 7")
    write("apart/mine.py", "import beside\ndef build(): return beside.DEPTH")
    assert function_named(target)() == 7


@pytest.mark.parametrize("name", ["mine.py", "json.py"])
def test_what_a_file_defines_can_be_sent(write: Write, name: str) -> None:
    write(name, GOOD)
    settings = function_named(f"{name}:build")()
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_what_a_file_defines_is_found_by_a_process_that_begins_anew(write: Write, tmp_path: Path) -> None:
    write("mine.py", GOOD)
    sent = pickle.dumps(function_named("mine.py:build")())
    code = f"import sys, pickle; sys.path = {sys.path!r}; print(pickle.loads({sent!r}).depth)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path.parent
    )
    assert found.stdout == "3\n"


def test_a_file_is_run_once_for_all_its_functions(write: Write) -> None:
    write("mine.py", f"with open('runs.txt', 'a') as file: file.write('x')\n{GOOD}")
    assert function_named("mine.py:build")() == function_named("./mine.py:Settings")()
    assert Path("runs.txt").read_text() == "x"


def test_files_of_one_name_are_told_apart(write: Write) -> None:
    for folder in "abc":
        write(f"{folder}/mine.py", f"def build(): return {folder!r}")
    assert [function_named(f"{folder}/mine.py:build")() for folder in "abca"] == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (GOOD, "biuld", "found no such name; did you mean 'build'?"),
        (GOOD, "THRESHOLD", "expected a function THRESHOLD, found a int; name one of dataclass, Settings, build"),
        ("x = 1", "build", "found no such name; define it"),
        ("import nothing_of_that_name", "build", "found ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def build(:", "build", "found SyntaxError: invalid syntax"),
        ("raise KeyError('x')", "build", "found KeyError: 'x'; mend it"),
        ("import sys; sys.exit(3)", "build", "found SystemExit: 3; mend it"),
    ],
)
def test_what_is_wrong_with_a_file_or_module_is_told_in_one_line(
    write: Write, content: str, name: str, says: str
) -> None:
    write("net.py", content)
    for target in (f"net.py:{name}", f"net:{name}"):
        with pytest.raises(InputError) as refused:
            function_named(target)
        assert str(refused.value).startswith(("net.py", "net:"))
        assert says in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("apart/nowhere.py:build", "expected a Python file, found no such file; check the path"),
        ("nte.py:build", "did you mean 'net.py'?"),
        ("nowhere:build", "found ModuleNotFoundError: No module named 'nowhere'"),
        ("net.txt:build", "expected a Python file, found one that ends in '.txt'; name a .py file"),
        ("net.py", "expected FILE.py:FUNCTION or MODULE:FUNCTION"),
        (":build", "expected FILE.py:FUNCTION or MODULE:FUNCTION"),
        ("/:build", "expected a module that can be imported"),
        ("..:build", "found"),
    ],
)
def test_what_cannot_be_imported(write: Write, target: str, says: str) -> None:
    write("net.txt", GOOD)
    write("net.py", GOOD)
    with pytest.raises(InputError) as refused:
        function_named(target)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
