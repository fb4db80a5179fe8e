from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from sklearn.metrics import root_mean_squared_error

from babysit.report.plots.regression import truth_and_prediction
from babysit.report.summary import Summary


def test_each_example_is_a_dot_and_the_diagonal_has_one_scale() -> None:
    summary = Summary(test={"truth": [0.0, 5.0, 10.0], "prediction": [0.0, 6.0, 10.0], "rmse": 0.577, "score": 0.98})
    svg = ElementTree.fromstring(truth_and_prediction(summary))
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in svg.iter("circle")]
    assert dots[2][0] - dots[0][0] == pytest.approx(dots[0][1] - dots[2][1], abs=0.11)
    assert svg.attrib["aria-label"].endswith("miss the truth by 0.577 (root mean square); R² 0.98")


def test_the_error_is_computed_where_it_is_not_told() -> None:
    truth, prediction = [1.0, 2.0, 4.0], [1.5, 2.0, 2.0]
    drawn = truth_and_prediction(Summary(test={"truth": truth, "prediction": prediction}))
    assert f"by {root_mean_squared_error(truth, prediction):.2f} (root mean square)" in drawn


def test_predictions_that_are_not_finite_are_left_out() -> None:
    drawn = truth_and_prediction(Summary(test={"truth": [1.0, 2.0], "prediction": ["NaN", 2.0]}))
    assert len(list(ElementTree.fromstring(drawn).iter("circle"))) == 1


@pytest.mark.parametrize(("truth", "prediction"), [([], []), ([1], [1, 2]), (["a"], [1]), ([[1]], [1]), (None, [1])])
def test_what_does_not_fit_together_is_not_drawn(truth: Any, prediction: Any) -> None:
    assert truth_and_prediction(Summary(test={"truth": truth, "prediction": prediction})) == ""
