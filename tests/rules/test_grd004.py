from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from babysit.measure.record import Coverage, LayerStats, RunHeader, RunRecord, StepRecord
from babysit.rules import Severity
from babysit.rules.grd004_no_gradient import NoGradient

RULE = NoGradient()


def run(
    missing: tuple[str, ...] = ("encoder",),
    uncalled: tuple[str, ...] = (),
    looks: tuple[int, ...] = (0, 1, 4),
    gradient_at: int | None = None,
    **changes: Any,
) -> RunRecord:
    def layers(step: int) -> tuple[LayerStats, ...]:
        reached = LayerStats("head", weight_norm=1.0, gradient_norm=1.0)
        return (
            *(LayerStats(m, weight_norm=1.0, gradient_norm=0.1 if step == gradient_at else None) for m in missing),
            reached,
        )

    return RunRecord(
        RunHeader(**changes),
        steps=tuple(StepRecord(step, 2.3, layers=layers(step)) for step in range(6)),
        coverage=tuple(Coverage(step, ("head",), missing, uncalled) for step in looks),
    )


def test_used_but_cut_off() -> None:
    (finding,) = RULE.check(run(("encoder.0", "encoder.2")))
    assert finding.severity is Severity.ERROR
    assert finding.module == "encoder.0"
    assert "2 of 3 modules" in finding.message
    assert "does not reach the loss" in finding.message
    assert "between encoder.0, encoder.2 and the loss" in finding.remedies[0]


def test_what_the_last_of_several_blocks_gives_beside_what_is_used_is_information() -> None:
    for last, severity in (("1", Severity.INFO), ("0", Severity.ERROR)):
        left = run((f"blocks.{last}.rest",))
        names = tuple(f"blocks.{place}.{part}" for place in (0, 1) for part in ("rest", "out"))
        trained = tuple(name for name in names if name != f"blocks.{last}.rest")
        looks = tuple(dataclasses.replace(look, trained=trained) for look in left.coverage)
        (finding,) = RULE.check(dataclasses.replace(left, coverage=looks))
        assert finding.severity is severity


def test_unused() -> None:
    (finding,) = RULE.check(run(("aux",), ("aux",)))
    assert finding.severity is Severity.WARNING
    assert "unused, or called under no_grad()" in finding.message


def test_both() -> None:
    assert [finding.module for finding in RULE.check(run(("encoder", "aux"), ("aux",)))] == ["encoder", "aux"]


def test_what_keeps_it_silent() -> None:
    assert list(RULE.check(run(()))) == []
    assert list(RULE.check(run(looks=(0, 1)))) == []  # an optimizer that has not stepped yet
    assert list(RULE.check(run(gradient_at=3))) == []  # an expert that is chosen now and then, a GAN's other network
    whole = run()
    used = dataclasses.replace(whole.coverage[1], trained=("head", "encoder"), without_gradient=())
    assert list(RULE.check(dataclasses.replace(whole, coverage=(whole.coverage[0], used, whole.coverage[2])))) == []
    nothing = tuple(dataclasses.replace(look, trained=()) for look in whole.coverage)
    assert list(RULE.check(dataclasses.replace(whole, coverage=nothing))) == []  # UPD004's matter
    assert not RULE.applies(RunRecord())


@pytest.mark.parametrize(("progress", "found"), [(True, 1), (False, 0)])
def test_scales_and_biases_alone(progress: bool, found: int) -> None:
    # norms of a generator have none at the discriminator's step, and no statistics tell that they have one later
    bare = dataclasses.replace(run(progress=progress), steps=())
    assert len(list(RULE.check(bare))) == found
