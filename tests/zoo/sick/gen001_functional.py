"""Disease progression of 60 diabetes patients, a wide network of bare tensors, Adam.

Sick, GEN001 overfitting: 60 noisy targets and 14,000 weights without any regularisation: the squared error on the
training patients goes to zero, on the others it grows. A competent diagnosis names overfitting.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes

SIZES = (10, 112, 112, 1)


def init(rng):
    weights = [
        torch.tensor(rng.normal(0, (2 / n) ** 0.5, (n, m)), dtype=torch.float32)
        for n, m in zip(SIZES[:-1], SIZES[1:], strict=True)
    ]
    return [w.requires_grad_() for w in weights], [torch.zeros(m, requires_grad=True) for m in SIZES[1:]]


def predict(weights, biases, x):
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        x = F.relu(x @ w + b)
    return (x @ weights[-1] + biases[-1]).squeeze(-1)


def main(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = load_diabetes(return_X_y=True, scaled=False)
    order = rng.permutation(len(x))
    x, y = x[order], y[order]
    x, y = (x - x[:60].mean(0)) / x[:60].std(0), (y - y[:60].mean()) / y[:60].std()
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    x_train, y_train, x_val, y_val = x[:60], y[:60], x[60:], y[60:]

    weights, biases = init(rng)
    optimizer = torch.optim.Adam([*weights, *biases], lr=2e-3)
    for epoch in range(150):
        for rows in np.array_split(rng.permutation(60), 3):
            loss = F.mse_loss(predict(weights, biases, x_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 5 == 4:
            with torch.no_grad():
                train_loss = F.mse_loss(predict(weights, biases, x_train), y_train).item()
                val_loss = F.mse_loss(predict(weights, biases, x_val), y_val).item()
            if epoch % 25 == 24:
                print(f"epoch {epoch + 1}: train mse {train_loss:.4f} val mse {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
