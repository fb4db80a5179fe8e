"""Linear regression on diabetes data by full-batch gradient descent, with the gradient from torch.autograd.

Wrong: the step size is made from the largest eigenvalue of the covariance, but the factor 2 of the squared error is
forgotten, so that step size times curvature is 2.02, beyond the limit of 2: the loss grows by four per cent each step.
A competent diagnosis names an exploding loss and the learning rate (LOS002).
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_diabetes


def main(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = load_diabetes(return_X_y=True)
    order = rng.permutation(len(x))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = (y - y.mean()) / y.std()
    x = torch.tensor(x[order], dtype=torch.float32)
    y = torch.tensor(y[order], dtype=torch.float32)
    x_train, y_train, x_test, y_test = x[:350], y[:350], x[350:], y[350:]

    w = torch.tensor(0.1 * rng.normal(size=10), dtype=torch.float32, requires_grad=True)
    b = torch.zeros((), requires_grad=True)
    largest = torch.linalg.eigvalsh(x_train.T @ x_train / len(x_train))[-1].item()
    learning_rate = 1.01 / largest
    optimizer = torch.optim.SGD([w, b], lr=learning_rate)
    losses = []
    for step in range(300):
        residual = x_train @ w + b - y_train
        loss = (residual**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 50 == 49:
            with torch.no_grad():
                test_mse = ((x_test @ w + b - y_test) ** 2).mean().item()
            print(f"step {step + 1}: mse {losses[-1]:.4g} (test {test_mse:.4g})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
