"""Which of two marked positions holds the larger number? A network with attention written by hand.

Wrong: the attention weights are `exp(scores) / exp(scores).sum()` without subtracting the maximum. The scores grow
during training, pass 88, and exp overflows: infinity divided by infinity. A competent diagnosis names a non-finite
loss, its first step, and the attention as the place where it arose (LOS001).
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LENGTH = 12


class HandAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.query(x) @ self.key(x).transpose(1, 2)
        weights = torch.exp(scores)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        return weights @ self.value(x)


class Comparer(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.lift = nn.Linear(3, width)
        self.attention = HandAttention(width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.lift(x))
        x = x + self.attention(x)
        return self.head(x.mean(dim=1))


def batch(size: int) -> tuple[Tensor, Tensor]:
    numbers = torch.randn(size, LENGTH)
    marks = torch.zeros(size, LENGTH, 2)
    where = torch.rand(size, LENGTH).topk(2, dim=1).indices
    rows = torch.arange(size)
    marks[rows, where[:, 0], 0] = 3.0
    marks[rows, where[:, 1], 1] = 3.0
    label = (numbers[rows, where[:, 0]] > numbers[rows, where[:, 1]]).long()
    return torch.cat([numbers.unsqueeze(2), marks], dim=2), label


def main(seed: int) -> None:
    torch.manual_seed(seed)
    model = Comparer()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    history = []
    for step in range(500):
        x, y = batch(64)
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
        if step % 50 == 49:
            accuracy = (logits.argmax(1) == y).float().mean().item()
            print(f"step {step + 1}: loss {history[-1]:.4f} accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
