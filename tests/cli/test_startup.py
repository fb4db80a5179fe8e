from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from babysit._version import __version__

LOADED = """
import json, sys
from babysit.cli import main
sys.argv = ["babysit", *{arguments}]
try:
    main()
except SystemExit as end:
    print(json.dumps({{"code": end.code, "modules": sorted(sys.modules)}}), file=sys.stderr)
"""
COMMANDS = ["train", "predict", "run", "check", "report", "judge", "rules", "rule"]


def loaded_by(*arguments: str, cwd: Path | None = None) -> tuple[str, set[str]]:
    """What a command prints, and the modules it has loaded when it ends, in a process of its own."""
    code = LOADED.format(arguments=list(arguments))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd)
    ended = json.loads(found.stderr)
    assert ended["code"] == 0
    return found.stdout, set(ended["modules"])


def test_help_names_every_command(babysit: Any) -> None:
    for flag in ("--help", "-h"):
        ended = babysit.run(flag)
        assert ended.code == 0
        assert all(f"\n  {command} " in ended.out for command in COMMANDS)
    alone = babysit.run()
    assert alone.code == 2
    assert (alone.out + alone.err).startswith("Usage: babysit")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(babysit: Any, command: str) -> None:
    ended = babysit.run(command, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: babysit {command}")
    assert ended.err == ""


def test_the_version(babysit: Any) -> None:
    assert babysit.run("--version").out == f"{__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["rules"], ["rule", "LOS001"]])
def test_what_needs_no_torch_does_not_load_it(arguments: list[str]) -> None:
    out, modules = loaded_by(*arguments)
    assert out
    assert not modules & {"torch", "sklearn", "pyarrow", "PIL"}


def test_a_report_needs_no_torch_either(digits_run: Any) -> None:
    out, modules = loaded_by("report", str(digits_run[0]))
    assert "report.html" in out
    assert not modules & {"torch", "sklearn", "pyarrow"}


def test_judging_needs_no_torch_either(digits_run: Any, tmp_path: Path) -> None:
    shutil.copytree(digits_run[0], tmp_path / "run")
    out, modules = loaded_by("judge", str(tmp_path / "run"), "--fail-on", "never")
    assert "rules asked" in out
    assert not modules & {"torch", "sklearn", "pyarrow", "PIL", "jinja2"}


def test_the_package_runs_as_a_module() -> None:
    found = subprocess.run([sys.executable, "-m", "babysit", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == f"{__version__}\n"


@pytest.mark.parametrize("arguments", [["trian"], ["train", "--epochs", "many"], ["train", "--no-such-option"]])
def test_what_cannot_be_parsed_ends_with_2_and_no_traceback(babysit: Any, arguments: list[str]) -> None:
    ended = babysit.run(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert "Traceback" not in ended.err
