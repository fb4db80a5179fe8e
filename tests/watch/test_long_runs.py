"""A run of 100,000 steps: few records, and no more memory at the end than at its beginning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from babysit.diagnose import diagnose
from babysit.measure.record import read_run

STEPS = 100_000
MOST_RECORDS = 1000
MOST_GROWTH = 16 << 20
"""Bytes: the memory that an allocator keeps varies by a few MiB from one look to the next."""

SCRIPT = """
import json, sys
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional as F
from babysit.watch import Monitor

def memory():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
x = torch.randn(2048, 16)
y = x[:, :4].argmax(1)
held = {}
with Monitor(out=Path(sys.argv[1])) as monitor:
    for step in range(int(sys.argv[2])):
        rows = torch.randint(0, 2000, (32,))
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
        if step % 1000 == 999:
            model.eval()
            with torch.no_grad():
                F.cross_entropy(model(x[2000:]), y[2000:])
            model.train()
        if step == 5000:
            held["early"] = memory()
    held["late"] = memory()
print(json.dumps(held))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_long_run_holds_few_records_and_its_memory_does_not_grow(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "run"), str(STEPS)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    held = json.loads(ended.stdout)
    assert held["late"] - held["early"] < MOST_GROWTH
    run = read_run(tmp_path / "run")
    assert len(run.losses) == STEPS
    assert 64 < len(run.steps) <= MOST_RECORDS
    assert len(run.blocks) <= MOST_RECORDS
    assert len((tmp_path / "run" / "steps.jsonl").read_text().splitlines()) <= 3 * MOST_RECORDS
    assert diagnose(run).verdict == "healthy"
