from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from babysit.measure.record import Forward, RunRecord
from babysit.rules.nrm001_small_batch_normalization import SmallBatchNormalization
from babysit.testing import Watched, watch_script

RULE = SmallBatchNormalization()

SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
x, model = torch.randn(120, 6), nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(40):
    rows = x[3 * step : 3 * step + 3]
    loss = nn.functional.mse_loss(model(rows), rows[:, :1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def recorded(values: list[int | None], phase: str = "train") -> RunRecord:
    return RunRecord(
        forwards=tuple(
            Forward(step, phase, "Net", True, (value or 16, 6), fewest_values=value, fewest_module="1")
            for step, value in enumerate(values)
        )
    )


def test_training_in_batches_of_three(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    (run,) = watch_script(script).records
    (finding,) = RULE.check(run)
    assert (finding.severity, finding.module, finding.evidence[0].value) == ("error", "1", 3)
    assert "over 3 values, in batches of 3 examples" in finding.message


@pytest.mark.parametrize("name", ["resnet_small", "mlp_batchnorm_steplr"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ([2] * 9, "error"),
        ([4] * 9, "warning"),
        ([7] * 9, "warning"),
        ([8] * 9, None),
        ([64, 64, 64, 3], None),  # the last batch of an epoch
        ([None] * 9, None),
        ([], None),
    ],
)
def test_limits(values: list[int | None], severity: str | None) -> None:
    assert [finding.severity for finding in RULE.check(recorded(values))] == ([severity] if severity else [])


def test_evaluation_says_nothing() -> None:
    assert list(RULE.check(recorded([2] * 9, "evaluation"))) == []
