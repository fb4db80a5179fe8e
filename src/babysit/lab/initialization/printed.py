"""The lecture's table of ten layers: five kinds of first weights, and the standard deviations it prints."""

from __future__ import annotations

SMALL, LARGE, XAVIER, HE = "normal:0.01", "normal:1", "xavier", "he"

PRINTED_SMALL = ("0.214", "0.0476", "0.0106", "0.00238", "5.3e-4", "1.2e-4", "2.6e-5", "5.9e-6", "1.3e-6", "2.9e-7")
PRINTED_LARGE = ("0.98",) * 10
PRINTED_SATURATED = "0.92"
"""Share of the outputs of large weights that are at the limits of tanh."""
PRINTED_XAVIER = ("0.628", "0.486", "0.408", "0.357", "0.321", "0.293", "0.273", "0.256", "0.239", "0.229")
PRINTED_RELU = ("0.58", "0.41", "0.29", "0.21", "0.16", "0.12", "0.09", "0.07", "0.045", "0.03")
"""Of Xavier's weights with ReLU."""
PRINTED_HE = ("0.82", "0.92")
"""The ends of the range that is printed for all layers."""
