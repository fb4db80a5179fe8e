"""Three properties of a substance from its descriptors; not every property was measured for every substance.

Sick, GRD003 nonfinite-gradient: the mean over the measured properties is guarded by torch.where, but 0/0 is computed
all the same for the rare substance with no measurement. It does not enter the loss; in the backward pass its
derivative times zero is NaN. A competent diagnosis names the non-finite gradient at a finite loss.
"""

import sys

import torch
from torch import Tensor, nn


def substances(n: int) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.randn(n, 8)
    wave, product, bend = torch.sin(x[:, 0] + x[:, 1]), torch.tanh(x[:, 2] * x[:, 3]), 0.5 * x[:, 4] + x[:, 5].abs()
    y = torch.stack([wave, product, bend], dim=1)
    measured = torch.rand(n, 3) < 0.8
    measured[:, 2] |= ~measured.any(dim=1)
    measured[:2] = False
    return x, (y - y.mean(0)) / y.std(0), measured.float()


class PropertyNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.heads = nn.ModuleList(nn.Linear(64, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        h = self.trunk(x)
        return torch.cat([head(h) for head in self.heads], dim=1)


def masked_loss(prediction: Tensor, target: Tensor, measured: Tensor) -> Tensor:
    count = measured.sum(dim=1)
    total = ((prediction - target) ** 2 * measured).sum(dim=1)
    per_substance = torch.where(count > 0, total / count, torch.zeros_like(total))
    return per_substance.mean()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train, m_train = substances(2500)
    x_val, y_val, m_val = substances(500)
    net = PropertyNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(6):
        for batch in torch.randperm(2500).chunk(50):
            loss = masked_loss(net(x_train[batch]), y_train[batch], m_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            val_loss = masked_loss(net(x_val), y_val, m_val)
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} val loss {val_loss.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
