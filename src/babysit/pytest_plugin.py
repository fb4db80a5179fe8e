"""The pytest fixture ``babysit_check``, found by pytest wherever babysit is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from babysit.preflight import Report


@pytest.fixture
def babysit_check() -> Callable[..., Report]:
    """:func:`babysit.check`, failing the test for a warning or worse.

    What it returns takes the same arguments, and ``fail_on="error"`` for errors alone::

        def test_training_can_begin(babysit_check):
            babysit_check(build_model(), loss_fn, next(iter(loader)))
    """

    def check(*args: Any, fail_on: str = "warning", **kwargs: Any) -> Report:
        from babysit.preflight import check as check_model  # here, as a test run without it need not wait for torch

        return check_model(*args, **kwargs).raise_for(fail_on)

    return check
