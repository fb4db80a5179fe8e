"""Regression on five process sensors with hand-made weight tensors instead of modules.

Wrong: temperatures in kelvin, pressures and flows are expressed in units of their spread, yet keep their offset: each
input lies 6 to 20 standard deviations from zero. A competent diagnosis names uncentred inputs (DAT001).
"""

import sys

import numpy as np
import torch


def plant(rng, n):
    deviations = rng.normal(size=(n, 5))
    quality = np.sin(deviations[:, 0] * 1.5) + deviations[:, 1] * deviations[:, 2] * 0.6 + 0.5 * deviations[:, 3]
    quality = quality - 0.3 * deviations[:, 4] ** 2 + 0.05 * rng.normal(size=n)
    offsets = np.array([20.0, 8.0, 12.0, 6.0, 15.0])
    return deviations + offsets, quality


def forward(x, params):
    w1, b1, w2, b2, w3, b3 = params
    h = torch.relu(x @ w1 + b1)
    h = torch.relu(h @ w2 + b2)
    return h @ w3 + b3


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = plant(rng, 2400)
    y = (y - y.mean()) / y.std()
    x = torch.from_numpy(x).float()
    y = torch.from_numpy(y).float().unsqueeze(1)
    x_train, y_train, x_val, y_val = x[:2000], y[:2000], x[2000:], y[2000:]

    sizes = [5, 48, 48, 1]
    params = []
    for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
        params.append((torch.randn(fan_in, fan_out) * (2 / fan_in) ** 0.5).requires_grad_())
        params.append(torch.zeros(fan_out, requires_grad=True))
    optimizer = torch.optim.Adam(params, lr=3e-3)

    for step in range(600):
        idx = torch.randint(0, len(x_train), (64,))
        loss = ((forward(x_train[idx], params) - y_train[idx]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            with torch.no_grad():
                val_mse = ((forward(x_val, params) - y_val) ** 2).mean().item()
            print(f"step {step + 1}: train mse {loss.item():.4f}  validation mse {val_mse:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
