from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from babysit.rules.dat003_nonfinite_input import NonfiniteInput
from babysit.testing import record

RULE = NonfiniteInput()


def check(x: np.ndarray):
    return list(RULE.check(record(probes={"data": {"nonfinite": float((~np.isfinite(x)).sum())}})))


def test_real_data_are_silent() -> None:
    assert check(datasets.load_wine().data) == []


@pytest.mark.parametrize(("bad", "words"), [([np.nan], "1 value that is"), ([np.inf, np.nan], "2 values that are")])
def test_real_data_with_gaps(bad: list[float], words: str) -> None:
    x = datasets.load_wine().data.copy()
    x.ravel()[: len(bad)] = bad
    (finding,) = check(x)
    assert words in finding.message
    assert finding.evidence[0].value == len(bad)


def test_silent_without_the_probe() -> None:
    assert list(RULE.check(record(probes={"data": {}}))) == []
    assert not RULE.applies(record())
