"""Friedman's first regression problem with a plain residual MLP (no normalisation), mean squared error.

Sick, INI003 growing-activations: every residual block adds a branch whose weights are drawn twice too large, so
the stream on which the blocks add up grows several times over in each of them and the first predictions are hundreds
of standard deviations off. A competent diagnosis names the activations that grow from block to block.
"""

import sys

import torch
from sklearn.datasets import make_friedman1
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, dim)
        self.lin2 = nn.Linear(dim, dim)
        for lin in (self.lin1, self.lin2):
            nn.init.kaiming_normal_(lin.weight, nonlinearity="relu")
            lin.weight.data.mul_(2.0)
            nn.init.zeros_(lin.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.lin2(self.lin1(x).relu())


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=2500, n_features=10, noise=0.3, random_state=seed)
    x, y = torch.tensor(x).float(), torch.tensor(y).float()
    shuffled = torch.randperm(len(x))
    train, val = shuffled[:2000], shuffled[2000:]
    x = (x - x[train].mean(0)) / x[train].std(0)
    y = ((y - y[train].mean()) / y[train].std()).unsqueeze(1)

    model = nn.Sequential(nn.Linear(10, 32), *[Block(32) for _ in range(4)], nn.Linear(32, 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for epoch in range(8):
        for batch in train[torch.randperm(len(train))].split(50):
            loss = loss_fn(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            val_loss = loss_fn(model(x[val]), y[val]).item()
        print(f"epoch {epoch + 1} train {sum(losses[-40:]) / 40:.4g} val {val_loss:.4g}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
