"""Heteroscedastic regression: mean and variance are predicted, gaussian_nll_loss goes below zero."""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MeanVariance(nn.Module):
    def __init__(self, hidden: int = 40) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.mean = nn.Linear(hidden, 1)
        self.raw_variance = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.mean(h), F.softplus(self.raw_variance(h)) + 1e-4


def make_data(count: int) -> tuple[Tensor, Tensor]:
    x = 3.4 * (torch.rand(count, 1) - 0.5)
    noise = 0.03 + 0.12 * (x + 1.7) / 3.4
    return x, 1.3 * torch.sin(2 * x) + noise * torch.randn_like(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = make_data(1600)
    x_test, y_test = make_data(400)
    model = MeanVariance()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(16):
        model.train()
        for idx in torch.randperm(len(x_train)).split(64):
            mean, variance = model(x_train[idx])
            loss = F.gaussian_nll_loss(mean, y_train[idx], variance)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            mean, variance = model(x_test)
            nll = F.gaussian_nll_loss(mean, y_test, variance).item()
            covered = ((y_test - mean).abs() < 1.96 * variance.sqrt()).float().mean().item()
        if epoch % 3 == 0:
            print(f"epoch {epoch}: train {loss.item():+.3f}, test {nll:+.3f}, inside the 95 % band {covered:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
