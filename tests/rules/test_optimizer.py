from __future__ import annotations

import pytest

from babysit.rules._optimizer import is_adaptive, is_plain
from babysit.testing import record


@pytest.mark.parametrize(
    ("optimizer", "adaptive", "plain"),
    [
        ("AdamW", True, False),
        ("RMSprop", True, False),
        ("Adam + Adafactor", True, False),
        ("SGD", False, True),
        ("momentum", False, True),
        ("SGD + Adam", False, False),
        ("LBFGS", False, False),
        ("", False, False),
    ],
)
def test_names(optimizer: str, adaptive: bool, plain: bool) -> None:
    run = record(optimizer=optimizer)
    assert (is_adaptive(run), is_plain(run)) == (adaptive, plain)
