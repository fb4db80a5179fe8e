"""Directions of noisy 3-D vectors recovered by an MLP; the loss is the angle to the true direction.

Sick, GRD003 nonfinite-gradient: the angle is acos of the clamped cosine. When a prediction is so good that the cosine
rounds to 1, the derivative of acos is infinite there and the gradient NaN, at a small and finite loss.
A competent diagnosis names the non-finite gradient (late in the training) that came before the first NaN loss.
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class DirectionNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(9, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.fc1(x))
        x = F.silu(self.fc2(x))
        return F.normalize(self.fc3(x), dim=1)


def angle(prediction: Tensor, target: Tensor) -> Tensor:
    cosine = (prediction * target).sum(dim=1)
    return torch.acos(cosine.clamp(-1.0, 1.0))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    direction = F.normalize(torch.randn(3000, 3), dim=1)
    mixing = torch.randn(3, 9)
    measured = direction @ mixing + 0.02 * torch.randn(3000, 9)
    measured = (measured - measured.mean(0)) / measured.std(0)
    loader = DataLoader(TensorDataset(measured[:2500], direction[:2500]), batch_size=50, shuffle=True)

    net = DirectionNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(8):
        net.train()
        for x, target in loader:
            loss = angle(net(x), target).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            error = angle(net(measured[2500:]), direction[2500:]).mean().rad2deg()
        print(f"epoch {epoch}: loss {loss.item():.4f}, validation error {error.item():.2f} degrees")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
