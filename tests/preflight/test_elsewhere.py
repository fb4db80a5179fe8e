"""Steps through parts of a model that another optimizer trains, or none at all."""

from __future__ import annotations

import pytest
import torch
from tests.preflight.test_capture import captured
from torch import nn
from torch.nn import functional as F

from babysit.preflight.api import check_subject
from babysit.preflight.report import Report
from babysit.preflight.subject import Subject
from babysit.rules._config import Config


def generator_first(trained: slice) -> Subject:
    """The step of a generator, while an optimizer has some of the discriminator's layers."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 6))
    discriminator = nn.Sequential(nn.Linear(6, 32), nn.LeakyReLU(), nn.Linear(32, 1))
    of_generator = torch.optim.Adam(generator.parameters(), 1e-3)
    of_discriminator = torch.optim.Adam([*discriminator.parameters()][trained], 1e-3)
    noise, real = torch.randn(32, 8), torch.randn(32, 6)

    def train() -> None:
        for _ in range(10):
            made = generator(noise)
            of_generator.zero_grad()
            F.binary_cross_entropy_with_logits(discriminator(made), torch.ones(32, 1)).backward()
            of_generator.step()
            of_discriminator.zero_grad()
            F.binary_cross_entropy_with_logits(discriminator(real), torch.ones(32, 1)).backward()
            of_discriminator.step()

    return captured(train)


def checked(subject: Subject) -> Report:
    """By this rule alone, so that there is time for all the steps it needs on a busy machine, too."""
    return check_subject(subject, [subject.batch], seconds=60.0, config=Config(select=("UPD003",)))


def left_out(report: Report) -> list[str]:
    return [item.module or "" for item in report.findings if item.code == "UPD003"]


def test_what_another_optimizer_trains_is_in_no_lack_of_one() -> None:
    subject = generator_first(slice(None))
    assert subject.elsewhere == {f"sequential_2.{name}" for name in ("0.weight", "0.bias", "2.weight", "2.bias")}
    report = checked(subject)
    assert left_out(report) == []
    row = next(item for item in report.checks if item.name == "gradients")
    assert (row.mark, row.measured) == ("passed", "2 of 2 layers get a gradient and an update")


@pytest.mark.parametrize("trained", [slice(2), slice(3)], ids=["a layer is lacking", "a bias is lacking"])
def test_what_no_optimizer_trains_is_still_told(trained: slice) -> None:
    subject = generator_first(trained)
    assert len(subject.elsewhere) == trained.stop
    assert left_out(checked(subject)) == ["sequential_2.2"]
