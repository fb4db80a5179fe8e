"""Three-class wine network on bare tensors with a hand-made update.

Wrong: the update adds the gradient (`p += lr * grad`) where it should subtract it: gradient ascent. A competent
diagnosis names a loss optimised the wrong way: it rises (LOS006).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine


class GradientMethod(torch.optim.Optimizer):
    """The update of the course notes."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p += group["lr"] * p.grad


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    data, target = load_wine(return_X_y=True)
    order = rng.permutation(len(data))
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    x, y = torch.tensor(data[order], dtype=torch.float32), torch.tensor(target[order])
    x_train, y_train, x_test, y_test = x[:130], y[:130], x[130:], y[130:]

    w1 = (torch.randn(13, 16) / 13**0.5).requires_grad_()
    b1 = torch.zeros(16, requires_grad=True)
    w2 = (torch.randn(16, 3) / 4).requires_grad_()
    b2 = torch.zeros(3, requires_grad=True)
    optimizer = GradientMethod([w1, b1, w2, b2], lr=0.05)
    first = None
    for step in range(250):
        rows = torch.randint(0, 130, (32,))
        logits = torch.tanh(x_train[rows] @ w1 + b1) @ w2 + b2
        loss = F.cross_entropy(logits, y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first = loss.item() if first is None else first
        if step % 50 == 49:
            with torch.no_grad():
                test_logits = torch.tanh(x_test @ w1 + b1) @ w2 + b2
            test_loss = F.cross_entropy(test_logits, y_test).item()
            test_acc = (test_logits.argmax(1) == y_test).float().mean().item()
            print(f"step {step + 1}: loss {loss.item():.3f}; test loss {test_loss:.3f}, accuracy {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
