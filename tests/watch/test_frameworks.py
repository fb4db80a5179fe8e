"""Trainings that other libraries run, where they are installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "frameworks"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lightning", "transformers", "accelerate", "keras", "skorch"])
def test_a_training_of_another_library_is_watched_and_unchanged(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    script = str(SCRIPTS / f"train_{name}.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
        )

    plain = run(script)
    watched = run("-m", "babysit", "run", "--out", "run", script)
    assert watched.stdout.splitlines()[-1] == plain.stdout.splitlines()[-1]
    assert "healthy: loss curve: steep fall" in watched.stderr
