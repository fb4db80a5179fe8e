"""Section C against figures computed anew in NumPy's float64."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from babysit.lab import Bench, Verdict, claims
from babysit.lab.initialization import late_start, printed, symmetry, ten_layers
from babysit.lab.running import run_claim

QUICK = Bench(quick=True, seeds=(0,))
SCHEMES = {
    "C2": ("normal:0.01", "tanh", 0.01),
    "C3": ("normal:1", "tanh", 1.0),
    "C4": ("xavier", "tanh", 500**-0.5),
    "C5": ("xavier", "relu", 500**-0.5),
    "C6": ("he", "relu", (2 / 500) ** 0.5),
}
PRINTED = {
    "C2": [0.214, 0.0476, 0.0106, 0.00238, 5.3e-4, 1.2e-4, 2.6e-5, 5.9e-6, 1.3e-6, 2.9e-7],
    "C3": [0.98] * 10,
    "C4": [0.628, 0.486, 0.408, 0.357, 0.321, 0.293, 0.273, 0.256, 0.239, 0.229],
    "C5": [0.58, 0.41, 0.29, 0.21, 0.16, 0.12, 0.09, 0.07, 0.045, 0.03],
}
Array = NDArray[np.float64]


def in_numpy(std: float, activation: str, seed: int, examples: int = 300) -> tuple[list[Array], list[Array]]:
    """Activations of ten layers, and the gradients of a unit Gaussian sent back, by hand."""
    rng = np.random.default_rng(seed)
    h, outputs, weights = rng.standard_normal((examples, 500)), [], []
    for _ in range(10):
        weights.append(std * rng.standard_normal((500, 500)))
        z = h @ weights[-1]
        h = np.tanh(z) if activation == "tanh" else np.maximum(z, 0)
        outputs.append(h)
    gradients = [rng.standard_normal((examples, 500))]
    for weight, out in zip(weights[:0:-1], outputs[:0:-1], strict=True):
        slope = 1 - out**2 if activation == "tanh" else out > 0
        gradients.insert(0, (gradients[0] * slope) @ weight.T)
    return outputs, gradients


@pytest.mark.parametrize("id_", SCHEMES)
def test_signals_have_the_size_of_those_in_numpy(id_: str) -> None:
    scheme, activation, std = SCHEMES[id_]
    found = ten_layers.signals(scheme, activation, 0)
    outputs, gradients = in_numpy(std, activation, 0)
    tolerance = 0.25 if activation == "relu" else 0.1  # deep ReLU layers differ by 8 % from net to net
    for layer in range(10):
        assert found.outputs[layer].std().item() == pytest.approx(outputs[layer].std(), rel=tolerance)
        assert found.arriving[layer].std().item() == pytest.approx(gradients[layer].std(), rel=tolerance)


def test_the_gradients_are_those_of_the_same_weights_in_numpy() -> None:
    found = ten_layers.signals("xavier", "tanh", 1)
    layers = ten_layers.network("xavier", "tanh", 1)
    weights = [layer.get_parameter("weight").detach().double().numpy() for layer in list(layers)[::2]]
    h = [ten_layers.inputs(1).double().numpy()]
    for weight in weights:
        h.append(np.tanh(h[-1] @ weight.T))
    gradient = found.arriving[-1].double().numpy()
    for layer in range(9, -1, -1):
        before_activation = gradient * (1 - h[layer + 1] ** 2)
        expected = before_activation.T @ h[layer]
        np.testing.assert_allclose(
            found.weights[layer].numpy(), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max()
        )
        np.testing.assert_allclose(found.outputs[layer].numpy(), h[layer + 1], atol=1e-4)
        gradient = before_activation @ weights[layer]


def test_the_inputs_are_not_the_first_weights() -> None:
    first = next(iter(ten_layers.network("normal:1", "tanh", 0))).get_parameter("weight")
    assert not torch.equal(first[:5], ten_layers.inputs(0)[:5])


@pytest.mark.parametrize("id_", PRINTED)
def test_the_printed_figures_are_the_lectures(id_: str) -> None:
    written = {
        "C2": printed.PRINTED_SMALL,
        "C3": printed.PRINTED_LARGE,
        "C4": printed.PRINTED_XAVIER,
        "C5": printed.PRINTED_RELU,
    }[id_]
    assert [float(text) for text in written] == PRINTED[id_]


def test_a_printed_figure_is_held_against_the_scatter_of_networks() -> None:
    generator = np.random.default_rng(0)
    values = torch.from_numpy(generator.normal(0.5, 0.01, size=20))
    near, far = (ten_layers.beside_printed(1, values, text) for text in ("0.53", "0.58"))
    assert (near.holds, far.holds) == (True, False)
    # Student's t of 19 degrees of freedom that 1 of 5,000 exceeds to either side, from a table: 4.59
    within = 4.59 * values.std().item() * math.sqrt(1 + 1 / 20) + 0.005
    assert float(near.expected.split("± ")[1]) == pytest.approx(within, rel=0.01)
    assert ten_layers.beside_printed(1, values, "0.6", "0.7").holds is False
    assert ten_layers.beside_printed(1, values, "0.3", "0.7").holds is True


@pytest.mark.parametrize(("id_", "verdict"), [("C1", Verdict.HOLDS), ("C3", Verdict.SUBTLE)])
def test_rows(id_: str, verdict: Verdict) -> None:
    (claim,) = claims([id_])
    row = run_claim(claim, QUICK)
    assert row.verdict is verdict, row
    assert all(measure.holds is not False for measure in row.measures)
    assert row.pictures[0].finding[:6] == {"C1": "INI001", "C3": "INI003"}[id_]


def test_saturated_gradients_grow_on_their_way_back() -> None:
    growth = 1 / ten_layers.growth(ten_layers.signals("normal:1", "tanh", 0).arriving)
    # the mean of (1 − tanh²)² over pre-activations of variance 500, times 500 weights of size 1
    z = np.linspace(-150, 150, 200_001)
    density = np.exp(-(z**2) / 1000) / math.sqrt(1000 * math.pi)
    passed = ((1 - np.tanh(z) ** 2) ** 2 * density).sum() * (z[1] - z[0])
    assert growth == pytest.approx(math.sqrt(500 * passed), rel=0.05)


def test_different_units_are_counted() -> None:
    weight = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [1.0, 2.0]])
    assert symmetry.different(weight) == len(np.unique(weight.numpy(), axis=0)) == 2


def test_the_start_of_a_fall_is_read_from_the_curve() -> None:
    losses = (2.3, 2.1, 2.3, 2.25, 2.1, 1.6, 1.05, 0.5)
    result: Any = SimpleNamespace(record=SimpleNamespace(losses=losses))
    assert late_start.start(result) == 4
    assert late_start.fall(result) == 2


@pytest.mark.slow
def test_every_row_of_the_section() -> None:
    for claim in claims(["C"]):
        row = run_claim(claim, Bench(quick=True, seeds=(0, 1)))
        assert row.verdict in (Verdict.HOLDS, Verdict.SUBTLE), row
