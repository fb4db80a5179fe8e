"""Curve fitting with L-BFGS and a closure: a tanh network learns a smooth function of one variable, full batch."""

import sys

import torch
from torch import nn


def target_function(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(3 * x) + 0.5 * torch.cos(5 * x) - 0.3 * x


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.linspace(-1.7, 1.7, 160).unsqueeze(1)
    y = target_function(x)
    y = (y - y.mean()) / y.std() + 0.05 * torch.randn_like(y)
    model = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.LBFGS(
        model.parameters(), lr=1.0, max_iter=2, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = criterion(model(x), y) + 1e-5 * sum((p**2).sum() for p in model.parameters())
        loss.backward()
        return loss

    for step in range(150):
        loss = optimizer.step(closure)
        if step % 25 == 0:
            print(f"step {step:3d}: loss {loss.item():.6f}")
    with torch.no_grad():
        print(f"final mean squared error {criterion(model(x), y).item():.6f} (noise 0.0025)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
