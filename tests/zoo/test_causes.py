"""What counts as named, on diagnoses written down by hand."""

from __future__ import annotations

import pytest

from causes import is_named, is_named_by_code, is_told

LOW = {"UPD001": "updates of 1e-07 of the weights in 4 of 4 layers: the learning rate is too low"}
SOME = {"UPD001": "updates of 1e-07 of the weights in 1 of 4 layers: little of the gradient reaches them"}
HIGH = {"ACT002": "93 % of the outputs are at their limits: the updates drove it there, the learning rate is too high"}
START = {"INI002": "the signal shrinks | start the weights with Xavier's scheme"}


@pytest.mark.parametrize(
    ("code", "severity", "said", "named"),
    [
        ("UPD001", "warning", SOME, True),  # its own code
        ("LOS003", "warning", LOW, True),
        ("LOS003", "warning", SOME, False),  # the same code as above, another cause
        ("LOS003", "info", LOW, False),  # a remark
        ("LOS004", "warning", HIGH, True),
        ("LOS004", "warning", LOW, False),
        ("INI004", "warning", START, True),
        ("INI004", "info", START, False),
        ("GRD001", "warning", START, False),  # a code that stands for one cause counts alone
        ("ACT002", "warning", {"LOS002": "the loss exploded: the learning rate is too high"}, False),
    ],
)
def test_what_is_named(code: str, severity: str, said: dict[str, str], named: bool) -> None:
    found = dict.fromkeys(said, severity)
    assert is_named(code, found, said) is named
    assert is_told(code, found, said, ()) is named
    assert is_told(code, found, said, {code})


def test_a_folded_finding_is_not_named() -> None:
    said = {"LOS002": "the loss exploded: the learning rate is too high"}
    assert is_told("ACT002", {"LOS002": "error"}, said, {"ACT002"})
    assert not is_named("ACT002", {"LOS002": "error"}, said)


def test_information_counts_where_a_rule_gives_nothing_else() -> None:
    assert is_named_by_code("GEN002", {"GEN002": "info"})
    assert not is_named_by_code("LOS002", {"LOS002": "info"})
