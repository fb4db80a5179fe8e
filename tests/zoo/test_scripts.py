"""Scripts as other people write them give the same output, exit code and weights under `babysit run`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ZOO = Path(__file__).parent
SCRIPTS = {
    "mnist_example": ("mnist_example.py", "--epochs", "2"),
    "sys_exit": ("sys_exit.py",),
    "raises": ("raises.py",),
    "forks": ("forks.py",),
    "workers": ("workers.py",),
    "lbfgs": ("lbfgs.py",),
    "amp_scaler": ("amp_scaler.py",),
    "compiled": ("compiled.py",),
    "custom_optimizer": ("custom_optimizer.py",),
    "hooks": ("hooks.py",),
    "thread": ("thread.py",),
    "nanogpt_style": ("nanogpt_style/train.py", "--max_iters=40"),
}
CODES = {"sys_exit": 3, "raises": 1}


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


@pytest.mark.parametrize(
    "name",
    # what these do is done in healthy trainings of the zoo, too
    [pytest.param(name, marks=pytest.mark.slow if name in ("amp_scaler", "lbfgs") else ()) for name in SCRIPTS],
)
def test_output_exit_code_and_weights_are_the_same(name: str, tmp_path: Path) -> None:
    script, *arguments = SCRIPTS[name]
    path = str(ZOO / "scripts" / script)
    plain = run(path, *arguments, cwd=tmp_path)
    watched = run("-m", "babysit", "run", "--out", "run", path, *arguments, cwd=tmp_path)
    assert (watched.returncode, watched.stdout) == (plain.returncode, plain.stdout)
    assert plain.returncode == CODES.get(name, 0), plain.stderr
    if name == "raises":
        assert watched.stderr.startswith(plain.stderr)
    header = json.loads((tmp_path / "run" / "run.json").read_text())
    assert header["versions"]["torch"]
    assert "watching ended" not in watched.stderr
    assert " steps:" in watched.stderr


def test_a_package_with_relative_imports(tmp_path: Path) -> None:
    folder = ZOO / "scripts" / "package"
    plain = run("-m", "pkg.train", cwd=folder)
    watched = run("-m", "babysit", "run", "--out", str(tmp_path / "run"), "-m", "pkg.train", cwd=folder)
    assert (watched.returncode, watched.stdout) == (plain.returncode, plain.stdout)
    assert watched.returncode == 0
    assert "healthy" in watched.stderr


def run_ranks(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Two ranks; again where gloo's own threads abort one of them as it ends, which happens without babysit too."""
    for _ in range(6):
        shutil.rmtree(cwd / "run", ignore_errors=True)
        ended = run("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command, cwd=cwd)
        if "terminate called without an active exception" not in ended.stderr:
            break
    return ended


def watched_ranks(script: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """How two watched ranks ended, and what was found."""
    ended = run_ranks("-m", "babysit", "run", "--out", "run", str(ZOO / "distributed" / f"{script}.py"), cwd=folder)
    found = folder / "run" / "findings.jsonl"
    lines = found.read_text().splitlines() if found.exists() else []
    return ended, {json.loads(line)["code"] for line in lines}


def test_two_ranks_are_not_changed(tmp_path: Path) -> None:
    plain = run_ranks(str(ZOO / "distributed" / "ddp_healthy.py"), cwd=tmp_path)
    watched, found = watched_ranks("ddp_healthy", tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert (watched.returncode, watched.stdout) == (plain.returncode, plain.stdout)
    assert "healthy" in watched.stderr
    assert found == set()


@pytest.mark.parametrize(("script", "code"), [("dst001_not_wrapped", "DST001"), ("dst002_same_shard", "DST002")])
def test_what_is_wrong_between_two_ranks_is_named(script: str, code: str, tmp_path: Path) -> None:
    watched, found = watched_ranks(script, tmp_path)
    assert watched.returncode == 0, watched.stderr
    assert "healthy" not in watched.stderr
    assert found == {code}
