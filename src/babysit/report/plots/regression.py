"""The test split of a regression: how far predictions are from the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from babysit.report import scale
from babysit.report.formatting import number
from babysit.report.scale import Floats
from babysit.report.summary import Summary, entries, real
from babysit.report.svg import Panel, figure


def truth_and_prediction(summary: Summary) -> str:
    """Predicted against true value of each test example, beside the diagonal of perfect predictions."""
    truth, prediction = (_reals(entries(summary.test, key)) for key in ("truth", "prediction"))
    if not truth.size or truth.size != prediction.size:
        return ""
    values = np.append(truth, prediction)
    panel = Panel(scale.linear(values, 70, 450), scale.linear(values, 392, 12))
    hints = [f"truth {number(t)}, prediction {number(p)}" for t, p in zip(truth, prediction, strict=True)]
    ends = [panel.x.low, panel.x.high]
    body = [
        panel.axes("truth", "prediction"),
        panel.line(ends, ends, "diagonal"),
        panel.dots(truth, prediction, "c0 faint", hints),
    ]
    return figure(
        _title(summary, truth, prediction),
        "".join(body),
        height=434,
        note="Dashed: perfect predictions.",
        label="Scatter plot",
    )


def _reals(values: Sequence[object]) -> Floats:
    try:
        return np.asarray([float(str(value)) for value in values], dtype=np.float64)
    except ValueError:
        return np.empty(0)


def _title(summary: Summary, truth: Floats, prediction: Floats) -> str:
    rmse, score = real(summary.test, "rmse"), real(summary.test, "score")
    measured = float(np.sqrt(np.nanmean(np.square(prediction - truth)))) if rmse is None else rmse
    explained = f"; R² {number(score)}" if score is not None else ""
    return f"Predictions miss the truth by {number(measured)} (root mean square){explained}"
