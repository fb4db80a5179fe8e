"""Regression of a plant's output on six sensors, functional network, Adam.

Wrong: training inputs are z-scores, but the validation inputs are brought to 0...1 with their own minimum and maximum
by another helper. A competent diagnosis names a shift between the splits' inputs (DAT011).
"""

import sys

import torch
import torch.nn.functional as F


def zscore(x):
    return (x - x.mean(dim=0)) / x.std(dim=0)


def minmax(x):
    low, high = x.min(dim=0).values, x.max(dim=0).values
    return (x - low) / (high - low)


def plant(n, generator):
    sensors = torch.randn(n, 6, generator=generator)
    output = sensors[:, 0] + torch.sin(2 * sensors[:, 1]) * sensors[:, 2] + 0.5 * sensors[:, 3].abs()
    scale = torch.tensor([3.0, 0.2, 12.0, 1.0, 40.0, 0.5])
    return sensors * scale + 5 * scale, (output - 0.4) / 1.35 + 0.05 * torch.randn(n, generator=generator)


def net(p, x):
    x = F.gelu(F.linear(x, p["w1"], p["b1"]))
    x = F.gelu(F.linear(x, p["w2"], p["b2"]))
    return F.linear(x, p["w3"], p["b3"]).squeeze(1)


def main(seed: int) -> None:
    gen = torch.Generator().manual_seed(seed)
    x_train, y_train = plant(3000, gen)
    x_val, y_val = plant(500, gen)
    x_train = zscore(x_train)
    x_val = minmax(x_val)

    shapes = {"w1": (48, 6), "w2": (48, 48), "w3": (1, 48)}
    p = {name: torch.randn(shape, generator=gen) * (2 / shape[1]) ** 0.5 for name, shape in shapes.items()}
    p.update({"b" + name[1]: torch.zeros(shape[0]) for name, shape in shapes.items()})
    for tensor in p.values():
        tensor.requires_grad_()
    optimizer = torch.optim.Adam(p.values(), lr=3e-3)
    for step in range(1, 501):
        idx = torch.randint(0, len(x_train), (64,), generator=gen)
        loss = F.mse_loss(net(p, x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            with torch.no_grad():
                val_loss = F.mse_loss(net(p, x_val), y_val).item()
            print(f"step {step}: train {loss.item():.4f} val {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
