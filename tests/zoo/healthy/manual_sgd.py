"""Gradient descent written out: parameters are plain tensors, p -= lr * p.grad under no_grad, no torch optimizer."""

import math
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits


def init(n_in, n_out):
    weight = torch.randn(n_in, n_out) * math.sqrt(2 / n_in)
    return weight.requires_grad_(), torch.zeros(n_out, requires_grad=True)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    x = (x - x[:1400].mean()) / x[:1400].std()
    x_train, y_train, x_valid, y_valid = x[:1400], y[:1400], x[1400:], y[1400:]

    w1, b1 = init(64, 60)
    w2, b2 = init(60, 10)

    def model(xb):
        return torch.relu(xb @ w1 + b1) @ w2 + b2

    lr, bs = 0.1, 50
    for epoch in range(10):
        for i in range(0, 1400, bs):
            loss = F.cross_entropy(model(x_train[i : i + bs]), y_train[i : i + bs])
            loss.backward()
            with torch.no_grad():
                for p in (w1, b1, w2, b2):
                    p -= lr * p.grad
                    p.grad.zero_()
        with torch.no_grad():
            logits = model(x_valid)
            acc = (logits.argmax(1) == y_valid).float().mean()
        print(f"epoch {epoch}: {loss.item():.4f} valid {F.cross_entropy(logits, y_valid):.4f} accuracy {acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
