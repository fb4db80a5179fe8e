from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets
from sklearn.feature_extraction.text import TfidfVectorizer

from babysit.rules.dat002_unscaled_input import UnscaledInput
from babysit.testing import record

RULE = UnscaledInput()


def check(x: np.ndarray):
    std = x.std(0)
    numbers = {"std": float(x.std()), "smallest_std": float(std[std > 0].min()), "largest_std": float(std.max())}
    return list(RULE.check(record(probes={"inputs": numbers})))


DIGITS = datasets.load_digits().data
WINE = datasets.load_wine().data


def test_real_scaled_data_are_silent() -> None:
    assert check((WINE - WINE.mean(0)) / WINE.std(0)) == []
    assert check((DIGITS - DIGITS.mean()) / DIGITS.std()) == []
    assert check(DIGITS / 16) == []


def test_real_pages_of_words_are_silent() -> None:
    words = TfidfVectorizer().fit_transform(datasets.load_digits().DESCR.split("\n")).toarray()
    assert check(words) == []


def test_real_pixels_of_0_to_255() -> None:
    (finding,) = check(DIGITS / 16 * 255)
    assert "the inputs have a standard deviation of up to" in finding.message
    assert finding.evidence[0].limit == 10


def test_real_table_in_which_one_feature_dominates() -> None:
    (finding,) = check(WINE)
    assert finding.evidence[0].value == pytest.approx(WINE.std(0).max())
    assert "dominate" in finding.message


def test_far_too_small() -> None:
    (finding,) = check(DIGITS / 16 * 1e-3)
    assert finding.evidence[0].limit == 0.01


@pytest.mark.parametrize("numbers", [{}, {"std": 0.0}, {"std": float("nan"), "largest_std": float("nan")}])
def test_silent_without_evidence(numbers: dict[str, float]) -> None:
    assert list(RULE.check(record(probes={"inputs": numbers}))) == []


def test_the_overall_spread_stands_in_for_the_features() -> None:
    assert len(list(RULE.check(record(probes={"inputs": {"std": 70.0}})))) == 1
