"""A GRU sums the marked numbers of a sequence (the adding problem, short) under a Huber loss.

Wrong: the network squeezes its output to (N,) while the targets come as a column (N, 1), so smooth_l1_loss compares
everything with everything. PyTorch emits its UserWarning about a target size that differs from the input size. A
competent diagnosis names a broadcast loss (DAT010).
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def adding_problem(n: int, length: int = 10) -> tuple[Tensor, Tensor]:
    values = torch.rand(n, length) * 2 - 1
    marks = torch.zeros(n, length)
    first, second = torch.rand(n, length).topk(2, dim=1).indices.unbind(1)
    rows = torch.arange(n)
    marks[rows, first] = 1.0
    marks[rows, second] = 1.0
    target = (values * marks).sum(dim=1, keepdim=True)
    return torch.stack([values * 3**0.5, marks * 2.5 - 0.5], dim=2), target


class Adder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(2, 32, batch_first=True)
        self.readout = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        _, h = self.gru(x)
        return self.readout(h[0]).squeeze(-1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_val, y_val = adding_problem(300)
    model = Adder()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(400):
        x, y = adding_problem(50)
        loss = F.smooth_l1_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 80 == 0:
            with torch.no_grad():
                val_loss = F.smooth_l1_loss(model(x_val), y_val).item()
            print(f"step {step + 1}: loss {loss.item():.4f}, validation {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
