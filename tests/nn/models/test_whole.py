from __future__ import annotations

import numpy as np
import torch

from babysit.nn.models import MLPConfig, WithPreprocessing, build
from babysit.nn.preprocessing import Preprocessing, TargetScaling

STATISTICS = {"steps.0.mean": torch.tensor([1.0, 2.0]), "steps.0.std": torch.tensor([2.0, 4.0])}


def preprocessing() -> Preprocessing:
    unfitted = Preprocessing("standardize", (2,))
    unfitted.load_state_dict(STATISTICS)
    return unfitted


def test_raw_inputs_to_logits() -> None:
    network = build(MLPConfig((2,), 3), 0)
    whole = WithPreprocessing(preprocessing(), network)
    raw = torch.tensor([[3.0, 6.0], [1.0, -2.0]])
    torch.testing.assert_close(whole(raw), network(torch.tensor([[1.0, 1.0], [0.0, -1.0]])))
    torch.testing.assert_close(whole(raw.double()), whole(raw))
    torch.testing.assert_close(whole(raw.to(torch.uint8))[:1], whole(raw)[:1])


def test_regression_answers_in_the_targets_unit() -> None:
    scaling = TargetScaling()
    scaling.load_state_dict({"mean": torch.tensor([100.0]), "std": torch.tensor([10.0])})
    network = build(MLPConfig((2,), 1), 0)
    whole = WithPreprocessing(preprocessing(), network, scaling)
    raw = torch.tensor([[3.0, 6.0], [1.0, -2.0]])
    expected = network((raw - torch.tensor([1.0, 2.0])) / torch.tensor([2.0, 4.0])).detach().numpy() * 10 + 100
    np.testing.assert_allclose(whole(raw).detach().numpy(), expected, rtol=1e-6)


def test_one_state_dict_holds_everything() -> None:
    whole = WithPreprocessing(preprocessing(), build(MLPConfig((2,), 1), 0), TargetScaling())
    empty = WithPreprocessing(Preprocessing("standardize", (2,)), build(MLPConfig((2,), 1), 1), TargetScaling())
    empty.load_state_dict(whole.state_dict())
    raw = torch.tensor([[3.0, 6.0]])
    assert torch.equal(empty.preprocess(raw), whole.preprocess(raw))
    assert torch.equal(empty.network(raw), whole.network(raw))


def test_double_precision_throughout() -> None:
    whole = WithPreprocessing(preprocessing(), build(MLPConfig((2,), 3), 0)).double()
    x = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert whole(x).dtype == torch.float64
    assert torch.autograd.gradcheck(whole, (x,))
