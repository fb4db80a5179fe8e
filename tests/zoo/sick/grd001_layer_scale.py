"""Concentric circles with a residual MLP whose branches carry a layer scale.

Sick, GRD001 vanishing-gradient: the (fixed) layer scale is 1e-6, meant for networks of a hundred layers. The residual
branches, which hold all nonlinearity, receive a millionth of the gradient that the last layer gets and never learn.
A competent diagnosis names the vanishing gradient in the blocks.
"""

import sys

import torch
from sklearn.datasets import make_circles
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class ResidualBlock(nn.Module):
    def __init__(self, dim: int, layer_scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 2 * dim)
        self.act = nn.GELU()
        self.down = nn.Linear(2 * dim, dim)
        self.register_buffer("gamma", torch.full((dim,), layer_scale))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.down(self.act(self.up(self.norm(x))))


class ResidualMLP(nn.Module):
    def __init__(self, dim: int = 32, depth: int = 4, layer_scale: float = 1e-6) -> None:
        super().__init__()
        self.stem = nn.Linear(2, dim)
        self.blocks = nn.Sequential(*[ResidualBlock(dim, layer_scale) for _ in range(depth)])
        self.head = nn.Linear(dim, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_circles(n_samples=1500, noise=0.08, factor=0.5, random_state=seed)
    x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    y = torch.tensor(y)
    loader = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=60, shuffle=True)

    model = ResidualMLP()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(1, 11):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            logits = model(x[1200:])
            val_loss = criterion(logits, y[1200:]).item()
            val_acc = logits.argmax(1).eq(y[1200:]).float().mean().item()
        print(f"epoch {epoch:2d}  loss {loss.item():.4f}  val {val_loss:.4f}  acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
