"""Insurance-like claim sizes: a two-part network and a loss that only counts positive claims.

Sick, GRD003 nonfinite-gradient: the logarithm is taken inside torch.where. For the examples where the other branch is
chosen the prediction may be 0; log(0) does not enter the loss, but its derivative times zero is NaN in the backward pass.
A competent diagnosis names the non-finite gradient at a finite loss.
"""

import sys

import torch
from torch import Tensor, nn


def claims(n: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 6)
    happens = torch.rand(n) < torch.sigmoid(1.5 * x[:, 0] + x[:, 1])
    size = torch.exp(0.6 * x[:, 2] - 0.4 * x[:, 3] + 0.3 * x[:, 4] * x[:, 5] + 0.1 * torch.randn(n))
    return x, torch.where(happens, size, torch.zeros(n))


class ClaimNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(6, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh())
        self.occurrence = nn.Linear(48, 1)
        self.size = nn.Linear(48, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.occurrence(h).squeeze(1), torch.relu(self.size(h).squeeze(1) + 1.5)


def loss_function(logit: Tensor, size: Tensor, target: Tensor) -> Tensor:
    positive = target > 0
    occurrence_loss = nn.functional.binary_cross_entropy_with_logits(logit, positive.float())
    error = torch.where(positive & (size > 0), torch.log(size) - torch.log(target), size - 1.0)
    return occurrence_loss + 0.5 * (error**2).mean()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, t_train = claims(2500)
    x_val, t_val = claims(500)
    net = ClaimNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(6):
        for batch in torch.randperm(2500).chunk(50):
            logit, size = net(x_train[batch])
            loss = loss_function(logit, size, t_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            logit, size = net(x_val)
            val_loss = loss_function(logit, size, t_val)
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} val loss {val_loss.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
