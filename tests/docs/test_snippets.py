"""The Python that the pages show runs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import babysit as bs

Blocks = Callable[[Path, str], list[str]]


def run(page: Path, blocks: Blocks, folder: Path) -> subprocess.CompletedProcess[str]:
    """All blocks of a page as one program, as a reader would paste them one after the other."""
    (script := folder / "page.py").write_text("\n\n".join(blocks(page, "python")))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=folder, env=environment)


@pytest.mark.parametrize(
    ("name", "needs", "says"),
    [
        ("coming-from/lightning.md", "lightning", "healthy steep fall"),
        ("coming-from/skorch.md", "skorch", "healthy steep fall"),
        ("coming-from/tensorboard.md", "tensorboard", ""),
        ("coming-from/optuna.md", "optuna", "LOS002"),
        ("index.md", "torch", "healthy"),
    ],
)
def test_pages_run(name: str, needs: str, says: str, docs: Path, blocks: Blocks, tmp_path: Path) -> None:
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    ended = run(docs / name, blocks, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert says in ended.stdout
    if needs == "tensorboard":
        assert list((tmp_path / "runs/tensorboard").glob("events.*"))


def test_the_rule_of_the_reference_passes_its_own_tests(docs: Path, blocks: Blocks) -> None:
    names: dict[str, Any] = {"__name__": "our_rules"}
    for block in blocks(docs / "api/rules.md", "python"):
        execute(block, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()


def classification() -> tuple[torch.Tensor, torch.Tensor]:
    """Ten classes around ten points."""
    generator, y = torch.Generator().manual_seed(0), torch.arange(200) % 10
    return torch.randn(10, 64, generator=generator)[y] + 0.5 * torch.randn(200, 64, generator=generator), y


def execute(block: str, names: dict[str, Any]) -> None:
    """Run a block as a module of its own would be: with none of this one's future statements."""
    exec(compile(block, "<page>", "exec", dont_inherit=True), names)


def test_checking(docs: Path, blocks: Blocks) -> None:
    (block,) = blocks(docs / "check.md", "python")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    names: dict[str, Any] = {"bs": bs, "model": model, "loss_fn": nn.CrossEntropyLoss(), "batch": classification()}
    names["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.01)
    execute(block, names)
    assert names["report"].verdict == "healthy"


def test_searching_with_a_build_function(docs: Path, blocks: Blocks) -> None:
    x, y = classification()
    names: dict[str, Any] = {"bs": bs, "nn": nn, "x": x, "y": y}
    for block in blocks(docs / "search.md", "python")[:2]:
        execute(block, names)
    assert set(names["found"].best) == {"lr", "width"}
    assert len(names["found"].trials) == 64


@pytest.mark.slow
def test_searching_with_a_loop(docs: Path, blocks: Blocks) -> None:
    _, _, block = blocks(docs / "search.md", "python")
    execute(block, {"bs": bs, "Net": lambda width: nn.Linear(2, width), "validation_accuracy": 0.5})


def test_training_in_python(docs: Path, blocks: Blocks) -> None:
    load, fit = blocks(docs / "train.md", "python")
    assert "bs.load" in load  # of a run folder of babysit train; tests/recipe loads such models
    x, y = classification()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    names: dict[str, Any] = {"bs": bs, "model": model, "x": x, "y": y, "x_val": x, "y_val": y}
    execute(fit, names)
    assert names["result"].best.score > 0.5  # guessing gets 0.1


def test_every_page_with_python_is_run_here(docs: Path, blocks: Blocks) -> None:
    tested = {"check.md", "search.md", "train.md", "index.md", "tutorial.md", "api/rules.md", "api/index.md"}
    tested |= {f"coming-from/{name}.md" for name in ("lightning", "skorch", "optuna", "tensorboard")}
    shown = {str(page.relative_to(docs)) for page in docs.rglob("*.md") if blocks(page, "python")}
    assert {name for name in shown if not name.startswith("rules/")} <= tested
