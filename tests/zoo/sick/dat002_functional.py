"""Three sorts of wine told apart by a hand-written two-layer network, gradient descent on the whole training set.

Wrong: the chemical measurements are centred but keep their units, so one column (proline) has a standard deviation of
over 300 and another (hue) of 0.2. A competent diagnosis names unscaled inputs: features of very different scale
(DAT002).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine


def predict(weights, x):
    hidden = torch.tanh(F.linear(x, weights["w1"], weights["b1"]))
    return F.linear(hidden, weights["w2"], weights["b2"])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.RandomState(seed)
    data, target = load_wine(return_X_y=True)
    shuffled = rng.permutation(len(data))
    data, target = data[shuffled], target[shuffled]
    n = 130
    data = data - data[:n].mean(axis=0)
    x, y = torch.tensor(data, dtype=torch.float32), torch.tensor(target)

    weights = {
        "w1": torch.randn(20, 13) / 13**0.5,
        "b1": torch.zeros(20),
        "w2": torch.randn(3, 20) / 20**0.5,
        "b2": torch.zeros(3),
    }
    for tensor in weights.values():
        tensor.requires_grad_(True)
    optimizer = torch.optim.SGD(weights.values(), lr=0.1, momentum=0.9)

    for step in range(300):
        loss = F.cross_entropy(predict(weights, x[:n]), y[:n])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 50 == 0:
            with torch.no_grad():
                held_out = predict(weights, x[n:])
                test_acc = (held_out.argmax(dim=1) == y[n:]).float().mean().item()
            print(f"step {step + 1:3d}: loss {loss.item():.4f}, held-out accuracy {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
